"""Synchronise an episode's learning with its markets, in this or another container."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mango import AgentAddress, Role

from assume_rl.agents.lobby import Lobby
from assume_rl.agents.messages import EpisodeEnd, EpisodeStart, Refused, UpdateDone, UpdateDue
from assume_rl.agents.trading.unit_operator import UnitOperator
from assume_rl.agents.transport import AgentFailure, Failures, Handler, post, subscribe
from assume_rl.episodes.calendar import EpisodeKey

PATIENCE = 600.0  # seconds of real time that an answer from another container may take
LOOK_SECONDS = 5.0  # of real time without an answer, after which clients are looked after


class Coordinator(Role):  # type: ignore[misc]
    """A role that starts and ends an episode and makes the clock wait for learner updates.

    :param key: of the episode
    :param start: POSIX seconds at which the calendar starts
    :param end: POSIX seconds of its last step
    :param update_times: POSIX seconds at which the Learning role updates, ascending
    :param failures: takes exceptions of handlers
    """

    def __init__(
        self,
        key: EpisodeKey,
        start: float,
        end: float,
        update_times: Sequence[float],
        failures: Failures,
    ) -> None:
        super().__init__()
        self._failures = failures
        self._key = key
        self._start = start
        self._end = end
        self._due = list(update_times)
        self._learning: AgentAddress | None = None
        self._bidders: Sequence[UnitOperator] = ()
        self._listeners: Sequence[AgentAddress] = ()
        self._learners: tuple[str, ...] = ()
        self._lobby: Lobby | None = None
        self._asked: UpdateDue | None = None  # the latest request
        self._answer: UpdateDone | None = None  # to it

    def meet(
        self,
        learning: AgentAddress | None,
        learners: tuple[str, ...],
        bidders: Sequence[UnitOperator],
        listeners: Sequence[AgentAddress],
        lobby: Lobby | None = None,
    ) -> None:
        """Set the participants of the episode.

        :param learning: address of the Learning role; None: no agent learns
        :param learners: all agents that learn, in order
        :param bidders: unit operators of this process
        :param listeners: addresses that receive `EpisodeEnd`
        :param lobby: of the clients that play other operators; None: there are none
        """
        self._learning = learning if learners else None
        self._learners, self._lobby = learners, lobby
        self._bidders = [b for b in bidders if b.learning_units]
        self._listeners = listeners

    def setup(self) -> None:
        """Subscribe by message type."""
        handlers: dict[type, Handler] = {UpdateDone: self._hear, Refused: self._fail}
        subscribe(self, self._failures, handlers)

    def _hear(self, content: UpdateDone, meta: dict[str, Any]) -> None:
        due = self._asked
        if due is not None and (content.time, content.records) == (due.time, due.records):
            self._answer = content

    def _fail(self, content: Refused, meta: dict[str, Any]) -> None:
        raise AgentFailure(f"the Learning role refused a message: {content.reason}")

    async def begin(self) -> None:
        """Announce the episode and wait until all learners have their policies."""
        if self._learning is not None:
            message = EpisodeStart(self._key.episode, self._key.evaluation, self._learners)
            await self.context.send_message(message, self._learning)
            for bidder in self._bidders:
                await bidder.register_learners(self._learning)
        if self._lobby is not None:
            await self._lobby.invite()
        if self._learning is not None:
            await self._update(self._start)

    def next_update(self) -> float | None:
        """Return the POSIX seconds of the next learner update, or None."""
        return self._due[0] if self._due and self._learning is not None else None

    async def update_if_due(self, now: float) -> None:
        """Wait for every update that is due by `now`, and for the delivery of its policies."""
        while self._due and self._due[0] <= now and self._learning is not None:
            await self._update(self._due.pop(0))

    async def finish(self) -> None:
        """End the episode: do the last update and have buffered results sent."""
        if self._learning is not None:
            await self._update(self._end)
            await self.context.send_message(self._ending(), self._learning)
        clients = () if self._lobby is None else self._lobby.end()
        for address in (*self._listeners, *clients):
            await self.context.send_message(self._ending(), address)

    async def part(self) -> None:
        """Wait until a Learning role elsewhere has heard of the end of the episode."""
        if self._learning is not None and not self._local:
            await self._ask(self._start, lambda: 0)

    def _ending(self) -> EpisodeEnd:
        return EpisodeEnd(self._key.episode, self._key.evaluation)

    async def _update(self, time: float) -> None:
        """Wait for the updates that are due by a time, and until all bidders have the policies."""
        lobby, own = self._lobby, sum(bidder.records_sent for bidder in self._bidders)
        if lobby is None:
            await self._ask(time, lambda: own)
            return
        version = await self._ask(time, lambda: own + lobby.records, lobby.look)
        await lobby.sync(version)

    async def _ask(
        self,
        time: float,
        records: Callable[[], int],
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> int:
        """Return the version of the policies once updates are done and bidders here have it.

        Ask again if a client leaves, whose records may never arrive.

        :param time: up to which updates are due
        :param records: returns how many must have arrived before
        :param look: notices clients that have died
        :raises AgentFailure: there is no answer
        """
        assert self._learning is not None
        clock = asyncio.get_running_loop().time
        self._asked = self._answer = None
        since = looked = clock()
        while not self._caught_up():
            due = UpdateDue(time, records())
            if due != self._asked:
                self._asked, self._answer = due, None
                post(self.context, due, self._learning)  # after a `Goodbye`, which is posted, too
                since = clock()
            # Within one process turns of the loop suffice; a network needs real time.
            await asyncio.sleep(0 if self._local else 0.001)
            self._failures.raise_first()
            if look is not None and clock() > looked + LOOK_SECONDS:
                await look()
                looked = clock()
            elif clock() > since + PATIENCE:
                raise AgentFailure(
                    f"the Learning role has not answered for {PATIENCE:g} s: it has ended, or "
                    "records never reached it"
                )
        assert self._answer is not None
        return self._answer.version

    @property
    def _local(self) -> bool:
        assert self._learning is not None
        return bool(self._learning.protocol_addr == self.context.addr.protocol_addr)

    def _caught_up(self) -> bool:
        """Return whether the update is done and all bidders have its policies."""
        answer = self._answer
        return answer is not None and all(
            bidder.policy_version >= answer.version for bidder in self._bidders
        )
