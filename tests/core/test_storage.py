"""Storages by hand: limits, ramps, state of charge, execution, money, and their two bidders."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import AnyView, Box, Context, LearnedBidder
from assume_rl.core.forecasts import Forecasts
from assume_rl.core.money import Outcome
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, begin, execute, look, settle
from assume_rl.core.units.base import NEVER_RAN, START_KINDS, Block, Sale
from assume_rl.core.units.fleet import Fleet, Profiles, members
from assume_rl.core.units.storage import (
    Storage,
    StorageParams,
    StorageState,
    limits_at,
    max_charge,
    max_discharge,
    next_soc,
    ramp_charge,
    ramp_discharge,
)
from assume_rl.errors import ConfigurationError

STORAGE = Storage()
FLEXIBLE, LEARNED = "storage_energy_heuristic_flexable", "storage_energy_learning"

USUAL: dict[str, float] = {
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
    "additional_cost_charge": 0.3,
    "additional_cost_discharge": 0.4,
    "ramp_up_charge": -math.inf,
    "ramp_down_charge": -math.inf,
    "ramp_up_discharge": math.inf,
    "ramp_down_discharge": math.inf,
    "hot_start_cost": 0.0,
    "warm_start_cost": 0.0,
    "cold_start_cost": 0.0,
    "downtime_hot_start": 8.0,
    "downtime_warm_start": 48.0,
}


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def column(*values: float) -> Tensor:
    """Return the steps or products of one storage."""
    return row(*values)[:, None]


def storage(step_hours: float = 1.0, cost_limit: float = 100.0, **changes: float) -> StorageParams:
    """Return one storage of 100 MWh, -40 MW to 50 MW, 10 % to 90 % full, efficiencies 0.8, 0.9."""
    assert changes.keys() <= USUAL.keys()
    rows = {name: row(value) for name, value in {**USUAL, **changes}.items()}
    return StorageParams(step_hours=step_hours, cost_limit=cost_limit, **rows)


def held(*soc: float, cost: float = 0.0) -> StorageState:
    """Return the state of one storage over its window."""
    return StorageState(column(*soc), row(cost))


def listed(table: Tensor) -> list[Any]:
    """Return the numbers of one storage, compared within rounding."""
    return [pytest.approx(value, abs=1e-9) for value in table[..., 0].tolist()]


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soc", "hours", "discharge", "charge"),
    [
        (0.5, 1.0, 36.0, -50.0),  # 40 MWh above the minimum, times 0.9; 40 MWh of room, over 0.8
        (0.5, 0.25, 144.0, -200.0),  # a quarter of an hour: four times the power
        (0.1, 1.0, 0.0, -100.0),
        (0.9, 1.0, 72.0, 0.0),
        (0.05, 1.0, 0.0, -106.25),  # below the minimum nothing can be taken
        (0.95, 1.0, 76.5, 0.0),
    ],
)
def test_the_state_of_charge_limits_power(
    soc: float, hours: float, discharge: float, charge: float
) -> None:
    params = storage(hours)
    assert max_discharge(params, row(soc)).item() == pytest.approx(discharge, abs=1e-9)
    assert max_charge(params, row(soc)).item() == pytest.approx(charge, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "soc", "sold", "sell", "buy"),
    [
        ({}, 0.5, {}, (0, 36), (0, -40)),
        ({}, 0.8, {}, (0, 50), (0, -12.5)),
        ({}, 0.5, {"energy": 10}, (0, 36), (-10, -50)),  # charging begins beyond what is sold
        ({}, 0.5, {"energy": 30}, (0, 20), (-30, -50)),
        ({}, 0.5, {"energy": -30}, (30, 36), (0, -10)),
        ({}, 0.5, {"capacity_pos": 20}, (0, 30), (-20, -40)),
        ({}, 0.5, {"capacity_neg": 5}, (0, 36), (0, -45)),  # raises it, as recorded
        ({"min_power_charge": -5, "min_power_discharge": 10}, 0.5, {}, (10, 36), (-5, -40)),
        ({"min_power_discharge": 10}, 0.5, {"energy": 4}, (6, 36), (-4, -44)),
        ({"min_power_discharge": 10}, 0.5, {"capacity_neg": 4}, (6, 36), (0, -44)),
        # what is left is less than the minimum: the direction is closed
        ({"min_power_discharge": 20}, 0.5, {"capacity_pos": 35}, (0, 0), (-35, -40)),
        ({"min_power_charge": -30}, 0.5, {"energy": -2, "capacity_pos": 20}, (2, 32), (0, 0)),
        # the state of charge comes last: the least may exceed the most, as recorded
        ({"min_power_discharge": 20}, 0.2, {}, (20, 9), (0, -40)),
    ],
)
def test_what_can_be_sold_and_bought(
    changes: dict[str, float],
    soc: float,
    sold: dict[str, float],
    sell: tuple[float, float],
    buy: tuple[float, float],
) -> None:
    volumes = {kind: column(mw) for kind, mw in {"energy": 0.0, **sold}.items()}
    limits = limits_at(storage(**changes), column(soc), column(50.0), volumes)
    assert [limits.sell.least.item(), limits.sell.most.item()] == pytest.approx(sell, abs=1e-9)
    assert [limits.buy.least.item(), limits.buy.most.item()] == pytest.approx(buy, abs=1e-9)


def test_all_products_have_the_state_of_charge_of_the_first() -> None:
    """As recorded: the window's second step holds 0.5, whatever follows."""
    state = held(0.9, 0.5, 0.1, 0.1)
    sold = {"energy": column(0.0, 30.0)}
    limits = STORAGE.limits(storage(), state, column(50.0, 50.0), sold, 1)
    assert listed(limits.sell.most) == [36.0, 20.0]
    assert listed(limits.buy.most) == [-40.0, -50.0]


# --- ramps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "soc", "previous", "power", "sold", "expected"),
    [
        ((math.inf, math.inf), 0.9, 0.0, 50.0, 0.0, 50.0),
        ((math.inf, math.inf), 0.9, 0.0, 50.0, 20.0, 30.0),  # nameplate power less what is sold
        ((10.0, math.inf), 0.9, 20.0, 50.0, 0.0, 30.0),
        ((10.0, math.inf), 0.9, 20.0, 50.0, 5.0, 25.0),
        ((10.0, math.inf), 0.9, -30.0, 50.0, 0.0, 10.0),  # charging before counts as 0
        ((10.0, math.inf), 0.9, 20.0, 50.0, 35.0, 0.0),  # sold beyond the ramp: nothing more
        ((0.0, math.inf), 0.9, 0.0, 50.0, 0.0, 0.0),  # 0 blocks
        ((math.inf, 10.0), 0.9, 40.0, 5.0, 0.0, 30.0),  # cannot fall faster
        ((math.inf, 10.0), 0.9, 40.0, 0.0, 0.0, 0.0),  # but can be switched off
        ((math.inf, 10.0), 0.9, 40.0, 5.0, 20.0, 10.0),
        ((math.inf, 10.0), 0.2, 40.0, 5.0, 0.0, 9.0),  # the state of charge has the last word
        ((10.0, 10.0), 0.9, 20.0, 25.0, 0.0, 25.0),
    ],
)
def test_discharging_ramps(
    limits: tuple[float, float],
    soc: float,
    previous: float,
    power: float,
    sold: float,
    expected: float,
) -> None:
    params = storage(ramp_up_discharge=limits[0], ramp_down_discharge=limits[1])
    got = ramp_discharge(params, row(soc), row(previous), row(power), row(sold))
    assert got.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("limits", "soc", "previous", "power", "sold", "expected"),
    [
        ((-math.inf, -math.inf), 0.1, 0.0, -40.0, 0.0, -40.0),
        ((-math.inf, -math.inf), 0.1, 0.0, -40.0, -15.0, -25.0),
        ((-10.0, -math.inf), 0.1, -20.0, -40.0, 0.0, -30.0),
        ((-10.0, -math.inf), 0.1, -20.0, -40.0, -5.0, -25.0),
        ((-10.0, -math.inf), 0.1, 30.0, -40.0, 0.0, -10.0),  # discharging before counts as 0
        ((-10.0, -math.inf), 0.1, -20.0, -40.0, -35.0, 0.0),
        ((0.0, -math.inf), 0.1, 0.0, -40.0, 0.0, 0.0),  # 0 blocks
        ((-math.inf, -10.0), 0.1, -40.0, -5.0, 0.0, -30.0),
        ((-math.inf, -10.0), 0.1, -40.0, 0.0, 0.0, 0.0),
        ((-math.inf, -10.0), 0.8, -40.0, -5.0, 0.0, -12.5),  # the state of charge again
    ],
)
def test_charging_ramps(
    limits: tuple[float, float],
    soc: float,
    previous: float,
    power: float,
    sold: float,
    expected: float,
) -> None:
    params = storage(ramp_up_charge=limits[0], ramp_down_charge=limits[1])
    got = ramp_charge(params, row(soc), row(previous), row(power), row(sold))
    assert got.item() == pytest.approx(expected, abs=1e-9)


# --- state of charge ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soc", "power", "hours", "done", "after"),
    [
        (0.5, -25.0, 1.0, -25.0, 0.7),  # 25 MWh bought, 20 MWh stored
        (0.7, 45.0, 1.0, 45.0, 0.2),  # 45 MWh sold, 50 MWh taken
        (0.2, 50.0, 1.0, 9.0, 0.1),  # all that is there
        (0.85, -40.0, 1.0, -6.25, 0.9),  # all that there is room for
        (0.5, 0.0, 1.0, 0.0, 0.5),
        (0.5, -20.0, 0.25, -20.0, 0.54),
        (0.5, 36.0, 0.25, 36.0, 0.4),
        (0.05, 10.0, 1.0, 0.0, 0.05),  # outside of its bounds it can only move towards them
        (0.95, -10.0, 1.0, 0.0, 0.95),
    ],
)
def test_power_changes_the_state_of_charge_by_its_efficiency(
    soc: float, power: float, hours: float, done: float, after: float
) -> None:
    possible, following = next_soc(storage(hours), row(soc), row(power))
    assert possible.item() == pytest.approx(done, abs=1e-9)
    assert following.item() == pytest.approx(after, abs=1e-12)


def test_a_plan_is_what_the_state_of_charge_allows_of_what_is_sold() -> None:
    """Steps before the first one are history; the last one has no successor in the window."""
    state, energy = held(0.5, 0.5, 0.5, 0.5, 0.5), column(7.0, -25.0, 45.0, 50.0, -40.0)
    planned, after = STORAGE.plan(storage(), state, energy, 1)
    assert listed(planned) == [7.0, -25.0, 45.0, 9.0, -40.0]
    assert listed(after.soc) == [0.5, 0.5, 0.7, 0.2, 0.1]


def test_a_plan_ignores_power_limits_and_minimum_powers() -> None:
    params = storage(min_power_discharge=10.0)
    planned, _ = STORAGE.plan(params, held(0.9, 0.9), column(60.0, 4.0), 0)
    assert listed(planned) == [60.0, 4.0]


@pytest.mark.parametrize(
    ("planned", "delivered"),
    [
        (60.0, 50.0),
        (-60.0, -40.0),
        (10.0, 10.0),
        (9.0, 0.0),  # between the two minimum powers
        (-3.0, 0.0),
        (-5.0, -5.0),
        (0.0, 0.0),
    ],
)
def test_execution_keeps_to_power_limits_and_switches_off_between_the_minimum_powers(
    planned: float, delivered: float
) -> None:
    params = storage(min_power_charge=-5.0, min_power_discharge=10.0, capacity=1000.0)
    state = held(0.5, 0.5)
    done, after = STORAGE.execute(params, state, column(50.0), column(planned), 0, 0)
    assert listed(done) == [delivered]
    _, soc = next_soc(params, row(0.5), row(delivered))
    assert listed(after.soc) == [0.5, pytest.approx(soc.item(), abs=1e-12)]


def test_execution_goes_from_step_to_step_and_leaves_the_plan_after() -> None:
    """Steps 1 and 2 are executed: 4 MW become 0, so that the second step starts at 0.5."""
    params = storage(min_power_discharge=10.0)
    state = held(0.5, 0.5, 0.45, 0.3, 0.2)
    energy = column(7.0, 4.0, 45.0)
    done, after = STORAGE.execute(params, state, column(50.0, 50.0), energy, 1, 9)
    assert listed(done) == [0.0, 36.0]
    assert listed(after.soc) == [0.5, 0.5, 0.5, 0.1, 0.2]
    assert torch.equal(state.soc, column(0.5, 0.5, 0.45, 0.3, 0.2))


def test_the_last_step_of_the_window_is_executed_without_a_successor() -> None:
    done, after = STORAGE.execute(storage(), held(0.5, 0.5), column(50.0), column(0.0, 60.0), 1, 1)
    assert listed(done) == [36.0]
    assert listed(after.soc) == [0.5, 0.5]


def test_steps_that_come_into_reach_hold_what_is_there() -> None:
    state = held(0.1, 0.2, 0.3, 0.4, cost=7.0)
    assert STORAGE.advance(state, 2).soc[:, 0].tolist() == [0.3, 0.4, 0.4, 0.4]
    assert STORAGE.advance(state, 4).soc[:, 0].tolist() == [0.4] * 4
    assert STORAGE.advance(state, 2).stored_cost.item() == 7.0


def test_storages_begin_at_their_initial_state_of_charge_for_free() -> None:
    state = STORAGE.initial(storage(initial_soc=0.3), (2,), 4)
    assert state.soc.shape == (2, 4, 1)
    assert (state.soc == 0.3).all()
    assert state.stored_cost.tolist() == [[0.0], [0.0]]


# --- money --------------------------------------------------------------------------------------


def test_the_direction_of_power_says_which_cost_holds() -> None:
    params, power = storage(), column(-20.0, 0.0, 20.0)
    series = torch.full_like(power, 99.0)
    assert listed(STORAGE.marginal_cost(params, series, power)) == [0.3, 0.3, 0.4]
    assert listed(STORAGE.running_cost(params, series, power)) == [6.0, 0.0, 8.0]


def sale(sold: Sequence[float], price: Sequence[float], cost: Sequence[float], first: int,
         hours: float = 1.0) -> Sale:  # fmt: skip
    revenue = [mw * each * hours for mw, each in zip(sold, price, strict=True)]
    return Sale(column(*sold), column(*revenue), column(*cost), hours, first)


@pytest.mark.parametrize(
    ("soc", "sold", "price", "cost", "before", "after"),
    [
        # (20 EUR/MWh * 50 MWh + (40 + 0.3) * 25 MWh) / 70 MWh
        ((0.5, 0.7), -25.0, 40.0, 0.3, 20.0, 2007.5 / 70),
        ((0.5, 0.1), 36.0, 40.0, 0.4, 20.0, 20.0),  # sold at mean cost
        ((0.5, 0.508), -1.0, 40.0, 0.3, 20.0, 20.0),  # 1 MW counts as none
        ((0.5, 0.5088), -1.1, 40.0, 0.3, 20.0, (1000 + 40.3 * 1.1) / 50.88),
        ((0.5, 0.009), 45.0, 40.0, 0.4, 20.0, 0.0),  # less than 1 MWh is left
        ((0.0, 0.32), -40.0, 3000.0, 0.3, 0.0, 100.0),  # clipped to the highest bid
        ((0.0, 0.32), -40.0, -3000.0, 0.3, 0.0, -100.0),
        ((0.5, 0.7), -25.0, -40.0, 0.3, 20.0, (1000 - 39.7 * 25) / 70),  # paid to take it
    ],
)
def test_what_stored_energy_has_cost(
    soc: tuple[float, float], sold: float, price: float, cost: float, before: float, after: float
) -> None:
    state = held(0.9, *soc, cost=before)
    got = STORAGE.settle(storage(), state, sale([sold], [price], [cost], first=1))
    assert got.stored_cost.item() == pytest.approx(after, abs=1e-9)
    assert torch.equal(got.soc, state.soc)


def test_the_cost_of_stored_energy_goes_from_step_to_step() -> None:
    """Quarters of an hour: 20 MW at 40, then 40 MW at 10, then a sale."""
    state = held(0.5, 0.54, 0.62, 0.52, cost=20.0)
    got = STORAGE.settle(
        storage(0.25), state, sale([-20.0, -40.0, 36.0], [40.0, 10.0, 90.0], [0.3, 0.3, 0.4],
                                   first=0, hours=0.25),
    )  # fmt: skip
    first = (20 * 50 + 40.3 * 5) / 54
    assert got.stored_cost.item() == pytest.approx((first * 54 + 10.3 * 10) / 62, abs=1e-9)


def test_a_storage_starts_when_it_begins_to_discharge() -> None:
    params = storage(hot_start_cost=1.0, warm_start_cost=10.0, cold_start_cost=100.0,
                     downtime_hot_start=1.0, downtime_warm_start=3.0)  # fmt: skip
    power = column(-10.0, 20.0, 0.0, 20.0, 20.0, -40.0, -40.0, 5.0, -40.0)
    found, after = STORAGE.starts(params, power, row(NEVER_RAN))
    assert found.cost[:, 0].tolist() == [0.0, 100.0, 0.0, 1.0, 0.0, 0.0, 0.0, 10.0, 0.0]
    started = found.started[:, 0]
    assert [START_KINDS[k] for k in found.kind[started, 0]] == ["cold", "hot", "warm"]
    assert found.downtime[started, 0].tolist() == [NEVER_RAN, 1.0, 2.0]
    assert after.tolist() == [1.0]


# --- in a portfolio -----------------------------------------------------------------------------


def portfolio_of(
    name: str,
    params: StorageParams,
    prices: Sequence[float],
    *,
    products: int = 1,
    given: dict[str, Any] | None = None,
) -> Portfolio:
    """Return one storage with a window of 3 past and 6 later steps, and its price forecast."""
    context = Context(max_bid_price=100.0, products=products, step_hours=params.step_hours)
    nowhere = torch.zeros(1, dtype=torch.long)
    fleet = Fleet(("storage",), (Block(STORAGE, 0, 1, params),), nowhere, nowhere)
    price = row(*prices)[None]
    zero = torch.zeros_like(price)
    forecasts = Forecasts(price, zero, price / 100, zero, nowhere)
    steps = len(prices)
    profiles = Profiles(
        capacity=params.max_power_discharge.expand(steps, 1),
        marginal_cost=params.additional_cost_discharge.expand(steps, 1),
        forecasts={"EOM": forecasts},
    )
    bidder = create(name, context, {"foresight": 2, **(given or {})})
    team = Team(bidder, members(fleet, (0,)), fleet.ids)
    return Portfolio(fleet, profiles, {"EOM": (team,)}, params.step_hours, 3, 6)


def auction_of(*first: int, length: int = 1) -> Auction:
    return Auction("EOM", 0, 0, 1, first, (length,) * len(first))


def orders_of(portfolio: Portfolio, *first: int, position: Position | None = None,
              action: Tensor | None = None) -> Orders:  # fmt: skip
    at = begin(portfolio) if position is None else position
    team = portfolio.teams["EOM"][0]
    return team.orders(look(portfolio, at, auction_of(*first), team), action)


def sold_at(position: Position, energy: dict[int, float], **state: Any) -> Position:
    """Return the position with MW sold at some offsets from now."""
    table = position.state.energy.clone()
    for offset, volume in energy.items():
        table[position.state.lookback + offset] = volume
    return replace(position, state=replace(position.state, sold={"energy": table}, **state))


def test_settling_books_what_is_possible_and_the_money_of_what_is_sold() -> None:
    """40 MW sold in steps 0 and 1 of a storage that holds 40 MWh for sale, 36 MWh delivered."""
    portfolio = portfolio_of(LEARNED, storage(), [50.0] * 10)
    team = portfolio.teams["EOM"][0]
    orders = orders_of(portfolio, 0, action=torch.tensor([[0.5]]))
    assert orders.volume.tolist() == [[36.0]]
    volume, paid = column(36.0, 40.0), column(60.0, 70.0)
    two = replace(orders, price=paid, volume=volume)
    result = Result(auction_of(0, 1), two, volume, paid, paid, (team,), (slice(0, 1),))
    position, executed, (((got),),) = settle(portfolio, begin(portfolio), [result])
    assert executed is not None
    assert listed(position.state.energy[3:6]) == [36.0, 0.0, 0.0]
    assert listed(position.state.own[0].soc[3:6]) == [0.5, 0.1, 0.1]
    assert position.state.revenue is not None
    assert listed(position.state.revenue[3:6]) == [2160.0, 2800.0, 0.0]
    assert listed(got.power) == [36.0, 0.0]
    assert listed(got.sold) == [36.0, 40.0]
    assert listed(got.marginal_cost) == [0.4, 0.3]


def test_settling_records_what_the_stored_energy_has_cost() -> None:
    portfolio = portfolio_of(LEARNED, storage(), [50.0] * 10)
    orders = orders_of(portfolio, 0, action=torch.tensor([[-0.5]]))
    assert orders.volume.tolist() == [[-40.0]]
    assert orders.price.tolist() == [[50.0]]
    bought, paid = column(-25.0), column(40.0)
    result = Result(auction_of(0), orders, bought, paid, paid, (), ())
    position, _, _ = settle(portfolio, begin(portfolio), [result])
    (own,) = position.state.own
    assert listed(own.soc[3:6]) == [0.5, 0.7, 0.7]
    assert own.stored_cost.item() == pytest.approx(40.3 * 25 / 70, abs=1e-9)
    view = look(portfolio, position, auction_of(1), portfolio.teams["EOM"][0])
    assert view.own.soc.tolist() == [pytest.approx(0.7)]
    assert view.own.stored_cost.tolist() == [pytest.approx(40.3 * 25 / 70)]
    assert view.previous_power.tolist() == [-25.0]
    assert listed(view.limits.buy.most) == [-25.0]


def test_a_storage_can_be_executed_to_the_end_of_the_window() -> None:
    portfolio = portfolio_of(LEARNED, storage(), [50.0] * 10)
    position = sold_at(begin(portfolio), {0: -25.0, 3: 45.0, 6: 50.0})
    after, executed = execute(portfolio, position, 6)
    assert executed is not None
    assert executed.steps == 7
    assert listed(after.state.energy[3:]) == [-25.0, 0.0, 0.0, 45.0, 0.0, 0.0, 9.0]
    assert listed(after.state.own[0].soc[3:]) == [0.5, 0.7, 0.7, 0.7, 0.2, 0.2, 0.2]


# --- the rule -----------------------------------------------------------------------------------

WAVE = [30.0, 10.0, 50.0, 40.0, 5.0, 45.0, 20.0, 20.0, 20.0, 20.0]


def test_the_rule_buys_when_it_is_cheap_and_sells_when_it_is_dear() -> None:
    """Means of three prices: 30, 100/3, 95/3, 30. Each product assumes the ones before."""
    portfolio = portfolio_of(FLEXIBLE, storage(), WAVE, products=4, given={"eom_foresight": "1h"})
    orders = orders_of(portfolio, 1, 2, 3, 4)
    # 0.5 -> 0.82 -> 0.82 - 50 / 90; then all that is left, then the lowest state of charge.
    left = 0.82 - 50 / 90
    assert listed(orders.volume) == [-40.0, 50.0, (left - 0.1) * 90, -40.0]
    assert listed(orders.price) == [30 * 0.8, 100 / 3 / 0.9, 95 / 3 / 0.9, 30 * 0.8]
    assert orders.unit.tolist() == [0]


def test_the_mean_counts_what_the_calendar_has() -> None:
    """First step: 30 and 10. Last step: 20 and 20, which is as dear as its mean: it sells."""
    given = {"eom_foresight": "1h"}
    portfolio = portfolio_of(FLEXIBLE, storage(), WAVE, given=given)
    first = orders_of(portfolio, 0)
    assert (listed(first.price), listed(first.volume)) == ([20 / 0.9], [36.0])
    last = orders_of(portfolio, 1, position=begin(portfolio, start=8))
    assert (listed(last.price), listed(last.volume)) == ([20 / 0.9], [36.0])


def test_an_empty_storage_buys_even_when_it_is_dear() -> None:
    given = {"eom_foresight": "1h"}
    portfolio = portfolio_of(FLEXIBLE, storage(initial_soc=0.1), WAVE, given=given)
    orders = orders_of(portfolio, 2)
    assert (listed(orders.price), listed(orders.volume)) == ([100 / 3 * 0.8], [-40.0])


def test_a_full_storage_buys_nothing_when_it_is_cheap() -> None:
    given = {"eom_foresight": "1h"}
    portfolio = portfolio_of(FLEXIBLE, storage(initial_soc=0.9), WAVE, given=given)
    assert listed(orders_of(portfolio, 1).volume) == [0.0]


def test_the_rule_climbs_by_its_ramps_from_product_to_product() -> None:
    params = storage(initial_soc=0.9, capacity=1000.0, ramp_up_discharge=15.0)
    portfolio = portfolio_of(FLEXIBLE, params, [20.0] * 10, products=4)
    assert listed(orders_of(portfolio, 1, 2, 3, 4).volume) == [15.0, 30.0, 45.0, 50.0]
    before = sold_at(begin(portfolio), {0: 20.0})
    assert listed(orders_of(portfolio, 1, 2, position=before).volume) == [35.0, 50.0]


def test_the_rule_offers_on_top_of_what_is_sold() -> None:
    """20 MW are sold for the first product: 30 MW more, and 50 MW leave the storage."""
    params = storage(capacity=200.0, initial_soc=0.5)
    portfolio = portfolio_of(FLEXIBLE, params, [20.0] * 10, products=2)
    orders = orders_of(portfolio, 1, 2, position=sold_at(begin(portfolio), {1: 20.0}))
    left = 0.5 - 50 / 0.9 / 200
    assert listed(orders.volume) == [30.0, (left - 0.1) * 200 * 0.9]


@pytest.mark.parametrize(
    ("given", "hours", "around"),
    [
        ({}, 1.0, 12),
        ({"eom_foresight": "6h"}, 1.0, 6),
        ({"eom_foresight": "6h"}, 0.25, 24),
        ({"eom_foresight": "90min"}, 1.0, 1),  # whole steps
        ({"eom_foresight": "42min"}, 0.1, 7),  # 0.7 / 0.1 is a little less in floating point
    ],
)
def test_the_foresight_of_the_rule_is_a_duration(
    given: dict[str, str], hours: float, around: int
) -> None:
    assert create(FLEXIBLE, Context(100.0, 1, hours), given).around == around  # type: ignore[union-attr]


def test_a_foresight_that_is_no_duration_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="eom_foresight"):
        create(FLEXIBLE, Context(100.0, 1, 1.0), {"eom_foresight": "soon"})


# --- the learned one ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "price", "volume"),
    [(0.5, 50.0, 36.0), (-0.25, 25.0, -40.0), (0.0, 0.0, 36.0), (-1.0, 100.0, -40.0)],
)
def test_the_sign_of_the_action_chooses_the_direction(
    action: float, price: float, volume: float
) -> None:
    portfolio = portfolio_of(LEARNED, storage(), [20.0] * 10)
    orders = orders_of(portfolio, 1, action=torch.tensor([[action]]))
    assert (listed(orders.price), listed(orders.volume)) == ([price], [volume])


def test_each_product_has_its_own_direction_and_assumes_the_ones_before() -> None:
    """0.5 -> 0.82 -> 0.82 - 50 / 90, of which all is sold -> 0.1."""
    portfolio = portfolio_of(LEARNED, storage(), [20.0] * 10, products=4)
    action = torch.tensor([[-0.25, 0.5, 0.75, -1.0]])
    assert portfolio.teams["EOM"][0].bidder.action == Box(4)  # type: ignore[union-attr]
    orders = orders_of(portfolio, 1, 2, 3, 4, action=action)
    assert listed(orders.price) == [25.0, 50.0, 75.0, 100.0]
    assert listed(orders.volume) == [-40.0, 50.0, (0.72 - 50 / 90) * 90, -40.0]


def test_it_may_decide_for_the_first_product_alone() -> None:
    given = {"learned_products": "first"}
    portfolio = portfolio_of(LEARNED, storage(), [20.0] * 10, products=3, given=given)
    orders = orders_of(portfolio, 1, 2, 3, action=torch.tensor([[0.5]]))
    assert listed(orders.price) == [50.0, 0.0, 0.0]
    assert listed(orders.volume) == [36.0, 0.0, 0.0]


def test_the_price_is_the_product_in_the_dtype_of_the_policy() -> None:
    portfolio = portfolio_of(LEARNED, storage(), [20.0] * 10)
    action = torch.tensor([[-1 / 3]], dtype=torch.float32)
    price = orders_of(portfolio, 1, action=action).price
    assert price.item() == (-action * 100.0).double().item() != (-action.double() * 100).item()


def view_of(portfolio: Portfolio, **own: Tensor) -> AnyView:
    position = begin(portfolio)
    (state,) = position.state.own
    position = replace(position, state=replace(position.state, own=(replace(state, **own),)))
    return look(portfolio, position, auction_of(1), portfolio.teams["EOM"][0])


def test_it_observes_its_state_of_charge_and_what_the_stored_energy_has_cost() -> None:
    portfolio = portfolio_of(LEARNED, storage(), WAVE, given={"foresight": 2})
    bidder = portfolio.teams["EOM"][0].learned
    assert bidder is not None
    soc = column(0.1, 0.1, 0.1, 0.2, 0.65, 0.3, 0.3, 0.3, 0.3, 0.3)
    view = replace(
        view_of(portfolio, soc=soc, stored_cost=row(25.0)), price_history=row(50.0, 60.0)[None]
    )
    observation = bidder.observe(view)
    assert observation[0].tolist() == pytest.approx([0.0, 0.0, 0.1, 0.5, 0.5, 0.6, 0.65, 0.25])
    assert bidder.layout.where("state_of_charge") == slice(6, 7)
    assert bidder.layout.where("stored_cost") == slice(7, 8)
    assert (bidder.layout.size, bidder.layout.unique_size) == (8, 2)
    assert bidder.explore_around(observation).tolist() == [[0.0]]


def test_its_usual_sizes_are_those_of_the_established_format() -> None:
    bidder = create(LEARNED, Context(100.0, 1, 1.0), {})
    assert isinstance(bidder, LearnedBidder)
    assert (bidder.layout.size, bidder.layout.unique_size, bidder.action.size) == (74, 2, 1)
    assert bidder.foresight == 24
    with pytest.raises(
        ConfigurationError, match="act_dim: is 2, but storage_energy_learning has 1"
    ):
        create(LEARNED, Context(100.0, 1, 1.0), {"act_dim": 2})


def outcome(sold: Sequence[float], price: float, cost: Sequence[float], hours: float = 1.0,
            params: StorageParams | None = None) -> Outcome[StorageParams]:  # fmt: skip
    volume = column(*sold)
    prices = torch.full_like(volume, price)
    return Outcome(
        price=prices,
        revenue=prices * volume * hours,
        sold=volume,
        offered=volume,
        hours=hours,
        marginal_cost=column(*cost),
        power=volume,
        previous_power=torch.zeros_like(volume),
        params=params or storage(),
    )


@pytest.mark.parametrize(
    ("sold", "cost", "hours", "profit"),
    [
        ((20.0,), (0.4,), 1.0, 40 * 20 - 0.4 * 20),
        ((20.0,), (0.4,), 0.5, (40 * 20 - 0.4 * 20) / 2),
        ((-20.0,), (0.3,), 1.0, -40 * 20 - 0.3 * 20),  # both what is paid and the cost
        ((1.0,), (0.4,), 1.0, 0.0),  # up to 1 MW counts as none
        ((-1.0,), (0.3,), 1.0, 0.0),
        ((1.5,), (0.4,), 1.0, 40 * 1.5 - 0.4 * 1.5),
        ((0.0,), (0.3,), 1.0, 0.0),
        ((-20.0, 0.5, 30.0), (0.3, 0.4, 0.4), 1.0, -40 * 20 - 0.3 * 20 + 39.6 * 30),
    ],
)
def test_the_reward_is_the_profit_as_a_share_of_full_discharge_at_the_highest_price(
    sold: tuple[float, ...], cost: tuple[float, ...], hours: float, profit: float
) -> None:
    bidder = portfolio_of(LEARNED, storage(), WAVE, products=len(sold)).teams["EOM"][0].learned
    assert bidder is not None
    got = bidder.reward(outcome(sold, 40.0, cost, hours))
    assert got.profit.tolist() == [pytest.approx(profit, abs=1e-9)]
    assert got.reward.tolist() == [pytest.approx(profit / (100 * 50), abs=1e-12)]
    assert got.regret.tolist() == [0.0]


def test_it_has_no_regret_to_be_rewarded_for() -> None:
    create(LEARNED, Context(100.0, 1, 1.0, reward="profit"), {})
    with pytest.raises(ConfigurationError, match="storages have no regret; choose profit"):
        create(LEARNED, Context(100.0, 1, 1.0, reward="regret"), {})
