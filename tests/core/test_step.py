from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core import window
from assume_rl.core.bidding import create
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.step import advance, dispatch, execute, initial_state, look, outcome
from assume_rl.core.types import Members, UnitState, View
from assume_rl.core.units.fleet import members, select, select_profiles
from assume_rl.testing import toy_fleet

NAIVE = create("powerplant_energy_naive", max_bid_price=100.0, params={})
LEARNING = create("powerplant_energy_learning", max_bid_price=100.0, params={"foresight": 3})


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def book(volume: Tensor, unit: tuple[int, ...], price: Tensor | None = None) -> Orders:
    price = torch.ones_like(volume) if price is None else price
    return replace(unit_major(price, volume, len(unit)), unit=torch.tensor(unit))


def draw(shape: tuple[int, ...], purpose: str) -> Tensor:
    return keyed.array(shape, 0, "test_step", purpose)


# --- window -------------------------------------------------------------------------------------


def test_advance_shifts_sold_steps_towards_the_past() -> None:
    fleet, _ = toy_fleet(plants=((100.0, 0.0, 30.0),))
    state = initial_state(fleet, 2, 3)
    state = replace(state, energy=torch.arange(6.0).double()[:, None])
    assert advance(state, 2).energy[:, 0].tolist() == [2.0, 3.0, 4.0, 5.0, 0.0, 0.0]
    assert advance(state, 50).energy.abs().sum() == 0
    assert state.energy[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_runs_join_products_that_follow_each_other() -> None:
    assert window.runs((1, 2, 3), (1, 1, 1)) == (window.Run(0, 3, 1, 1),)
    assert window.runs((1, 5), (4, 4)) == (window.Run(0, 2, 1, 4),)
    assert window.runs((1, 1), (4, 1)) == (window.Run(0, 1, 1, 4), window.Run(1, 2, 1, 1))
    assert window.runs((1, 3), (1, 1)) == (window.Run(0, 1, 1, 1), window.Run(1, 2, 3, 1))


def test_a_step_that_is_not_kept_is_an_error_not_another_step() -> None:
    fleet, profiles = toy_fleet()
    state = initial_state(fleet, 2, 3)
    with pytest.raises(IndexError):
        look(fleet, profiles, state, 0, (4,), "EOM", members(fleet, (0, 1)), NAIVE)
    with pytest.raises(IndexError):
        dispatch(state, book(torch.ones(1, 1).double(), (0,)), row(1.0)[None], row(1.0)[None],
                 (4,), (1,), 1.0)  # fmt: skip


# --- look ---------------------------------------------------------------------------------------


def test_forecasts_go_round_the_calendar() -> None:
    fleet, profiles = toy_fleet(steps=5, varied=True)
    view = look(fleet, profiles, initial_state(fleet, 4, 2), 3, (1,), "EOM",
                members(fleet, (0, 1)), LEARNING)  # fmt: skip
    scaled = profiles.forecasts["EOM"].scaled_price[0]
    assert view.price_forecast.tolist() == [[scaled[i].item() for i in (4, 0, 1)]] * 2


def test_price_history_ends_with_the_first_delivery_step() -> None:
    fleet, profiles = toy_fleet()
    state = initial_state(fleet, 4, 2)
    prices = torch.arange(7.0).double()[:, None] * row(1.0, 10.0)
    view = look(fleet, profiles, replace(state, accepted_price=prices), 9, (1,), "EOM",
                members(fleet, (0, 1)), LEARNING)  # fmt: skip
    assert view.price_history.tolist() == [[3.0, 4.0, 5.0], [30.0, 40.0, 50.0]]


def test_without_kept_prices_a_foresight_is_refused() -> None:
    fleet, profiles = toy_fleet()
    state = initial_state(fleet, 4, 2, keep_prices=False)
    with pytest.raises(ValueError, match="keeps accepted prices"):
        look(fleet, profiles, state, 9, (1,), "EOM", members(fleet, (0, 1)), LEARNING)


def test_view_shows_the_step_before_the_first_product() -> None:
    fleet, profiles = toy_fleet(varied=True)
    state = initial_state(fleet, 2, 3)
    energy = torch.arange(6.0).double()[:, None].expand(6, 2)
    view = look(fleet, profiles, replace(state, energy=energy), 9, (1, 2), "EOM",
                members(fleet, (1,)), NAIVE)  # fmt: skip
    assert view.previous_power.tolist() == [2.0]
    assert view.sold.tolist() == [[3.0], [4.0]]
    assert torch.equal(view.marginal_cost, profiles.marginal_cost[10:12, 1:])


# --- dispatch and execute -----------------------------------------------------------------------


def settled(
    state: UnitState, orders: Orders, accepted: Tensor, paid: Tensor, **when: Any
) -> UnitState:
    offsets, lengths = when.get("offsets", (0,)), when.get("lengths", (1,))
    return dispatch(state, orders, accepted, paid, offsets, lengths, when.get("hours", 1.0))


def test_dispatch_adds_volumes_and_money_of_all_slots_of_a_unit() -> None:
    fleet, _ = toy_fleet()
    state = initial_state(fleet, 2, 2)
    orders = book(row(20.0, 80.0, 50.0)[None], (0, 0, 1))
    after = settled(state, orders, row(20.0, 30.0, 0.0)[None], row(40.0, 40.0, 40.0)[None])
    after = settled(after, orders, row(0.0, 5.0, 1.0)[None], row(10.0, 10.0, 10.0)[None])
    assert after.energy[2].tolist() == [55.0, 1.0]
    assert after.cashflow[2].tolist() == after.revenue[2].tolist() == [2050.0, 10.0]
    assert after.energy.sum() == 56.0


def test_steps_of_a_long_product_get_its_whole_cash_flow_and_their_own_revenue() -> None:
    fleet, _ = toy_fleet()
    orders = book(torch.ones(2, 1).double(), (1,))
    after = settled(
        initial_state(fleet, 1, 5), orders, row(10.0, 20.0)[:, None], row(5.0, 6.0)[:, None],
        offsets=(1, 3), lengths=(2, 2), hours=0.25,
    )  # fmt: skip
    assert after.energy[:, 1].tolist() == [0.0, 0.0, 10.0, 10.0, 20.0, 20.0, 0.0]
    assert after.cashflow[:, 1].tolist() == [0.0, 0.0, 25.0, 25.0, 60.0, 60.0, 0.0]
    assert after.revenue[:, 1].tolist() == [0.0, 0.0, 12.5, 12.5, 30.0, 30.0, 0.0]
    assert after.accepted_price is not None
    assert after.accepted_price[:, 1].tolist() == [0.0, 0.0, 5.0, 5.0, 6.0, 6.0, 0.0]


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
    fleet, _ = toy_fleet()
    orders = book(row(20.0, 80.0)[None], (0, 0))
    after = settled(initial_state(fleet, 1, 1), orders, row(*accepted)[None], row(3.0, 7.0)[None])
    assert after.accepted_price is not None
    assert after.accepted_price[1].tolist() == [expected, 0.0]


def test_an_empty_slot_leaves_no_price_but_an_order_of_nothing_does() -> None:
    fleet, _ = toy_fleet()
    orders = book(row(0.0, 0.0)[None], (0, 1), price=row(0.0, 12.0)[None])
    after = settled(initial_state(fleet, 1, 1), orders, row(0.0, 0.0)[None], row(40.0, 40.0)[None])
    assert after.accepted_price is not None
    assert after.accepted_price[1].tolist() == [0.0, 40.0]


def test_execute_covers_all_technologies_and_only_the_steps_due() -> None:
    fleet, profiles = toy_fleet(plants=((100.0, 20.0, 30.0),), demands=((70.0, 3000.0),))
    state = initial_state(fleet, 3, 1)
    energy = torch.ones(5, 1).double() * row(5.0, -5.0)
    after = execute(fleet, profiles, replace(state, energy=energy), 10, 2)
    assert after.energy[:, 0].tolist() == [5.0, 5.0, 20.0, 20.0, 5.0]
    assert after.energy[:, 1].tolist() == [-5.0] * 5


def test_outcome_sums_the_orders_of_a_unit_and_reads_what_was_delivered() -> None:
    fleet, profiles = toy_fleet(varied=True)
    state = initial_state(fleet, 2, 1)
    state = replace(state, energy=torch.arange(4.0).double()[:, None] * row(1.0, 10.0))
    orders = book(row(20.0, 80.0)[None], (0, 0))
    got = outcome(fleet, profiles, state, 9, members(fleet, (1,)), orders, row(10.0, 30.0)[None],
                  row(40.0, 45.0)[None], row(44.0), (0,), (2,), 0.25)  # fmt: skip
    values = (got.price, got.sold, got.offered, got.power, got.previous_power)
    assert [v.tolist() for v in values] == [[44.0], [40.0], [100.0], [20.0], [10.0]]
    assert got.revenue.item() == pytest.approx((40 * 10 + 45 * 30) * 0.5)
    assert got.hours == 0.5
    assert got.marginal_cost.item() == profiles.marginal_cost[9, 1].item()


def test_starts_are_charged_by_how_long_the_unit_was_off_beyond_the_window() -> None:
    """A window of two past steps; the plant runs in step 2, and from step 9 on."""
    fleet, profiles = toy_fleet(
        plants=((300.0, 0.0, 30.0),), hot_start_cost=1.0, warm_start_cost=10.0,
        cold_start_cost=100.0, downtime_hot_start=2.0, downtime_warm_start=6.0,
    )  # fmt: skip
    state, team, charged = initial_state(fleet, 2, 2, keep_downtime=True), members(fleet, (0,)), {}
    for step in range(12):
        state = advance(state, 1) if step else state
        bids = book(row(300.0 if step in (2, 9, 10, 11) else 0.0)[None], (0,))
        result = (bids.volume, bids.price)
        state = dispatch(state, bids, *result, (0,), (1,), 1.0)
        state = execute(fleet, profiles, state, step, 1)
        got = outcome(fleet, profiles, state, step, team, bids, *result, row(1.0), (0,), (1,), 1.0)
        assert got.start_cost is not None
        charged[step] = got.start_cost.item()
    assert {step: cost for step, cost in charged.items() if cost} == {2: 100.0, 9: 10.0}


def test_starts_of_a_product_that_is_not_executed_yet_are_those_of_the_plan() -> None:
    """Off since step 0; sold for steps 2 and 4, of a product of four steps from step 1 on."""
    fleet, profiles = toy_fleet(
        plants=((300.0, 0.0, 30.0),), hot_start_cost=1.0, cold_start_cost=100.0,
        downtime_hot_start=1.0,
    )  # fmt: skip
    state = execute(fleet, profiles, initial_state(fleet, 2, 5, keep_downtime=True), 0, 1)
    energy = state.energy.index_fill(0, torch.tensor([4, 6]), 300.0)
    bids = book(row(300.0)[None], (0,))
    times = ((1,), (4,), 1.0)
    got = outcome(fleet, profiles, replace(state, energy=energy), 0, members(fleet, (0,)), bids,
                  bids.volume, bids.price, row(1.0), *times)  # fmt: skip
    assert got.start_cost is not None
    assert got.start_cost.tolist() == [101.0]


def test_without_downtimes_there_is_no_cost_of_starts() -> None:
    fleet, profiles = toy_fleet(plants=((300.0, 0.0, 30.0),))
    bids = book(row(300.0)[None], (0,))
    got = outcome(fleet, profiles, initial_state(fleet, 2, 1), 1, members(fleet, (0,)), bids,
                  bids.volume, bids.price, row(1.0), (0,), (1,), 1.0)  # fmt: skip
    assert got.start_cost is None


# --- leading axes -------------------------------------------------------------------------------


def tensors(value: object) -> list[Tensor]:
    found = [getattr(value, f.name) for f in fields(value) if f.name != "params"]  # type: ignore[arg-type]
    return [x for x in found if isinstance(x, Tensor)]


def assert_stacked(batched: object, singles: list[Any]) -> None:
    columns = zip(*(tensors(s) for s in singles), strict=True)
    for whole, parts in zip(tensors(batched), columns, strict=True):
        if whole.dtype == torch.float64:  # not the static index of the slots
            assert torch.equal(whole, torch.stack(list(parts)))


@pytest.mark.parametrize("name", ["powerplant_energy_naive", "powerplant_energy_learning"])
@pytest.mark.parametrize("ramp_up", [torch.inf, (30.0, torch.inf, 10.0)])
@pytest.mark.parametrize("units", [(0, 1, 2), (0, 2)])
def test_many_markets_at_once_are_the_same_as_one_by_one(
    name: str, ramp_up: Any, units: tuple[int, ...]
) -> None:
    copies, steps = 4, torch.tensor([2, 9, 46, 30])
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0), (80.0, 70.0, 10.0))
    fleet, profiles = toy_fleet(plants=plants, varied=True, ramp_up=ramp_up, min_down_time=3.0)
    bidder = create(name, max_bid_price=100.0, params={"foresight": 3})
    empty = initial_state(fleet, 7, 3, (copies,))
    state = replace(
        empty,
        energy=(draw(tuple(empty.energy.shape), "energy") - 0.4).clamp(min=0) * 20,
        accepted_price=draw(tuple(empty.energy.shape), "price"),
    )
    team = members(fleet, units)
    action = draw((copies, len(units), bidder.act_size), "action")
    share = draw((copies, 1, len(units) * bidder.slots), "share").round()

    def play(state: UnitState, step: Any, action: Tensor, share: Tensor) -> list[Any]:
        view = look(fleet, profiles, state, step, (1,), "EOM", team, bidder)
        orders = bidder.bids(view, action)
        result = (orders.volume * share, orders.price, (1,), (1,), 1.0)
        sold = dispatch(state, orders_of_fleet(orders, team), *result)
        after = execute(fleet, profiles, advance(sold, 1), step + 1, 2)
        price = orders.price.mean(-1)
        result = (*result[:2], price, (0,), (1,), 1.0)
        got = outcome(fleet, profiles, after, step + 1, team, orders, *result)
        return [view, orders, after, got, bidder.reward(got)]

    singles = [
        play(one(state, i), int(steps[i]), action[i], share[i]) for i in range(copies)
    ]  # an int step here, a tensor of steps there
    for batched, parts in zip(
        play(state, steps, action, share), zip(*singles, strict=True), strict=True
    ):
        assert_stacked(batched, list(parts))


def one(state: UnitState, i: int) -> UnitState:
    assert state.accepted_price is not None
    return UnitState(
        state.energy[i],
        state.accepted_price[i],
        state.cashflow[i],
        state.revenue[i],
        state.lookback,
    )


def orders_of_fleet(orders: Orders, team: Members) -> Orders:
    return orders if team.units is None else replace(orders, unit=team.units[orders.unit])


def test_a_part_of_the_fleet_sees_what_the_whole_sees() -> None:
    """An operator's own fleet or members of everyone's: the same view."""
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0), (80.0, 70.0, 10.0))
    fleet, profiles = toy_fleet(plants=plants, demands=((70.0, 99.0),), varied=True, ramp_up=10.0)
    state = initial_state(fleet, 7, 3)
    state = replace(state, energy=draw(tuple(state.energy.shape), "energy"))
    own, series = select(fleet, (0, 2)), select_profiles(profiles, (0, 2))
    own_state = replace(initial_state(own, 7, 3), energy=state.energy[:, [0, 2]])
    whole: View = look(fleet, profiles, state, 9, (1, 2), "EOM", members(fleet, (0, 2)), LEARNING)
    part = look(own, series, own_state, 9, (1, 2), "EOM", members(own, (0, 1)), LEARNING)
    for a, b in zip(tensors(whole), tensors(part), strict=True):
        assert torch.equal(a, b)
