from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding import ALIASES, BIDDERS, PLANNED, create, parameters
from assume_rl.core.bidding.base import AnyView, Box, Context, LearnedBidder, View
from assume_rl.core.bidding.cost_based import Naive
from assume_rl.core.forecasts import Forecasts, Outlook
from assume_rl.core.money import Outcome
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, begin, look
from assume_rl.core.units.fleet import members
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.errors import ConfigurationError
from assume_rl.testing import check_bidder, toy_fleet, toy_thermal

TWO_BID, SINGLE_BID = "powerplant_energy_learning", "powerplant_energy_learning_single_bid"
CURVE = "powerplant_energy_learning_curve"
LADDER = "powerplant_energy_learning_ladder"
FLEXIBLE = "powerplant_energy_heuristic_flexable"
RENEWABLE = "renewable_energy_learning_single_bid"
BLOCKS = ("powerplant_energy_learning_block", "powerplant_energy_learning_block_ladder")
LADDERS = (LADDER, "renewable_energy_learning_ladder", "storage_energy_learning_ladder")


def bidder_of(name: str, products: int = 1, **params: Any) -> Any:
    return create(name, Context(max_bid_price=100.0, products=products, step_hours=1.0), params)


def view_of(bidder: Any, first: tuple[int, ...] = (1,), **given: Any) -> AnyView:
    """Return what is seen of products of one step before anything is sold."""
    fleet, profiles = toy_fleet(**given)
    team = Team(bidder, members(fleet, range(len(fleet.ids))), fleet.ids)
    portfolio = Portfolio(fleet, profiles, {"EOM": (team,)}, 1.0, 30, 30)
    auction = Auction("EOM", 0, 0, 1, first, (1,) * len(first))
    return look(portfolio, begin(portfolio), auction, team)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("name", sorted(BIDDERS))
def test_a_bidder_knows_its_registered_name(name: str) -> None:
    assert bidder_of(name).name == name


def test_every_alias_names_a_bidder_or_a_planned_one() -> None:
    assert set(ALIASES.values()) <= BIDDERS.keys() | PLANNED
    assert not BIDDERS.keys() & PLANNED
    assert bidder_of("pp_learning") == bidder_of(TWO_BID)


def test_each_parameter_names_the_bidders_that_take_it() -> None:
    found = parameters()
    plants = {TWO_BID, *BLOCKS, CURVE, LADDER, SINGLE_BID, LADDERS[1], RENEWABLE}
    assert set(found["start_costs"]) == plants
    in_blocks = [f"powerplant_energy_heuristic_{name}" for name in ("block", "linked")]
    assert set(found["eom_foresight"]) == {
        FLEXIBLE,
        "storage_energy_heuristic_flexable",
        *in_blocks,
    }
    storages = {"storage_energy_learning", LADDERS[2]}
    reserve = {"powerplant_capacity_learning", "powerplant_capacity_learning_ladder"}
    assert set(found["foresight"]) == plants | storages | reserve | {"portfolio_learning"}
    assert set(found["rungs"]) == {"powerplant_capacity_learning_ladder", BLOCKS[1], *LADDERS}
    assert found["curve_steps"] == (CURVE,)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("powerplant_energy_naiv", {}, "did you mean 'powerplant_energy_naive'"),
        ("naive_redispatch", {}, "not supported yet"),
        (TWO_BID, {"foresight": 0}, "foresight: .* greater than 0"),
        (TWO_BID, {"foresight": True}, "foresight: .* valid integer"),
        (TWO_BID, {"foresight": 2.5}, "foresight: .* valid integer"),
        (TWO_BID, {"start_costs": 1}, "start_costs: .* valid boolean"),
        (TWO_BID, {"act_dim": 3}, "act_dim: is 3, but powerplant_energy_learning has 2"),
        (SINGLE_BID, {"unique_obs_dim": 3}, "unique_obs_dim: is 3"),
        (TWO_BID, {"learned_products": "last"}, "learned_products: .*'all' or 'first'"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    name: str, params: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        bidder_of(name, **params)


def test_parameters_of_other_bidders_are_ignored() -> None:
    assert bidder_of("powerplant_energy_naive", foresight=3, eom_foresight="2h") == Naive(
        "powerplant_energy_naive"
    )


def test_overridden_foresight_sets_the_size_of_the_observation() -> None:
    assert bidder_of(TWO_BID).layout.size == 38
    assert bidder_of(SINGLE_BID).layout.size == 74
    changed = bidder_of(TWO_BID, foresight=24, act_dim=2, unique_obs_dim=2)
    assert changed.layout.size == 74
    assert changed.layout.where("marginal_cost") == slice(73, 74)


LEARNED = [n for n in sorted(BIDDERS) if isinstance(bidder_of(n), LearnedBidder)]
SHARED = Context(max_bid_price=100.0, products=2, step_hours=1.0, shared=True)


@pytest.mark.parametrize("name", LEARNED)
def test_bidders_that_share_policies_observe_which_unit_they_are(name: str) -> None:
    bidder, alone = create(name, SHARED, {}), create(name, replace(SHARED, shared=False), {})
    assert isinstance(bidder, LearnedBidder)
    assert isinstance(alone, LearnedBidder)
    check_bidder(bidder)
    own = [f for f in bidder.layout.features if f not in alone.layout.features]
    assert len(own) >= 3
    assert all(feature.unique for feature in own)
    assert [f for f in bidder.layout.features if f not in own] == list(alone.layout.features)


def test_plants_that_share_policies_observe_their_size_least_power_and_starts() -> None:
    bidder = create(TWO_BID, SHARED, {})
    plants = ((100.0, 20.0, 30.0), (500.0, 50.0, 60.0))
    view = view_of(bidder, (1, 2), plants=plants, hot_start_cost=(1000.0, 0.0))
    seen = bidder.observe(view)  # type: ignore[union-attr]
    size = bidder.layout.where("max_power")  # type: ignore[union-attr]
    found = seen[..., size.start : size.start + 3]
    torch.testing.assert_close(found, torch.stack([row(0.1, 0.2, 0.1), row(0.5, 0.1, 0.0)]))


# --- naive --------------------------------------------------------------------------------------


def test_naive_plant_offers_what_it_has_at_marginal_cost() -> None:
    bidder = bidder_of("powerplant_energy_naive")
    view = view_of(bidder, plants=((100.0, 20.0, 30.0), (50.0, 0.0, 60.0)))
    orders = bidder.orders(view)
    assert orders.volume.tolist() == [[100.0, 50.0]]
    assert orders.price.tolist() == [[30.0, 60.0]]
    assert orders.unit.tolist() == [0, 1]


def test_naive_demand_buys_what_it_needs() -> None:
    bidder = bidder_of("demand_energy_naive")
    view = view_of(bidder, plants=(), demands=((70.0, 3000.0),))
    assert bidder.orders(view).volume.tolist() == [[-70.0]]
    assert bidder.orders(view).price.tolist() == [[3000.0]]


def test_naive_plant_climbs_by_its_ramp_from_product_to_product() -> None:
    bidder = bidder_of("powerplant_energy_naive")
    plants = ((100.0, 20.0, 30.0), (100.0, 20.0, 30.0))
    view = view_of(bidder, (1, 2, 3, 4, 5), plants=plants, ramp_up=(25.0, torch.inf))
    orders = bidder.orders(view)
    assert orders.volume[:, 0].tolist() == [25.0, 50.0, 75.0, 100.0, 100.0]
    assert orders.volume[:, 1].tolist() == [100.0] * 5


def test_naive_plant_rests_until_its_minimum_down_time_is_over() -> None:
    """Off for one step when it bids: the first two of the three steps down are still to come."""
    bidder = bidder_of("powerplant_energy_naive")
    plants = ((100.0, 20.0, 30.0),)
    view = view_of(bidder, (1, 2, 3, 4), plants=plants, ramp_up=60.0, min_down_time=3.0)
    assert bidder.orders(view).volume[:, 0].tolist() == [0.0, 0.0, 60.0, 100.0]


# --- learned ------------------------------------------------------------------------------------


def test_two_bids_split_at_minimum_power_and_sort_their_prices() -> None:
    """`learned_products: first`: the slots of the second product stay empty."""
    bidder = bidder_of(TWO_BID, 2, learned_products="first")
    view = view_of(bidder, (1, 2), plants=((100.0, 20.0, 30.0),))
    orders = bidder.orders(view, torch.tensor([[0.5, -0.25]]))
    assert bidder.action == Box(2)
    assert orders.price.tolist() == [[-25.0, 50.0], [0.0, 0.0]]
    assert orders.volume.tolist() == [[20.0, 80.0], [0.0, 0.0]]


def test_every_product_has_its_own_prices() -> None:
    """The action holds the prices product by product."""
    bidder = bidder_of(TWO_BID, 2)
    view = view_of(bidder, (1, 2), plants=((100.0, 20.0, 30.0), (50.0, 0.0, 60.0)))
    action = torch.tensor([[0.5, -0.25, 0.125, 0.75], [1.0, 0.0, -1.0, -0.5]])
    orders = bidder.orders(view, action)
    assert bidder.action == Box(4)
    assert bidder.slots == 2
    assert orders.price.tolist() == [[-25.0, 50.0, 0.0, 100.0], [12.5, 75.0, -100.0, -50.0]]
    assert orders.volume.tolist() == [[20.0, 80.0, 0.0, 50.0]] * 2
    assert orders.unit.tolist() == [0, 0, 1, 1]


def test_single_bid_offers_everything_at_one_price() -> None:
    bidder = bidder_of(SINGLE_BID)
    view = view_of(bidder, plants=((100.0, 20.0, 30.0), (50.0, 0.0, 60.0)))
    orders = bidder.orders(view, torch.tensor([[0.5], [1.0]]))
    assert orders.price.tolist() == [[50.0, 100.0]]
    assert orders.volume.tolist() == [[100.0, 50.0]]


def test_single_bid_has_one_price_per_product() -> None:
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0))
    everything = bidder_of(SINGLE_BID, 3)
    view = view_of(everything, (1, 2, 3), plants=plants)
    action = torch.tensor([[0.5, 0.25, -0.5], [1.0, 0.0, 0.75]])
    orders = everything.orders(view, action)
    assert orders.price.tolist() == [[50.0, 100.0], [25.0, 0.0], [-50.0, 75.0]]
    assert orders.volume.tolist() == [[100.0, 50.0]] * 3
    first = bidder_of(SINGLE_BID, 3, learned_products="first")
    orders = first.orders(view, action[:, :1])
    assert orders.price.tolist() == [[50.0, 100.0], [0.0, 0.0], [0.0, 0.0]]
    assert orders.volume.tolist() == [[100.0, 50.0], [0.0, 0.0], [0.0, 0.0]]


def test_sizes_are_checked_per_product() -> None:
    assert bidder_of(TWO_BID, 24, act_dim=2).action == Box(48)
    with pytest.raises(ConfigurationError, match="act_dim: is 48"):
        bidder_of(TWO_BID, 24, act_dim=48)


def test_reward_is_the_sum_over_products() -> None:
    """Half-sold at a profit in the first product; switched off in the second one."""
    bidder = bidder_of(TWO_BID, 2)

    def column(*values: float) -> Tensor:
        return row(*values)[:, None]

    def result(rows: slice) -> Outcome[ThermalParams]:
        return Outcome(
            price=column(50.0, 40.0)[rows],
            revenue=column(50.0 * 60, 0.0)[rows],
            sold=column(60.0, 0.0)[rows],
            offered=column(100.0, 100.0)[rows],
            hours=1.0,
            marginal_cost=column(30.0, 30.0)[rows],
            power=column(60.0, 0.0)[rows],
            previous_power=column(60.0, 60.0)[rows],
            params=toy_thermal((100.0,), 20.0, hot_start_cost=500.0),
        )

    both = bidder.reward(result(slice(0, 2)))
    profit, regret = 20.0 * 60 - 250, 0.1 * 20 * 40 + 0.5 * 10 * 100
    assert both.profit.tolist() == [pytest.approx(profit)]
    assert both.regret.tolist() == [pytest.approx(regret)]
    assert both.reward.tolist() == [pytest.approx((profit - regret) / (100 * 100))]
    parts = bidder.reward(result(slice(0, 1))) + bidder.reward(result(slice(1, 2)))
    assert both.reward.item() == pytest.approx(parts.reward.item(), abs=1e-15)
    only = bidder_of(TWO_BID, 2, learned_products="first").reward(result(slice(0, 2)))
    assert only == bidder.reward(result(slice(0, 1)))  # it did not bid for the other product


def test_price_is_the_product_in_the_dtype_of_the_policy() -> None:
    bidder = bidder_of(SINGLE_BID)
    view = view_of(bidder, plants=((100.0, 20.0, 30.0),))
    action = torch.tensor([[1 / 3]], dtype=torch.float32)
    price = bidder.orders(view, action).price
    assert price.dtype == torch.float64
    assert price.item() == (action * 100.0).double().item()
    assert price.item() != (action.double() * 100.0).item()


def seen(bidder: Any, first: tuple[int, ...] = (1,)) -> AnyView:
    """Return a view of a plant with given forecasts, prices and power."""
    view = view_of(bidder, first, plants=((100.0, 20.0, 30.0),))
    forecasts = Forecasts(
        price=row(0.0, 0.0)[None],
        residual_load=row(0.0, 0.0)[None],
        scaled_price=row(0.3, 0.4)[None],
        scaled_residual_load=row(0.1, 0.2)[None],
        series=torch.tensor([0]),
    )
    return replace(
        view,
        outlook=Outlook(forecasts, forecasts.series, 0, tuple(f - first[0] for f in first)),
        price_history=row(50.0, 60.0)[None],
        previous_power=row(70.0),
    )


EXPECTED = row(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.3)[None]


def test_observation_follows_the_layout() -> None:
    bidder = bidder_of(TWO_BID, foresight=2)
    observation = bidder.observe(seen(bidder))
    assert torch.allclose(observation, EXPECTED, atol=1e-7)
    assert torch.allclose(bidder.explore_around(observation), row(0.3, 0.3)[None], atol=1e-7)


def test_a_renewable_sees_what_is_available_to_it_at_the_first_product() -> None:
    bidder = bidder_of(RENEWABLE, 2, foresight=2)
    view = seen(bidder, (1, 2))
    most = torch.stack([view.limits.sell.most[0] * 0.4, view.limits.sell.most[1] * 0.9])
    sell = replace(view.limits.sell, most=most)
    view = replace(view, limits=replace(view.limits, sell=sell))
    observation = bidder.observe(view)
    expected = torch.cat([EXPECTED[:, :-1], row(0.4)[None], EXPECTED[:, -1:]], -1)
    assert torch.allclose(observation, expected, atol=1e-7)
    assert torch.allclose(bidder.explore_around(observation), row(0.3, 0.3)[None], atol=1e-7)
    orders = bidder.orders(view, torch.tensor([[-0.5, 0.25]]))
    assert orders.price.tolist() == [[-50.0], [25.0]]
    assert orders.volume.tolist() == [[40.0], [90.0]]


def test_a_renewable_is_rewarded_by_what_it_offered() -> None:
    """Of 40 MW offered 30 are sold; nothing is offered for the second product."""

    def column(*values: float) -> Tensor:
        return row(*values)[:, None]

    outcome = Outcome(
        price=column(50.0, 50.0),
        revenue=column(50.0 * 30, 0.0),
        sold=column(30.0, 0.0),
        offered=column(40.0, 0.0),
        hours=1.0,
        marginal_cost=column(10.0, 10.0),
        power=column(30.0, 0.0),
        previous_power=column(30.0, 0.0),
        params=toy_thermal((100.0,)),
    )
    got = bidder_of(RENEWABLE, 2).reward(outcome)
    profit, regret = 40.0 * 30, 0.1 * 40 * 10
    assert got.profit.tolist() == [pytest.approx(profit)]
    assert got.regret.tolist() == [pytest.approx(regret)]
    assert got.reward.tolist() == [pytest.approx((profit - regret) / (100 * 40))]


def test_observation_of_many_products_is_that_of_the_first() -> None:
    """Only random actions of the initial experience are more: each around the marginal cost."""
    bidder = bidder_of(TWO_BID, 2, foresight=2)
    observation = bidder.observe(seen(bidder, (1, 2)))
    assert torch.allclose(observation, EXPECTED, atol=1e-7)
    assert torch.allclose(bidder.explore_around(observation), row(*[0.3] * 4)[None], atol=1e-7)


# --- the check itself ---------------------------------------------------------------------------


class Overbidding(Naive):
    def orders(self, view: View[Any]) -> Orders:
        return replace(super().orders(view), volume=view.limits.sell.most * 2)


class Overbuying(Naive):
    def orders(self, view: View[Any]) -> Orders:
        orders = super().orders(view)
        return replace(orders, volume=orders.volume.clamp(max=0) * 2)


class Writing(Naive):
    def orders(self, view: View[Any]) -> Orders:
        view.limits.buy.most.mul_(0.5)
        return super().orders(view)


class Random(Naive):
    def orders(self, view: View[Any]) -> Orders:
        orders = super().orders(view)
        return replace(orders, price=orders.price + torch.rand(()))


class Mixing(Naive):
    def orders(self, view: View[Any]) -> Orders:
        orders = super().orders(view)
        return replace(orders, price=orders.price + orders.price.mean())


class SinglePrecision(Naive):
    def orders(self, view: View[Any]) -> Orders:
        return replace(super().orders(view), price=view.marginal_cost.float())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Overbidding, "more than `view.limits.sell.most`"),
        (Overbuying, "more than `view.limits.buy.most`"),
        (Writing, "wrote into its arguments"),
        (Random, "another answer"),
        (SinglePrecision, "economics is float64"),
        (Mixing, "differs from the same market in a batch"),
    ],
)
def test_check_bidder_says_which_clause_is_broken(broken: type[Naive], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_bidder(broken("broken"))
