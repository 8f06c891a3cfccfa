"""Seeds of runs."""

from assume_rl.errors import ConfigurationError

MOST_SEED = 2**63 - 1
"""The largest seed: databases hold no larger number."""


def check_seed(seed: int) -> None:
    """Raise `ConfigurationError` unless databases can hold a seed."""
    if not 0 <= seed <= MOST_SEED:
        raise ConfigurationError(f"--seed: must be from 0 to 2**63 - 1, not {seed}")
