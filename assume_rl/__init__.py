"""Agent-based electricity-market simulation with learning bidders.

>>> from assume_rl import load_scenario, train
>>> result = train(load_scenario("scenarios/single_learner"))  # doctest: +SKIP

The `Learning` role and its parts work in any mango simulation, see examples/.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assume_rl._public import *

__version__ = version("assume-rl")

__all__ = [  # noqa: RUF022 (sorted regardless of case)
    "Acted",
    "Actor",
    "AssumeRlError",
    "ConfigurationError",
    "CriticTD3",
    "EpisodeEnd",
    "EpisodeStart",
    "evaluate",
    "EvaluationResult",
    "Learning",
    "LearningConfig",
    "load_scenario",
    "LSTMActor",
    "NormalActionNoise",
    "ObsActRew",
    "Observed",
    "OUNoise",
    "PolicyError",
    "PolicyUpdate",
    "polyak_update",
    "RegisterUnit",
    "ReplayBuffer",
    "ReplayBufferSamples",
    "ResultsError",
    "Rewarded",
    "RLAlgorithm",
    "run",
    "RunResult",
    "ScenarioError",
    "train",
    "TrainResult",
    "UpdateDone",
    "UpdateDue",
]


def __dir__() -> list[str]:
    """Return all names, loaded or not."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Load all public names when one is first used: the command line answers without torch."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = found = getattr(import_module("assume_rl._public"), name)
    return found
