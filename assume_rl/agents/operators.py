"""The unit operators of a scenario: the parts that do not change between episodes."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from mango import AgentAddress

from assume_rl.agents.trading.unit_operator import UnitOperator
from assume_rl.agents.transport import Failures
from assume_rl.core.team import Policy
from assume_rl.core.trade import Portfolio
from assume_rl.core.units.fleet import select, select_profiles
from assume_rl.episodes.calendar import Calendar, EpisodeKey
from assume_rl.episodes.earnings import earnings_of
from assume_rl.episodes.teams import build_teams
from assume_rl.scenario.compile.compiled import Compiled, OperatorSpec


class Operators:
    """Makes the roles of unit operators, fresh in every episode.

    :param compiled: the scenario
    :param policies: fixed policies by agent; every other agent learns
    """

    def __init__(self, compiled: Compiled, policies: Mapping[str, Policy]) -> None:
        self._compiled = compiled
        self._calendar = Calendar.of(compiled)
        self._earnings = earnings_of(compiled)
        self._portfolios = {
            operator.name: _portfolio(compiled, operator, policies)
            for operator in compiled.operators
        }
        curves = compiled.scenario.learning.settings.needs_curves
        # Of markets whose published curves learners want, in episodes of training.
        self._rules = {spec.name: spec for spec in compiled.markets if curves}
        self._auctions = {
            m.name: tuple(a for t in compiled.plan for a in t.opening if a.market == m.name)
            for m in compiled.markets
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all unit operators, in the order of the scenario."""
        return tuple(self._portfolios)

    @property
    def learners(self) -> tuple[str, ...]:
        """Return the names of all agents that learn, operator by operator."""
        found = (
            agent
            for portfolio in self._portfolios.values()
            for teams in portfolio.teams.values()
            for team in teams
            if team.learns
            for agent in team.agents
        )
        return tuple(dict.fromkeys(found))

    def role(
        self,
        name: str,
        key: EpisodeKey,
        failures: Failures,
        markets: Mapping[str, AgentAddress],
        recorder: AgentAddress | None,
        flush_every: int | None,
    ) -> UnitOperator:
        """Return the role of an operator for one episode.

        :param name: of the operator
        :param key: of the draws of the episode
        :param failures: takes exceptions of handlers
        :param markets: address of each market's operator
        :param recorder: address of an agent that takes `Rows`; None: nothing is recorded
        :param flush_every: seconds of simulated time between two deliveries of rows
        """
        compiled = self._compiled
        return UnitOperator(
            name,
            self._portfolios[name],
            self._calendar,
            markets,
            self._auctions,
            key,
            failures,
            recorder=recorder,
            flush_every=flush_every,
            earnings=self._earnings,
            scales=compiled.scales,
            shared=compiled.shared,
            rules={} if key.evaluation else self._rules,
            ahead=compiled.scenario.learning.settings.needs_next,
        )


def terms(compiled: Compiled, fixed: Iterable[str]) -> str:
    """Return a digest of the terms that all participants of a scenario must agree on.

    :param compiled: the scenario: its settings, auctions, operators and the content of plug-ins
        count; units, series, and what every computer has for itself, such as paths, do not
    :param fixed: agents with a fixed policy
    """
    settings = compiled.scenario.config.model_dump(
        mode="json",
        exclude={
            "plugins": True,
            "policies": True,
            "simulation_id": True,
            "learning_config": {"device"},
        },
    )
    parts = (
        compiled.plan,
        _without_paths(settings),
        sorted(plugin.sha256 for plugin in compiled.scenario.plugins),
        [operator.name for operator in compiled.operators],
        sorted(fixed),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _without_paths(settings: Any) -> Any:
    if isinstance(settings, list):
        return [_without_paths(value) for value in settings]
    if not isinstance(settings, dict):
        return settings
    return {k: _without_paths(v) for k, v in settings.items() if not k.endswith("_path")}


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
                compiled.rewarded_with,
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
        deliverable=compiled.scenario.config.keeps_reserve,
    )
