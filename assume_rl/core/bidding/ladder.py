"""Learned bids on a ladder: for each price a policy chooses one of a few rungs.

What is bid at the chosen prices is left to another learned bidder. Rungs that limits, minimum times
or the state of charge rule out are never chosen. What is left of a ladder is a stretch of it, of
which observations have, for each price, the lowest and the highest rung.

Semantics: docs/scenario-format.md, "Learning".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Generic, Literal, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, field_validator
from torch import Tensor

from assume_rl.core.bidding import learned, storage
from assume_rl.core.bidding.base import (
    AnyView,
    BidsLike,
    Context,
    Feature,
    Ladder,
    Layout,
    LearnedBidder,
    View,
)
from assume_rl.core.bidding.learned import LearnedParams, PlantLearning, PlantParams
from assume_rl.core.bidding.storage import LearnedStorage
from assume_rl.core.money import Outcome, Reward
from assume_rl.core.orders import Orders
from assume_rl.core.units.base import ZERO_VOLUME
from assume_rl.core.units.storage import StorageView
from assume_rl.core.units.thermal import ThermalView, ramp
from assume_rl.errors import ConfigurationError

O = TypeVar("O")  # noqa: E741
B = TypeVar("B", bound=LearnedBidder[Any])

Rungs = Callable[[AnyView, int, float], Float[Tensor, "... unit rung"]]
"""The ladder of each unit: of its view, the number of rungs and `max_bid_price` (EUR/MWh).

Prices as shares of `max_bid_price`, rising; a storage buys at those below 0.
"""

Bounds = tuple[Int[Tensor, "... unit price"], Int[Tensor, "... unit price"]]
"""The lowest and the highest rung that each price may be, counted from 0."""


def uniform(view: AnyView, rungs: int, max_bid_price: float) -> Float[Tensor, "... unit rung"]:
    """Return rungs at equal distances from -1 to 1."""
    shape = (*view.marginal_cost.shape[:-2], view.marginal_cost.shape[-1], rungs)
    number = torch.arange(rungs, dtype=torch.float64, device=view.marginal_cost.device)
    # An odd number of rungs has one at exactly 0.
    return ((2.0 * number - (rungs - 1)) / (rungs - 1)).expand(shape)


@dataclass(frozen=True)
class Listed:
    """A ladder of prices that are the same for all units and auctions.

    :param prices: EUR/MWh, rising
    """

    prices: tuple[float, ...]

    def __call__(
        self, view: AnyView, rungs: int, max_bid_price: float
    ) -> Float[Tensor, "... unit rung"]:
        """Return the prices as shares of `max_bid_price`."""
        cost = view.marginal_cost
        shares = torch.tensor(self.prices, dtype=torch.float64, device=cost.device) / max_bid_price
        return shares.expand(*cost.shape[:-2], cost.shape[-1], rungs)


RUNGS: dict[str, Rungs] = {"uniform": uniform}
"""Ladders by the name that `rung_prices` has for them."""


class LadderParams(LearnedParams):
    """Parameters of a bidder on a ladder."""

    rungs: int = Field(21, ge=2)
    """Prices that a policy chooses from."""
    rung_prices: Literal["uniform"] = "uniform"
    """Which prices these are: `uniform` are at equal distances within `max_bid_price`."""
    rungs_at: list[float] | None = Field(None, min_length=2)
    """Prices of the rungs, EUR/MWh, rising, in place of `rungs` and `rung_prices`."""

    @field_validator("rungs_at")
    @classmethod
    def _rising(cls, prices: list[float] | None) -> list[float] | None:
        for low, high in pairwise(prices or ()):
            if low >= high:
                raise ValueError(f"prices must rise, but {high:g} follows {low:g}")
        return prices


class PlantLadderParams(PlantParams, LadderParams):
    """Parameters of a plant on a ladder."""


@dataclass(frozen=True)
class OnLadder(BidsLike, Generic[O, B]):
    """A learned bidder whose prices are rungs.

    :param bidder: what it bids, given the prices
    :param rungs: of the ladder
    :param ladder: the prices
    :param legal: the rungs that may be chosen, of the bidder, a view and the prices
    :param max_bid_price: EUR/MWh
    :param prices: of the ladder, EUR/MWh; empty: at equal distances
    """

    name: str
    bidder: B
    rungs: int
    ladder: Rungs
    legal: Callable[[B, View[O], Float[Tensor, "... unit rung"]], Bounds]
    max_bid_price: float
    prices: tuple[float, ...] = ()

    @property
    def action(self) -> Ladder:
        """Return a rung for each number that the bidder asks for."""
        return Ladder(self.rungs, self.bidder.action.size)

    @cached_property
    def layout(self) -> Layout:
        """Return what the bidder observes, then the bounds of the rungs."""
        scaling = f"place on {self.rungs} rungs, from -1 to 1"
        if self.prices:  # kept in policy files, since policies know rungs by their number
            scaling += f", at {', '.join(f'{price:.10g}' for price in self.prices)} EUR/MWh"
        names = ("lowest_rung", "highest_rung")
        bounds = (Feature(name, self.bidder.action.size, scaling, unique=True) for name in names)
        return Layout((*self.bidder.layout.features, *bounds))

    def observe(self, view: View[O]) -> Float[Tensor, "... unit obs"]:
        """Return the observation in the order of the layout, float64."""
        bounds = torch.cat(self.legal(self.bidder, view, self._prices(view)), dim=-1)
        places = bounds.to(torch.float64) * (2.0 / (self.rungs - 1)) - 1.0
        return torch.cat([self.bidder.observe(view), places], dim=-1)

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Return where the bidder wants it: the place of the rung that is next to its price."""
        centre = self.bidder.explore_around(observation[..., : self.bidder.layout.size])
        if not self.prices:
            return centre
        prices = torch.tensor(self.prices, dtype=centre.dtype, device=centre.device)
        distance = (centre.unsqueeze(-1) * self.max_bid_price - prices).abs()
        return distance.argmin(dim=-1).to(centre.dtype) * (2.0 / (self.rungs - 1)) - 1.0

    def orders(self, view: View[O], action: Float[Tensor, "... unit act"]) -> Orders:
        """Return the orders of the bidder at the prices of the legal rungs next to the action."""
        prices = self._prices(view)
        low, high = self.legal(self.bidder, view, prices)
        rung = ((action + 1.0) * (0.5 * (self.rungs - 1))).round().to(torch.int64)
        rung = torch.minimum(torch.maximum(rung, low), high)
        return self.bidder.orders(view, prices.gather(-1, rung))

    def reward(self, outcome: Outcome[Any]) -> Reward:
        """Return the reward of the bidder."""
        return self.bidder.reward(outcome)

    def _prices(self, view: View[O]) -> Float[Tensor, "... unit rung"]:
        return self.ladder(view, self.rungs, self.max_bid_price)


def plant_bounds(
    bidder: PlantLearning, view: View[ThermalView], prices: Float[Tensor, "... unit rung"]
) -> Bounds:
    """Return which rungs a plant may choose for the prices of its products.

    The lowest one only for all prices of a product of which it cannot deliver anything, and for the
    first price of a product for which it cannot stop: so its minimum power is sold before others'.

    :param bidder: of the plant
    :param view: of the plant
    :param prices: of the rungs
    """
    least, most = (
        limit[..., : bidder.products, :]
        for limit in (view.limits.sell.least, view.limits.sell.most)
    )
    runs, stops = most > ZERO_VOLUME, torch.ones_like(most, dtype=torch.bool)
    if view.own.params.ramped:
        possible = [_runs_and_stops(view, i) for i in range(bidder.products)]
        runs = runs & torch.stack([own[0] for own in possible], dim=-2)
        stops = torch.stack([own[1] for own in possible], dim=-2) | (least <= ZERO_VOLUME)
    free = torch.stack([runs & stops, *[runs] * (bidder.prices - 1)], dim=-1)
    # (product unit price) to (unit product, price)
    free = free.transpose(-3, -2).flatten(-2)
    high = torch.where(free, prices.shape[-1] - 1, 0)
    return torch.zeros_like(high), high


def _runs_and_stops(
    view: View[ThermalView], product: int
) -> tuple[Bool[Tensor, "... unit"], Bool[Tensor, "... unit"]]:
    """Return whether plants can run for a product, and whether they can be off.

    As `thermal.delivered` has it. By a later product they were as they are before the first one, so
    that what they must is what they must whatever they sell before; ramps count for the first only.
    """
    params, run = view.own.params, view.own.operating_time()
    run = run + run.sign() * view.outlook.starts[product]
    previous = params.max_power.expand_as(run) if product else view.previous_power
    sold, most = view.sold[..., product, :], view.limits.sell.most[..., product, :]
    runs = ramp(params, run, previous, most, sold) > ZERO_VOLUME
    return runs, ramp(params, run, previous, torch.zeros_like(most), sold) <= ZERO_VOLUME


def storage_bounds(
    bidder: LearnedStorage, view: View[StorageView], prices: Float[Tensor, "... unit rung"]
) -> Bounds:
    """Return which rungs a storage may choose for its products.

    None below 0 where it cannot charge, none from 0 on where it cannot discharge, and the first one
    from 0 on where it can do neither.

    :param bidder: of the storage
    :param view: of the storage
    :param prices: of the rungs
    """
    buys, sells = bidder.possible(view)
    top = prices.shape[-1] - 1
    first = (prices < 0).sum(dim=-1, keepdim=True)  # rung that sells
    low, high = torch.where(buys, 0, first), torch.where(sells, top, first - 1)
    nothing = high < low
    idle = first.clamp(max=top)
    return torch.where(nothing, idle, low), torch.where(nothing, idle, high)


def plant(context: Context, params: PlantLadderParams) -> OnLadder[ThermalView, PlantLearning]:
    """Return the plant with two prices on a ladder: one for minimum power, one for the rest."""
    bidder = learned.two_bids(context, _of_bidder(params))
    return _on_ladder("powerplant_energy_learning_ladder", bidder, plant_bounds, context, params)


def battery(context: Context, params: LadderParams) -> OnLadder[StorageView, LearnedStorage]:
    """Return the storage that buys or sells at a price on a ladder."""
    bidder = storage.learned(context, _of_bidder(params))
    return _on_ladder("storage_energy_learning_ladder", bidder, storage_bounds, context, params)


def _of_bidder(params: LearnedParams) -> Any:
    """Return parameters without the sizes, which a ladder has others of."""
    return params.model_copy(update={"act_dim": None, "unique_obs_dim": None})


def _on_ladder(
    name: str,
    bidder: B,
    legal: Callable[[B, View[O], Float[Tensor, "... unit rung"]], Bounds],
    context: Context,
    params: LadderParams,
) -> OnLadder[O, B]:
    prices, limit = tuple(params.rungs_at or ()), context.max_bid_price
    beyond = [price for price in prices if abs(price) > limit]
    if beyond:
        raise ConfigurationError(f"rungs_at: {beyond[0]:g} is beyond max_bid_price {limit:g}")
    ladder = Listed(prices) if prices else RUNGS[params.rung_prices]
    found = OnLadder(name, bidder, len(prices) or params.rungs, ladder, legal, limit, prices)
    per_product = found.action.size // params.products_of(context)
    params.checked(name, per_product, found.layout.unique_size)
    return found
