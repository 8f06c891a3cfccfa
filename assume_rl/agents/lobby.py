"""Where clients join that play unit operators from other containers.

A client joins between episodes, is invited to each one, and is waited for at every instant of it.
One that says goodbye, cannot be reached, does not answer for `patience` seconds, or joins anew has
left the running episode, which is finished without its operators. No episode begins before all of
them are played again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mango import AgentAddress, Role, sender_addr

from assume_rl.agents.learning.incoming import check_protocol
from assume_rl.agents.messages import (
    GivenUp,
    Goodbye,
    Invite,
    Join,
    Joined,
    Refused,
    SyncDone,
    SyncDue,
)
from assume_rl.agents.operators import terms
from assume_rl.agents.transport import AgentFailure, Failures, Handler, post, subscribe
from assume_rl.agents.wire import Networked
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.scenario.compile.compiled import Compiled

logger = logging.getLogger(__name__)

PATIENCE = 600.0  # seconds of real time
ASK_AGAIN_SECONDS = 1.0  # after which a client that has not answered is asked again
LOOK_SECONDS = 0.0005  # between two looks at what has arrived


@dataclass(eq=False)
class Seat:
    """A client, and how far it has come in the running episode."""

    client: str  # its name
    address: AgentAddress
    operators: tuple[str, ...]
    life: str  # of its container
    number: int  # of the `Join` that it was given for
    agents: dict[str, AgentAddress] = field(default_factory=dict)  # by operator
    asked: dict[str, int] = field(default_factory=dict)  # messages that it was asked about
    answer: SyncDone | None = None  # the latest one of this episode
    here: bool = True


class Lobby(Role):  # type: ignore[misc]
    """A role that knows the clients, in a container that lives as long as the training.

    :param compiled: the scenario
    :param operators: those that clients play
    :param container: in which the role lives
    :param fixed: agents with a fixed policy
    :param patience: seconds of real time that a client may be away or take for an answer
    :raises ConfigurationError: there is no such operator
    """

    def __init__(
        self,
        compiled: Compiled,
        operators: Sequence[str],
        container: Networked,
        *,
        fixed: Iterable[str] = (),
        patience: float = PATIENCE,
    ) -> None:
        super().__init__()
        known = [operator.name for operator in compiled.operators]
        check_operators(operators, known)
        self.operators = tuple(operators)
        self._terms = terms(compiled, fixed)
        self._container = container
        self._patience = patience
        self._failures = Failures()
        self._seats: dict[str, Seat] = {}  # by client
        self._playing: list[Seat] = []
        self._ending = False  # the end of the episode was announced
        self._invitations = 0
        self._questions = 0
        self._invite: Invite | None = None
        self._hosts: Sequence[AgentAddress] = ()  # agents that must know who has left
        self._settle: Callable[[], Awaitable[None]] | None = None

    def setup(self) -> None:
        """Subscribe by message type."""
        handlers: dict[type, Handler] = {
            Join: self._join,
            SyncDone: self._hear,
            Goodbye: self._part,
        }
        subscribe(self, self._failures, handlers)

    # --- clients come and go -------------------------------------------------------------------

    def _join(self, content: Join, meta: dict[str, Any]) -> None:
        address = sender_addr(meta)
        try:
            self._check(content)
        except ConfigurationError as error:
            logger.warning("client '%s' was refused: %s", content.client, error)
            post(self.context, Refused(str(error)), address)
            return
        known = self._seats.get(content.client)
        last = known.number if known is not None and known.address == address else -1
        if content.number < last:
            return  # it was overtaken by a later one
        if content.number > last:
            if known is not None:
                self._lose(known, "has joined again")
            life = str(meta.get("life"))
            seat = Seat(content.client, address, content.operators, life, content.number)
            self._seats[content.client] = seat
            self._container.lost.discard(address.protocol_addr)  # it can be reached again
            logger.info("client '%s' plays %s", content.client, ", ".join(content.operators))
        post(self.context, Joined(content.number), address)

    def _check(self, content: Join) -> None:
        """Raise `ConfigurationError` unless a client may play the parts that it asks for."""
        check_protocol(f"client '{content.client}'", content.protocol)
        if content.terms != self._terms:
            raise ConfigurationError(
                f"client '{content.client}' has other settings, operators or fixed policies: they "
                "must be the same on both sides"
            )
        check_operators(content.operators, self.operators)
        for seat in self._seats.values():
            taken = set(seat.operators).intersection(content.operators)
            if taken and seat.client != content.client:
                raise ConfigurationError(
                    f"client '{seat.client}' plays '{min(taken)}'; only one can, under that name"
                )

    def _part(self, content: Goodbye, meta: dict[str, Any]) -> None:
        seat = self._seat_at(sender_addr(meta))
        if seat is not None and content.of is None:
            self._lose(seat, "has said goodbye")

    def _hear(self, content: SyncDone, meta: dict[str, Any]) -> None:
        seat = self._seat_at(sender_addr(meta))
        if seat is None:
            post(self.context, GivenUp(content.number), sender_addr(meta))
        elif seat.answer is None or content.number > seat.answer.number:
            seat.answer = content

    def _seat_at(self, address: AgentAddress) -> Seat | None:
        return next((s for s in self._seats.values() if s.address == address), None)

    def _lose(self, seat: Seat, why: str) -> None:
        """Forget a client; the running episode continues without its operators."""
        seat.here = False
        if self._seats.get(seat.client) is seat:
            del self._seats[seat.client]
        playing = seat in self._playing
        without = f": the episode continues without {', '.join(seat.operators)}"
        logger.warning(
            "client '%s' %s%s", seat.client, why, without if playing and not self._ending else ""
        )
        if playing:
            self._playing.remove(seat)
            for agent in seat.agents.values():
                for host in self._hosts:
                    post(self.context, Goodbye((agent.protocol_addr, agent.aid)), host)

    # --- an episode ----------------------------------------------------------------------------

    @property
    def records(self) -> int:
        """Return the number of records that clients sent to the Learning role in this episode."""
        return sum(seat.answer.records for seat in self._playing if seat.answer is not None)

    def end(self) -> tuple[AgentAddress, ...]:
        """Return whom the end of the episode is announced to: clients and all their agents."""
        self._ending = True
        return tuple(a for seat in self._playing for a in (*seat.agents.values(), seat.address))

    async def gather(self) -> None:
        """Wait until all operators are played.

        :raises AgentFailure: some have not been for `patience` seconds
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while missing := self._missing():
            if loop.time() > deadline:
                raise AgentFailure(
                    f"no client has played {', '.join(missing)} for {self._patience:g} s"
                )
            await asyncio.sleep(LOOK_SECONDS)

    def _missing(self) -> list[str]:
        played = {name for seat in self._seats.values() for name in seat.operators}
        return [name for name in self.operators if name not in played]

    def open(
        self,
        invite: Invite,
        hosts: Sequence[AgentAddress],
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare an episode.

        :param invite: for the clients, without names of agents
        :param hosts: agents that are notified of clients that left
        :param settle: returns once all messages in this container are handled
        """
        self._invite, self._hosts, self._settle = invite, hosts, settle

    async def invite(self) -> None:
        """Invite all clients, and wait until their operators have registered.

        :raises AgentFailure: some operators have not been played for `patience` seconds
        """
        while True:
            await self.gather()
            for seat in list(self._seats.values()):
                if seat not in self._playing:
                    self._invite_one(seat)
            await self.sync()
            if not self._missing():
                return

    def _invite_one(self, seat: Seat) -> None:
        assert self._invite is not None
        self._invitations += 1
        names = {name: f"{name}#{self._invitations}" for name in seat.operators}
        place = seat.address.protocol_addr
        seat.agents = {name: AgentAddress(place, aid) for name, aid in names.items()}
        seat.asked, seat.answer = {}, None
        self._playing.append(seat)
        post(self.context, replace(self._invite, names=names), seat.address)

    async def sync(self, version: int = -1) -> None:
        """Wait until clients have handled all that was sent to them, and this container the rest.

        :param version: of policies that their learners must have
        """
        assert self._settle is not None
        await self._settle()
        while waiting := [seat for seat in self._playing if self._behind(seat, version)]:
            await self._ask(waiting, version)
            await self._settle()

    async def look(self) -> None:
        """Query all clients, also during an episode: those that do not answer are lost."""
        await self._ask(list(self._playing))

    async def _ask(self, waiting: Sequence[Seat], version: int = -1) -> None:
        self._questions += 1
        for seat in waiting:
            seat.asked = self._sent_to(seat)
        due = [SyncDue(self._questions, seat.asked, version) for seat in waiting]
        await asyncio.gather(*map(self._answered, waiting, due))
        self._failures.raise_first()

    def _behind(self, seat: Seat, version: int) -> bool:
        """Return whether a client has been sent anything that it was not asked about."""
        answer = seat.answer
        if answer is None or 0 <= answer.version < version:
            return True
        return seat.asked != self._sent_to(seat)

    def _sent_to(self, seat: Seat) -> dict[str, int]:
        return {agent.aid: self._container.sent[agent] for agent in seat.agents.values()}

    async def _answered(self, seat: Seat, due: SyncDue) -> None:
        """Return once a client has answered and its messages have arrived, or it is lost."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        deadline, again = now + self._patience, now
        while seat.here and not self._arrived(seat, due.number):
            now = loop.time()
            if now > deadline:
                self._lose(seat, f"has not answered for {self._patience:g} s")
            elif seat.address.protocol_addr in self._container.lost:
                self._lose(seat, "cannot be reached")
            elif now >= again:
                post(self.context, due, seat.address)
                again = now + ASK_AGAIN_SECONDS
            await asyncio.sleep(LOOK_SECONDS)

    def _arrived(self, seat: Seat, number: int) -> bool:
        answer, heard = seat.answer, self._container.arrivals.heard
        if answer is None or answer.number < number:
            return False
        return all(heard[seat.life, aid] >= count for aid, count in answer.sent.items())

    def close(self) -> None:
        """End the episode: who joins from now on is invited to the next one."""
        self._playing.clear()
        self._ending = False
        self._hosts = ()

    def dismiss(self) -> None:
        """Say goodbye to all clients: there are no further episodes."""
        for seat in self._seats.values():
            post(self.context, Goodbye(), seat.address)
        self._seats.clear()


def check_operators(names: Iterable[str], known: Sequence[str]) -> None:
    """Check that there are operators of these names.

    :param names: to check
    :param known: all that there are
    :raises ConfigurationError: there are not, or none is named
    """
    if not names:
        raise ConfigurationError("no unit operator is named")
    for name in names:
        if name not in known:
            raise ConfigurationError(f"unknown unit operator '{name}', {nearest(name, known)}")
