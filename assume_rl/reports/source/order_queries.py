"""Orders for figures, with what their units' power costs."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from assume_rl.reports.source.queries import UNKNOWN, dated, reserve_markets, units
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.thin import stride

ORDERS_READ = 200_000  # beyond, only those of some deliveries are read


def book(recorded: Recorded, market: str, start: datetime) -> pd.DataFrame:
    """Return one market's orders of deliveries that begin at `start`, with technology and cost."""
    names = ("start_time", "end_time", "market_id", "unit_id", "price", "volume")
    rows = recorded.rows("market_orders", *names, "accepted_volume", "bid_id")
    query = sa.select(rows).where(rows.c.market_id == market, rows.c.start_time == start)
    found = dated(recorded.frame(query.order_by(rows.c.bid_id)), "start_time", "end_time")
    return with_costs(recorded, found)


def orders(recorded: Recorded) -> tuple[pd.DataFrame, int]:
    """Return all orders for energy with technology and cost, and n.

    Only every n-th delivery's are there. What is asked for reserve is held against no cost.
    """
    names = ("start_time", "end_time", "market_id", "unit_id", "price", "volume")
    rows = recorded.rows("market_orders", *names, "accepted_volume", "accepted_price")
    energy = rows.c.market_id.not_in(reserve_markets(recorded))
    count = recorded.number(sa.select(sa.func.count()).select_from(rows).where(energy))
    every = stride(count, ORDERS_READ)
    query = sa.select(rows).where(energy)
    if every > 1:
        times = sa.select(rows.c.start_time).where(energy).distinct()
        starts = recorded.frame(times.order_by(rows.c.start_time))
        kept: Sequence[datetime] = [t.to_pydatetime() for t in starts["start_time"][::every]]
        query = query.where(rows.c.start_time.in_(kept))
    found = dated(recorded.frame(query), "start_time", "end_time")
    return with_costs(recorded, found), every


def during(rows: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose `time` lies in a delivery of the orders.

    :param rows: with `time`, in its order
    :param orders: with `start_time` and `end_time`
    """
    deliveries = orders.groupby("start_time", as_index=False)["end_time"].max()
    found = pd.merge_asof(rows, deliveries, left_on="time", right_on="start_time")
    return found.loc[(found["time"] < found["end_time"]).to_numpy(), list(rows)]


def with_costs(recorded: Recorded, found: pd.DataFrame) -> pd.DataFrame:
    """Return orders with what is known of their units.

    `technology`, `operator`, `trades` (it both buys and sells) and `marginal_cost` (EUR/MWh) at the
    start; a unit that trades has none.
    """
    named = found.merge(units(recorded), left_on="unit_id", right_on="unit", how="left")
    named["technology"] = named["technology"].fillna(UNKNOWN)
    named["trades"] = named["trades"].eq(True)
    costs = marginal_costs(recorded)
    joined = pd.merge_asof(
        named.sort_values("start_time", kind="stable"),
        costs.rename(columns={"time": "start_time", "unit": "unit_id"}),
        on="start_time",
        by="unit_id",
    )
    return joined.sort_values(["start_time", "unit_id"], kind="stable", ignore_index=True)


def marginal_costs(recorded: Recorded) -> pd.DataFrame:
    """Return `time` (from when on), `unit`, `marginal_cost` (EUR/MWh)."""
    if "marginal_costs" not in recorded.present:
        empty = {"time": "datetime64[ns]", "unit": "object", "marginal_cost": "float64"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in empty.items()})
    rows = recorded.rows("marginal_costs", "time", "unit", "marginal_cost").c
    found = recorded.frame(sa.select(rows.time, rows.unit, rows.marginal_cost).order_by(rows.time))
    return dated(found, "time").astype({"marginal_cost": float})
