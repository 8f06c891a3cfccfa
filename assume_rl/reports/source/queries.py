"""What figures of a market need of its tables, as data frames.

Rows are filtered, joined and summed up in SQL, so that a long run stays small in memory.
"""

from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Subquery

from assume_rl.core.units.base import ENERGY, HELD
from assume_rl.reports.source.rows import Recorded
from assume_rl.scenario.compile.agents import unit_and_market
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import UnitTable

SAME_PRICE = 1e-6  # EUR/MWh; a mean of equal prices may differ in its last digits
UNKNOWN = "unknown"  # technology of a unit that no table of units has


def prices(recorded: Recorded) -> pd.DataFrame:
    """Return a row per cleared product.

    `market_id`, `product_type`, `start`, `hours` (h) and `price` (EUR/MWh; of reserve that is held
    EUR/MW and hour).
    """
    names = ("market_id", "product_type", "product_start", "product_end", "price")
    rows = recorded.rows("market_meta", *names).c
    query = sa.select(*(rows[name] for name in names))
    found = recorded.frame(query.order_by(rows.market_id, rows.product_start, rows.product_end))
    length = pd.to_datetime(found["product_end"]) - pd.to_datetime(found["product_start"])
    start = pd.to_datetime(found["product_start"])
    return pd.DataFrame(
        {
            "market_id": found["market_id"],
            "product_type": found["product_type"].fillna(ENERGY),
            "start": start,
            "hours": length.dt.total_seconds() / 3600,
            "price": found["price"].astype(float),
        }
    )


def reserve_markets(recorded: Recorded) -> tuple[str, ...]:
    """Return the markets that trade reserve: prices there are not for what power costs."""
    return tuple(name for name, kind in _product_types(recorded) if kind != ENERGY)


def held_markets(recorded: Recorded) -> tuple[str, ...]:
    """Return the markets that trade reserve that is held, at prices per MW and hour."""
    return tuple(name for name, kind in _product_types(recorded) if kind in HELD)


def _product_types(recorded: Recorded) -> list[tuple[str, str]]:
    """Return each market with what it trades, by name; none where that was not recorded."""
    if "market_meta" not in recorded.present:
        return []
    rows = recorded.rows("market_meta", "market_id", "product_type").c
    query = sa.select(rows.market_id, rows.product_type).distinct().order_by(rows.market_id)
    found = recorded.frame(query.where(rows.product_type.is_not(None)))
    return list(zip(found["market_id"], found["product_type"], strict=True))


def paid_as_bid(recorded: Recorded) -> dict[str, bool]:
    """Return by market whether accepted orders are paid their own prices.

    A market with one price for all publishes that of the dearest accepted supply.
    """
    if "market_meta" not in recorded.present:
        return {}
    rows = recorded.rows("market_meta", "market_id", "price", "max_price").c
    gap = sa.func.max(rows.max_price - rows.price).label("gap")
    query = sa.select(rows.market_id, gap).group_by(rows.market_id).order_by(rows.market_id)
    found = recorded.frame(query)
    gaps = found["gap"].astype(float) > SAME_PRICE
    return dict(zip(found["market_id"], map(bool, gaps), strict=True))


def units(recorded: Recorded) -> pd.DataFrame:
    """Return a row per known unit.

    `unit`, `technology`, `operator`, `demand` (it only buys) and `trades` (it both buys and sells,
    as storages do).
    """
    parts = []
    for table in _kinds(recorded):
        rows = recorded.rows(table.meta_table, "index", "technology", "unit_operator").c
        found = recorded.frame(sa.select(rows["index"], rows.technology, rows.unit_operator))
        parts.append(found.assign(demand=not table.sells, trades=table.sells and table.buys))
    names = {"index": "unit", "unit_operator": "operator"}
    return pd.concat(parts, ignore_index=True).rename(columns=names)


def technologies(recorded: Recorded) -> list[str]:
    """Return all technologies, in the order of the units."""
    return [*dict.fromkeys(units(recorded)["technology"].fillna(UNKNOWN)), UNKNOWN]


def learners(recorded: Recorded) -> frozenset[str]:
    """Return the units with a learned bidder, those of an operator that learns among them."""
    if "rl_params" not in recorded.present:
        return frozenset()
    rows = recorded.rows("rl_params", "unit").c
    agents, known = recorded.frame(sa.select(rows.unit).distinct())["unit"], units(recorded)
    sellers = known[~known["demand"].astype(bool) & ~known["trades"].astype(bool)]
    owned = {str(name): set(own) for name, own in sellers.groupby("operator")["unit"]}
    ids = set(known["unit"])
    names = (unit_and_market(agent, ids | owned.keys())[0] for agent in agents)
    return frozenset(
        unit for name in names for unit in ({name} if name in ids else owned.get(name, {name}))
    )


def dispatch(recorded: Recorded) -> pd.DataFrame:
    """Return `time`, `technology`, `delivered` and `taken` (MW, >= 0 and <= 0).

    Both are summed over the units of a technology, of which some may deliver while others take.
    """
    delivered, known = (
        recorded.rows("unit_dispatch", "time", "unit", "power"),
        _technologies(recorded),
    )
    rows = delivered.c
    technology = sa.func.coalesce(known.c.technology, UNKNOWN).label("technology")
    query = (
        sa.select(
            rows.time,
            technology,
            sa.func.sum(sa.case((rows.power > 0, rows.power), else_=0.0)).label("delivered"),
            sa.func.sum(sa.case((rows.power < 0, rows.power), else_=0.0)).label("taken"),
        )
        .outerjoin_from(delivered, known, rows.unit == known.c.unit)
        .group_by(rows.time, technology)
        .order_by(rows.time)
    )
    return dated(recorded.frame(query), "time")


def buying_technologies(recorded: Recorded) -> frozenset[str]:
    """Return the technologies all of whose units only buy."""
    known = units(recorded)
    only = known["demand"].astype(bool).groupby(known["technology"].fillna(UNKNOWN)).all()
    return frozenset(only[only.astype(bool)].index)


def two_way(recorded: Recorded) -> pd.DataFrame:
    """Return `time`, `unit` and `power` (MW) of units that can both deliver and take power."""
    known = units(recorded)
    names = known.loc[known["trades"].astype(bool), "unit"]
    rows = recorded.rows("unit_dispatch", "time", "unit", "power").c
    query = sa.select(rows.time, rows.unit, rows.power).where(rows.unit.in_(list(names)))
    return dated(recorded.frame(query.order_by(rows.unit, rows.time)), "time")


def states_of_charge(recorded: Recorded) -> pd.DataFrame:
    """Return `time`, `unit` and `soc` (share of the capacity) of units that have one."""
    rows = recorded.rows("unit_dispatch", "time", "unit", "soc").c
    query = sa.select(rows.time, rows.unit, rows.soc).where(rows.soc.is_not(None))
    return dated(recorded.frame(query.order_by(rows.unit, rows.time)), "time")


def running_costs(recorded: Recorded) -> pd.DataFrame:
    """Return `time` and `cost` (EUR) of units that both buy and sell; their orders have no cost."""
    known = units(recorded)
    names = known.loc[known["trades"].astype(bool), "unit"]
    rows = recorded.rows("unit_dispatch", "time", "unit", "cost").c
    query = sa.select(rows.time, rows.cost).where(rows.unit.in_(list(names))).order_by(rows.time)
    return dated(recorded.frame(query), "time").astype({"cost": float})


def earnings(recorded: Recorded) -> pd.DataFrame:
    """Return `unit`, `revenue`, `cost` and `start_cost` (EUR), summed over the calendar."""
    rows = recorded.rows("unit_dispatch", "unit", "revenue", "cost").c
    query = sa.select(
        rows.unit,
        sa.func.sum(rows.revenue).label("revenue"),
        sa.func.sum(rows.cost).label("cost"),
    )
    earned = recorded.frame(query.group_by(rows.unit).order_by(rows.unit))
    starts = start_costs(recorded).groupby("unit")["start_cost"].sum()
    return earned.assign(start_cost=earned["unit"].map(starts).fillna(0.0))


def start_costs(recorded: Recorded) -> pd.DataFrame:
    """Return `time`, `unit` and `start_cost` (EUR), a row per start."""
    rows = recorded.rows("start_costs", "time", "unit", "start_cost").c
    query = sa.select(rows.time, rows.unit, rows.start_cost).order_by(rows.time, rows.unit)
    return dated(recorded.frame(query), "time").astype({"start_cost": float})


def _kinds(recorded: Recorded) -> list[UnitTable[Any]]:
    """Return the unit kinds that the database knows; one of an older version may lack some."""
    return [kind for kind in UNIT_TABLES.values() if kind.meta_table in recorded.present]


def _technologies(recorded: Recorded) -> Subquery:
    """Return the technology by unit."""
    parts = []
    for table in _kinds(recorded):
        rows = recorded.rows(table.meta_table, "index", "technology").c
        parts.append(sa.select(rows["index"].label("unit"), rows.technology))
    return sa.union_all(*parts).subquery()


def dated(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return the same with times as times, also where there are no rows."""
    return frame.assign(
        **{name: pd.to_datetime(frame[name]).astype("datetime64[ns]") for name in names}
    )
