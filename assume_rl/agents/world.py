"""Compose the agents of a scenario and run its episodes.

Parts that do not change between episodes (fleet, series, plan, portfolios, the Learning role with
its networks and replay) are built once. Containers, clocks and the light trading roles are fresh
in every episode, so that no state leaks from one into the next.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mango import (
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
from assume_rl.agents.learning.role import Learning
from assume_rl.agents.recorder import Recorder
from assume_rl.agents.trading.market_operator import MarketOperator
from assume_rl.agents.trading.unit_operator import UnitOperator
from assume_rl.agents.transport import Failures, settle, tcp_container
from assume_rl.core.clearing import MarketSpec
from assume_rl.core.team import Policy
from assume_rl.core.trade import Portfolio
from assume_rl.core.units.fleet import select, select_profiles
from assume_rl.episodes.calendar import Calendar, EpisodeKey
from assume_rl.episodes.earnings import earnings_of
from assume_rl.episodes.rows.dated import Sink
from assume_rl.episodes.teams import build_teams
from assume_rl.scenario.compile.compiled import Compiled, OperatorSpec

OnTime = Callable[[float], None]


class World:
    """A compiled scenario and the policies of its learned bidders.

    :param compiled: the scenario
    :param seed: of the draws
    :param policies: fixed policies by agent; every other agent learns through `learning` or
        `learning_address`
    :param learning: a Learning role in this process
    :param learning_address: of a Learning role in another container
    :param update_times: POSIX seconds of the updates of a Learning role in another container
    :param tcp: (host, port) of the container, needed only if there are agents in other containers
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
        tcp: tuple[str, int] | None = None,
    ) -> None:
        self._compiled = compiled
        self._seed = seed
        self._learning = learning
        self._learning_address = learning_address
        self._update_times = update_times if learning is None else learning.plan.update_times
        self._tcp = tcp
        self._calendar = Calendar.of(compiled)
        self._end = self._calendar.time(compiled.steps - 1)
        self._portfolios = build_portfolios(compiled, policies or {})
        self._earnings = earnings_of(compiled)
        curves = compiled.scenario.learning.settings.needs_curves
        # Of markets whose published curves learners want, in episodes of training.
        self._rules = {spec.name: spec for spec in compiled.markets if curves}
        self._auctions = {
            m.name: tuple(a for t in compiled.plan for a in t.opening if a.market == m.name)
            for m in compiled.markets
        }

    async def run_episode(
        self,
        episode: int = 1,
        *,
        evaluation: bool = False,
        sink: Sink | None = None,
        record_market: bool = True,
        flush_hours: int | None = 48,
        guests: Mapping[str, Role] | None = None,
        on_time: OnTime | None = None,
    ) -> None:
        """Run one episode over the whole calendar.

        :param episode: number of the episode
        :param evaluation: whether it is an evaluation episode
        :param sink: receives the result rows; None: nothing is recorded
        :param record_market: whether markets and operators are recorded, or only the Learning role
        :param flush_hours: simulated hours between two batches of rows; None: only at the end
        :param guests: roles of further agents by name
        :param on_time: called with the simulation time (POSIX seconds) before each instant's events
        :raises AgentFailure: a role raised an exception
        """
        cast = Cast(EpisodeKey(self._seed, episode, evaluation), Failures(), self._new_container())
        coordinator = Coordinator(
            cast.key, self._calendar.start, self._end, self._update_times, cast.failures
        )
        cast.join("coordinator", coordinator)
        scribe = recorder = None
        if sink is not None:
            scribe = Recorder(sink, self._calendar, cast.failures)
            recorder = cast.join("recorder", scribe)
        learning = self._learning_address
        if self._learning is not None:
            self._learning.recorder = recorder
            self._learning.failures = cast.failures
            learning = cast.join("learning", self._learning)
        flush = None if flush_hours is None else flush_hours * 3600
        markets = self._join_markets(cast, recorder if record_market else None, flush)
        rules = {} if evaluation else self._rules
        bidders = self._join_bidders(
            cast, markets, recorder if record_market else None, flush, rules
        )
        for name, role in (guests or {}).items():
            cast.join(name, role)
        listeners = [*dict.fromkeys(markets.values()), *(b.context.addr for b in bidders)]
        coordinator.meet(learning, bidders, listeners)
        await self._live(cast, coordinator, on_time)
        if scribe is not None:
            scribe.write()

    def _new_container(self) -> Container:
        clock = ExternalClock(start_time=self._calendar.start - 1)
        if self._tcp is None:
            return create_ec_container(addr="market", codec=make_codec(), clock=clock)
        return tcp_container(self._tcp, clock)

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
        rules: Mapping[str, MarketSpec[Any]],
    ) -> list[UnitOperator]:
        bidders = []
        for name, portfolio in self._portfolios.items():
            bidder = UnitOperator(
                name,
                portfolio,
                self._calendar,
                markets,
                self._auctions,
                cast.key,
                cast.failures,
                recorder=recorder,
                flush_every=flush,
                earnings=self._earnings,
                scales=self._compiled.scales,
                shared=self._compiled.shared,
                rules=rules,
                ahead=self._compiled.scenario.learning.settings.needs_next,
            )
            cast.join(name, bidder)
            bidders.append(bidder)
        return bidders

    async def _live(self, cast: "Cast", coordinator: Coordinator, on_time: OnTime | None) -> None:
        clock = cast.container.clock
        async with activate(cast.container):
            await coordinator.begin()
            await settle(cast.container, cast.failures)
            while (now := self._next(clock, coordinator)) is not None:
                # A learner update precedes every market event of its instant.
                await coordinator.update_if_due(now)
                if on_time is not None:
                    on_time(now)
                clock.set_time(now)
                await settle(cast.container, cast.failures)
            await coordinator.finish()
            await settle(cast.container, cast.failures)

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

    def join(self, name: str, *roles: Role) -> AgentAddress:
        """Register an agent called `name` with these roles and return its address."""
        agent = self.container.register(agent_composed_of(*roles), suggested_aid=name)
        address: AgentAddress = agent.addr
        return address


def build_portfolios(compiled: Compiled, policies: Mapping[str, Policy]) -> dict[str, Portfolio]:
    """Return the portfolio of each unit operator; agents in `policies` act on a fixed policy."""
    return {
        operator.name: _portfolio(compiled, operator, policies) for operator in compiled.operators
    }


def _portfolio(
    compiled: Compiled, operator: OperatorSpec, policies: Mapping[str, Policy]
) -> Portfolio:
    fleet = select(compiled.fleet, operator.units)
    teams = {
        market: tuple(
            team
            for participant in participants
            for team in build_teams(
                fleet,
                participant.bidder,
                [operator.units.index(unit) for unit in participant.units],
                compiled.agents[market],
                policies,
            )
        )
        for market, participants in operator.participants.items()
    }
    return Portfolio(
        fleet=fleet,
        profiles=select_profiles(compiled.profiles, operator.units),
        teams=teams,
        step_hours=compiled.step_seconds / 3600,
        lookback=compiled.lookback,
        horizon=compiled.horizon,
        delay=compiled.delay,
        product_types=compiled.product_types(teams),
    )
