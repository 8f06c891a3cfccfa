"""Results about the scenario: tables of its units, and which markets pay as bid."""

import numpy as np

from assume_rl.results.sinks import Columns, DatabaseSink
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.tables import UNIT_TABLES


def write_meta(sink: DatabaseSink, compiled: Compiled) -> None:
    """Write the tables on units that are known before anything runs."""
    for name, table in UNIT_TABLES.items():
        units = compiled.scenario.of(name)
        columns: dict[str, list[object]] = {"index": [unit.id for unit in units]}
        columns |= {c.name: [c.of(unit) for unit in units] for c in table.meta_columns}
        sink.write(table.meta_table, columns)
    sink.write("marginal_costs", _marginal_costs(compiled))


def pay_as_bid_markets(compiled: Compiled) -> tuple[str, ...]:
    """Return the names of the markets in which accepted supply is paid its own price."""
    return tuple(
        market.name
        for market in compiled.markets
        if "pay_as_bid" in (market.rule.name, getattr(market.params, "pricing_mechanism", None))
    )


def _marginal_costs(compiled: Compiled) -> Columns:
    """Return the marginal costs of units that only sell, a row for each change.

    Fuel prices often stay for months. What a storage sells costs what it was bought for, which no
    series knows beforehand.
    """
    each = enumerate(compiled.scenario.each())
    units = [u for u, (table, _) in each if table.sells and not table.buys]
    names = np.array([compiled.fleet.ids[u] for u in units], dtype=object)
    cost = compiled.profiles.marginal_cost[:, units].cpu().numpy()
    changed = np.vstack([np.ones((1, len(units)), bool), cost[1:] != cost[:-1]])
    unit, step = np.nonzero(changed.T)
    times = compiled.scenario.index.to_numpy()[step]
    return {"time": times, "unit": names[unit], "marginal_cost": cost[step, unit]}
