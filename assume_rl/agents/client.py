"""A client: it plays unit operators, their learning bidders included, for a market elsewhere."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mango import Agent, AgentAddress, Role, agent_composed_of

from assume_rl.agents.lobby import LOOK_SECONDS, check_operators
from assume_rl.agents.messages import (
    EpisodeEnd,
    GivenUp,
    Goodbye,
    Invite,
    Join,
    Joined,
    Refused,
    SyncDone,
    SyncDue,
)
from assume_rl.agents.operators import Operators, terms
from assume_rl.agents.trading.unit_operator import UnitOperator
from assume_rl.agents.transport import AgentFailure, Failures, settle, subscribe
from assume_rl.agents.wire import Networked
from assume_rl.core.team import Policy
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.scenario.compile.compiled import Compiled

logger = logging.getLogger(__name__)

PATIENCE = 3600.0  # seconds of real time
JOIN_AGAIN_SECONDS = 1.0

Heard = tuple[Any, dict[str, Any]]


class Client(Role):  # type: ignore[misc]
    """A role that joins a market, and makes its operators anew whenever it is invited.

    :param compiled: the scenario
    :param operators: that it plays
    :param lobby: address of the market's `Lobby`
    :param container: an active one, in which its agents live
    :param name: under which it joins, and comes back
    :param policies: fixed policies by agent, the same as the market's; every other agent learns
    :param episodes: after which it says goodbye; None: it plays until the market does
    :param patience: seconds of real time that the market may be silent
    :raises ConfigurationError: there is no such operator
    """

    def __init__(
        self,
        compiled: Compiled,
        operators: Sequence[str],
        lobby: AgentAddress,
        container: Networked,
        *,
        name: str,
        policies: Mapping[str, Policy] | None = None,
        episodes: int | None = None,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__()
        self._operators = Operators(compiled, policies or {})
        check_operators(operators, self._operators.names)
        self._request = Join(name, tuple(operators), terms(compiled, policies or {}), 0)
        self._lobby = lobby
        self._container = container
        self._most, self._patience = episodes, patience
        self._played = 0
        self._joined = self._leaving = False
        self._running = self._ended = False  # an episode is; its end was announced
        self._done: SyncDone | None = None  # its latest answer since it joined
        self._dropped = 0  # messages that the container had dropped when it joined
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._failures = Failures()
        self._agents: list[Agent] = []  # of the running episode
        self._roles: list[UnitOperator] = []

    def setup(self) -> None:
        """Subscribe by message type."""
        kinds = (Joined, Refused, Invite, SyncDue, GivenUp, EpisodeEnd, Goodbye)
        subscribe(self, Failures(), dict.fromkeys(kinds, self._hear))

    def _hear(self, content: Any, meta: dict[str, Any]) -> None:
        self._heard.put_nowait((content, meta))

    def leave(self) -> None:
        """Say goodbye once the running episode has ended; between two, at once."""
        self._leaving = True
        self._heard.put_nowait((None, {}))  # wakes `play`

    async def play(self) -> int:
        """Join and play; return the number of episodes that were played to their end.

        :raises AgentFailure: the market has refused the client or fell silent, or an agent failed
        """
        name = f"{self._request.client}#{self._container.life}"
        self._container.register(agent_composed_of(self), suggested_aid=name)
        try:
            await self._join()
            while await self._go_on():
                pass
        finally:
            await self._close()
            if self._joined:
                await self._send(Goodbye())
        return self._played

    async def _send(self, content: Any) -> None:
        await self.context.send_message(content, self._lobby)

    # --- joining -------------------------------------------------------------------------------

    async def _join(self) -> None:
        """Ask to join until there is an answer."""
        self._request = replace(self._request, number=self._request.number + 1)
        self._done = None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while loop.time() < deadline:
            await self.context.send_message(self._request, self._lobby, numbered=False)
            answer = await self._answer(JOIN_AGAIN_SECONDS)
            if isinstance(answer, Refused):
                raise AgentFailure(f"the market refused the client: {answer.reason}")
            if answer is not None:
                self._joined = True
                self._dropped = self._container.dropped
                return
        raise AgentFailure(
            f"the market has not answered for {self._patience:g} s; does it run at this address, "
            "and with the same secret?"
        )

    async def _answer(self, seconds: float) -> Joined | Refused | None:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    content, _ = await self._heard.get()
                    if isinstance(content, Refused):
                        return content
                    if isinstance(content, Joined) and content.number == self._request.number:
                        return content
        except TimeoutError:
            return None

    # --- playing -------------------------------------------------------------------------------

    async def _go_on(self) -> bool:
        """Handle the next message; return False if it was the last one."""
        content, meta = await self._next()
        if isinstance(content, Invite):
            await self._open(content)
        elif isinstance(content, SyncDue) and self._dropped != self._container.dropped:
            await self._join_again("messages of this client could not be sent")
        elif isinstance(content, SyncDue):
            if await self._sync(content, str(meta.get("life"))):
                self._running = self._running and not self._ended
        elif isinstance(content, EpisodeEnd) and not self._ended:
            self._ended = True
            self._played += 1
            self._leaving = self._leaving or self._played == self._most
        elif isinstance(content, GivenUp):
            if self._done is not None and content.number == self._done.number:
                await self._join_again("the market has given this client up")
        elif isinstance(content, Refused):
            raise AgentFailure(f"the market refused a message: {content.reason}")
        elif isinstance(content, Goodbye):
            self._joined = False
        return self._joined and not (self._leaving and not self._running)

    async def _join_again(self, why: str) -> None:
        logger.warning("%s; it joins again", why)
        self._running = self._joined = False
        await self._close()
        await self._join()

    async def _next(self) -> Heard:
        try:
            async with asyncio.timeout(self._patience):
                return await self._heard.get()
        except TimeoutError:
            raise AgentFailure(f"the market has been silent for {self._patience:g} s") from None

    async def _open(self, invite: Invite) -> None:
        """Make the operators of a new episode, which register with the markets and to learn."""
        await self._close()
        self._running, self._ended = True, False
        self._failures = Failures()
        home = self._lobby.protocol_addr
        key = EpisodeKey(invite.seed, invite.episode, invite.evaluation)
        markets = {name: AgentAddress(home, aid) for name, aid in invite.markets.items()}
        recorder = None if invite.recorder is None else AgentAddress(home, invite.recorder)
        for name, aid in invite.names.items():
            role = self._operators.role(
                name, key, self._failures, markets, recorder, invite.flush_every
            )
            agent = self._container.register(agent_composed_of(role), suggested_aid=aid)
            self._agents.append(agent)
            self._roles.append(role)
            if invite.learning is not None and role.learning_units:
                await role.register_learners(AgentAddress(*invite.learning))

    async def _close(self) -> None:
        """Remove the operators of an episode."""
        for agent in self._agents:
            await agent.shutdown()
        self._agents.clear()
        self._roles.clear()

    async def _sync(self, due: SyncDue, life: str) -> bool:
        """Answer once all that was sent is handled, and learners have the policies.

        Return False, without an answer, once there is a newer message: what is asked is asked
        again, and a market that has given the client up says so.

        :param due: what was sent
        :param life: of the container that sent it
        """
        if self._done is not None and due.number == self._done.number:
            await self._send(self._done)  # it may have been given up, and what it sent be refused
            return True
        heard = self._container.arrivals.heard
        if not await self._until(lambda: all(heard[life, a] >= n for a, n in due.sent.items())):
            return False
        await settle(self._container, self._failures)
        learn = any(role.learning_units for role in self._roles)
        if learn and not await self._until(lambda: self._version() >= due.version):
            return False
        home = self._lobby.protocol_addr
        sent = {a.aid: n for a, n in self._container.sent.items() if a.protocol_addr == home}
        records = sum(role.records_sent for role in self._roles)
        self._done = SyncDone(due.number, sent, records, self._version())
        await self._send(self._done)
        return True

    def _version(self) -> int:
        versions = [role.policy_version for role in self._roles if role.learning_units]
        return min(versions, default=-1)

    async def _until(self, arrived: Callable[[], bool]) -> bool:
        """Return True once something has arrived, or False once there is a newer message.

        :raises AgentFailure: it has not for `patience` seconds
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while self._heard.empty():
            if arrived():
                return True
            self._failures.raise_first()
            if loop.time() > deadline:
                raise AgentFailure(f"messages have been on their way for {self._patience:g} s")
            await asyncio.sleep(LOOK_SECONDS)
        return False
