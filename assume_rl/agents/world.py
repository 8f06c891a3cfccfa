"""Compose the agents of a scenario and run its episodes.

Parts that do not change between episodes (fleet, series, plan, portfolios, the Learning role with
its networks and replay) are built once. Containers, clocks and the light trading roles are fresh
in every episode, so that no state leaks from one into the next. A container that agents elsewhere
know lives on; its clock and trading agents are fresh all the same.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

from mango import (
    Agent,
    AgentAddress,
    ExternalClock,
    Role,
    activate,
    agent_composed_of,
    create_ec_container,
)
from mango.container.core import Container

from assume_rl.agents.codec import make_codec
from assume_rl.agents.coordinator import Coordinator
from assume_rl.agents.learning.deputy import Deputy
from assume_rl.agents.learning.role import Learning
from assume_rl.agents.lobby import Lobby
from assume_rl.agents.messages import Invite
from assume_rl.agents.operators import Operators
from assume_rl.agents.recorder import Recorder
from assume_rl.agents.trading.market_operator import MarketOperator
from assume_rl.agents.trading.unit_operator import UnitOperator
from assume_rl.agents.transport import Failures, settle
from assume_rl.agents.wire import Networked
from assume_rl.core.team import Policy
from assume_rl.episodes.calendar import Calendar, EpisodeKey
from assume_rl.episodes.rows.dated import Sink
from assume_rl.scenario.compile.compiled import Compiled

OnTime = Callable[[float], None]
BeforeUpdate = Callable[[float], Awaitable[None]]


class World:
    """A compiled scenario and the policies of its learned bidders.

    :param compiled: the scenario
    :param seed: of the draws
    :param policies: fixed policies by agent; every other agent learns through `learning` or
        `learning_address`
    :param learning: a Learning role in this process
    :param learning_address: of a Learning role in another container
    :param update_times: POSIX seconds of the updates of a Learning role in another container
    :param container: an active one that agents elsewhere can reach; None: a fresh one per episode,
        which they cannot
    :param lobby: of `container`, where clients join that play unit operators; None: all are played
        here
    """

    def __init__(
        self,
        compiled: Compiled,
        *,
        seed: int,
        policies: Mapping[str, Policy] | None = None,
        learning: Learning | None = None,
        learning_address: AgentAddress | None = None,
        update_times: Sequence[float] = (),
        container: Networked | None = None,
        lobby: Lobby | None = None,
    ) -> None:
        self._compiled = compiled
        self._seed = seed
        self._learning = learning
        self._learning_address = learning_address
        self._update_times = update_times if learning is None else learning.plan.update_times
        self._container = container
        self._lobby = lobby
        self._calendar = Calendar.of(compiled)
        self._end = self._calendar.time(compiled.steps - 1)
        self._operators = Operators(compiled, policies or {})

    async def run_episode(
        self,
        episode: int = 1,
        *,
        evaluation: bool = False,
        sink: Sink | None = None,
        record_market: bool = True,
        flush_hours: int | None = 48,
        guests: Mapping[str, Role] | None = None,
        deputy: Deputy | None = None,
        on_time: OnTime | None = None,
        before_update: BeforeUpdate | None = None,
    ) -> None:
        """Run one episode over the whole calendar.

        :param episode: number of the episode
        :param evaluation: whether it is an evaluation episode
        :param sink: receives the result rows; None: nothing is recorded
        :param record_market: whether markets and operators are recorded, or only the Learning role
        :param flush_hours: simulated hours between two batches of rows; None: only at the end
        :param guests: roles of further agents by name
        :param deputy: stands in for the Learning role in this episode
        :param on_time: called with the simulation time (POSIX seconds) before each instant's events
        :param before_update: awaited with the simulation time before a learner update, when all
            messages so far are handled
        :raises AgentFailure: a role raised an exception, or clients that play operators are missing
        """
        if self._lobby is not None:
            await self._lobby.gather()
        cast = Cast(EpisodeKey(self._seed, episode, evaluation), Failures(), self._new_container())
        updates = self._update_times if deputy is None else deputy.update_times
        coordinator = Coordinator(cast.key, self._calendar.start, self._end, updates, cast.failures)
        cast.join("coordinator", coordinator)
        scribe = recorder = None
        if sink is not None:
            scribe = Recorder(sink, self._calendar, cast.failures)
            recorder = cast.join("recorder", scribe)
        learning, role = self._learning_address, deputy or self._learning
        if role is not None:
            role.recorder, role.failures = recorder, cast.failures
            learning = cast.join("learning", role)
        flush = None if flush_hours is None else flush_hours * 3600
        recording = recorder if record_market else None
        markets = self._join_markets(cast, recording, flush)
        bidders = self._join_bidders(cast, markets, recording, flush)
        for name, role in (guests or {}).items():
            cast.join(name, role)
        listeners = [*dict.fromkeys(markets.values()), *(b.context.addr for b in bidders)]
        coordinator.meet(learning, self._operators.learners, bidders, listeners, self._lobby)
        if self._lobby is not None:
            self._lobby.open(
                Invite(
                    seed=self._seed,
                    episode=episode,
                    evaluation=evaluation,
                    names={},
                    markets={name: address.aid for name, address in markets.items()},
                    learning=None if learning is None else (learning.protocol_addr, learning.aid),
                    recorder=None if recording is None else recording.aid,
                    flush_every=flush,
                ),
                [*markets.values(), *([] if learning is None else [learning])],
                partial(settle, cast.container, cast.failures),
            )
        try:
            await self._live(cast, coordinator, on_time, before_update)
        finally:
            await self._leave(cast)
        if scribe is not None:
            scribe.write()

    def _new_container(self) -> Container:
        clock = ExternalClock(start_time=self._calendar.start - 1)
        if self._container is None:
            return create_ec_container(addr="market", codec=make_codec(), clock=clock)
        self._container.clock = clock
        return self._container

    async def _leave(self, cast: "Cast") -> None:
        """Remove the agents of an episode from a container that lives on."""
        if self._container is not None:
            for agent in cast.agents:
                await agent.shutdown()
        if self._lobby is not None:
            self._lobby.close()

    def _join_markets(
        self, cast: "Cast", recorder: AgentAddress | None, flush: int | None
    ) -> dict[str, AgentAddress]:
        """Register an agent per market operator, with a role per market; return them by market."""
        compiled = self._compiled
        roles: dict[str, list[Role]] = {}
        for spec in compiled.markets:
            role = MarketOperator(
                spec,
                compiled.plan,
                self._calendar.start,
                cast.key,
                cast.failures,
                bidders=self._operators.names,
                recorder=recorder,
                flush_every=flush,
            )
            roles.setdefault(spec.operator, []).append(role)
        address = {name: cast.join(name, *own) for name, own in roles.items()}
        return {spec.name: address[spec.operator] for spec in compiled.markets}

    def _join_bidders(
        self,
        cast: "Cast",
        markets: Mapping[str, AgentAddress],
        recorder: AgentAddress | None,
        flush: int | None,
    ) -> list[UnitOperator]:
        """Register an agent per unit operator that is played here."""
        elsewhere = () if self._lobby is None else self._lobby.operators
        bidders = []
        for name in self._operators.names:
            if name not in elsewhere:
                bidder = self._operators.role(
                    name, cast.key, cast.failures, markets, recorder, flush
                )
                cast.join(name, bidder)
                bidders.append(bidder)
        return bidders

    async def _live(
        self,
        cast: "Cast",
        coordinator: Coordinator,
        on_time: OnTime | None,
        before_update: BeforeUpdate | None,
    ) -> None:
        clock = cast.container.clock
        active = activate(cast.container) if self._container is None else nullcontext()
        async with active:
            await coordinator.begin()
            await self._settle(cast)
            while (now := self._next(clock, coordinator)) is not None:
                # A learner update precedes every market event of its instant.
                if before_update is not None and coordinator.next_update() == now:
                    await before_update(now)
                await coordinator.update_if_due(now)
                if on_time is not None:
                    on_time(now)
                clock.set_time(now)
                await self._settle(cast)
            await coordinator.finish()
            await self._settle(cast)
            await coordinator.part()

    async def _settle(self, cast: "Cast") -> None:
        """Return once all messages are handled, here and by clients."""
        await settle(cast.container, cast.failures)
        if self._lobby is not None:
            await self._lobby.sync()

    def _next(self, clock: ExternalClock, coordinator: Coordinator) -> float | None:
        """Return the next instant with an activity or update, up to the calendar's end, or None."""
        times = [clock.get_next_activity(), coordinator.next_update()]
        due = [t for t in times if t is not None and t <= self._end]
        return min(due, default=None)


class Cast:
    """The agents of one episode.

    :param key: of the draws
    :param failures: takes exceptions of handlers
    :param container: in which the agents live
    """

    def __init__(self, key: EpisodeKey, failures: Failures, container: Container) -> None:
        self.key = key
        self.failures = failures
        self.container = container
        self.agents: list[Agent] = []

    def join(self, name: str, *roles: Role) -> AgentAddress:
        """Register an agent with these roles and return its address.

        It is called `name`, unless another agent is: who runs a market may own units as well.
        """
        free = name if self.container.is_aid_available(name) else None
        agent = self.container.register(agent_composed_of(*roles), suggested_aid=free)
        self.agents.append(agent)
        address: AgentAddress = agent.addr
        return address
