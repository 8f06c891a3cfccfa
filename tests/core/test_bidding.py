from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from assume_rl.core.bidding import ALIASES, PLANNED, STRATEGIES, create
from assume_rl.core.bidding.cost_based import Naive
from assume_rl.core.orders import Orders
from assume_rl.core.step import initial_state, look
from assume_rl.core.types import View
from assume_rl.core.units.fleet import members
from assume_rl.errors import ConfigurationError
from assume_rl.testing import check_strategy, toy_fleet

TWO_BID, SINGLE_BID = "powerplant_energy_learning", "powerplant_energy_learning_single_bid"


def strategy(name: str, **params: Any) -> Any:
    return create(name, max_bid_price=100.0, params=params)


def view_of(bidder: Any, offsets: tuple[int, ...] = (1,), **fleet: Any) -> View:
    units, profiles = toy_fleet(**fleet)
    state = initial_state(units, 30, 30)
    team = members(units, range(len(units.ids)))
    return look(units, profiles, state, 0, offsets, "EOM", team, bidder)


def no_action(view: View) -> torch.Tensor:
    return view.previous_power.new_empty((*view.previous_power.shape, 0))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_registered_strategy_keeps_its_contract(name: str) -> None:
    check_strategy(strategy(name))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_strategy_knows_its_registered_name(name: str) -> None:
    assert strategy(name).name == name


def test_every_alias_names_a_strategy_or_a_planned_one() -> None:
    assert set(ALIASES.values()) <= STRATEGIES.keys() | PLANNED
    assert not STRATEGIES.keys() & PLANNED
    assert strategy("pp_learning") == strategy(TWO_BID)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("powerplant_energy_naiv", {}, "did you mean 'powerplant_energy_naive'"),
        ("flexable_eom", {}, "not supported yet"),
        (TWO_BID, {"foresight": 0}, "foresight must be a positive"),
        (TWO_BID, {"foresight": True}, "foresight must be a positive"),
        (TWO_BID, {"foresight": 2.5}, "foresight must be a positive"),
        (TWO_BID, {"start_costs": 1}, "start_costs must be true or false, got 1"),
        (TWO_BID, {"act_dim": 3}, "act_dim is 3, but powerplant_energy_learning has 2"),
        (SINGLE_BID, {"unique_obs_dim": 3}, "unique_obs_dim is 3"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    name: str, params: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        strategy(name, **params)


def test_overridden_foresight_sets_the_size_of_the_observation() -> None:
    assert strategy(TWO_BID).layout.size == 38
    assert strategy(SINGLE_BID).layout.size == 74
    changed = strategy(TWO_BID, foresight=24, act_dim=2, unique_obs_dim=2)
    assert changed.layout.size == 74
    assert changed.layout.where("marginal_cost") == slice(73, 74)


def test_naive_plant_offers_what_it_has_at_marginal_cost() -> None:
    bidder = strategy("powerplant_energy_naive")
    view = view_of(bidder, plants=((100.0, 20.0, 30.0), (50.0, 0.0, 60.0)))
    orders = bidder.bids(view, no_action(view))
    assert orders.volume.tolist() == [[100.0, 50.0]]
    assert orders.price.tolist() == [[30.0, 60.0]]
    assert orders.unit.tolist() == [0, 1]


def test_naive_demand_buys_what_it_needs() -> None:
    bidder = strategy("demand_energy_naive")
    view = view_of(bidder, plants=(), demands=((70.0, 3000.0),))
    assert bidder.bids(view, no_action(view)).volume.tolist() == [[-70.0]]


def test_naive_plant_climbs_by_its_ramp_from_product_to_product() -> None:
    bidder = strategy("powerplant_energy_naive")
    plants = ((100.0, 20.0, 30.0), (100.0, 20.0, 30.0))
    view = view_of(bidder, (1, 2, 3, 4, 5), plants=plants, ramp_up=(25.0, torch.inf))
    orders = bidder.bids(view, no_action(view))
    assert orders.volume[:, 0].tolist() == [25.0, 50.0, 75.0, 100.0, 100.0]
    assert orders.volume[:, 1].tolist() == [100.0] * 5


def test_naive_plant_rests_until_its_minimum_down_time_is_over() -> None:
    """Off for one step when it orders: the first two of the three steps down are still to come."""
    bidder = strategy("powerplant_energy_naive")
    plants = ((100.0, 20.0, 30.0),)
    view = view_of(bidder, (1, 2, 3, 4), plants=plants, ramp_up=60.0, min_down_time=3.0)
    assert bidder.bids(view, no_action(view)).volume[:, 0].tolist() == [0.0, 0.0, 60.0, 100.0]


def test_two_bids_split_at_minimum_power_and_sort_their_prices() -> None:
    bidder = strategy(TWO_BID)
    view = view_of(bidder, (1, 2), plants=((100.0, 20.0, 30.0),))
    orders: Orders = bidder.bids(view, torch.tensor([[0.5, -0.25]]))
    assert orders.price.tolist() == [[-25.0, 50.0], [0.0, 0.0]]
    assert orders.volume.tolist() == [[20.0, 80.0], [0.0, 0.0]]


def test_single_bid_offers_everything_at_one_price() -> None:
    bidder = strategy(SINGLE_BID)
    view = view_of(bidder, plants=((100.0, 20.0, 30.0), (50.0, 0.0, 60.0)))
    orders = bidder.bids(view, torch.tensor([[0.5], [1.0]]))
    assert orders.price.tolist() == [[50.0, 100.0]]
    assert orders.volume.tolist() == [[100.0, 50.0]]


def test_price_is_the_product_in_the_dtype_of_the_policy() -> None:
    bidder = strategy(SINGLE_BID)
    view = view_of(bidder, plants=((100.0, 20.0, 30.0),))
    action = torch.tensor([[1 / 3]], dtype=torch.float32)
    price = bidder.bids(view, action).price
    assert price.dtype == torch.float64
    assert price.item() == (action * 100.0).double().item()
    assert price.item() != (action.double() * 100.0).item()


def test_observation_follows_the_layout() -> None:
    bidder = strategy(TWO_BID, foresight=2)
    view = view_of(bidder, plants=((100.0, 20.0, 30.0),))
    view = replace(
        view,
        residual_load=torch.tensor([[0.1, 0.2]]).double(),
        price_forecast=torch.tensor([[0.3, 0.4]]).double(),
        price_history=torch.tensor([[50.0, 60.0]]).double(),
        previous_power=torch.tensor([70.0]).double(),
    )
    observation = bidder.observe(view)
    expected = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.3]]).double()
    assert torch.allclose(observation, expected, atol=1e-7)
    assert torch.allclose(
        bidder.explore_around(observation), torch.tensor([[0.3, 0.3]]).double(), atol=1e-7
    )


class Overbidding(Naive):
    def bids(self, view: View, action: torch.Tensor) -> Orders:
        return replace(super().bids(view, action), volume=view.max_power * 2)


class Writing(Naive):
    def bids(self, view: View, action: torch.Tensor) -> Orders:
        view.max_power.mul_(0.5)
        return super().bids(view, action)


class Random(Naive):
    def bids(self, view: View, action: torch.Tensor) -> Orders:
        orders = super().bids(view, action)
        return replace(orders, price=orders.price + torch.rand(()))


class Mixing(Naive):
    def bids(self, view: View, action: torch.Tensor) -> Orders:
        orders = super().bids(view, action)
        return replace(orders, price=orders.price + orders.price.mean())


class SinglePrecision(Naive):
    def bids(self, view: View, action: torch.Tensor) -> Orders:
        return replace(super().bids(view, action), price=view.marginal_cost.float())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Overbidding, "more than `view.max_power`"),
        (Writing, "wrote into its arguments"),
        (Random, "another answer"),
        (SinglePrecision, "economics is float64"),
        (Mixing, "differs from the same market in a batch"),
    ],
)
def test_check_strategy_says_which_clause_is_broken(broken: type[Naive], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_strategy(broken("broken"))
