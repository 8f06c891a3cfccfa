"""The order of events: what is seen, booked, executed and paid."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core import window
from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import AnyBidder, AnyView, Context
from assume_rl.core.money import Outcome
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import (
    Portfolio,
    Position,
    Result,
    UnitState,
    begin,
    book,
    execute,
    look,
    moved_to,
    outcome,
    settle,
)
from assume_rl.core.units.fleet import Fleet, Profiles, members, select, select_profiles
from assume_rl.testing import toy_fleet, toy_storages

CONTEXT = Context(max_bid_price=100.0, products=1, step_hours=1.0)
NAIVE = create("powerplant_energy_naive", CONTEXT, {})
LEARNING = create("powerplant_energy_learning", CONTEXT, {"foresight": 3})
CHARGED = create("powerplant_energy_learning", CONTEXT, {"foresight": 3, "start_costs": True})


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def orders_of(volume: Tensor, unit: Sequence[int], price: Tensor | None = None) -> Orders:
    given = torch.ones_like(volume) if price is None else price
    index = torch.tensor(unit)
    return Orders(price=given, volume=volume, unit=index, node=torch.zeros_like(index))


def draw(shape: tuple[int, ...], purpose: str) -> Tensor:
    return keyed.array(shape, 0, "test_trade", purpose)


def portfolio_of(
    made: tuple[Fleet, Profiles],
    lookback: int,
    horizon: int,
    *,
    bidder: AnyBidder = LEARNING,
    units: Sequence[int] | None = None,
    hours: float = 1.0,
) -> Portfolio:
    """Return a portfolio with one team in one market; by default of all units."""
    fleet, profiles = made
    chosen = tuple(range(len(fleet.ids))) if units is None else tuple(units)
    team = Team(bidder, members(fleet, chosen), tuple(fleet.ids[unit] for unit in chosen))
    return Portfolio(fleet, profiles, {"EOM": (team,)}, hours, lookback, horizon)


def team_of(portfolio: Portfolio) -> Team:
    return portfolio.teams["EOM"][0]


def auction_of(*first: int, length: int = 1, market: str = "EOM", kind: str = "energy") -> Auction:
    return Auction(market, 0, 0, 1, first, (length,) * len(first), kind)


def result_of(
    auction: Auction,
    orders: Orders,
    accepted: Tensor,
    paid: Tensor,
    *,
    price: Tensor | None = None,
    asked: tuple[Team, ...] = (),
) -> Result:
    """Return a result of which each team asked for has all slots."""
    return Result(
        auction=auction,
        orders=orders,
        accepted=accepted,
        paid=paid,
        price=paid if price is None else price,
        asked=asked,
        slots=(slice(0, accepted.shape[-1]),) * len(asked),
    )


def with_energy(position: Position, energy: Tensor) -> Position:
    sold = {**position.state.sold, "energy": energy}
    return replace(position, state=replace(position.state, sold=sold))


T = TypeVar("T")


def kept(table: T | None) -> T:
    assert table is not None
    return table


# --- window -------------------------------------------------------------------------------------


def test_moving_on_shifts_sold_steps_towards_the_past() -> None:
    portfolio = portfolio_of(toy_fleet(plants=((100.0, 0.0, 30.0),)), 2, 3)
    position = with_energy(begin(portfolio), torch.arange(6.0).double()[:, None])
    moved = moved_to(portfolio, position, 2)
    assert moved.state.energy[:, 0].tolist() == [2.0, 3.0, 4.0, 5.0, 0.0, 0.0]
    assert (moved.step, moved.elapsed, moved.executed) == (2, 2, -1)
    assert moved_to(portfolio, position, 50).state.energy.abs().sum() == 0
    assert position.state.energy[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_the_clock_does_not_run_backwards() -> None:
    portfolio = portfolio_of(toy_fleet(), 2, 3)
    position = moved_to(portfolio, begin(portfolio, start=7), 4)
    assert position.step == 11
    assert moved_to(portfolio, position, 4) is moved_to(portfolio, position, 3) is position


def test_runs_join_products_that_follow_each_other() -> None:
    assert window.runs((1, 2, 3), (1, 1, 1)) == (window.Run(0, 3, 1, 1),)
    assert window.runs((1, 5), (4, 4)) == (window.Run(0, 2, 1, 4),)
    assert window.runs((1, 1), (4, 1)) == (window.Run(0, 1, 1, 4), window.Run(1, 2, 1, 1))
    assert window.runs((1, 3), (1, 1)) == (window.Run(0, 1, 1, 1), window.Run(1, 2, 3, 1))


def test_a_step_that_is_not_kept_is_an_error_not_another_step() -> None:
    portfolio = portfolio_of(toy_fleet(), 2, 3, bidder=NAIVE)
    position = begin(portfolio)
    with pytest.raises(IndexError):
        look(portfolio, position, auction_of(4), team_of(portfolio))
    orders = orders_of(torch.ones(1, 1).double(), (0,))
    result = result_of(auction_of(4), orders, row(1.0)[None], row(1.0)[None])
    with pytest.raises(IndexError):
        book(position.state, result, 0, 1.0)


# --- look ---------------------------------------------------------------------------------------


def test_forecasts_go_round_the_calendar() -> None:
    made = toy_fleet(steps=5, varied=True)
    portfolio = portfolio_of(made, 4, 2)
    view = look(portfolio, begin(portfolio, start=3), auction_of(1), team_of(portfolio))
    scaled = made[1].forecasts["EOM"].scaled_price[0]
    assert view.outlook.price(3).tolist() == [[scaled[i].item() for i in (4, 0, 1)]] * 2


def test_forecasts_keep_their_last_value_where_they_do_not_go_round() -> None:
    fleet, profiles = toy_fleet(steps=5, varied=True)
    ending = replace(profiles.forecasts["EOM"], circular=False)
    portfolio = portfolio_of((fleet, replace(profiles, forecasts={"EOM": ending})), 4, 2)
    view = look(portfolio, begin(portfolio, start=3), auction_of(1), team_of(portfolio))
    scaled, load = ending.scaled_price[0], ending.scaled_residual_load[0]
    assert view.outlook.price(3).tolist() == [[scaled[4].item()] * 3] * 2
    starts = torch.tensor([1, 3])
    view = look(portfolio, begin(portfolio, (2,), start=starts), auction_of(1), team_of(portfolio))
    expected = [[load[i].item() for i in row] for row in ((2, 3, 4), (4, 4, 4))]
    assert view.outlook.residual_load(3).tolist() == [[row] * 2 for row in expected]


def test_price_history_ends_with_the_first_delivery_step() -> None:
    portfolio = portfolio_of(toy_fleet(), 4, 2)
    position = begin(portfolio, start=9)
    prices = torch.arange(7.0).double()[:, None] * row(1.0, 10.0)
    position = replace(position, state=replace(position.state, accepted_price=prices))
    view = look(portfolio, position, auction_of(1), team_of(portfolio))
    assert view.price_history.tolist() == [[3.0, 4.0, 5.0], [30.0, 40.0, 50.0]]


def test_without_kept_prices_a_foresight_is_refused() -> None:
    made = toy_fleet()
    portfolio = portfolio_of(made, 4, 2, bidder=NAIVE)
    learning = team_of(portfolio_of(made, 4, 2))
    assert begin(portfolio).state.accepted_price is None
    with pytest.raises(ValueError, match="keeps accepted prices"):
        look(portfolio, begin(portfolio, start=9), auction_of(1), learning)


def test_view_shows_the_step_before_the_first_product() -> None:
    made = toy_fleet(varied=True)
    portfolio = portfolio_of(made, 2, 3, bidder=NAIVE, units=(1,))
    energy = torch.arange(6.0).double()[:, None].expand(6, 2)
    position = with_energy(begin(portfolio, start=9), energy)
    view = look(portfolio, position, auction_of(1, 2), team_of(portfolio))
    assert view.previous_power.tolist() == [2.0]
    assert view.sold.tolist() == [[3.0], [4.0]]
    assert torch.equal(view.marginal_cost, made[1].marginal_cost[10:12, 1:])


def test_sold_reserve_narrows_what_can_be_offered() -> None:
    made = toy_fleet(plants=((100.0, 20.0, 30.0),))
    reserve = ("capacity_pos", "capacity_neg")
    portfolio = replace(portfolio_of(made, 2, 3, bidder=NAIVE), product_types=reserve)
    position = begin(portfolio)
    for kind, volume in (("capacity_pos", 30.0), ("capacity_neg", 10.0)):
        sale = row(volume)[None]
        result = result_of(auction_of(1, kind=kind), orders_of(sale, (0,)), sale, row(5.0)[None])
        position = replace(position, state=book(position.state, result, 0, 1.0))
    view = look(portfolio, position, auction_of(1, 2), team_of(portfolio))
    assert view.limits.sell.least.tolist() == [[30.0], [20.0]]
    assert view.limits.sell.most.tolist() == [[70.0], [100.0]]
    assert view.sold.tolist() == [[0.0], [0.0]]


# --- book and execute ---------------------------------------------------------------------------


def booked(state: UnitState, orders: Orders, accepted: Tensor, paid: Tensor) -> UnitState:
    return book(state, result_of(auction_of(0), orders, accepted, paid), 0, 1.0)


def test_booking_adds_volumes_and_money_of_all_slots_of_a_unit() -> None:
    state = begin(portfolio_of(toy_fleet(), 2, 2)).state
    orders = orders_of(row(20.0, 80.0, 50.0)[None], (0, 0, 1))
    after = booked(state, orders, row(20.0, 30.0, 0.0)[None], row(40.0, 40.0, 40.0)[None])
    after = booked(after, orders, row(0.0, 5.0, 1.0)[None], row(10.0, 10.0, 10.0)[None])
    assert after.energy[2].tolist() == [55.0, 1.0]
    assert (
        kept(after.cashflow)["energy"][2].tolist()
        == kept(after.revenue)[2].tolist()
        == [2050.0, 10.0]
    )
    assert after.energy.sum() == 56.0
    assert state.energy.sum() == 0


def test_steps_of_a_long_product_get_its_whole_cash_flow_and_their_own_revenue() -> None:
    state = begin(portfolio_of(toy_fleet(), 1, 5)).state
    accepted, paid = row(10.0, 20.0)[:, None], row(5.0, 6.0)[:, None]
    orders = orders_of(torch.ones(2, 1).double(), (1,))
    after = book(state, result_of(auction_of(1, 3, length=2), orders, accepted, paid), 0, 0.25)
    assert after.energy[:, 1].tolist() == [0.0, 0.0, 10.0, 10.0, 20.0, 20.0, 0.0]
    assert kept(after.cashflow)["energy"][:, 1].tolist() == [0.0, 0.0, 25.0, 25.0, 60.0, 60.0, 0.0]
    assert kept(after.revenue)[:, 1].tolist() == [0.0, 0.0, 12.5, 12.5, 30.0, 30.0, 0.0]
    assert kept(after.accepted_price)[:, 1].tolist() == [0.0, 0.0, 5.0, 5.0, 6.0, 6.0, 0.0]


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ((1.0, 1.0), 7.0),  # both accepted: the last
        ((1.0, 0.0), 7.0),  # rejected orders come after accepted ones
        ((0.0, 1.0), 3.0),
        ((0.0, 0.0), 7.0),
    ],
)
def test_the_last_order_decides_which_price_is_remembered(
    accepted: tuple[float, float], expected: float
) -> None:
    state = begin(portfolio_of(toy_fleet(), 1, 1)).state
    orders = orders_of(row(20.0, 80.0)[None], (0, 0))
    after = booked(state, orders, row(*accepted)[None], row(3.0, 7.0)[None])
    assert kept(after.accepted_price)[1].tolist() == [expected, 0.0]


def test_an_empty_slot_leaves_no_price_but_an_order_of_nothing_does() -> None:
    state = begin(portfolio_of(toy_fleet(), 1, 1)).state
    orders = orders_of(row(0.0, 0.0)[None], (0, 1), price=row(0.0, 12.0)[None])
    after = booked(state, orders, row(0.0, 0.0)[None], row(40.0, 40.0)[None])
    assert kept(after.accepted_price)[1].tolist() == [0.0, 40.0]


def test_reserve_is_sold_apart_and_its_price_is_not_remembered() -> None:
    portfolio = replace(portfolio_of(toy_fleet(), 1, 1), product_types=("capacity_pos",))
    state = begin(portfolio).state
    orders, sale = orders_of(row(20.0)[None], (1,)), row(20.0)[None]
    auction = auction_of(0, kind="capacity_pos")
    after = book(state, result_of(auction, orders, sale, row(5.0)[None]), 0, 1.0)
    assert after.sold["capacity_pos"][1].tolist() == [0.0, 20.0]
    assert not after.energy.any()
    assert not kept(after.accepted_price).any()
    assert not kept(after.cashflow)["energy"].any()
    assert kept(after.cashflow)["capacity_pos"][1].tolist() == [0.0, 100.0]
    assert kept(after.revenue)[1].tolist() == [0.0, 100.0]


def test_money_that_is_not_recorded_is_not_kept() -> None:
    state = begin(portfolio_of(toy_fleet(), 1, 1), keep_money=False).state
    after = booked(state, orders_of(row(20.0)[None], (1,)), row(20.0)[None], row(5.0)[None])
    assert after.cashflow is None
    assert after.revenue is None
    assert after.energy[1].tolist() == [0.0, 20.0]


def test_execute_covers_all_technologies_and_only_the_steps_due() -> None:
    made = toy_fleet(plants=((100.0, 20.0, 30.0),), demands=((70.0, 3000.0),))
    portfolio = portfolio_of(made, 3, 1, bidder=NAIVE, units=(0,))
    position = replace(begin(portfolio, start=10), elapsed=10, executed=8)
    position = with_energy(position, torch.ones(5, 1).double() * row(5.0, -5.0))
    after, executed = execute(portfolio, position, 10)
    assert after.state.energy[:, 0].tolist() == [5.0, 5.0, 20.0, 20.0, 5.0]
    assert after.state.energy[:, 1].tolist() == [-5.0] * 5
    assert executed is not None
    assert (executed.step, executed.steps, after.executed) == (10, 2, 10)
    again, nothing = execute(portfolio, after, 10)
    assert again is after
    assert nothing is None


def test_executing_to_the_end_delivers_what_is_sold_for_later() -> None:
    portfolio = portfolio_of(toy_fleet(plants=((100.0, 20.0, 30.0),)), 1, 3, bidder=NAIVE)
    position = with_energy(begin(portfolio), row(0.0, 30.0, 5.0, 0.0, 7.0)[:, None])
    position, _ = execute(portfolio, position, 0)
    after, executed = execute(portfolio, position, 2)
    assert after.state.energy[:, 0].tolist() == [0.0, 30.0, 20.0, 0.0, 7.0]
    assert executed is not None
    assert executed.steps == 2
    assert executed.state.energy[executed.state.lookback].tolist() == [0.0]  # step 2, the last one


# --- outcomes -----------------------------------------------------------------------------------


def brought(portfolio: Portfolio, position: Position, result: Result) -> Outcome[Any]:
    every = slice(0, result.accepted.shape[-1])
    return outcome(portfolio, position, team_of(portfolio), result, every)


def test_outcome_sums_the_orders_of_a_unit_and_reads_what_was_delivered() -> None:
    made = toy_fleet(varied=True)
    portfolio = portfolio_of(made, 2, 1, units=(1,), hours=0.25)
    energy = torch.arange(4.0).double()[:, None] * row(1.0, 10.0)
    position = with_energy(begin(portfolio, start=9), energy)
    orders = orders_of(row(20.0, 80.0)[None], (0, 0))
    accepted, paid = row(10.0, 30.0)[None], row(40.0, 45.0)[None]
    result = result_of(auction_of(0, length=2), orders, accepted, paid, price=row(44.0, 44.0)[None])
    got = brought(portfolio, position, result)
    values = (got.price, got.sold, got.offered, got.power, got.previous_power)
    assert [v.tolist() for v in values] == [[[44.0]], [[40.0]], [[100.0]], [[20.0]], [[10.0]]]
    assert got.revenue.item() == pytest.approx((40 * 10 + 45 * 30) * 0.5)
    assert got.hours == 0.5
    assert got.marginal_cost.item() == made[1].marginal_cost[9, 1].item()


def test_an_outcome_has_the_price_of_the_zone_of_each_unit() -> None:
    portfolio = portfolio_of(toy_fleet(varied=True), 2, 1, units=(0, 1))
    orders = orders_of(row(20.0, 10.0, 80.0, 0.0)[None], (0, 0, 1, 1))
    accepted, price = row(10.0, 0.0, 30.0, 0.0)[None], row(20.0, 20.0, 60.0, 60.0)[None]
    result = result_of(auction_of(0), orders, accepted, price, price=price)
    got = brought(portfolio, begin(portfolio, start=9), result)
    assert got.price.tolist() == [[20.0, 60.0]]
    assert got.revenue.tolist() == [[200.0, 1800.0]]


def test_an_outcome_has_a_row_per_product() -> None:
    """Two products of one and three steps, the second one right after the first."""
    made = toy_fleet(plants=((100.0, 0.0, 30.0),), varied=True)
    portfolio = portfolio_of(made, 2, 5)
    position = with_energy(begin(portfolio, start=9), torch.arange(8.0).double()[:, None])
    auction = Auction("EOM", 0, 0, 1, (1, 2), (1, 3))
    orders = orders_of(row(20.0, 80.0)[:, None], (0,))
    accepted, paid = row(10.0, 30.0)[:, None], row(40.0, 45.0)[:, None]
    got = brought(portfolio, position, result_of(auction, orders, accepted, paid))
    assert got.price.tolist() == [[40.0], [45.0]]
    assert got.sold.tolist() == [[10.0], [30.0]]
    assert got.offered.tolist() == [[20.0], [80.0]]
    assert got.revenue.tolist() == [[400.0], [45.0 * 30 * 3]]
    assert got.power.tolist() == [[3.0], [4.0]]  # sold at the first step of each
    assert got.previous_power.tolist() == [[2.0], [3.0]]
    assert torch.equal(got.marginal_cost, made[1].marginal_cost[10:12])
    assert isinstance(got.hours, Tensor)
    assert got.hours.tolist() == [[1.0], [3.0]]


def test_starts_are_charged_by_how_long_the_unit_was_off_beyond_the_window() -> None:
    """A window of two past steps; the plant runs in step 2, and from step 9 on."""
    made = toy_fleet(
        plants=((300.0, 0.0, 30.0),), hot_start_cost=1.0, warm_start_cost=10.0,
        cold_start_cost=100.0, downtime_hot_start=2.0, downtime_warm_start=6.0,
    )  # fmt: skip
    portfolio = portfolio_of(made, 2, 2, bidder=CHARGED)
    position, charged = begin(portfolio), {}
    for step in range(12):
        position = moved_to(portfolio, position, step)
        orders = orders_of(row(300.0 if step in (2, 9, 10, 11) else 0.0)[None], (0,))
        result = result_of(auction_of(step), orders, orders.volume, orders.price)
        state = book(position.state, result, step, 1.0)
        position, _ = execute(portfolio, replace(position, state=state), step)
        charged[step] = kept(brought(portfolio, position, result).start_cost).item()
    assert {step: cost for step, cost in charged.items() if cost} == {2: 100.0, 9: 10.0}


def test_starts_of_a_product_that_is_not_executed_yet_are_those_of_the_plan() -> None:
    """Off since step 0; sold for steps 2 and 4, of a product of four steps from step 1 on."""
    made = toy_fleet(
        plants=((300.0, 0.0, 30.0),), hot_start_cost=1.0, cold_start_cost=100.0,
        downtime_hot_start=1.0,
    )  # fmt: skip
    portfolio = portfolio_of(made, 2, 5, bidder=CHARGED)
    position, _ = execute(portfolio, begin(portfolio), 0)
    energy = position.state.energy.index_fill(0, torch.tensor([4, 6]), 300.0)
    orders = orders_of(row(300.0)[None], (0,))
    result = result_of(auction_of(1, length=4), orders, orders.volume, orders.price)
    got = brought(portfolio, with_energy(position, energy), result)
    assert kept(got.start_cost).tolist() == [[101.0]]


def test_without_downtimes_there_is_no_cost_of_starts() -> None:
    portfolio = portfolio_of(toy_fleet(plants=((300.0, 0.0, 30.0),)), 2, 1)
    position = begin(portfolio, start=1)
    orders = orders_of(row(300.0)[None], (0,))
    result = result_of(auction_of(0), orders, orders.volume, orders.price)
    assert position.state.downtime is None
    assert brought(portfolio, position, result).start_cost is None


# --- settle -------------------------------------------------------------------------------------


def two_results(team: Team) -> list[Result]:
    """Return what two markets that close at the same time sold of a plant in step 0."""
    found = []
    for market, volume, price in (("A", 4.0, 50.0), ("B", 6.0, 20.0)):
        sale = row(volume)[None]
        found.append(
            result_of(auction_of(0, market=market), orders_of(sale, (0,)), sale, row(price)[None],
                      asked=(team,))
        )  # fmt: skip
    return found


def test_all_sales_of_an_instant_are_booked_before_it_is_executed() -> None:
    """Minimum power is 20: 4 MW and 6 MW are lifted to it together."""
    portfolio = portfolio_of(toy_fleet(plants=((100.0, 20.0, 30.0),)), 3, 1)
    results = two_results(team_of(portfolio))
    position, executed, outcomes = settle(portfolio, begin(portfolio), results)
    assert position.state.energy[:, 0].tolist() == [0.0, 0.0, 0.0, 20.0, 0.0]
    assert executed is not None
    assert (executed.step, executed.steps, position.executed) == (0, 1, 0)
    assert [found[0].power.item() for found in outcomes] == [20.0, 20.0]
    assert [found[0].sold.item() for found in outcomes] == [4.0, 6.0]
    assert kept(position.state.revenue)[3].item() == 4 * 50 + 6 * 20


def test_the_order_of_the_markets_does_not_matter() -> None:
    portfolio = portfolio_of(toy_fleet(plants=((100.0, 20.0, 30.0),)), 3, 1)
    results = two_results(team_of(portfolio))
    position, _, outcomes = settle(portfolio, begin(portfolio), results)
    other, _, turned = settle(portfolio, begin(portfolio), results[::-1])
    assert_equal(tensors(position), tensors(other))
    assert_equal(tensors(outcomes[::-1]), tensors(turned))
    assert kept(position.state.accepted_price)[3].item() == 20.0  # that of the last name


def test_settling_nothing_still_executes_what_is_due() -> None:
    portfolio = portfolio_of(toy_fleet(plants=((100.0, 20.0, 30.0),)), 3, 1)
    position = with_energy(begin(portfolio), row(0.0, 0.0, 0.0, 5.0, 5.0)[:, None])
    after, executed, outcomes = settle(portfolio, position, [])
    assert after.state.energy[:, 0].tolist() == [0.0, 0.0, 0.0, 20.0, 5.0]
    assert executed is not None
    assert outcomes == ()


# --- leading axes -------------------------------------------------------------------------------


def tensors(value: object) -> list[Tensor]:
    """Return the numbers in a structure, float64; parameters and forecasts have no batch axis."""
    if isinstance(value, Tensor):
        return [value] if value.dtype == torch.float64 else []  # not the static index of slots
    if isinstance(value, dict):
        return [x for part in value.values() for x in tensors(part)]
    if isinstance(value, tuple | list):
        return [x for part in value for x in tensors(part)]
    if not is_dataclass(value):
        return []
    shared = ("params", "outlook")
    return [
        x for f in fields(value) if f.name not in shared for x in tensors(getattr(value, f.name))
    ]


def assert_equal(some: list[Tensor], others: list[Tensor]) -> None:
    assert len(some) == len(others) > 0
    assert all(map(torch.equal, some, others))


def seen(view: AnyView) -> list[Tensor]:
    """Return the numbers of a view, forecasts included."""
    outlook = view.outlook
    around = outlook.mean_price_around(2)
    return [*tensors(view), outlook.residual_load(3), outlook.price(3),
            outlook.price_at_products(), around]  # fmt: skip


def one(value: Any, i: int) -> Any:
    """Return copy `i` of a state."""
    if isinstance(value, Tensor):
        return value[i]
    if isinstance(value, dict):
        return {name: one(x, i) for name, x in value.items()}
    if isinstance(value, tuple):
        return tuple(one(x, i) for x in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: one(getattr(value, f.name), i) for f in fields(value)})
    return value


def of_fleet(orders: Orders, team: Team) -> Orders:
    return replace(orders, unit=team.members.units.index[orders.unit])


def played(
    portfolio: Portfolio, position: Position, action: Tensor | None, share: Tensor
) -> list[list[Tensor]]:
    """Return all that happens from a view to a reward; the step before is not executed yet."""
    team = team_of(portfolio)
    auction = auction_of(position.elapsed + 1, position.elapsed + 2)
    view = look(portfolio, position, auction, team)
    orders = team.orders(view, action)
    result = result_of(
        auction, of_fleet(orders, team), orders.volume * share, orders.price,
        price=orders.price.mean(-1, keepdim=True).expand(orders.price.shape), asked=(team,),
    )  # fmt: skip
    moved = moved_to(portfolio, position, position.elapsed + 1)
    after, executed, ((got,),) = settle(portfolio, moved, [result])
    assert executed is not None
    assert executed.steps == 2
    reward = [] if team.learned is None else tensors(team.learned.reward(got))
    return [seen(view), tensors(orders), tensors(after.state), tensors(got), reward]


def assert_same_one_by_one(portfolio: Portfolio, position: Position, steps: Tensor) -> None:
    copies, team = len(steps), team_of(portfolio)
    size = None if team.learned is None else team.learned.action.size
    count = len(team.ids)
    action = None if size is None else draw((copies, count, size), "action") * 2 - 1
    share = draw((copies, 2, count * team.bidder.slots), "share").round()
    whole = played(portfolio, replace(position, step=steps), action, share)
    singles = [
        played(
            portfolio,
            replace(position, step=int(steps[i]), state=one_state(position.state, i)),
            None if action is None else action[i],
            share[i],
        )
        for i in range(copies)
    ]  # an int step here, a tensor of steps there
    for batched, parts in zip(whole, zip(*singles, strict=True), strict=True):
        for joint, each in zip(batched, zip(*parts, strict=True), strict=True):
            assert torch.equal(joint, torch.stack(each))


def one_state(state: UnitState, i: int) -> UnitState:
    alone: UnitState = one(state, i)
    return alone


@pytest.mark.parametrize("name", ["powerplant_energy_naive", "powerplant_energy_learning"])
@pytest.mark.parametrize("ramp_up", [torch.inf, (30.0, torch.inf, 10.0)])
@pytest.mark.parametrize("units", [(0, 1, 2), (0, 2)])
@pytest.mark.parametrize("elapsed", [2, 9])
def test_many_markets_at_once_are_the_same_as_one_by_one(
    name: str, ramp_up: Any, units: tuple[int, ...], elapsed: int
) -> None:
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0), (80.0, 70.0, 10.0))
    made = toy_fleet(plants=plants, varied=True, ramp_up=ramp_up, min_down_time=3.0)
    bidder = create(name, replace(CONTEXT, products=2), {"foresight": 3})
    portfolio = portfolio_of(made, 7, 3, bidder=bidder, units=units)
    position = replace(begin(portfolio, (4,)), elapsed=elapsed, executed=elapsed - 1)
    shape = tuple(position.state.energy.shape)
    state = replace(
        position.state,
        sold={"energy": (draw(shape, "energy") - 0.4).clamp(min=0) * 20},
        accepted_price=draw(shape, "price"),
    )
    assert_same_one_by_one(portfolio, replace(position, state=state), torch.tensor([2, 9, 45, 30]))


@pytest.mark.parametrize("name", ["storage_energy_heuristic_flexable", "storage_energy_learning"])
@pytest.mark.parametrize("units", [(0, 1, 2), (0, 2)])
def test_many_markets_of_storages_are_the_same_as_one_by_one(
    name: str, units: tuple[int, ...]
) -> None:
    bidder = create(name, replace(CONTEXT, products=2), {"foresight": 3})
    portfolio = portfolio_of(toy_storages(), 7, 3, bidder=bidder, units=units)
    position = replace(begin(portfolio, (4,)), elapsed=9, executed=8)
    shape = tuple(position.state.energy.shape)
    (own,) = position.state.own
    state = replace(
        position.state,
        sold={"energy": (draw(shape, "energy") - 0.5) * 40},
        own=(replace(own, soc=draw(shape, "soc"), stored_cost=draw((4, 3), "cost") * 50),),
    )
    assert_same_one_by_one(portfolio, replace(position, state=state), torch.tensor([2, 9, 45, 30]))


def test_a_part_of_the_fleet_sees_what_the_whole_sees() -> None:
    """An operator's own fleet or members of everyone's: the same view."""
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0), (80.0, 70.0, 10.0))
    fleet, profiles = toy_fleet(plants=plants, demands=((70.0, 99.0),), varied=True, ramp_up=10.0)
    everyone = portfolio_of((fleet, profiles), 7, 3, units=(0, 2))
    own = portfolio_of((select(fleet, (0, 2)), select_profiles(profiles, (0, 2))), 7, 3)
    position = begin(everyone, start=9)
    energy = draw(tuple(position.state.energy.shape), "energy")
    auction = auction_of(1, 2)
    whole = look(everyone, with_energy(position, energy), auction, team_of(everyone))
    mine = with_energy(begin(own, start=9), energy[:, [0, 2]])
    part = look(own, mine, auction, team_of(own))
    assert team_of(own).ids == team_of(everyone).ids == ("plant_0", "plant_2")
    assert_equal(seen(whole), seen(part))
