"""What one run's bidders ask for beyond their costs, and what that says of market power."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assume_rl.evaluation.sellers import MarketPower, market_power
from assume_rl.evaluation.surplus import Surplus, surplus, welfare_rows
from assume_rl.reports.figures.bids import BOXES, bid_against_cost, markups, straying
from assume_rl.reports.source.order_queries import during, orders
from assume_rl.reports.source.queries import learners, running_costs, start_costs
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.thin import DOTS, LIMIT
from assume_rl.reports.topics.market_power import POINTS, lerner_through_time, residual_supply
from assume_rl.reports.types import Chart, Grid, Item, Omitted

COLUMNS = (
    "operator",
    "share of sales (%)",
    "Lerner index",
    "mark-up (EUR/MWh)",
    "lowest RSI",
    "pivotal (% of deliveries)",
    "RSI < 1.1 (% of deliveries)",
)


def bid_items(recorded: Recorded) -> Iterator[Item]:
    """Bids against marginal cost, and market power; from `market_orders`, `marginal_costs`."""
    if not recorded.has("market_orders"):
        yield Omitted("Bids and market power", "no orders were recorded (market_orders is empty)")
        return
    if not recorded.has("marginal_costs"):
        reason = "marginal costs were not recorded (no rows in marginal_costs)"
        yield Omitted("Bids and market power", reason)
        return
    found, every = orders(recorded)
    some = f" Only one delivery in {every} is read: there are many orders." if every > 1 else ""
    yield from _bids(recorded, found, some)
    gains: dict[str, Surplus] = {}
    for market, own in found.groupby("market_id", sort=True):
        power = market_power(own)
        yield from _power(recorded, str(market), power, some)
        if power is not None:
            gains[str(market)] = surplus(own)
            yield _surplus(recorded, str(market), gains[str(market)], some)
    if gains:
        starts, running = start_costs(recorded), running_costs(recorded)
        if every > 1:
            starts, running = during(starts, found), during(running, found)
        rows = welfare_rows(gains, float(starts["start_cost"].sum()), float(running["cost"].sum()))
        yield _welfare(recorded, rows, some)


def _bids(recorded: Recorded, found: pd.DataFrame, some: str) -> Iterator[Item]:
    sales = found[(found["volume"] > 0) & found["marginal_cost"].notna()]
    bids = sales.assign(learned=sales["unit_id"].isin(learners(recorded)))
    if bids.empty:
        yield Omitted(
            "Bid against marginal cost", "no unit with a marginal cost has offered anything"
        )
        return
    moving = found.loc[found["trades"], "unit_id"].nunique()
    left = (
        " Storages and exchanges are left out: what they sell costs what they bought."
        if moving
        else ""
    )
    thinned = f" Thinned out to {DOTS:,} of {len(bids):,} orders." if len(bids) > DOTS else ""
    yield Chart(
        "Bid against marginal cost",
        bid_against_cost(bids, recorded.run_id),
        "A dot per supply order; above the line a unit asks for more than its power costs."
        + left
        + thinned
        + some,
        (recorded.run_id,),
        "bid-cost",
    )
    off, count = len(straying(bids)), bids["unit_id"].nunique()
    if not off:
        yield Omitted("Mark-up of bids by unit", "every order is at its unit's marginal cost")
        return
    far = f" The {BOXES} units that stray farthest." if off > BOXES else ""
    yield Chart(
        "Mark-up of bids by unit",
        markups(bids, recorded.run_id),
        "Bid less marginal cost over all orders of a unit: median, quartiles, lowest and highest. "
        f"{count - off} of {count} units always bid their cost and are left out.{far}{some}",
        (recorded.run_id,),
        "markups",
    )


def _power(recorded: Recorded, market: str, found: MarketPower | None, some: str) -> Iterator[Item]:
    if found is None:
        yield Omitted(f"Market power, {market}", "nobody has offered anything")
        return
    index = found.residual_supply
    sold, offered = found.concentration
    yield Chart(
        f"Residual supply index, {market}",
        residual_supply(dict(zip(found.operators, index.T, strict=True)), recorded.run_id),
        "What all others offer over what units that only buy want at the price, sorted; the "
        "operators with the lowest values. Below 1 an operator is pivotal: demand cannot be met "
        "without it."
        f"{_drawn(index)}{some}",
        (recorded.run_id,),
        f"residual-supply-{market}",
    )
    lerner = found.lerner
    if np.isfinite(lerner).any():
        yield Chart(
            f"Lerner index, {market}",
            lerner_through_time(found.start, lerner, recorded.run_id),
            "What units are paid less marginal cost, as a share of what they are paid; mean "
            f"weighted by what they sold, without prices of 0 or less.{_drawn(lerner)}{some}",
            (recorded.run_id,),
            f"lerner-{market}",
        )
    yield Grid(
        f"Market power by operator, {market}",
        COLUMNS,
        found.rows(),
        f"Herfindahl-Hirschman index of operators: {sold:,.0f} of sales, {offered:,.0f} of what "
        f"was offered (10,000: one operator). Available is what was offered.{some} "
        f"run_id {recorded.run_id}",
    )


def _surplus(recorded: Recorded, market: str, found: Surplus, some: str) -> Grid:
    storages = (
        ""
        if found.traded is None
        else "Storages and exchanges gain what they sell for less what they pay; what is left is "
        "worth nothing, and the deadweight loss takes what they did as given. "
    )
    return Grid(
        f"Surplus, {market}",
        ("figure", "EUR"),
        found.rows(),
        "Buyers are worth their limit prices, plants cost their marginal cost; what buyers pay is "
        f"what the others receive. {storages}Empty where a cost is not known. Deadweight loss: "
        "what trade would have gained more had all plants offered the same power at its cost, "
        f"without limits of the grid.{some} run_id {recorded.run_id}",
    )


def _welfare(recorded: Recorded, rows: Sequence[tuple[str, float | None]], some: str) -> Grid:
    return Grid(
        "Welfare",
        ("figure", "EUR"),
        rows,
        "Gains of trade are consumer and producer surplus, and what storages and exchanges gain; "
        "what units cost when they start, and storages when they run, belongs to no market alone. "
        f"Empty where a cost is not known.{some} run_id {recorded.run_id}",
    )


def _drawn(values: NDArray[np.float64]) -> str:
    """What is said where not every delivery is a point of its own."""
    limit = LIMIT if values.ndim == 1 else POINTS
    return f" Thinned out to {limit:,} points a line." if len(values) > limit else ""
