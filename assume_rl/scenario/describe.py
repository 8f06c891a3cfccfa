"""A summary of a scenario as plain data, printed by `assume-rl validate`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from assume_rl.scenario.types import Compiled


@dataclass(frozen=True)
class MarketSummary:
    """One market in numbers."""

    name: str
    mechanism: str
    auctions: int
    products: int  # of one auction
    sellers: int  # units
    buyers: int  # units
    first_delivery: datetime  # start of the first delivery
    last_delivery: datetime  # end of the last delivery


@dataclass(frozen=True)
class Summary:
    """A scenario in numbers."""

    name: str
    case: str
    start: datetime
    end: datetime
    step: timedelta
    steps: int
    units: dict[str, int]  # by kind, as messages call it
    operators: tuple[str, ...]
    learners: tuple[str, ...]
    rewarded_with: Mapping[str, tuple[str, ...]]  # agents, by one that is rewarded for theirs too
    markets: tuple[MarketSummary, ...]
    warnings: tuple[str, ...]


def describe(compiled: Compiled) -> Summary:
    """Return a `Summary` of markets, units, learners, auctions, first and last delivery."""
    scenario = compiled.scenario
    return Summary(
        name=scenario.name,
        case=scenario.case,
        start=scenario.start,
        end=scenario.index[-1].to_pydatetime(),
        step=scenario.step,
        steps=compiled.steps,
        units=dict(Counter(table.label for table, _ in scenario.each())),
        operators=tuple(operator.name for operator in compiled.operators),
        learners=compiled.learners,
        rewarded_with=compiled.rewarded_with,
        markets=tuple(_market(compiled, market.name) for market in compiled.markets),
        warnings=scenario.warnings,
    )


def _market(compiled: Compiled, name: str) -> MarketSummary:
    scenario = compiled.scenario
    auctions = [a for a in compiled.auctions if a.market == name]
    start = min(min(a.first) for a in auctions)
    end = max(f + n for a in auctions for f, n in zip(a.first, a.length, strict=True))
    return MarketSummary(
        name=name,
        mechanism=scenario.config.markets_config[name].market_mechanism,
        auctions=len(auctions),
        products=len(auctions[0].first),
        sellers=sum(table.sells and name in unit.bidding for table, unit in scenario.each()),
        buyers=sum(table.buys and name in unit.bidding for table, unit in scenario.each()),
        first_delivery=scenario.start + start * scenario.step,
        last_delivery=scenario.start + end * scenario.step,
    )
