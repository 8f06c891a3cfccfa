"""Stands in for the Learning role in one episode, where the learner is not among the agents.

To unit operators it is the Learning role: they register with it, act on the policies that it
sends, and report to it. It learns nothing: whoever plays the episode gives it policies, and takes
what came of them, transitions and rows of the table `rl_params`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mango import AgentAddress, Role, sender_addr

from assume_rl.agents.learning.episode import Episode
from assume_rl.agents.learning.incoming import is_learning_message, unpack
from assume_rl.agents.learning.publisher import Publisher
from assume_rl.agents.learning.rows import rl_params
from assume_rl.agents.messages import (
    Acted,
    Observed,
    RegisterUnit,
    Rewarded,
    UpdateDone,
    UpdateDue,
)
from assume_rl.agents.transport import Failures, post
from assume_rl.episodes.selection import Scores
from assume_rl.learning.exploration import OFF, Exploration
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.types import AgentSpec, Joint


@dataclass(frozen=True)
class Taken:
    """The results of an episode since the last request."""

    joint: Joint | None  # transitions that were completed; None: none were
    cut: bool  # nothing follows the transition that was taken last
    rows: tuple[dict[str, Any], ...]  # of the table rl_params, as columns


class Deputy(Role):  # type: ignore[misc]
    """A role in the place of a Learning role, for one episode.

    Records of agents in its process have arrived whenever an update is due.

    :param agents: that learn, in the learner's order
    :param groups: their names, by group of the learner
    :param extras: names of what transitions keep of decisions and outcomes
    :param experienced: agents that skip the random initial experience
    :param number: of the episode
    :param evaluation: whether it is an evaluation, of which no transitions are kept
    :param update_times: POSIX seconds at which updates are due, ascending
    """

    def __init__(
        self,
        agents: Sequence[AgentSpec],
        groups: Sequence[tuple[str, ...]],
        extras: Sequence[str],
        experienced: Sequence[str],
        *,
        number: int,
        evaluation: bool,
        update_times: Sequence[float],
    ) -> None:
        super().__init__()
        self.recorder: AgentAddress | None = None  # it sends no rows
        self.failures: Failures | None = None  # takes exceptions of handlers
        self.update_times = tuple(update_times)
        self.experienced = frozenset(experienced)
        self._agents, self._groups, self._extras = tuple(agents), tuple(groups), tuple(extras)
        self._episode = Episode.of(number, evaluation)
        self._actors: tuple[ActorStack, ...] = ()
        self._exploration = OFF
        self._publisher = Publisher(self, lambda: self._exploration)

    def actors(self, *, noisy: bool = False) -> tuple[ActorStack, ...]:
        """Return the actors that `adopt` was given, whose noise is in them."""
        return self._actors

    def adopt(self, actors: tuple[ActorStack, ...], exploration: Exploration) -> None:
        """Send these policies from now on: to who registers, and when the next update is due.

        :param actors: of all agents, with their noise if they have any
        :param exploration: of actions
        """
        self._actors, self._exploration = actors, exploration
        self._publisher.renew()

    def take(self, *, final: bool = False) -> Taken:
        """Return the arrivals since the last call.

        :param final: the episode is over: nothing follows the last delivery
        """
        experience, units = self._episode.experience, tuple(a.unit_id for a in self._agents)
        frames = experience.take_complete(units, final=final)
        if final:
            self._episode.incomplete()
        joint = experience.take_transitions(len(units), self._groups, self._extras, final=final)
        rows = rl_params(frames, self._agents, *self._episode.key)
        return Taken(joint, experience.cut, tuple(rows))

    def scores(self) -> Scores:
        """Return the sums over the deliveries that were taken."""
        return self._episode.experience.scores()

    # --- messages ------------------------------------------------------------------------------

    def setup(self) -> None:
        """Subscribe by message type."""
        assert self.failures is not None
        handler = self.failures.guard(self._handle)
        self.context.subscribe_message(self, handler, lambda c, _: is_learning_message(c))

    def _handle(self, content: Any, meta: dict[str, Any]) -> None:
        sender = sender_addr(meta)
        for message in unpack(content):
            if isinstance(message, Observed | Acted | Rewarded):
                self._episode.experience.add(message)
            elif isinstance(message, RegisterUnit):
                self._publisher.register(message.unit_id, sender)
            elif isinstance(message, UpdateDue):
                self._publish()
                done = UpdateDone(message.time, self._publisher.version, message.records)
                post(self.context, done, sender)
        if self._publisher.awaited:
            self._publish()

    def _publish(self) -> None:
        """Send the policies to every operator that does not have this version of them."""
        for address in self._publisher.outdated():
            post(self.context, self._publisher.update_for(address), address)
