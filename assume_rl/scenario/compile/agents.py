"""Names of learning units as agents (a unit in a market), and of the policies that they share."""

from collections.abc import Container, Mapping, Sequence

from assume_rl.core.bidding import operator_learns
from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.core.bidding.ladder import by_nameplate
from assume_rl.core.time import Tick
from assume_rl.core.units.base import ENERGY, HELD
from assume_rl.scenario.compile.bidders import Bidders
from assume_rl.scenario.compile.plan import in_turn
from assume_rl.scenario.types import Scenario

AT = "@"


def agent_names(scenario: Scenario, bidders: Bidders) -> dict[str, dict[str, str]]:
    """Return the names of learning units as agents, by market and unit.

    A unit that learns in one market has its id as name; one that learns in several has the market
    appended in each. So draws and policy files of a unit do not depend on what others learn. Units
    whose operator learns have that one's name, likewise.
    """
    markets = tuple(scenario.config.markets_config)
    found: dict[str, dict[str, str]] = {market: {} for market in markets}
    for unit in scenario.units:
        by_operator = learning_markets(scenario, unit.unit_operator)
        own = [
            market
            for market in markets
            if market not in by_operator
            and isinstance(bidders.get((market, unit.bidding.get(market, ""))), LearnedBidder)
        ]
        for who, learns in ((unit.id, own), (unit.unit_operator, by_operator)):
            for market in learns:
                if market in unit.bidding:
                    name = who if len(learns) == 1 else f"{who}{AT}{market}"
                    found[market][unit.id] = name
    return found


def owner_of(agent: str, markets: Container[str]) -> str:
    """Return the unit, or the operator, that an agent decides for in one market or in all.

    >>> owner_of("gas@CRM_pos", ["EOM", "CRM_pos"]), owner_of("gas@home", ["EOM"])
    ('gas', 'gas@home')

    :param agent: as `agent_names` names it
    :param markets: names of all markets
    """
    owner, _, market = agent.rpartition(AT)
    return owner if market in markets and owner else agent


def energy_agents(
    scenario: Scenario,
    bidders: Bidders,
    agents: Mapping[str, Mapping[str, str]],
    plan: Sequence[Tick],
) -> dict[str, tuple[str, ...]]:
    """Return, for each agent of held reserve, those that sell energy in what it leaves of its unit.

    Energy is sold for the same deliveries, from the time at which reserve has cleared to the next
    opening of reserve, and rewarded by nameplate power, as reserve is, so that both can be added.
    Operators that learn are left out: they earn for all of their units.

    :param scenario: of the units
    :param bidders: by market and name
    :param agents: names of learning units, by market and unit
    :param plan: of the auctions
    """
    markets = scenario.config.markets_config
    following = {
        reserve: [
            energy
            for energy in markets
            if markets[energy].product_type == ENERGY
            and agents[energy]
            and in_turn(plan, reserve, energy)
        ]
        for reserve in markets
        if markets[reserve].product_type in HELD and agents[reserve]
    }
    found = {}
    for unit in scenario.units:
        by_operator = learning_markets(scenario, unit.unit_operator)
        for reserve, later in following.items():
            own = [
                agents[market][unit.id]
                for market in later
                if market not in by_operator
                and unit.id in agents[market]
                and by_nameplate(bidders[market, unit.bidding[market]])
            ]
            if own and reserve not in by_operator and unit.id in agents[reserve]:
                found[agents[reserve][unit.id]] = tuple(own)
    return found


def after_reserve(
    rewarded_with: Mapping[str, tuple[str, ...]], shared: Mapping[str, str]
) -> frozenset[str]:
    """Return the agents that observe what reserve leaves, and those that share their policies.

    :param rewarded_with: see `energy_agents`
    :param shared: policy of each agent that shares one
    """
    own = frozenset(agent for agents in rewarded_with.values() for agent in agents)
    policies = {shared[agent] for agent in own if agent in shared}
    return own | {agent for agent, policy in shared.items() if policy in policies}


def learning_markets(scenario: Scenario, operator: str) -> list[str]:
    """Return the markets in which an operator learns for all of its units."""
    strategies = scenario.operators.get(operator, {})
    return [m for m in scenario.config.markets_config if operator_learns(strategies.get(m, ""))]


def shared_policies(
    scenario: Scenario, bidders: Bidders, agents: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the name of the policy that each agent shares; empty: all have policies of their own.

    It is that of the technology or the bidder; of a class that learns in several markets, with the
    market appended.

    :param scenario: with the setting
    :param bidders: by market and name
    :param agents: names of learning units, by market and unit
    """
    by = scenario.learning.parameter_sharing
    if by is None:
        return {}
    classes = {
        (market, unit.id): unit.technology if by == "technology" else bidder.name
        for unit in scenario.units
        for market, own in agents.items()
        if unit.id in own
        for bidder in [bidders[market, unit.bidding[market]]]
        if isinstance(bidder, LearnedBidder)  # else its operator learns
    }
    markets: dict[str, set[str]] = {}
    for (market, _), name in classes.items():
        markets.setdefault(name, set()).add(market)
    return {
        agents[market][unit]: name if len(markets[name]) == 1 else f"{name}{AT}{market}"
        for (market, unit), name in classes.items()
    }


def unit_and_market(agent: str, units: Container[str]) -> tuple[str, str | None]:
    """Return the unit of an agent and, if its name has one, the market.

    :param agent: its name
    :param units: ids of all units, since these may hold an `@` of their own
    """
    unit, _, market = agent.rpartition(AT)
    return (agent, None) if agent in units or not unit else (unit, market)
