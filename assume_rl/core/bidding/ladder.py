"""Learned bids on a ladder: for each price a policy chooses one of a few rungs.

What is bid at the chosen prices is left to another learned bidder. Rungs that limits, minimum times
or the state of charge rule out are never chosen. What is left of a ladder is a stretch of it, of
which observations have, for each price, the lowest and the highest rung.

Semantics: docs/scenario-format.md, "Learning".
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Generic, Literal, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, field_validator
from torch import Tensor

from assume_rl.core.bidding import learned, storage
from assume_rl.core.bidding.base import (
    AnyBidder,
    AnyView,
    BidsLike,
    Bounded,
    Context,
    Feature,
    Ladder,
    Layout,
    LearnedBidder,
    Separable,
    View,
    parameter_error,
)
from assume_rl.core.bidding.learned import LearnedParams, PlantLearning, PlantParams, nameplate
from assume_rl.core.bidding.storage import LearnedStorage
from assume_rl.core.constant import constant
from assume_rl.core.money import Outcome, Reward, Stakes
from assume_rl.core.orders import Orders
from assume_rl.core.units.base import ZERO_VOLUME, Range
from assume_rl.core.units.storage import StorageView
from assume_rl.core.units.thermal import ThermalView, ramp

O = TypeVar("O")  # noqa: E741
B = TypeVar("B", bound=LearnedBidder[Any])

Prices = Float[Tensor, "... unit #product rung"]
"""The ladder of each unit, the same for all products or not: shares of `max_bid_price`, rising.

A storage buys at those below 0.
"""

Rungs = Callable[[AnyView, int, float], Prices]
"""Returns ladders, of a view, the number of rungs and `max_bid_price` (EUR/MWh)."""

Bounds = tuple[Int[Tensor, "... unit price"], Int[Tensor, "... unit price"]]
"""The lowest and the highest rung that each price may be, counted from 0."""


def uniform(view: AnyView, rungs: int, max_bid_price: float) -> Prices:
    """Return rungs at equal distances from -1 to 1.

    :param view: whose units and device the result has
    :param rungs: how many, at least 2
    :param max_bid_price: EUR/MWh that 1 stands for; it changes nothing here
    """
    shape = (*view.marginal_cost.shape[:-2], view.marginal_cost.shape[-1], 1, rungs)
    number = torch.arange(rungs, dtype=torch.float64, device=view.marginal_cost.device)
    # An odd number of rungs has one at exactly 0.
    return ((2.0 * number - (rungs - 1)) / (rungs - 1)).expand(shape)


@dataclass(frozen=True)
class Listed:
    """A ladder of prices that are the same for all units and auctions.

    :param prices: EUR/MWh, rising
    :param own_cost: whether the marginal cost of each unit is one more rung, at its place among
        them in each auction
    """

    prices: tuple[float, ...]
    own_cost: bool = False

    @property
    def rungs(self) -> int:
        """Return the number of rungs."""
        return len(self.prices) + self.own_cost

    @property
    def text(self) -> str:
        """Return where the rungs are, for policy files."""
        prices = ", ".join(f"{price:.10g}" for price in self.prices)
        return f"{prices} EUR/MWh{' and the own marginal cost' if self.own_cost else ''}"

    def __call__(self, view: AnyView, rungs: int, max_bid_price: float) -> Prices:
        """Return the prices as shares of `max_bid_price`."""
        cost = view.marginal_cost[..., 0, :].unsqueeze(-1).unsqueeze(-1)
        shares = constant(self.prices, cost.device, torch.float64) / max_bid_price
        listed = shares.expand(*cost.shape[:-1], len(self.prices))
        if not self.own_cost:
            return listed
        own = (cost / max_bid_price).clamp(-1.0, 1.0)
        return torch.cat([listed, own], dim=-1).sort(dim=-1).values


UNDERCUT = 0.01  # EUR/MWh, the smallest step of prices at exchanges
USUAL_SPREAD = 0.2  # of `max_bid_price`, how far relative rungs reach unless they are listed


@dataclass(frozen=True)
class Relative:
    """A ladder of prices around the unit's own forecast of the first step of each delivery.

    :param differences: to the forecast, EUR/MWh, rising
    :param buys: whether each of these prices is one to buy at, too, as of storages
    """

    differences: tuple[float, ...]
    buys: bool

    @property
    def rungs(self) -> int:
        """Return the number of rungs."""
        return len(self.differences) * (1 + self.buys)

    @property
    def text(self) -> str:
        """Return where the rungs are, for policy files."""
        listed = ", ".join(f"{difference:+.10g}" for difference in self.differences)
        return f"{listed} EUR/MWh from the price forecast{WAYS[self.buys]}"

    def __call__(self, view: AnyView, rungs: int, max_bid_price: float) -> Prices:
        """Return the prices as shares of `max_bid_price`."""
        forecast = view.outlook.price_at_products().transpose(-1, -2).unsqueeze(-1)
        around = constant(self.differences, forecast.device, forecast.dtype)
        return within(forecast + around, max_bid_price, self.buys)


@dataclass(frozen=True)
class ForecastQuantiles:
    """A ladder of quantiles of the unit's own price forecast over its observed steps.

    :param count: of quantiles, from the lowest to the highest price
    :param steps: from the first delivery on
    :param buys: whether each of these prices is one to buy at, too, as of storages
    """

    count: int
    steps: int
    buys: bool

    @property
    def rungs(self) -> int:
        """Return the number of rungs."""
        return self.count * (1 + self.buys)

    @property
    def text(self) -> str:
        """Return where the rungs are, for policy files."""
        return f"quantiles of the price forecast of {self.steps} steps{WAYS[self.buys]}"

    def __call__(self, view: AnyView, rungs: int, max_bid_price: float) -> Prices:
        """Return the prices as shares of `max_bid_price`."""
        ahead = view.outlook.price_ahead(self.steps).sort(dim=-1).values
        place = torch.linspace(
            0, self.steps - 1, self.count, dtype=ahead.dtype, device=ahead.device
        )
        low = place.floor().long()
        high, part = (low + 1).clamp(max=self.steps - 1), place - low
        prices = torch.lerp(ahead[..., low], ahead[..., high], part)
        return within(prices.unsqueeze(-2), max_bid_price, self.buys)


WAYS = {False: "", True: ", to buy and to sell at"}
Moving = Relative | ForecastQuantiles
"""Ladders that move with a forecast."""


def within(
    prices: Float[Tensor, "... price"], max_bid_price: float, buys: bool
) -> Float[Tensor, "... rung"]:
    """Return prices that can be bid as shares of `max_bid_price`; first those to buy at, if any.

    :param prices: EUR/MWh, rising
    :param max_bid_price: EUR/MWh
    :param buys: whether there are prices to buy at, which are negative and at least `UNDERCUT`
    """
    if not buys:
        return prices.clamp(-max_bid_price, max_bid_price) / max_bid_price
    bought = -prices.clamp(UNDERCUT, max_bid_price).flip(-1)
    return torch.cat([bought, prices.clamp(0.0, max_bid_price)], dim=-1) / max_bid_price


MOST_SEEN = 64  # of the prices that are undercut


def seen_prices(
    seen: Iterable[float], rungs: int, max_bid_price: float, *, buys: bool
) -> tuple[float, ...]:
    """Return a ladder, EUR/MWh, rising: some at equal distances, and just better than those seen.

    Where rivals set the price a reward curve has cliffs: a cent below, everything is sold at their
    price, at it nothing. Of the seen prices that can be bid the most frequent count, and of equally
    frequent ones the lowest. The others go up from 0, or from the lowest allowed one if a price
    below 0 was seen.

    :param seen: prices of a market, EUR/MWh, as often as they were set
    :param rungs: number of prices at equal distances
    :param max_bid_price: EUR/MWh, the highest price
    :param buys: whether negative prices stand for buying at their size, as of storages
    """
    often = Counter(round(price, 6) for price in seen)
    least = 0.0 if buys else UNDERCUT - max_bid_price
    usable = [price for price in often if least <= price <= max_bid_price + UNDERCUT]
    chosen = sorted(usable, key=lambda price: (-often[price], price))[:MOST_SEEN]
    low = -max_bid_price if buys or min(often, default=0.0) < 0 else 0.0
    width = (max_bid_price - low) / (rungs - 1)
    prices = {low + k * width for k in range(rungs - 1)} | {max_bid_price}
    below = {price - UNDERCUT for price in chosen}
    if buys:
        below = {price for price in below if price >= 0}
        prices |= {-(price + UNDERCUT) for price in chosen}
    kept = {round(price, 6) for price in prices | below}
    return tuple(sorted(price for price in kept if abs(price) <= max_bid_price))


RUNGS: dict[str, Rungs] = {"uniform": uniform}
"""Ladders that depend on nothing, by the name that `rung_prices` has for them."""


class LadderParams(LearnedParams):
    """Parameters of a bidder on a ladder."""

    rungs: int = Field(21, ge=2, le=10_000)
    """Prices that a policy chooses from."""
    rung_prices: Literal["uniform", "seen_prices", "relative", "forecast_quantiles"] = "uniform"
    """Which prices these are: `uniform` are at equal distances within `max_bid_price`, to which
    `seen_prices` adds the own cost and prices just below those that the market was seen to have;
    `relative` are around the own forecast, `forecast_quantiles` are quantiles of it."""
    rungs_at: list[float] | None = Field(None, min_length=2)
    """Prices of the rungs, EUR/MWh, rising, in place of `rungs` and `rung_prices`; of `relative`
    rungs their differences to the forecast, in place of `rungs`."""

    @field_validator("rungs_at")
    @classmethod
    def _rising(cls, prices: list[float] | None) -> list[float] | None:
        for low, high in pairwise(prices or ()):
            if low >= high:
                raise ValueError(f"prices must rise, but {high:g} follows {low:g}")
        return prices

    @property
    def of_bidder(self) -> Any:
        """Return them without the sizes, which a ladder has others of than the bidder on it."""
        return self.model_copy(update={"act_dim": None, "unique_obs_dim": None})

    @property
    def unread(self) -> Mapping[str, str]:
        """Return the other settings of rung places, unread if prices are listed."""
        if self.rungs_at is None:
            return {}
        keys = ("rungs",) if self.rung_prices == "relative" else ("rungs", "rung_prices")
        return dict.fromkeys(keys, "rungs_at lists the prices of all rungs")

    @property
    def sees(self) -> bool:
        """Return whether the ladder depends on prices seen in the market."""
        return self.rung_prices == "seen_prices" and self.rungs_at is None


class PlantLadderParams(PlantParams, LadderParams):
    """Parameters of a plant on a ladder."""


@dataclass(frozen=True)
class OnLadder(BidsLike, Generic[O, B]):
    """A learned bidder whose prices are rungs.

    :param bidder: what it bids, given the prices
    :param rungs: of the ladder
    :param ladder: the prices
    :param legal: the rungs that may be chosen, of the bidder, a view and the prices
    :param able: the view with nothing left to sell or buy where nothing can be delivered
    :param max_bid_price: EUR/MWh
    :param seen: whether the ladder is made of prices that the market was seen to have
    :param open: whether these are still to be seen
    :param products: that have numbers of their own in an action
    """

    name: str
    bidder: B
    rungs: int
    ladder: Rungs
    legal: Callable[[B, View[O], Prices], Bounds]
    able: Callable[[B, View[O]], View[O]]
    max_bid_price: float
    seen: bool = False
    open: bool = False
    products: int = 1

    @property
    def action(self) -> Ladder:
        """Return a rung for each number that the bidder asks for."""
        return Ladder(self.rungs, self.bidder.action.size)

    @cached_property
    def layout(self) -> Layout:
        """Return the bidder's observation, then the bounds of the rungs, product by product."""
        scaling = f"place on {self.rungs} rungs, from -1 to 1"
        if isinstance(self.ladder, Listed | Moving):  # policies, which know rungs by number, say it
            scaling += f", at {self.ladder.text}"
        names: Sequence[str] = ("lowest_rung", "highest_rung")
        if self.products > 1:
            names = [f"{name}_{k + 1}" for name in names for k in range(self.products)]
        size = self.bidder.action.size // self.products
        bounds = (Feature(name, size, scaling, unique=True) for name in names)
        cost = [Feature(COST_RUNG, self.bidder.action.size, scaling, unique=True)]
        return Layout((*self.bidder.layout.features, *(cost if self._shows_cost else ()), *bounds))

    def observe(self, view: View[O]) -> Float[Tensor, "... unit obs"]:
        """Return the observation in the order of the layout, float64."""
        view = self.able(self.bidder, view)
        prices, seen = self._prices(view), self.bidder.observe(view)
        rungs = [*self.legal(self.bidder, view, prices)]
        if self._shows_cost:
            rungs.insert(0, nearest_rung(prices, self.bidder.explore_around(seen)))
        places = torch.cat(rungs, dim=-1).to(torch.float64) * (2.0 / (self.rungs - 1)) - 1.0
        return torch.cat([seen, places], dim=-1)

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Return where the bidder wants it: the place of the rung that is next to its price."""
        if self._shows_cost:
            return observation[..., self.layout.where(COST_RUNG)]
        centre = self.bidder.explore_around(observation[..., : self.bidder.layout.size])
        if not isinstance(self.ladder, Listed):
            return centre
        prices = constant(self.ladder.prices, centre.device, centre.dtype)
        price = centre.unsqueeze(-1) * self.max_bid_price
        if self.ladder.own_cost:  # it is a rung, above those that are lower
            rung = (prices < price).sum(dim=-1)
        else:
            rung = nearest_rung(prices, price.squeeze(-1))
        return rung.to(centre.dtype) * (2.0 / (self.rungs - 1)) - 1.0

    def orders(self, view: View[O], action: Float[Tensor, "... unit act"]) -> Orders:
        """Return the orders of the bidder at the prices of the legal rungs next to the action."""
        view = self.able(self.bidder, view)
        prices = self._prices(view)
        low, high = self.legal(self.bidder, view, prices)
        rung = ((action + 1.0) * (0.5 * (self.rungs - 1))).round().to(torch.int64)
        rung = torch.minimum(torch.maximum(rung, low), high)
        prices = prices.expand(*rung.shape, self.rungs)
        return self.bidder.orders(view, prices.gather(-1, rung.unsqueeze(-1)).squeeze(-1))

    def reward(self, outcome: Outcome[Any]) -> Reward:
        """Return the reward of the bidder."""
        return self.bidder.reward(outcome)

    def reward_range(
        self, params: Any, stakes: Stakes
    ) -> tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]:
        """Return that of the bidder.

        :param params: of the units
        :param stakes: of the auction
        """
        assert isinstance(self.bidder, Bounded)
        return self.bidder.reward_range(params, stakes)

    def products_apart(self, params: Any) -> int:
        """Return those of the bidder.

        :param params: of one unit
        """
        return self.bidder.products_apart(params) if isinstance(self.bidder, Separable) else 1

    @property
    def _shows_cost(self) -> bool:
        """Return whether it observes its cost on a moving ladder; storages have none."""
        return isinstance(self.ladder, Moving) and not self.ladder.buys

    def _prices(self, view: View[O]) -> Float[Tensor, "... unit #act rung"]:
        """Return the ladder of each number of an action, if they are not the same."""
        prices = self.ladder(view, self.rungs, self.max_bid_price)
        if prices.shape[-2] == 1:
            return prices
        each = self.bidder.action.size // self.products
        return prices[..., : self.products, :].repeat_interleave(each, dim=-2)


COST_RUNG = "cost_rung"
"""Feature of plants on ladders that move: the place of the rung next to their marginal cost."""


def nearest_rung(
    prices: Float[Tensor, "*#unit rung"], price: Float[Tensor, "*unit"]
) -> Int[Tensor, "*unit"]:
    """Return the rung that is next to a price, the lower one of two.

    :param prices: of all rungs
    :param price: in their unit
    """
    return (prices - price.unsqueeze(-1)).abs().argmin(dim=-1)


def plant_bounds(
    bidder: PlantLearning, view: View[ThermalView], prices: Float[Tensor, "... unit #act rung"]
) -> Bounds:
    """Return which rungs a plant may choose for the prices of its products.

    The lowest one only for all prices of a product of which nothing is left to sell, and for the
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
        stops = _each(bidder, view, _stops) | (least <= ZERO_VOLUME)
    free = torch.stack([runs & stops, *[runs] * (bidder.prices - 1)], dim=-1)
    # (product unit price) to (unit product, price)
    free = free.transpose(-3, -2).flatten(-2)
    high = torch.where(free, prices.shape[-1] - 1, 0)
    return torch.zeros_like(high), high


def plant_able(bidder: PlantLearning, view: View[ThermalView]) -> View[ThermalView]:
    """Return the view of a plant with nothing left to sell of products for which it must be off.

    What it sold of them, it would be paid for and not deliver. More than a ramp lets it deliver is
    offered, as by plants that are not on a ladder.

    :param bidder: of the plant
    :param view: of the plant
    """
    if not view.own.params.ramped:
        return view
    runs, sell = _each(bidder, view, _runs), view.limits.sell
    later = torch.ones_like(sell.most[..., bidder.products :, :], dtype=torch.bool)
    runs = torch.cat([runs, later], dim=-2)
    left = Range(torch.where(runs, sell.least, 0.0), torch.where(runs, sell.most, 0.0))
    return replace(view, limits=replace(view.limits, sell=left))


Able = Callable[[View[ThermalView], int], Bool[Tensor, "... unit"]]
"""Whether plants can do something for a product, by its number."""


def _each(
    bidder: PlantLearning, view: View[ThermalView], able: Able
) -> Bool[Tensor, "... product unit"]:
    return torch.stack([able(view, product) for product in range(bidder.products)], dim=-2)


def _runs(view: View[ThermalView], product: int) -> Bool[Tensor, "... unit"]:
    """Return whether plants can run for a product; see `_ramped`."""
    return _ramped(view, product, view.limits.sell.most[..., product, :]) > ZERO_VOLUME


def _stops(view: View[ThermalView], product: int) -> Bool[Tensor, "... unit"]:
    """Return whether plants can be off for a product; see `_ramped`."""
    nothing = torch.zeros_like(view.limits.sell.most[..., product, :])
    return _ramped(view, product, nothing) <= ZERO_VOLUME


def _ramped(
    view: View[ThermalView], product: int, power: Float[Tensor, "... unit"]
) -> Float[Tensor, "... unit"]:
    """Return plants' delivery of a product if they sell `power` (MW), as execution has it.

    By a later product they were as they are before the first one, so that what they must is what
    they must whatever they sell before; ramps count for the first only.
    """
    params, run = view.own.params, view.own.operating_time()
    run = run + run.sign() * view.outlook.starts[product]
    previous = params.max_power.expand_as(run) if product else view.previous_power
    return ramp(params, run, previous, power, view.sold[..., product, :])


def storage_bounds(
    bidder: LearnedStorage, view: View[StorageView], prices: Float[Tensor, "... unit #act rung"]
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
    first = (prices < 0).sum(dim=-1)  # rung that sells
    low, high = torch.where(buys, 0, first), torch.where(sells, top, first - 1)
    nothing = high < low
    idle = first.clamp(max=top)
    return torch.where(nothing, idle, low), torch.where(nothing, idle, high)


def as_it_is(bidder: B, view: View[O]) -> View[O]:
    """Return the view unchanged: limits of storages already hold their possible delivery."""
    return view


def by_nameplate(bidder: AnyBidder) -> bool:
    """Return whether a bidder's rewards are shares of what nameplate power could earn.

    :param bidder: any, on a ladder or not
    """
    own = bidder.bidder if isinstance(bidder, OnLadder) else bidder
    return isinstance(own, PlantLearning) and own.rewarded_power is nameplate


def rungs_once_seen(bidder: AnyBidder, seen: Iterable[float]) -> tuple[float, ...]:
    """Return the listed prices of a ladder that is open, EUR/MWh, rising; empty: it is not.

    :param bidder: any
    :param seen: prices of its market, EUR/MWh, as often as they were set
    """
    if not isinstance(bidder, OnLadder) or not bidder.open:
        return ()
    assert isinstance(bidder.ladder, Listed)
    count, buys = len(bidder.ladder.prices), not bidder.ladder.own_cost
    return seen_prices(seen, count, bidder.max_bid_price, buys=buys)


def rungs_of(bidder: AnyBidder) -> tuple[float, ...]:
    """Return the listed prices of a ladder of seen prices, EUR/MWh; empty: it is on no such."""
    if not isinstance(bidder, OnLadder) or not isinstance(bidder.ladder, Listed):
        return ()
    return bidder.ladder.prices if bidder.seen else ()


def plant(context: Context, params: PlantLadderParams) -> OnLadder[ThermalView, PlantLearning]:
    """Return the plant with two prices on a ladder: one for minimum power, one for the rest."""
    bidder = learned.two_bids(context, params.of_bidder)
    name = "powerplant_energy_learning_ladder"
    return on_ladder(name, bidder, plant_bounds, plant_able, context, params, own_cost=True)


def renewable(context: Context, params: PlantLadderParams) -> OnLadder[ThermalView, PlantLearning]:
    """Return the plant on a ladder with one price that observes its available power."""
    bidder = learned.renewable(context, params.of_bidder)
    name = "renewable_energy_learning_ladder"
    return on_ladder(name, bidder, plant_bounds, plant_able, context, params, own_cost=True)


def reserve(context: Context, params: LadderParams) -> OnLadder[ThermalView, PlantLearning]:
    """Return the plant that holds reserve at a price on a ladder."""
    bidder = learned.reserve(context, params.of_bidder)
    name = "powerplant_capacity_learning_ladder"
    if params.rung_prices != "uniform" and params.rungs_at is None:
        raise parameter_error("rung_prices", f"{name} has uniform rungs, or those of rungs_at")
    return on_ladder(name, bidder, plant_bounds, plant_able, context, params, own_cost=True)


def battery(context: Context, params: LadderParams) -> OnLadder[StorageView, LearnedStorage]:
    """Return the storage that buys or sells at a price on a ladder."""
    bidder = storage.learned(context, params.of_bidder)
    name = "storage_energy_learning_ladder"
    return on_ladder(name, bidder, storage_bounds, as_it_is, context, params, own_cost=False)


def on_ladder(
    name: str,
    bidder: B,
    legal: Callable[[B, View[O], Prices], Bounds],
    able: Callable[[B, View[O]], View[O]],
    context: Context,
    params: LadderParams,
    *,
    own_cost: bool,
    products: int | None = None,
) -> OnLadder[O, B]:
    """Return a learned bidder whose prices are rungs.

    :param name: that it has as one of the registry
    :param bidder: what it bids, given the prices
    :param legal: see `OnLadder`, likewise `able`
    :param context: of the bidder
    :param params: say which prices there are
    :param own_cost: whether a ladder of seen prices has the own marginal cost too
    :param products: that have numbers of their own; None: all that it decides for
    """
    ladder = _ladder(context, params, own_cost, bidder)
    rungs = ladder.rungs if isinstance(ladder, Listed | Moving) else params.rungs
    seen = params.sees
    still = seen and not context.rungs
    products = products or params.products_of(context)
    limit = context.max_bid_price
    found = OnLadder(name, bidder, rungs, ladder, legal, able, limit, seen, still, products)
    params.checked(name, found.action.size // products, found.layout.unique_size)
    return found


def _ladder(
    context: Context, params: LadderParams, own_cost: bool, bidder: LearnedBidder[Any]
) -> Rungs:
    """Return the ladder; one of seen prices that are not known yet has none of them.

    :param context: of the bidder
    :param params: say which prices there are
    :param own_cost: whether a ladder of seen prices has the own marginal cost too; storages, which
        buy at some prices, have not
    :param bidder: that bids at these prices
    """
    limit, buys = context.max_bid_price, not own_cost
    if params.rung_prices == "relative":
        spread = USUAL_SPREAD * limit
        usual = torch.linspace(-spread, spread, _each_way(params, buys), dtype=torch.float64)
        return Relative(tuple(params.rungs_at or usual.tolist()), buys)
    if params.rungs_at is not None:
        beyond = [price for price in params.rungs_at if abs(price) > limit]
        if beyond:
            raise parameter_error("rungs_at", f"{beyond[0]:g} is beyond max_bid_price {limit:g}")
        return Listed(tuple(params.rungs_at))
    if params.rung_prices == "forecast_quantiles":
        return ForecastQuantiles(_each_way(params, buys), bidder.foresight, buys)
    if not params.sees:
        return RUNGS[params.rung_prices]
    known = context.rungs or seen_prices((), params.rungs, limit, buys=buys)
    return Listed(known, own_cost)


def _each_way(params: LadderParams, buys: bool) -> int:
    """Return how many prices a ladder that moves has, of those to buy at and those to sell at.

    :param params: of the bidder
    :param buys: whether it has prices to buy at
    """
    if buys and params.rungs < 4:
        raise parameter_error("rungs", f"{params.rungs} leaves no choice to buy at and to sell at")
    return params.rungs // (1 + buys)
