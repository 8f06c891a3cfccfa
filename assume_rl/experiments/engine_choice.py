"""Which shell plays a study case."""

from typing import Literal

from assume_rl.envs.support import unsupported
from assume_rl.errors import ConfigurationError
from assume_rl.experiments.engines import EngineName
from assume_rl.scenario.compile.compiled import Compiled


def choose_engine(
    asked: EngineName, compiled: Compiled, *, default: Literal["agents", "batch"]
) -> tuple[str, tuple[str, ...]]:
    """Return the engine, and a note if it is not the default one.

    :raises ConfigurationError: the batch engine is asked for, but a part is not supported.
    """
    if asked == "agents" or (asked == "auto" and default == "agents"):
        return "agents", ()
    reason = unsupported(compiled)
    if reason is None:
        return "batch", ()
    if asked == "batch":
        raise ConfigurationError(f"the batch engine does not support this scenario: {reason}")
    return "agents", (f"the agents engine is used, since the batch engine lacks a part: {reason}",)
