"""The rule of plants that count starts, against the same rule written for one unit at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import Context, View
from assume_rl.core.bidding.flexible import FlexiblePlant
from assume_rl.core.forecasts import Forecasts, Outlook
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, begin, look, moved_to, settle
from assume_rl.core.units.base import Limits, Range, no_range
from assume_rl.core.units.fleet import members
from assume_rl.core.units.thermal import ThermalParams, ThermalView
from assume_rl.testing import toy_fleet, toy_thermal

INF = torch.inf
STEPS = 12  # of the calendar


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True)
class Plant:
    """One plant at the opening of an auction."""

    limits: dict[str, float]  # of `toy_thermal`
    past: tuple[float, ...]  # MW
    since: int  # steps since the episode began
    share: float
    available: tuple[float, ...]  # MW of each product
    cost: tuple[float, ...]  # EUR/MWh
    sold: tuple[float, ...]  # MW


@st.composite
def plants(draw: st.DrawFn, products: int) -> Plant:
    def some(*values: float) -> tuple[float, ...]:
        return tuple(draw(st.sampled_from(values)) for _ in range(products))

    def one(*values: float) -> float:
        return draw(st.sampled_from(values))

    return Plant(
        limits={
            "ramp_up": one(INF, 30.0, 55.0),
            "ramp_down": one(INF, 30.0),
            "min_operating_time": one(0.0, 0.0, 1.0, 3.0),
            "min_down_time": one(0.0, 1.0, 2.0),
            "hot_start_cost": one(0.0, 300.0),
            "warm_start_cost": 700.0,
            "cold_start_cost": one(900.0, 1e9),
            "downtime_hot_start": one(0.0, 1.0),
            "downtime_warm_start": one(1.0, 2.0),
        },
        past=tuple(one(0.0, 0.0, 40.0, 90.0) for _ in range(4)),
        since=draw(st.integers(0, 4)),
        share=one(0.0, 0.25, 0.8),
        available=some(100.0, 100.0, 70.0, 10.0),
        cost=some(20.0, 35.0),
        sold=some(0.0, 0.0, 15.0),
    )


def start_cost(plant: Plant, off: float) -> float:
    limits = plant.limits
    kinds = ("hot", "warm")
    within = [kind for kind in kinds if off <= limits[f"downtime_{kind}_start"]]
    return limits[f"{within[0] if within else 'cold'}_start_cost"]


def ramped(plant: Plant, op: float, prev: float, power: float, cur: float) -> float:
    limits, up, down = plant.limits, plant.limits["ramp_up"], plant.limits["ramp_down"]
    if up == INF and down == INF:
        return power
    if power > 0 and -limits["min_down_time"] < op < 0:
        power = 0.0
    elif power == 0 and 0 < op < limits["min_operating_time"]:
        power = 20.0
    if power == 0:
        return 0.0
    if up != INF:
        power = min(power, prev + up - cur, 100.0 - cur)
    if down != INF:
        power = max(power, prev - down - cur, 20.0 - cur)
    return power


def operating_time(plant: Plant) -> float:
    span = max(plant.limits["min_operating_time"], plant.limits["min_down_time"], 1.0)
    if plant.since == 0:
        return span
    seen = list(reversed(plant.past))[: min(round(span), plant.since)]
    run = 0
    while run < len(seen) and (seen[run] > 0) == (seen[0] > 0):
        run += 1
    return run if seen[0] > 0 else -run


def by_hand(plant: Plant, forecast: list[float], first: int, ahead: int) -> Iterator[float]:
    """Yield price and volume of the least power, then of the rest, product by product."""
    limits = plant.limits
    op, prev = operating_time(plant), plant.past[-1]
    for i, (available, cost, sold) in enumerate(
        zip(plant.available, plant.cost, plant.sold, strict=True)
    ):
        most = max(available - sold, 0.0)
        least = max(20.0 - sold, 0.0)
        if most < least:
            most = least = 0.0
        q = ramped(plant, op, prev, least, sold)
        top = ramped(plant, op, prev, most, sold)
        step = first + i
        margin = sum(price - cost for price in forecast[step : step + ahead + 1])
        if q == 0:
            price = 0.0
        elif op > 0:
            down = limits["min_down_time"]
            spared = start_cost(plant, down) / (down or 1.0) / q
            wanted = 0.0 if margin >= 0 and forecast[step] < cost else cost
            price = max(wanted - spared, -499.0)
        else:
            usual = max(plant.share, limits["min_operating_time"])
            price = min(cost + start_cost(plant, -op) / (usual or 1.0) / q, 3000.0)
        free = op > 0 or op <= -limits["min_down_time"]
        rest = top - q if free else 0.0
        yield from (price, q, cost, rest)
        prev = q + rest + sold
        op = max(op, 0) + 1 if prev > 0 else min(op, 0) - 1


def view_of(all_plants: list[Plant], forecast: list[float], first: int) -> View[ThermalView]:
    """Return what the rule sees of plants that have been equally long in the episode."""
    names = all_plants[0].limits
    params: ThermalParams = toy_thermal(
        [100.0] * len(all_plants),
        20.0,
        **{name: [plant.limits[name] for plant in all_plants] for name in names},
    )
    available, cost, sold, past = (
        numbers(*values).reshape(len(all_plants), -1).t()
        for values in (
            [value for plant in all_plants for value in getattr(plant, name)]
            for name in ("available", "cost", "sold", "past")
        )
    )
    most, least = (available - sold).clamp(min=0), (20.0 - sold).clamp(min=0)
    fits = most >= least
    price = numbers(*forecast)[None]
    series = torch.zeros(len(all_plants), dtype=torch.long)
    return View(
        limits=Limits(sell=Range(least * fits, most * fits), buy=no_range(most)),
        lengths=(1,) * len(sold),
        sold=sold,
        throughout=sold,
        capacity=available,
        marginal_cost=cost,
        previous_power=past[-1],
        price_history=torch.zeros(len(all_plants), 0, dtype=torch.float64),
        outlook=Outlook(
            Forecasts(price, price, price, price, series), series, first, tuple(range(len(sold)))
        ),
        own=ThermalView(params, past, all_plants[0].since),
        running_share=numbers(*(plant.share for plant in all_plants)),
    )


@settings(deadline=None)
@given(data=st.data(), products=st.integers(1, 4), ahead=st.sampled_from([0, 2, 20]))
def test_orders_are_those_of_the_rule_unit_by_unit(
    data: st.DataObject, products: int, ahead: int
) -> None:
    since = data.draw(st.integers(0, 4))
    own = [replace(data.draw(plants(products)), since=since) for _ in range(3)]
    prices = st.sampled_from([10.0, 20.0, 30.0, 35.0, 50.0])
    forecast = data.draw(st.lists(prices, min_size=STEPS, max_size=STEPS))
    first = data.draw(st.integers(0, STEPS - products))
    orders = FlexiblePlant(ahead).orders(view_of(own, forecast, first))
    for i, plant in enumerate(own):
        slots = slice(2 * i, 2 * i + 2)
        got = torch.stack([orders.price[:, slots], orders.volume[:, slots]], dim=-1)
        expected = numbers(*by_hand(plant, forecast, first, ahead)).reshape(products, 2, 2)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("foresight", "hours", "steps"), [("12h", 1.0, 12), ("6h", 0.25, 24), ("90min", 1.0, 1)]
)
def test_the_foresight_is_counted_in_steps(foresight: str, hours: float, steps: int) -> None:
    context = Context(max_bid_price=100.0, products=1, step_hours=hours)
    assert create("flexable_eom", context, {"eom_foresight": foresight}) == FlexiblePlant(steps)


# --- the share of an episode that a unit was on ---------------------------------------------------


def started() -> tuple[Portfolio, Team, Position]:
    """Two plants at the start of an episode."""
    fleet, profiles = toy_fleet(steps=40)
    team = Team(FlexiblePlant(2), members(fleet, (0, 1)), fleet.ids)
    portfolio = Portfolio(fleet, profiles, {"EOM": (team,)}, 1.0, lookback=4, horizon=8)
    return portfolio, team, begin(portfolio)


def sold(
    portfolio: Portfolio, position: Position, auction: Auction, offered: Tensor, accepted: Tensor
) -> Position:
    """Return the position after an auction, (product unit)."""
    orders: Orders = unit_major(torch.ones_like(offered), offered, 2)
    price = orders.price
    result = Result(auction, orders, accepted, price, price, asked=(), slots=())
    now = moved_to(portfolio, position, auction.closes)
    return settle(portfolio, now, [result])[0]


def share(portfolio: Portfolio, team: Team, position: Position) -> list[float]:
    next_one = Auction("EOM", 0, 0, 1, (position.elapsed + 1,), (1,))
    seen = look(portfolio, position, next_one, team).running_share
    assert seen is not None
    return seen.tolist()


def test_the_share_counts_steps_on_up_to_the_last_result_with_an_order() -> None:
    """An accepted order, a rejected one, none, and an accepted one; the second unit has none."""
    portfolio, team, position = started()
    assert share(portfolio, team, position) == [0.0, 0.0]
    expected = [1 / 3, 1 / 4, 1 / 4, 2 / 6]  # the first delivery is step 1
    offers = [(50.0, 50.0), (50.0, 0.0), (0.0, 0.0), (50.0, 50.0)]
    for i, ((offer, accepted), at) in enumerate(zip(offers, expected, strict=True)):
        auction = Auction("EOM", i, i, i + 1, (i + 1,), (1,))
        offered = numbers(offer, 0.0)[None]
        position = sold(portfolio, position, auction, offered, numbers(accepted, 0.0)[None])
        assert share(portfolio, team, position) == pytest.approx([at, 0.0])


def test_all_products_of_an_auction_count_as_planned() -> None:
    portfolio, team, position = started()
    auction = Auction("EOM", 0, 0, 1, (1, 3, 5), (2, 2, 2))
    offered = numbers(50.0, 50.0, 50.0, 50.0, 50.0, 0.0).reshape(3, 2)
    accepted = numbers(50.0, 50.0, 0.0, 50.0, 50.0, 0.0).reshape(3, 2)
    position = sold(portfolio, position, auction, offered, accepted)
    # Of steps 0 to 6, and to 4.
    assert share(portfolio, team, position) == pytest.approx([4 / 8, 4 / 6])


def test_the_share_is_not_kept_for_bidders_that_do_not_need_it() -> None:
    portfolio, _, _ = started()
    (team,) = portfolio.teams["EOM"]
    naive = replace(team, bidder=create("naive_eom", Context(100.0, 1, 1.0), {}))
    assert begin(replace(portfolio, teams={"EOM": (naive,)})).state.running is None
