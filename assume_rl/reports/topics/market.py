"""The market of one run: orders, dispatch and profits."""

from collections.abc import Iterator, Mapping

import pandas as pd

from assume_rl.reports.source.order_queries import book
from assume_rl.reports.source.queries import (
    buying_technologies,
    dispatch,
    earnings,
    paid_as_bid,
    prices,
    states_of_charge,
    technologies,
    two_way,
    units,
)
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.topics.bids import bid_items
from assume_rl.reports.topics.dispatch import (
    dispatch_stack,
    state_of_charge,
    storages,
    through_time,
)
from assume_rl.reports.topics.hours import Hours
from assume_rl.reports.topics.mean_paid import MEAN_PAID
from assume_rl.reports.topics.orders import order_book
from assume_rl.reports.topics.profits import BARS, profit_per_operator, profit_per_unit
from assume_rl.reports.types import Chart, Item, Omitted, Section


def market_section(recorded: Recorded, hours: Mapping[str, Hours]) -> Section:
    """Everything about the market of one step of one run.

    :param hours: by market, the deliveries whose orders are drawn.
    """
    items = (*_books(recorded, hours), *_dispatch(recorded), *_profits(recorded))
    step = f", step {recorded.step}" if recorded.step else ""
    return Section(f"Market: {recorded.label}{step}", (*items, *bid_items(recorded)))


def _books(recorded: Recorded, hours: Mapping[str, Hours]) -> Iterator[Item]:
    if not recorded.has("market_orders"):
        yield Omitted("Merit order and demand", "no orders were recorded (market_orders is empty)")
        return
    for market, own in prices(recorded).groupby("market_id", sort=True):
        for start, what in hours[str(market)].items():
            rows = own[own["start"] == start]
            orders = book(recorded, str(market), start.to_pydatetime())
            if rows.empty or orders.empty:
                yield Omitted(f"Merit order of {market} at {start}", "no delivery begins then")
                continue
            yield _book(recorded, str(market), (start, what), orders, float(rows["price"].iloc[0]))


def _book(
    recorded: Recorded,
    market: str,
    delivery: tuple[pd.Timestamp, str],
    orders: pd.DataFrame,
    price: float,
) -> Chart:
    start, what = delivery
    first = orders[orders["end_time"] == orders["end_time"].min()]  # products may overlap
    as_bid = paid_as_bid(recorded).get(market, False)
    mean = f" Dotted: {MEAN_PAID}." if as_bid else ""
    bids = first.loc[first["volume"] < 0, "price"]
    beyond = "" if bids.empty else f" Demand bids up to {bids.max():,.0f} EUR/MWh."
    return Chart(
        f"Merit order and demand, {market}, {start:%Y-%m-%d %H:%M} ({what})",
        order_book(
            first,
            price,
            recorded.run_id,
            technologies(recorded),
            "mean paid" if as_bid else "price",
        ),
        "Supply orders by their price, as wide as their volume, diamonds at the marginal cost of "
        f"their units; demand from the highest bid down.{beyond}{mean}",
        (recorded.run_id,),
        f"orders-{market}-{start:%Y%m%dT%H%M}",
    )


def _dispatch(recorded: Recorded) -> Iterator[Item]:
    if not recorded.has("unit_dispatch"):
        yield Omitted("Dispatch", "no dispatch was recorded (unit_dispatch is empty)")
        return
    rows = dispatch(recorded)
    delivered, every = through_time(rows, "technology", "delivered")
    taken, _ = through_time(rows, "technology", "taken")
    buying = buying_technologies(recorded)
    yield Chart(
        "Dispatch by technology",
        dispatch_stack(delivered, taken, recorded.run_id, technologies(recorded), buying),
        "Power delivered, summed over the units of a technology; what storages and exchanges take "
        f"is below zero.{_averaged(every)}",
        (recorded.run_id,),
        "dispatch",
    )
    stored = two_way(recorded)
    if stored.empty:
        yield Omitted("Units that buy and sell", "no unit can both take and deliver power")
        return
    power, every = through_time(stored, "unit", "power")
    yield Chart(
        "Units that buy and sell",
        storages(power, recorded.run_id),
        f"Power of units that both deliver and take it.{_averaged(every)}",
        (recorded.run_id,),
        "storages",
    )
    charged = states_of_charge(recorded)
    if charged.empty:
        yield Omitted("State of charge", "no unit has one")
        return
    soc, every = through_time(charged, "unit", "soc")
    yield Chart(
        "State of charge",
        state_of_charge(100 * soc, recorded.run_id),
        f"At the beginning of each step.{_averaged(every)}",
        (recorded.run_id,),
        "state-of-charge",
    )


def _profits(recorded: Recorded) -> Iterator[Item]:
    known = units(recorded)
    if known.empty or not recorded.has("unit_dispatch"):
        yield Omitted("Profits", "no units or no dispatch were recorded")
        return
    earned = earnings(recorded).merge(known, on="unit")
    sellers = earned[~earned["demand"]]
    costs = sellers["cost"] + sellers["start_cost"]
    sellers = sellers.assign(profit=sellers["revenue"] - costs)
    paid = sellers["revenue"].sum()  # not the buyers' own, which is at the dearest bid each
    formula = "Revenue less generation and start costs, summed over the calendar."
    rest = f" The {len(sellers) - BARS + 1} smallest are summed up." if len(sellers) > BARS else ""
    yield Chart(
        "Profit per unit",
        profit_per_unit(sellers, recorded.run_id),
        f"{formula} Units that only buy are left out; they pay what the others receive, less what "
        f"storages and exchanges pay: {paid:,.0f} EUR.{rest}",
        (recorded.run_id,),
        "profit-units",
    )
    yield Chart(
        "Profit per operator",
        profit_per_operator(sellers, recorded.run_id),
        f"{formula} All units of an operator together.",
        (recorded.run_id,),
        "profit-operators",
    )


def _averaged(every: int) -> str:
    return f" Thinned out: means of {every} steps each are drawn." if every > 1 else ""
