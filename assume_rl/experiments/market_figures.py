"""Market power and welfare in an episode that was recorded in memory."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assume_rl.core.units.base import ENERGY
from assume_rl.evaluation.market_power import share_below
from assume_rl.evaluation.sellers import MarketPower, market_power
from assume_rl.evaluation.surplus import surplus
from assume_rl.results.metrics import Kpis
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled

TABLES = frozenset({"market_orders", "start_costs", "unit_dispatch"})
"""Tables that these figures are made of."""

ALL_MARKETS = "all"
"""What `kpis` names what belongs to no market alone."""


@dataclass(frozen=True)
class MarketFigures:
    """Figures of one market; None where a cost that they need is not known."""

    market: str
    markup: float | None  # EUR/MWh, price paid less marginal cost, mean weighted by sales
    hhi: float | None  # Herfindahl-Hirschman index of operators' sales, 10,000: one operator
    lowest_rsi: float | None  # residual supply index, lowest of all deliveries and operators
    pivotal_share: float  # of deliveries, of the operator that is pivotal most often
    consumer_payment: float  # EUR


@dataclass(frozen=True)
class Markets:
    """Figures of all markets of an episode."""

    each: tuple[MarketFigures, ...]  # those with sales
    welfare: float | None  # EUR, gains of trade less other costs; None where a cost is not known


def market_figures(compiled: Compiled, memory: MemorySink) -> Markets:
    """Return the report's figures of market power and welfare, as numbers.

    :param compiled: scenario
    :param memory: `TABLES` of an episode
    """
    if not memory.table("market_orders"):
        return Markets((), 0.0)
    found, total = [], 0.0
    for market, own in _orders(compiled, memory).groupby("market_id", sort=True):
        power = market_power(own)
        if power is None:
            continue
        gains = surplus(own)
        found.append(_of_market(str(market), power, gains.paid))
        total += gains.total
    return Markets(tuple(found), _known(total - _other_costs(compiled, memory)))


def market_kpis(found: Markets) -> Kpis:
    """Return figures of markets as rows of `kpis`."""
    rows = [
        (name, own.market, value)
        for own in found.each
        for name, value in vars(own).items()
        if name != "market"
    ]
    return [row for row in (*rows, ("welfare", ALL_MARKETS, found.welfare)) if row[2] is not None]


def _of_market(market: str, power: MarketPower, paid: float) -> MarketFigures:
    index = power.residual_supply
    finite = index[np.isfinite(index)]
    return MarketFigures(
        market=market,
        markup=_known(power.mean_markup),
        hhi=_known(power.concentration[0]),
        lowest_rsi=float(finite.min()) if finite.size else None,
        pivotal_share=float(share_below(index, 1.0).max()),
        consumer_payment=paid,
    )


def _orders(compiled: Compiled, memory: MemorySink) -> pd.DataFrame:
    """Return all orders for energy with `operator`, `trades`, `marginal_cost`, as reports do."""
    orders = pd.DataFrame(memory.table("market_orders"))
    reserve = [spec.name for spec in compiled.markets if spec.product_type != ENERGY]
    orders = orders[~orders["market_id"].isin(reserve)]
    units = {unit.id: (unit.unit_operator, table) for table, unit in compiled.scenario.each()}
    place = {unit: number for number, unit in enumerate(compiled.fleet.ids)}
    known = [units[unit] for unit in orders["unit_id"]]
    start = np.datetime64(compiled.scenario.start)
    step = (orders["start_time"].to_numpy() - start) // np.timedelta64(compiled.step_seconds, "s")
    step = step.clip(max=compiled.steps - 1)  # what is delivered later costs what it did last
    cost = compiled.profiles.marginal_cost[step, [place[unit] for unit in orders["unit_id"]]]
    priced = [table.sells and not table.buys for _, table in known]
    return orders.assign(
        operator=[operator for operator, _ in known],
        trades=[table.sells and table.buys for _, table in known],
        marginal_cost=np.where(priced, cost.cpu().numpy(), np.nan),
    )


def _other_costs(compiled: Compiled, memory: MemorySink) -> float:
    """Return costs in no order, EUR: of starts, and of running units that buy and sell."""
    starts, dispatch = memory.table("start_costs"), memory.table("unit_dispatch")
    total = float(starts["start_cost"].sum()) if starts else 0.0
    moving = set(_trading(compiled))
    if moving:
        own = np.isin(dispatch["unit"].astype(str), sorted(moving))
        total += float(dispatch["cost"][own].sum())
    return total


def _trading(compiled: Compiled) -> Iterator[str]:
    """Yield the units that both buy and sell."""
    for table, unit in compiled.scenario.each():
        if table.sells and table.buys:
            yield unit.id


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
