"""Agent-based electricity-market simulation with learning bidders.

>>> from assume_rl import load_scenario, train
>>> result = train(load_scenario("scenarios/single_learner"))  # doctest: +SKIP

The `Learning` role and its parts work in any mango simulation, see examples/.
"""

from importlib.metadata import version

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.messages import (
    Acted,
    EpisodeEnd,
    EpisodeStart,
    ObsActRew,
    Observed,
    PolicyUpdate,
    RegisterUnit,
    Rewarded,
    UpdateDone,
    UpdateDue,
)
from assume_rl.compat.modules import Actor, CriticTD3, LSTMActor
from assume_rl.compat.replay_buffer import ReplayBuffer, ReplayBufferSamples
from assume_rl.errors import (
    AssumeRlError,
    ConfigurationError,
    PolicyError,
    ResultsError,
    ScenarioError,
)
from assume_rl.experiments.evaluate import EvaluationResult, evaluate
from assume_rl.experiments.run import RunResult, run
from assume_rl.experiments.train import TrainResult, train
from assume_rl.learning.algorithms import Algorithm as RLAlgorithm
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import NormalActionNoise, OUNoise
from assume_rl.learning.nets.stack import polyak_update
from assume_rl.scenario.read import load_scenario

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
