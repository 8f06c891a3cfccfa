"""Names of learning units as agents: an agent is a unit in a market."""

from collections.abc import Container

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.scenario.compile.bidders import Bidders
from assume_rl.scenario.types import Scenario

AT = "@"


def agent_names(scenario: Scenario, bidders: Bidders) -> dict[str, dict[str, str]]:
    """Return the names of learning units as agents, by market and unit.

    A unit that learns in one market has its id as name; one that learns in several has the market
    appended in each. So draws and policy files of a unit do not depend on what others learn.
    """
    found: dict[str, dict[str, str]] = {}
    for unit in scenario.units:
        learns = [
            market
            for market in scenario.config.markets_config
            if isinstance(bidders.get((market, unit.bidding.get(market, ""))), LearnedBidder)
        ]
        for market in learns:
            name = unit.id if len(learns) == 1 else f"{unit.id}{AT}{market}"
            found.setdefault(market, {})[unit.id] = name
    return {market: found.get(market, {}) for market in scenario.config.markets_config}


def unit_and_market(agent: str, units: Container[str]) -> tuple[str, str | None]:
    """Return the unit of an agent and, if its name has one, the market.

    :param agent: its name
    :param units: ids of all units, since these may hold an `@` of their own
    """
    unit, _, market = agent.rpartition(AT)
    return (agent, None) if agent in units or not unit else (unit, market)
