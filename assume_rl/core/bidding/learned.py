"""Bids of plants whose prices are actions of a learned policy.

Semantics: docs/scenario-format.md, "Learning". Only the first product of an auction is served.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.bidding.protocol import Feature, Layout
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.rewards import plant_reward
from assume_rl.core.types import Outcome, Reward, View
from assume_rl.errors import ConfigurationError

Slots = tuple[Float[Tensor, "... unit slot"], Float[Tensor, "... unit slot"]]


def inflexible_and_flexible(view: View, price: Float[Tensor, "... unit slot"]) -> Slots:
    """Minimum power at the lower of two prices, the rest at the higher; prices and volumes."""
    least, most = view.min_power[..., 0, :], view.max_power[..., 0, :]
    return price.sort(dim=-1).values, torch.stack([least, most - least], dim=-1)


def all_at_once(view: View, price: Float[Tensor, "... unit slot"]) -> Slots:
    """All available power at one price; prices and volumes."""
    return price, view.max_power[..., 0, :, None]


@dataclass(frozen=True)
class PlantLearning:
    """A plant that learns at which prices to offer; action 1 is `max_bid_price`, -1 its negative.

    :param orders: what it offers at the prices it chose, one order per price.
    :param act_size: number of prices, and of orders.
    :param foresight: steps of forecast and price history it observes.
    :param max_bid_price: EUR/MWh.
    :param needs_downtime: whether rewards charge each start by its downtime.
    """

    name: str
    orders: Callable[[View, Float[Tensor, "... unit slot"]], Slots]
    act_size: int
    foresight: int
    max_bid_price: float
    technologies: frozenset[str] = frozenset({"thermal"})
    needs_operating_time: bool = False
    needs_downtime: bool = False

    @property
    def slots(self) -> int:
        """One order per price."""
        return self.act_size

    @property
    def layout(self) -> Layout:
        """Forecasts, own price history, then what only the unit itself knows."""
        return _layout(self.foresight)

    def observe(self, view: View) -> Float[Tensor, "... unit obs"]:
        """Observation in the order of the layout, float64."""
        own = torch.stack(
            [
                view.previous_power / view.params.max_power,
                view.marginal_cost[..., 0, :] / self.max_bid_price,
            ],
            dim=-1,
        )
        history = view.price_history / self.max_bid_price
        return torch.cat([view.residual_load, view.price_forecast, history, own], dim=-1)

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """The own marginal cost, for every price."""
        cost = observation[..., self.layout.where("marginal_cost")]
        return cost.expand(*cost.shape[:-1], self.act_size)

    def bids(self, view: View, action: Float[Tensor, "... unit act"]) -> Orders:
        """Orders for the first product; the slots of the others stay empty.

        Prices are worked out in the dtype of the policy, like those of the established framework.
        """
        price, volume = self.orders(view, (action * self.max_bid_price).to(torch.float64))
        later = view.max_power.shape[-2] - 1
        return unit_major(
            _first_product(price, later), _first_product(volume, later), price.shape[-2]
        )

    def reward(self, outcome: Outcome) -> Reward:
        """See `rewards.plant_reward`."""
        return plant_reward(outcome, self.max_bid_price, start_costs=self.needs_downtime)


def two_bids(max_bid_price: float, params: Mapping[str, Any]) -> PlantLearning:
    """Two prices: one for minimum power, one for the rest."""
    return _create(
        "powerplant_energy_learning", inflexible_and_flexible, 2, 12, max_bid_price, params
    )


def single_bid(max_bid_price: float, params: Mapping[str, Any]) -> PlantLearning:
    """One price for all available power."""
    name = "powerplant_energy_learning_single_bid"
    return _create(name, all_at_once, 1, 24, max_bid_price, params)


def _create(
    name: str,
    orders: Callable[[View, Float[Tensor, "... unit slot"]], Slots],
    act_size: int,
    foresight: int,
    max_bid_price: float,
    params: Mapping[str, Any],
) -> PlantLearning:
    steps = params.get("foresight", foresight)
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise ConfigurationError(
            f"bidding_strategy_params.foresight must be a positive number of steps, got {steps!r}"
        )
    fixed = {"act_dim": act_size, "unique_obs_dim": _layout(steps).unique_size}
    for key, value in fixed.items():
        if params.get(key, value) != value:
            raise ConfigurationError(
                f"bidding_strategy_params.{key} is {params[key]!r}, but {name} has {value}"
            )
    charged = params.get("start_costs", False)
    if not isinstance(charged, bool):
        raise ConfigurationError(
            f"bidding_strategy_params.start_costs must be true or false, got {charged!r}"
        )
    return PlantLearning(name, orders, act_size, steps, max_bid_price, needs_downtime=charged)


@lru_cache(maxsize=64)
def _layout(foresight: int) -> Layout:
    over_calendar = "min-max over the calendar"
    return Layout(
        (
            Feature("residual_load", foresight, over_calendar),
            Feature("price_forecast", foresight, over_calendar),
            Feature("price_history", foresight, "divided by max_bid_price"),
            Feature("previous_power", 1, "divided by max_power", unique=True),
            Feature("marginal_cost", 1, "divided by max_bid_price", unique=True),
        )
    )


def _first_product(
    values: Float[Tensor, "... unit slot"], later: int
) -> Float[Tensor, "... product all"]:
    """The values as slots of the first product, 0 in `later` more."""
    first = values.flatten(-2)[..., None, :]
    if later == 0:
        return first
    return torch.nn.functional.pad(first, (0, 0, 0, later))
