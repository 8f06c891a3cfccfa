"""The keys of `learning_config` that an algorithm does not read, by what it is."""

from assume_rl.learning.algorithms.base import Algorithm
from assume_rl.learning.config import UNREAD_KEYS, learning_keys
from assume_rl.learning.nets.heads import HEADS, Stochastic

NOISE = frozenset({"action_noise_schedule", "noise_dt", "noise_scale", "noise_sigma"})
"""Keys of the noise on actions; stochastic policies draw their actions instead."""

REPLAY = frozenset(
    {
        "batch_size",
        "episodes_collecting_initial_experience",
        "exploration_noise_std",
        "gradient_steps",
        "initial_actions",
        "update_ratio",
    }
)
"""Keys of learning from remembered transitions; on-policy algorithms learn from the latest."""


def unread_keys(algorithm: Algorithm) -> frozenset[str]:
    """Return the keys that may stand beside an algorithm, but that it does not read."""
    networks = algorithm.networks()
    unread = UNREAD_KEYS.difference(learning_keys(algorithm.name))
    if isinstance(HEADS[networks["actor"].head], Stochastic):
        unread |= NOISE
    if algorithm.on_policy:
        unread |= REPLAY
    critics = [spec for spec in networks.values() if "value" in spec.kind]
    if not any(spec.central for spec in critics):
        unread |= {"critic"}
    return unread if critics else unread | {"critic_hidden"}
