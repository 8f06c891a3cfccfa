"""Bids of plants whose prices are decisions of a policy, and the common part of learned bidders.

Semantics: docs/scenario-format.md, "Learning".
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from assume_rl.core.bidding.base import (
    Box,
    Context,
    Feature,
    Layout,
    Need,
    Params,
    View,
    parameter_error,
)
from assume_rl.core.money import Outcome, Reward, Stakes, plant_reward, plant_reward_range
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units.base import CAPACITY_POS, ENERGY, Range
from assume_rl.core.units.thermal import ThermalParams, ThermalView

Slots = tuple[Float[Tensor, "... unit product slot"], Float[Tensor, "... unit product slot"]]
Divide = Callable[[Range, Float[Tensor, "... unit product slot"]], Slots]
RewardedPower = Callable[[Outcome[ThermalParams]], Float[Tensor, "... unit"]]
"""MW per unit, or per product and unit."""


class LearnedParams(Params):
    """Parameters of a learned bidder."""

    foresight: int | None = Field(None, gt=0, le=100_000)
    """Steps of forecast and price history in an observation; by default the bidder's own."""
    act_dim: int | None = Field(None, gt=0)
    """Numbers that a policy decides per product; it must be what the bidder has."""
    unique_obs_dim: int | None = Field(None, ge=0)
    """Observation entries private to a unit; it must be what the bidder has."""
    learned_products: Literal["all", "first"] = "all"
    """Which products of an auction the policy decides for; `first` as in ASSUME."""

    def checked(self, name: str, act_size: int, unique_size: int) -> None:
        """Refuse sizes that the bidder does not have.

        :param name: of the bidder
        :param act_size: numbers that a policy decides per product
        :param unique_size: observation entries private to a unit
        :raises SettingError: with the parameter
        """
        fixed = {"act_dim": act_size, "unique_obs_dim": unique_size}
        for key, value in fixed.items():
            if getattr(self, key) not in (None, value):
                raise parameter_error(key, f"is {getattr(self, key)!r}, but {name} has {value}")

    def products_of(self, context: Context) -> int:
        """Return the number of products that a policy decides for."""
        return context.products if self.learned_products == "all" else 1


class PlantParams(LearnedParams):
    """Parameters of a learned plant."""

    start_costs: bool = False
    """Whether rewards charge starts by their real downtime; else half a hot start per switch."""


@dataclass(frozen=True)
class OwnFeature:
    """An entry of an observation that only the plant itself knows.

    :param value: of the view and `max_bid_price` (EUR/MWh), (... unit)
    """

    name: str
    scaling: str
    value: Callable[[View[ThermalView], float], Float[Tensor, "... unit"]]


def _previous_power(view: View[ThermalView], _: float) -> Float[Tensor, "... unit"]:
    return view.previous_power / view.own.params.max_power


def _available_power(view: View[ThermalView], _: float) -> Float[Tensor, "... unit"]:
    return view.limits.sell.most[..., 0, :] / view.own.params.max_power


def _max_power(view: View[ThermalView], _: float) -> Float[Tensor, "... unit"]:
    return _of_units(view.own.params.max_power / 1000.0, view)


def _min_power(view: View[ThermalView], _: float) -> Float[Tensor, "... unit"]:
    return _of_units(view.own.params.min_power / view.own.params.max_power, view)


def _start_cost(view: View[ThermalView], max_bid_price: float) -> Float[Tensor, "... unit"]:
    params = view.own.params
    return _of_units(params.hot_start_cost / (params.max_power * max_bid_price), view)


def _of_units(values: Float[Tensor, " unit"], view: View[ThermalView]) -> Float[Tensor, "... unit"]:
    return values.expand_as(view.previous_power)


def _marginal_cost(view: View[ThermalView], max_bid_price: float) -> Float[Tensor, "... unit"]:
    return view.marginal_cost[..., 0, :] / max_bid_price


PREVIOUS_POWER = OwnFeature("previous_power", "divided by max_power", _previous_power)
AVAILABLE_POWER = OwnFeature("available_power", "divided by max_power", _available_power)
MARGINAL_COST = OwnFeature("marginal_cost", "divided by max_bid_price", _marginal_cost)

PLANT_FEATURES = (
    OwnFeature("max_power", "GW", _max_power),
    OwnFeature("min_power", "divided by max_power", _min_power),
    OwnFeature("hot_start_cost", "of max_power, divided by an hour at max_bid_price", _start_cost),
)
"""What tells plants apart that share a policy, beside their marginal cost."""


def nameplate(outcome: Outcome[ThermalParams]) -> Float[Tensor, " unit"]:
    """Return the power that plants have, available or not, MW."""
    return outcome.params.max_power


def offered(outcome: Outcome[ThermalParams]) -> Float[Tensor, "... product unit"]:
    """Return the power that plants offered, MW."""
    return outcome.offered


@dataclass(frozen=True)
class PlantLearning:
    """A plant that learns at which prices to offer; action 1 is `max_bid_price`, -1 its negative.

    :param divide: what it offers at the prices it chose, one order per price.
    :param own: what it observes of itself.
    :param rewarded_power: what its reward is a share of, and of what unsold power it regrets.
    :param prices: number of prices, and of orders, per product.
    :param products: products of an auction that it decides for, from the first one on.
    :param foresight: steps of forecast and price history it observes.
    :param max_bid_price: EUR/MWh.
    :param start_costs: whether the reward charges each start by its downtime.
    :param rewarded: what is rewarded, key of `money.REWARDS`.
    """

    name: str
    divide: Divide
    own: tuple[OwnFeature, ...]
    rewarded_power: RewardedPower
    prices: int
    products: int
    foresight: int
    max_bid_price: float
    start_costs: bool = False
    rewarded: str = "opportunity_cost"
    technologies: frozenset[str] = frozenset({"thermal"})
    product_types: frozenset[str] = frozenset({ENERGY})
    blocks: bool = False

    @property
    def needs(self) -> frozenset[Need]:
        """Return the downtime where the reward charges starts by it."""
        return frozenset({"downtime"}) if self.start_costs else frozenset()

    @property
    def slots(self) -> int:
        """Return one order per price."""
        return self.prices

    @property
    def action(self) -> Box:
        """Return the prices of all products, product by product."""
        return Box(self.products * self.prices)

    @cached_property
    def layout(self) -> Layout:
        """Return forecasts, own price history, then the unit's private entries."""
        own = (Feature(entry.name, 1, entry.scaling, unique=True) for entry in self.own)
        return Layout((*market_features(self.foresight), *own))

    def observe(self, view: View[ThermalView]) -> Float[Tensor, "... unit obs"]:
        """Return the observation in the order of the layout, float64."""
        own = torch.stack([entry.value(view, self.max_bid_price) for entry in self.own], dim=-1)
        return torch.cat([*observe_market(view, self.foresight, self.max_bid_price), own], dim=-1)

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Return the own marginal cost, for every price."""
        cost = observation[..., self.layout.where("marginal_cost")]
        return cost.expand(*cost.shape[:-1], self.action.size)

    def orders(self, view: View[ThermalView], action: Float[Tensor, "... unit act"]) -> Orders:
        """Return orders for the products that it decides for; the slots of the others stay empty.

        Prices are computed in the dtype of the policy, like those of the established framework.
        """
        chosen = (action * self.max_bid_price).to(torch.float64)
        price, volume = self.divide(
            view.limits.sell, chosen.view(*chosen.shape[:-1], self.products, self.prices)
        )
        return by_product(price, volume, view)

    def reward(self, outcome: Outcome[ThermalParams]) -> Reward:
        """Return `money.plant_reward` for the products that it decides for."""
        power = self.rewarded_power(outcome)
        earned = plant_reward(
            outcome, power, self.max_bid_price, start_costs=self.start_costs, kind=self.rewarded
        )
        return earned.over_products(self.products)

    def pays_for_starts(self, params: ThermalParams) -> bool:
        """Return whether starts are charged to the profit of a plant.

        :param params: of one plant
        """
        costs = [params.hot_start_cost]
        if self.start_costs:
            costs += [params.warm_start_cost, params.cold_start_cost]
        return any(float(cost) > 0 for cost in costs)

    def products_apart(self, params: ThermalParams) -> int:
        """Return all products that it decides for, unless it is rewarded for starts.

        :param params: of one plant
        """
        tied = self.rewarded != "regret" and self.pays_for_starts(params)
        return 1 if tied else self.products

    def reward_range(
        self, params: ThermalParams, stakes: Stakes
    ) -> tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]:
        """Return `money.plant_reward_range` for the products that it decides for.

        Without a limit below where starts cost something and it is rewarded for what it offered,
        which may be next to nothing.
        """
        own = replace(stakes, lengths=stakes.lengths[: self.products])
        least, most = plant_reward_range(
            params, own, self.max_bid_price, start_costs=self.start_costs
        )
        if self.rewarded_power is not nameplate:
            costs = (params.hot_start_cost, params.warm_start_cost, params.cold_start_cost)
            free = torch.stack(costs).amax(dim=0) == 0
            least = torch.where(free, least, -torch.inf)
        return least, most


@dataclass(frozen=True)
class LearnedReserve(PlantLearning):
    """A plant that learns at which price to hold reserve.

    What it holds costs what the same power was forecast to earn as energy.
    """

    product_types: frozenset[str] = frozenset({CAPACITY_POS})

    def reward(self, outcome: Outcome[ThermalParams]) -> Reward:
        """Return `money.plant_reward` with forgone energy in place of marginal cost and starts.

        :raises ValueError: the outcome is of no market of held reserve, or nothing is forecast
        """
        if outcome.forgone is None:
            raise ValueError(f"{self.name} is rewarded in markets of reserve with forecasts only")
        nothing = torch.zeros_like(outcome.sold)
        cost = (outcome.forgone / outcome.hours).expand_as(outcome.sold)
        free = replace(outcome, marginal_cost=cost, power=nothing, previous_power=nothing)
        return super().reward(free)

    def pays_for_starts(self, params: ThermalParams) -> bool:
        """Return False: reserve starts no plant."""
        return False

    def reward_range(
        self, params: ThermalParams, stakes: Stakes
    ) -> tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]:
        """Return no limit below, since any energy may be forgone, and that of the highest price."""
        hours = sum(stakes.lengths[: self.products]) * stakes.step_hours
        most = torch.full_like(params.max_power, stakes.price[1] * hours / self.max_bid_price)
        return torch.full_like(most, -torch.inf), most.clamp(min=0)


Kind = TypeVar("Kind", bound=PlantLearning)


def inflexible_and_flexible(sell: Range, price: Float[Tensor, "... unit product slot"]) -> Slots:
    """Return minimum power at the lower of two prices, the rest at the higher one."""
    products = price.shape[-2]
    least, most = _decided(sell.least, products), _decided(sell.most, products)
    return price.sort(dim=-1).values, torch.stack([least, most - least], dim=-1)


def all_at_once(sell: Range, price: Float[Tensor, "... unit product slot"]) -> Slots:
    """Return all available power at one price."""
    return price, _decided(sell.most, price.shape[-2]).unsqueeze(-1)


def _decided(
    limit: Float[Tensor, "... product unit"], products: int
) -> Float[Tensor, "... unit decided"]:
    return limit[..., :products, :].transpose(-1, -2)


def by_product(
    price: Float[Tensor, "... unit decided slot"],
    volume: Float[Tensor, "... unit decided slot"],
    view: View[Any],
) -> Orders:
    """Return orders of some products, the first ones of an auction, and empty slots in the others.

    :param price: EUR/MWh
    :param volume: MW
    :param view: of the auction, which says how many products there are
    """
    units, decided, slots = price.shape[-3:]
    later = view.sold.shape[-2] - decided
    tables = []
    for values in (price, volume):
        # One product needs no reordering: (unit, 1, slot) and (1, unit, slot) lie alike.
        ordered = values.transpose(-3, -2) if decided > 1 else values
        rows = ordered.reshape(*values.shape[:-3], decided, units * slots)
        tables.append(torch.nn.functional.pad(rows, (0, 0, 0, later)) if later else rows)
    return unit_major(tables[0], tables[1], units)


def market_features(foresight: int) -> tuple[Feature, ...]:
    """Return the features of an observation that come from the market."""
    over_calendar = "min-max over the calendar"
    return (
        Feature("residual_load", foresight, over_calendar),
        Feature("price_forecast", foresight, over_calendar),
        Feature("price_history", foresight, "divided by max_bid_price"),
    )


def observe_market(
    view: View[Any], foresight: int, max_bid_price: float
) -> tuple[Float[Tensor, "... unit window"], ...]:
    """Return the entries of `market_features`, in their order.

    :param view: of the units
    :param foresight: steps
    :param max_bid_price: EUR/MWh, what prices are divided by
    """
    history = view.price_history / max_bid_price
    ahead = (view.outlook.residual_load(foresight), view.outlook.price(foresight))
    batch = history.shape[:-2]
    return (*(w.expand(*batch, *w.shape[-2:]) for w in ahead), history)


def two_bids(context: Context, params: PlantParams) -> PlantLearning:
    """Return the plant with two prices: one for minimum power, one for the rest."""
    name = "powerplant_energy_learning"
    return plant_of(name, inflexible_and_flexible, context, params, prices=2, foresight=12)


def single_bid(context: Context, params: PlantParams) -> PlantLearning:
    """Return the plant with one price for all available power."""
    name = "powerplant_energy_learning_single_bid"
    return plant_of(name, all_at_once, context, params, prices=1, foresight=24)


def renewable(context: Context, params: PlantParams) -> PlantLearning:
    """Return the plant with one price that sees its available power, which limits regret."""
    return plant_of(
        "renewable_energy_learning_single_bid",
        all_at_once,
        context,
        params,
        prices=1,
        foresight=24,
        own=(PREVIOUS_POWER, AVAILABLE_POWER, MARGINAL_COST),
        rewarded_power=offered,
    )


def reserve(context: Context, params: LearnedParams) -> LearnedReserve:
    """Return the plant with one price for the power that it can hold to be added."""
    return plant_of(
        "powerplant_capacity_learning",
        all_at_once,
        context,
        PlantParams(**params.model_dump(include=set(LearnedParams.model_fields))),
        prices=1,
        foresight=24,
        own=(PREVIOUS_POWER, AVAILABLE_POWER, MARGINAL_COST),
        kind=LearnedReserve,
    )


def plant_of(
    name: str,
    divide: Divide,
    context: Context,
    params: PlantParams,
    *,
    prices: int,
    foresight: int,
    own: tuple[OwnFeature, ...] = (PREVIOUS_POWER, MARGINAL_COST),
    rewarded_power: RewardedPower = nameplate,
    kind: type[Kind] = PlantLearning,  # type: ignore[assignment]
) -> Kind:
    """Return a learned plant.

    :param name: that it has in the registry
    :param divide: see `PlantLearning`, likewise `prices`, `own`, `rewarded_power`
    :param context: what the study case and the market give it
    :param params: its parameters
    :param foresight: steps, where parameters name none
    :param kind: class of the bidder
    """
    observed = _observed(own, context)
    bidder = kind(
        name=name,
        divide=divide,
        own=(*PLANT_FEATURES, *observed) if context.shared else observed,
        rewarded_power=rewarded_power,
        prices=prices,
        products=params.products_of(context),
        foresight=params.foresight or foresight,
        max_bid_price=context.max_bid_price,
        start_costs=params.start_costs,
        rewarded=context.reward,
    )
    # What a unit observes after reserve is not counted: it depends on the unit, not on settings.
    params.checked(name, prices, bidder.layout.unique_size - (len(observed) - len(own)))
    return bidder


def _observed(own: tuple[OwnFeature, ...], context: Context) -> tuple[OwnFeature, ...]:
    """Return what a plant observes of itself; what is left to sell where it sold reserve before."""
    if context.after_reserve and AVAILABLE_POWER not in own:
        return (*own, AVAILABLE_POWER)
    return own
