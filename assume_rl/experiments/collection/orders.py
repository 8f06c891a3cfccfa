"""The messages between a trainer and the workers that play for it.

The copies of a wave, episodes that are played side by side, are cut into parts. Whoever has a part
plays it from one update to the next, order by order, and returns a piece each time. What a piece
holds is a function of the orders of its part alone, so that a part can be played again elsewhere.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from assume_rl.envs.rollout import CopyScores, Place
from assume_rl.experiments.train_task import Task
from assume_rl.learning.acting import Policies
from assume_rl.learning.exploration import Exploration
from assume_rl.learning.types import AgentSpec, Joint


@dataclass(frozen=True)
class Stage:
    """All that is needed to play a training's episodes, but for policies."""

    task: Task
    seeds: tuple[int, ...]
    agents: tuple[AgentSpec, ...]  # in the learner's order
    experienced: tuple[str, ...]  # agents that skip the random initial experience


@dataclass(frozen=True)
class Part:
    """Episodes of a wave that are played together."""

    episodes: range
    wave: range
    updates: tuple[int, ...]  # seconds since the episodes begin at which updates are due

    @property
    def place(self) -> Place:
        """Return the place of the copies among those of the wave, seed by seed."""
        before = self.episodes.start - self.wave.start
        return Place(before, len(self.episodes), len(self.wave))

    @property
    def orders(self) -> int:
        """Return the number of orders in it: one up to each update, and one to the end."""
        return len(self.updates) + 1


@dataclass(frozen=True)
class Order:
    """Play a part up to its next update, or to the end."""

    part: Part
    number: int  # of the order among those of the part; 0 begins the episodes
    version: int  # of the policies to play by
    exploration: Exploration


@dataclass(frozen=True)
class Piece:
    """The result of an order."""

    part: Part
    number: int
    version: int  # of the policies that were played by
    joint: Joint | None  # transitions that were completed; None: none were
    scores: CopyScores | None  # of the last order: of the episodes
    rows: tuple[dict[str, Any], ...] = ()  # of rl_params, as columns: the message shell has them
    cut: bool = False  # nothing follows the transitions before these: a record of them is missing

    def answers(self, order: Order) -> bool:
        """Return whether it is the piece that was ordered, by the intended policies."""
        return (self.part, self.number, self.version) == (order.part, order.number, order.version)


def check_turn(order: Order, done: int) -> None:
    """Check that an order is the next one of its part.

    :param order: to be carried out
    :param done: orders of the part that were
    :raises ValueError: it is not
    """
    if order.number != done:
        raise ValueError(f"order {order.number} comes after {done} of {order.part.episodes}")


class Player(Protocol):
    """Keeps the markets of episodes that are not over, and carries out orders."""

    def play(self, order: Order, policies: Policies) -> Piece:
        """Carry out an order.

        :param order: which is the next one of its part, or the first
        :param policies: to play by
        :raises KeyError: the part has not begun here
        :raises ValueError: it is not the next order of its part
        """
        ...

    def close(self) -> None:
        """Leave all episodes, wherever they are."""
        ...


class WorkerLost(Exception):
    """A worker no longer answers, or gives a wrong answer."""


class Pool(Protocol):
    """Workers by number, each of which carries out its orders one after the other."""

    @property
    def workers(self) -> int:
        """Return the number of workers."""
        ...

    @property
    def reliable(self) -> bool:
        """Return whether no worker is ever lost, so that no order is given again."""
        ...

    def publish(self, policies: Policies) -> Any:
        """Make policies known to workers; return the name by which orders refer to them."""
        ...

    def send(self, worker: int, order: Order, policies: Any) -> Any:
        """Give an order; return the argument for `result`.

        :param worker: number of the worker
        :param order: what is to be done
        :param policies: what `publish` returned
        """
        ...

    def result(self, worker: int, ticket: Any) -> Piece:
        """Wait for the piece of an order.

        :param worker: number of the worker
        :param ticket: what `send` returned
        :raises WorkerLost: nothing will come of it
        """
        ...

    def renew(self, worker: int) -> None:
        """Replace a lost worker by a new one, which knows no earlier order.

        :raises ConfigurationError: there is no place for it any more
        """
        ...

    def close(self) -> None:
        """Stop all workers, whatever they are doing."""
        ...
