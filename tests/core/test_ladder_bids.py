"""Bidders on a ladder: their prices, and the rungs that limits, times and charge rule out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import AnyView, Context, Ladder, View
from assume_rl.core.bidding.ladder import RUNGS, OnLadder, rungs_once_seen, seen_prices
from assume_rl.core.forecasts import Forecasts, Outlook
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, begin, look
from assume_rl.core.units.fleet import members
from assume_rl.core.units.storage import StorageView
from assume_rl.core.units.thermal import ThermalView, delivered
from assume_rl.errors import ConfigurationError
from assume_rl.testing import check_bidder, toy_fleet
from assume_rl.testing.toys import toy_storages

PLANT, STORAGE = "powerplant_energy_learning_ladder", "storage_energy_learning_ladder"
INF = float("inf")
TOP = 4  # of five rungs: -100, -50, 0, 50, 100 EUR/MWh


def bidder_of(name: str, products: int = 1, **params: Any) -> Any:
    given = {"rungs": TOP + 1, **params}
    return create(name, Context(max_bid_price=100.0, products=products, step_hours=1.0), given)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def seen(bidder: Any, fleet: Any) -> AnyView:
    """What the bidder is shown of its products of one step, before anything is sold."""
    units, profiles = fleet
    products = bidder.bidder.products
    team = Team(bidder, members(units, range(len(units.ids))), units.ids)
    portfolio = Portfolio(units, profiles, {"EOM": (team,)}, 1.0, 30, 30)
    auction = Auction("EOM", 0, 0, 1, tuple(range(1, products + 1)), (1,) * products)
    return look(portfolio, begin(portfolio), auction, team)


def bounds(bidder: Any, view: AnyView) -> tuple[list[int], list[int]]:
    """Lowest and highest rung of each price of the first unit, as observed."""
    layout, shown = bidder.layout, bidder.observe(view)[0]
    products = bidder.products
    ends = [""] if products == 1 else [f"_{k + 1}" for k in range(products)]
    low, high = (
        [
            round((value + 1) * TOP / 2)
            for end in ends
            for value in shown[layout.where(f"{name}_rung{end}")].tolist()
        ]
        for name in ("lowest", "highest")
    )
    return low, high


# --- prices -------------------------------------------------------------------------------------


def test_rungs_are_at_equal_distances_within_the_cap() -> None:
    view = seen(bidder_of(PLANT), toy_fleet())
    ladder = RUNGS["uniform"](view, 5, 100.0)
    assert ladder.tolist() == [[[-1.0, -0.5, 0.0, 0.5, 1.0]]] * 2
    for rungs in range(3, 60, 2):
        assert float(RUNGS["uniform"](view, rungs, 100.0)[0, 0, rungs // 2]) == 0.0


def test_a_plant_bids_like_one_with_any_prices_at_the_next_rung() -> None:
    bidder = bidder_of(PLANT)
    assert bidder.action == Ladder(rungs=5, size=2)
    view = seen(bidder, toy_fleet())
    orders = bidder.orders(view, torch.tensor([[0.3, -0.2], [1.7, -0.6]]))
    assert orders.price.tolist() == [[0.0, 50.0, -50.0, 100.0]]
    assert orders.volume.tolist() == [[20.0, 80.0, 0.0, 50.0]]
    observed = bidder.observe(view)
    assert torch.equal(observed[..., :-4], bidder.bidder.observe(view))
    assert bidder.explore_around(observed)[0].tolist() == pytest.approx([0.3, 0.3])


def test_a_ladder_may_have_prices_of_its_own() -> None:
    bidder = bidder_of(PLANT, rungs_at=[-5.0, 29.63, 60.0, 100.0])
    assert bidder.action == Ladder(rungs=4, size=2)
    view = seen(bidder, toy_fleet())
    orders = bidder.orders(view, torch.tensor([[-1.0, 1 / 3], [1.7, -0.4]]))
    assert orders.price.tolist() == [[pytest.approx(p) for p in (-5.0, 60.0, 29.63, 100.0)]]
    cost = bidder.bidder.explore_around(bidder.observe(view)[..., :-4])
    near = bidder.explore_around(bidder.observe(view))
    prices = torch.tensor([-5.0, 29.63, 60.0, 100.0])
    rung = ((near + 1) * 1.5).round().long()
    distance = (prices[rung] - cost * 100).abs()
    assert (distance.unsqueeze(-1) <= (prices - cost.unsqueeze(-1) * 100).abs()).all()
    assert "at -5, 29.63, 60, 100 EUR/MWh" in bidder.layout.features[-1].scaling


# Prices in steps of ten with as many decimals as costs have, often the same one.
PRICES = st.lists(st.floats(-150, 150).map(lambda p: round(p, 3)) | st.sampled_from([20.0, 30.0]))


@given(PRICES, st.integers(2, 30), st.booleans())
@settings(deadline=None)
def test_a_ladder_of_seen_prices_is_just_better_than_each(
    seen: list[float], rungs: int, buys: bool
) -> None:
    ladder = seen_prices(seen, rungs, 100.0, buys=buys)
    assert list(ladder) == sorted(set(ladder))
    low = -100.0 if buys or min(seen, default=0.0) < 0 else -0.01 if 0.0 in seen else 0.0
    assert (ladder[0], ladder[-1]) == (low, 100.0)
    can = {price for price in seen if (0 if buys else -99.99) <= price <= 100.01}
    often = sorted(can, key=lambda price: (-seen.count(price), price))[:64]
    for price in (p for p in often if 0.01 <= p <= 99.0):
        assert round(price - 0.01, 6) in ladder
        assert not buys or round(-price - 0.01, 6) in ladder
    assert len(ladder) <= rungs + (128 if buys else 64)


@pytest.mark.parametrize(
    ("buys", "useless"), [(False, [100.5, 3000.0]), (False, [-100.0]), (True, [-5.0, 200.0])]
)
def test_prices_that_cannot_be_bid_take_no_place_of_those_that_can(
    buys: bool, useless: list[float]
) -> None:
    """As many as would fill all places, each seen more often than the only price of use."""
    often = [price + k / 1000 * (1 if price > 0 else -1) for price in useless for k in range(64)]
    ladder = seen_prices([*often, *often, 41.5], 3, 100.0, buys=buys)
    expected = {-100.0, 0.0, 41.49, 100.0} if buys or min(useless) < 0 else {0, 41.49, 50, 100}
    assert set(ladder) == expected | ({-41.51} if buys else set())


def test_a_plant_on_a_ladder_of_seen_prices_can_bid_its_own_cost() -> None:
    bidder = bidder_of(PLANT, rung_prices="seen_prices")
    assert bidder.open
    prices = rungs_once_seen(bidder, [50.0, 50.0, 12.345])
    assert prices == (0.0, 12.335, 25.0, 49.99, 50.0, 75.0, 100.0)
    context = Context(max_bid_price=100.0, products=1, step_hours=1.0, rungs=prices)
    known: Any = create(PLANT, context, {"rung_prices": "seen_prices", "rungs": 5})
    assert not known.open
    assert known.action == Ladder(rungs=8, size=2)
    view = seen(known, toy_fleet(plants=[(100.0, 20.0, 30.0), (50.0, 0.0, 60.0)]))
    at_cost = known.orders(view, known.explore_around(known.observe(view).float()))
    assert at_cost.price.tolist() == [[pytest.approx(p) for p in (30.0, 30.0, 60.0, 60.0)]]
    places = torch.arange(8.0) * 2 / 7 - 1  # each rung for both prices
    tried = [known.orders(view, torch.full((2, 2), float(p))).price[0, 1::2] for p in places]
    for unit, cost in enumerate((30.0, 60.0)):
        assert [p[unit].item() for p in tried] == pytest.approx(sorted([*prices, cost]))
    assert "75, 100 EUR/MWh and the own marginal cost" in known.layout.features[-1].scaling


# --- prices that move with a forecast -----------------------------------------------------------


def foreseen(bidder: Any, fleet: Any, *price: float) -> AnyView:
    """What the bidder is shown where prices are foreseen from the first delivery on."""
    view = seen(bidder, fleet)
    table = row(*price)[None]
    units = view.marginal_cost.shape[-1]
    series = torch.zeros(units, dtype=torch.int64)
    forecasts = Forecasts(table, table, table / 100, table / 100, series)
    products = bidder.bidder.products
    return replace(view, outlook=Outlook(forecasts, series, 0, tuple(range(products))))


def tried(bidder: Any, view: AnyView, units: int) -> list[list[float]]:
    """What the first unit asks on each rung, order by order."""
    places = torch.arange(float(bidder.rungs)) * 2 / (bidder.rungs - 1) - 1
    acts = [torch.full((units, bidder.action.size), float(place)) for place in places]
    orders = [bidder.orders(view, act) for act in acts]
    return [own.price[..., :: own.price.shape[-1]].flatten().tolist() for own in orders]


def test_relative_rungs_are_around_the_forecast_of_each_delivery() -> None:
    bidder = bidder_of(PLANT, 2, rung_prices="relative", rungs_at=[-45.0, 0.0, 50.0])
    assert bidder.action == Ladder(rungs=3, size=4)
    plants = toy_fleet(plants=[(100.0, 20.0, 30.0)])
    view = foreseen(bidder, plants, 40.0, 65.0)
    # Minimum power, at the lower price, and the rest, of both products; nothing above the cap.
    for act, prices in [
        ((-1.0, -1.0, -1.0, -1.0), [[-5.0, -5.0], [20.0, 20.0]]),
        ((0.0, 1.0, 0.0, 1.0), [[40.0, 90.0], [65.0, 100.0]]),
    ]:
        found = bidder.orders(view, row(*act).view(1, 4)).price.tolist()
        assert found == [pytest.approx(own) for own in prices]
    assert "at -45, +0, +50 EUR/MWh from the price forecast" in bidder.layout.features[-1].scaling
    usual = bidder_of(PLANT, rung_prices="relative")
    assert [p[0] for p in tried(usual, foreseen(usual, plants, 40.0), 1)] == pytest.approx(
        [20.0, 30.0, 40.0, 50.0, 60.0]
    )


def test_a_plant_sees_where_its_cost_is_on_a_ladder_that_moves() -> None:
    bidder = bidder_of(PLANT, 2, rung_prices="relative", rungs_at=[-45.0, -12.0, 0.0, 50.0])
    view = foreseen(bidder, toy_fleet(plants=[(100.0, 20.0, 30.0)]), 40.0, 65.0)
    observed = bidder.observe(view)
    at = bidder.layout.where("cost_rung")
    assert observed[0, at].tolist() == pytest.approx([-1 / 3, -1 / 3, -1.0, -1.0])
    assert torch.equal(bidder.explore_around(observed), observed[..., at])
    assert bidder.layout.features[-1].name == "highest_rung_2"


def test_rungs_may_be_quantiles_of_what_is_foreseen() -> None:
    bidder = bidder_of(PLANT, rung_prices="forecast_quantiles", foresight=6)
    ahead = (30.0, 70.0, -20.0, 130.0, 40.0, 50.0, 999.0)
    view = foreseen(bidder, toy_fleet(plants=[(100.0, 20.0, 30.0)]), *ahead)
    expected = np.quantile(ahead[:6], np.linspace(0, 1, 5)).clip(max=100)
    assert [p[0] for p in tried(bidder, view, 1)] == pytest.approx(expected.tolist())
    assert "at quantiles of the price forecast of 6 steps" in bidder.layout.features[-1].scaling


@pytest.mark.parametrize(
    ("params", "forecast", "prices"),
    [
        ({"rung_prices": "relative", "rungs_at": [-5.0, 0.0, 20.0]}, (10.0,), [5.0, 10.0, 30.0]),
        ({"rung_prices": "relative", "rungs_at": [-5.0, 0.0, 20.0]}, (-10.0,), [0.0, 0.0, 10.0]),
        (
            {"rung_prices": "forecast_quantiles", "rungs": 7, "foresight": 3},
            (20.0, 60.0, 10.0),
            [10.0, 20.0, 60.0],
        ),
    ],
)
def test_a_storage_buys_and_sells_at_each_price_that_moves(
    params: dict[str, Any], forecast: tuple[float, ...], prices: list[float]
) -> None:
    bidder = bidder_of(STORAGE, **params)
    view = foreseen(bidder, toy_storages(initial_soc=0.5, min_power_charge=0.0), *forecast)
    found, signs = [], []
    for k in range(6):
        orders = bidder.orders(view, torch.full((3, 1), k * 0.4 - 1.0))
        found.append(orders.price[0, 0].item())
        signs.append(orders.volume[0, 0].sign().item())
    assert found == pytest.approx([*(max(p, 0.01) for p in prices[::-1]), *prices])
    assert signs == [-1.0] * 3 + [1.0] * 3
    assert bidder.action.rungs == 6
    assert (bidder.explore_around(bidder.observe(view)) == 0).all()


@pytest.mark.parametrize("kind", ["relative", "forecast_quantiles"])
@pytest.mark.parametrize("name", [PLANT, STORAGE])
def test_ladders_that_move_keep_the_contract(name: str, kind: str) -> None:
    check_bidder(bidder_of(name, 2, rungs=6, rung_prices=kind, foresight=3))
    with pytest.raises(ConfigurationError, match="rungs: 3 leaves no choice to buy at and to sell"):
        bidder_of(STORAGE, rungs=3, rung_prices=kind)


def test_a_storage_buys_below_zero_and_sells_from_zero_on() -> None:
    bidder = bidder_of(STORAGE)
    view = seen(bidder, toy_storages(initial_soc=0.5, min_power_charge=0.0))
    for action, price, sign in [(-1.0, 100.0, -1), (-0.3, 50.0, -1), (0.0, 0.0, 1), (0.4, 50.0, 1)]:
        orders = bidder.orders(view, torch.full((3, 1), action))
        assert orders.price[0, 0].item() == price
        assert orders.volume[0, 0].sign().item() == sign


@pytest.mark.parametrize("name", [PLANT, STORAGE])
def test_sizes_and_parameters(name: str) -> None:
    prices = 2 if name == PLANT else 1
    found = bidder_of(name, 3, act_dim=prices, unique_obs_dim=2 + 6 * prices)
    assert found.action.size == 3 * prices
    assert found.layout.unique_size == 2 + 6 * prices
    for params, message in [
        ({"rungs": 1}, "rungs: .* greater than or equal to 2"),
        ({"rung_prices": "unifrm"}, "rung_prices: .*'uniform'"),
        ({"rungs_at": [10.0, 20.0, 20.0]}, "rungs_at: prices must rise, but 20 follows 20"),
        ({"rungs_at": [10.0]}, "rungs_at: .* at least 2"),
        ({"rungs_at": [-200.0, 20.0]}, "rungs_at: -200 is beyond max_bid_price 100"),
        ({"act_dim": 9}, f"act_dim: is 9, but {name} has {prices}"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            bidder_of(name, **params)


@pytest.mark.parametrize("name", [PLANT, STORAGE])
def test_it_keeps_the_contract_with_an_even_number_of_rungs(name: str) -> None:
    check_bidder(bidder_of(name, 2, rungs=2))


# --- what a plant may choose --------------------------------------------------------------------


def plant_view(
    bidder: Any, past: tuple[float, ...] = (40.0,) * 4, most: float = 100.0, **limits: Any
) -> View[ThermalView]:
    """A plant of 20 to 100 MW that ran as in `past`, hour by hour before its first product."""
    plants = [(100.0, 20.0, 30.0)]
    units, profiles = toy_fleet(plants=plants, **limits)
    profiles = replace(profiles, capacity=profiles.capacity.clamp(max=most))
    view = seen(bidder, (units, profiles))
    power = row(*past)[:, None]
    own = replace(view.own, past=power, since=100)
    return replace(view, own=own, previous_power=power[-1])


RAMPS = {"ramp_up": 60.0, "ramp_down": 60.0}
ALL, LOWEST, FIRST_LOWEST = [TOP, TOP], [0, 0], [0, TOP]


@pytest.mark.parametrize(
    ("past", "given", "high"),
    [
        ((40, 40, 40, 40), {}, ALL),
        ((40, 40, 40, 40), {"most": 10.0}, LOWEST),  # an outage below its minimum power
        ((0, 0, 40, 40), {"min_operating_time": 3.0, **RAMPS}, FIRST_LOWEST),
        ((0, 40, 40, 40), {"min_operating_time": 3.0, **RAMPS}, ALL),  # it has run for long enough
        ((0, 0, 40, 40), {"min_operating_time": 3.0}, ALL),  # no ramps: minimum times do not bind
        ((0, 0, 40, 40), {"min_operating_time": 3.0, "most": 10.0, **RAMPS}, LOWEST),
        ((40, 0, 0, 0), {"min_down_time": 4.0, **RAMPS}, LOWEST),  # it must rest for another hour
        ((40, 0, 0, 0), {"min_down_time": 3.0, **RAMPS}, ALL),
        ((40, 40, 40, 100), {"ramp_up": INF, "ramp_down": 10.0}, ALL),  # ramps hold no plant on
        ((0, 0, 0, 0), {"ramp_up": 0.0, "ramp_down": INF}, LOWEST),  # nothing can be reached
    ],
)
def test_what_a_plant_may_choose(
    past: tuple[float, ...], given: dict[str, float], high: list[int]
) -> None:
    bidder = bidder_of(PLANT)
    low, found = bounds(bidder, plant_view(bidder, past, **given))
    assert (low, found) == ([0, 0], high)


def test_later_products_count_the_hours_until_then() -> None:
    bidder = bidder_of(PLANT, 3)
    times = {"min_operating_time": 4.0, "min_down_time": 4.0, **RAMPS}
    on = bounds(bidder, plant_view(bidder, (0, 0, 40, 40), **times))
    assert on == ([0] * 6, [*FIRST_LOWEST, *FIRST_LOWEST, *ALL])
    off = bounds(bidder, plant_view(bidder, (40, 40, 0, 0), **times))
    assert off == ([0] * 6, [*LOWEST, *LOWEST, *ALL])


def test_minimum_power_that_must_run_is_offered_at_the_lowest_rung() -> None:
    bidder = bidder_of(PLANT)
    view = plant_view(bidder, (0, 0, 40, 40), min_operating_time=3.0, **RAMPS)
    orders = bidder.orders(view, torch.tensor([[0.5, 0.0]]))
    assert orders.price.tolist() == [[-100.0, 0.0]]
    assert orders.volume.tolist() == [[20.0, 80.0]]


def test_nothing_is_offered_for_hours_in_which_a_plant_must_rest() -> None:
    """It would be paid for what it does not deliver; of three hours it must rest in two."""
    bidder = bidder_of(PLANT, 3)
    view = plant_view(bidder, (40, 40, 0, 0), min_down_time=4.0, **RAMPS)
    orders = bidder.orders(view, torch.ones(1, 6))
    assert orders.volume.tolist() == [[0.0, 0.0], [0.0, 0.0], [20.0, 80.0]]
    assert view.limits.sell.most[0].tolist() == [100.0]  # ramps are not among the limits


def test_a_plant_that_decides_for_the_first_product_rests_in_it_alone() -> None:
    view = plant_view(bidder_of(PLANT, 2), (40, 40, 40, 0), min_down_time=4.0, **RAMPS)
    bidder = bidder_of(PLANT, 2, learned_products="first")
    assert bounds(bidder, view)[1] == LOWEST
    assert bidder.orders(view, torch.ones(1, 2)).volume.tolist() == [[0.0, 0.0]] * 2


def test_what_is_sold_already_need_not_be_offered() -> None:
    """Minimum power is sold, so that both prices of what is left are free."""
    bidder = bidder_of(PLANT)
    view = plant_view(bidder, (0, 0, 40, 40), min_operating_time=3.0, **RAMPS)
    sell = replace(view.limits.sell, least=view.limits.sell.least * 0, most=row(80.0)[None])
    sold = replace(view, limits=replace(view.limits, sell=sell), sold=row(20.0)[None])
    assert bounds(bidder, sold)[1] == ALL


@settings(deadline=None)
@given(st.data())
def test_bounds_are_what_execution_allows(data: st.DataObject) -> None:
    def one(*values: float) -> float:
        return data.draw(st.sampled_from(values))

    bidder = bidder_of(PLANT)
    past = tuple(one(0.0, 0.0, 40.0, 100.0) for _ in range(4))
    most = one(100.0, 60.0, 10.0)
    limits = {
        "ramp_up": one(INF, 0.0, 15.0, 60.0),
        "ramp_down": one(INF, 30.0),
        "min_operating_time": one(0.0, 1.0, 3.0),
        "min_down_time": one(0.0, 2.0, 4.0),
    }
    view = plant_view(bidder, past, most, **limits)
    low, high = bounds(bidder, view)

    def done(power: float) -> float:
        energy = torch.cat([view.own.past, row(power)[:, None]])
        return float(delivered(view.own.params, row(most)[:, None], energy, 100))

    assert low == [0, 0]
    offers = float(view.limits.sell.most) > 0
    runs, stops = offers and done(float(view.limits.sell.most)) > 0, done(0.0) == 0
    assert high[1] == (TOP if runs else 0)
    assert high[0] == (TOP if runs and stops else 0)


# --- what a storage may choose ------------------------------------------------------------------


def storage_view(bidder: Any, **limits: float) -> View[StorageView]:
    """Storages of 100 MWh, 10 % to 90 % full, -40 to 50 MW unless `limits` say otherwise."""
    usual = {
        "capacity": 100.0,
        "max_power_charge": -40.0,
        "min_power_charge": 0.0,
        "max_power_discharge": 50.0,
        "min_power_discharge": 0.0,
        "min_soc": 0.1,
        "max_soc": 0.9,
        "initial_soc": 0.5,
        "efficiency_charge": 0.8,
        "efficiency_discharge": 0.9,
    }
    return seen(bidder, toy_storages(**(usual | limits)))


BUYS, SELLS, BOTH, IDLE = (0, 1), (2, TOP), (0, TOP), (2, 2)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, BOTH),
        ({"initial_soc": 0.9}, SELLS),  # full
        ({"initial_soc": 0.1}, BUYS),  # empty
        ({"initial_soc": 0.05}, BUYS),
        ({"max_power_charge": 0.0}, SELLS),
        ({"max_power_discharge": 0.0}, BUYS),
        ({"max_power_charge": 0.0, "initial_soc": 0.1}, IDLE),
        # 4 MWh above the least are 3.6 MW, 4 MWh of room are 5 MW
        ({"initial_soc": 0.14, "min_power_discharge": 3.5}, BOTH),
        ({"initial_soc": 0.14, "min_power_discharge": 3.7}, BUYS),
        ({"initial_soc": 0.86, "min_power_charge": -4.9}, BOTH),
        ({"initial_soc": 0.86, "min_power_charge": -5.1}, SELLS),
    ],
)
def test_what_a_storage_may_choose(limits: dict[str, float], expected: tuple[int, int]) -> None:
    bidder = bidder_of(STORAGE)
    view = storage_view(bidder, **limits)
    low, high = bounds(bidder, view)
    assert (low, high) == ([expected[0]], [expected[1]])
    for action in (-1.0, 1.0):  # whatever is asked for, the orders are those of a legal rung
        volume = bidder.orders(view, torch.full((3, 1), action)).volume[0, 0].item()
        assert volume == 0 if expected == IDLE else volume != 0


def test_later_products_may_choose_what_some_earlier_choice_makes_possible() -> None:
    bidder = bidder_of(STORAGE, 3)
    empty = bounds(bidder, storage_view(bidder, initial_soc=0.1))
    assert empty == ([0, 0, 0], [1, TOP, TOP])
    full = bounds(bidder, storage_view(bidder, initial_soc=0.9))
    assert full == ([2, 0, 0], [TOP, TOP, TOP])
    never = bounds(bidder, storage_view(bidder, initial_soc=0.1, max_power_charge=0.0))
    assert never == ([2, 2, 2], [2, 2, 2])


@pytest.mark.parametrize("rungs", [2, 3, 4])
def test_some_rung_is_always_left(rungs: int) -> None:
    for soc in (0.1, 0.5, 0.9):
        for most in (0.0, 50.0):
            bidder = bidder_of(STORAGE, 2, rungs=rungs)
            view = storage_view(bidder, initial_soc=soc, max_power_discharge=most)
            prices = bidder.ladder(view, rungs, 100.0)
            low, high = bidder.legal(bidder.bidder, view, prices)
            assert ((low >= 0) & (low <= high) & (high < rungs)).all()


def test_the_ladder_may_depend_on_what_is_seen() -> None:
    """A registered ladder gets the view: here, two prices around each unit's marginal cost."""

    def around(view: AnyView, rungs: int, max_bid_price: float) -> Tensor:
        share = torch.linspace(0.5, 1.5, rungs, dtype=torch.float64)
        return view.marginal_cost[..., 0, :, None, None] / max_bid_price * share

    plain = bidder_of(PLANT, rungs=2)
    bidder: OnLadder[Any, Any] = replace(plain, ladder=around)
    orders = bidder.orders(seen(bidder, toy_fleet()), torch.tensor([[-1.0, 1.0]] * 2))
    assert orders.price[0].tolist() == pytest.approx([15.0, 45.0, 30.0, 90.0])
