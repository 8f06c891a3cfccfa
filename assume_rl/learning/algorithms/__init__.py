"""Learning algorithms: one file and one line here for each."""

from collections.abc import Sequence

from assume_rl.errors import SettingError
from assume_rl.learning.algorithms.base import Algorithm
from assume_rl.learning.algorithms.curve_actor_critic import (
    CURVE_ACTOR_CRITIC,
    INDEPENDENT_CURVE_ACTOR_CRITIC,
)
from assume_rl.learning.algorithms.deterministic import IDDPG, ITD3, MADDPG, MATD3
from assume_rl.learning.algorithms.fictitious_play import FICTITIOUS_PLAY
from assume_rl.learning.algorithms.mirror_descent import MIRROR_DESCENT
from assume_rl.learning.algorithms.policy_gradient import A2C, REINFORCE, VPG
from assume_rl.learning.algorithms.ppo import IPPO, MAPPO
from assume_rl.learning.algorithms.q_learning import DQN, Q_LEARNING
from assume_rl.learning.algorithms.qrdqn import QRDQN
from assume_rl.learning.algorithms.r2d2 import R2D2
from assume_rl.learning.algorithms.regret_matching import REGRET_MATCHING
from assume_rl.learning.algorithms.sac import ISAC, MASAC
from assume_rl.learning.types import ActionKind

_ALL: tuple[Algorithm, ...] = (
    *(IDDPG, ITD3, MADDPG, MATD3),
    *(ISAC, MASAC),
    *(IPPO, MAPPO),
    *(A2C, REINFORCE, VPG),
    *(FICTITIOUS_PLAY, CURVE_ACTOR_CRITIC, INDEPENDENT_CURVE_ACTOR_CRITIC),
    *(DQN, QRDQN, R2D2, Q_LEARNING),
    *(MIRROR_DESCENT, REGRET_MATCHING),
)

ALGORITHMS: dict[str, Algorithm] = {own.name: own for own in _ALL}
"""Algorithms by the name that `learning_config.algorithm` has for them."""

CHOICES: dict[ActionKind, str] = {"box": "numbers", "ladder": "rungs of a ladder"}


def able(kind: ActionKind) -> tuple[str, ...]:
    """Return the names of the algorithms that can choose actions of a kind."""
    return tuple(own.name for own in ALGORITHMS.values() if kind in own.networks()["actor"].actions)


def check_action(algorithm: str, kind: ActionKind, owner: str, instead: Sequence[str] = ()) -> None:
    """Check that an algorithm can choose actions of a kind.

    :param algorithm: key of `ALGORITHMS`
    :param kind: of the actions
    :param owner: who acts, for the message
    :param instead: bidders of the owner whose actions are of another kind
    :raises SettingError: it cannot
    """
    others = able(kind)
    if algorithm not in others:
        other = f", or let it bid by {' or '.join(instead)}" if instead else ""
        raise SettingError(
            "learning_config.algorithm",
            f"{algorithm} cannot choose {CHOICES[kind]}, as {owner} must; {', '.join(others)} "
            f"can{other}",
        )


__all__ = ["ALGORITHMS", "Algorithm", "able", "check_action"]
