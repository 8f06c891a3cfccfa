"""Bids of storages: a rule on price forecasts, and a learned one.

Semantics: docs/scenario-format.md, "Storage bidders" and "Learning".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.core.bidding.base import Box, Context, Feature, Layout, Need, View
from assume_rl.core.bidding.flexible import PRICE_ROUNDING, FlexibleParams
from assume_rl.core.bidding.learned import (
    LearnedParams,
    by_product,
    market_features,
    observe_market,
)
from assume_rl.core.money import Outcome, Reward, Stakes
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units.base import CAPACITY_NEG, ENERGY, ZERO_VOLUME, Limits
from assume_rl.core.units.storage import (
    IGNORED_VOLUME,
    StorageParams,
    StorageView,
    limits_at,
    max_charge,
    max_discharge,
    next_soc,
    over,
    ramp_charge,
    ramp_discharge,
)
from assume_rl.errors import SettingError

STORAGES = frozenset({"storage"})
ENERGY_ONLY = frozenset({ENERGY})
NOTHING: frozenset[Need] = frozenset()


@dataclass(frozen=True)
class FlexibleStorage:
    """Sells where the price forecast is at least its mean of the hours around, else buys.

    It asks for the mean divided by the efficiency of discharging and offers the mean times that of
    charging. Each product assumes that all offers before are accepted.

    :param around: steps before and after a product that the mean is taken over.
    """

    around: int
    name: str = "storage_energy_heuristic_flexable"
    technologies: frozenset[str] = STORAGES
    product_types: frozenset[str] = ENERGY_ONLY
    needs: frozenset[Need] = NOTHING
    foresight: int = 0
    slots: int = 1
    blocks: bool = False

    def orders(self, view: View[StorageView]) -> Orders:
        """Return one order per storage and product: all that it can charge or discharge."""
        forecast = view.outlook.price_at_products()
        mean = view.outlook.mean_price_around(self.around)
        high = forecast >= mean - PRICE_ROUNDING
        soc, previous = view.own.soc, view.previous_power
        prices, volumes = [], []
        for i, sold in enumerate(view.sold.unbind(-2)):
            params = over(view.own.params, view.lengths[i])
            limits = _limits(params, soc, sold, _reserve(view, i)) if i else view.limits
            charge, discharge = _reachable(params, soc, previous, sold, limits)
            sells = high[..., i, :] & (discharge > ZERO_VOLUME)
            volume = torch.where(sells, discharge, charge)
            price = torch.where(
                sells,
                mean[..., i, :] / params.efficiency_discharge,
                mean[..., i, :] * params.efficiency_charge,
            )
            previous = volume + sold
            _, soc = next_soc(params, soc, previous)
            prices.append(price)
            volumes.append(volume)
        units = view.sold.shape[-1]
        return unit_major(torch.stack(prices, -2), torch.stack(volumes, -2), units)


@dataclass(frozen=True)
class LearnedStorage:
    """A storage that learns when to charge and when to discharge, and at which price.

    One number per product: its size times `max_bid_price` is the price; a negative one buys all
    that can be charged, a positive one (or 0) sells all that can be discharged.

    :param products: products of an auction that it serves, from the first one on.
    :param max_bid_price: EUR/MWh.
    :param shared: whether it shares its policy, which then has to know which storage it acts for.
    """

    products: int
    foresight: int
    max_bid_price: float
    shared: bool = False
    name: str = "storage_energy_learning"
    technologies: frozenset[str] = STORAGES
    product_types: frozenset[str] = ENERGY_ONLY
    needs: frozenset[Need] = NOTHING
    slots: int = 1
    blocks: bool = False

    @property
    def action(self) -> Box:
        """Return one number per product."""
        return Box(self.products)

    @cached_property
    def layout(self) -> Layout:
        """Return forecasts, own price history, then the unit's private entries."""
        return Layout(
            (
                *market_features(self.foresight),
                *(STORAGE_FEATURES if self.shared else ()),
                Feature("state_of_charge", 1, "share of the capacity", unique=True),
                Feature("stored_cost", 1, "divided by max_bid_price", unique=True),
            )
        )

    def observe(self, view: View[StorageView]) -> Float[Tensor, "... unit obs"]:
        """Return the observation in the order of the layout, float64."""
        soc = view.own.soc
        entries = [soc, view.own.stored_cost / self.max_bid_price]
        if self.shared:
            entries = [*(e.expand_as(soc) for e in _own_features(view.own.params)), *entries]
        own = torch.stack(entries, dim=-1)
        return torch.cat([*observe_market(view, self.foresight, self.max_bid_price), own], dim=-1)

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Return 0: neither direction is more likely."""
        return observation.new_zeros((*observation.shape[:-1], self.products))

    def orders(self, view: View[StorageView], action: Float[Tensor, "... unit act"]) -> Orders:
        """Return one order per storage and product; later products assume earlier ones accepted.

        Prices are computed in the dtype of the policy, like those of the established framework.
        """
        soc = view.own.soc
        price = (action.abs() * self.max_bid_price).to(torch.float64)
        volumes = []
        for i, chosen in enumerate(action.unbind(-1)):
            params = over(view.own.params, view.lengths[i])
            charge, discharge = _most(view, params, i, soc)
            volume = torch.where(chosen < 0, charge, discharge)
            volumes.append(volume)
            if i + 1 < self.products:
                _, soc = next_soc(params, soc, volume + view.sold[..., i, :])
        return by_product(price.unsqueeze(-1), torch.stack(volumes, -1).unsqueeze(-1), view)

    def possible(
        self, view: View[StorageView]
    ) -> tuple[Bool[Tensor, "... unit product"], Bool[Tensor, "... unit product"]]:
        """Return of which products something can be bought, and sold.

        Of a later product it can, if it can after some choice for those before, all of whose orders
        are accepted.
        """
        low = high = view.own.soc
        buys, sells = [], []
        for i in range(self.products):
            params, sold = over(view.own.params, view.lengths[i]), view.sold[..., i, :]
            charge, discharge = _most(view, params, i, low)[0], _most(view, params, i, high)[1]
            buys.append((charge < -ZERO_VOLUME) & _delivers(params, sold + charge))
            sells.append((discharge > ZERO_VOLUME) & _delivers(params, sold + discharge))
            if i + 1 < self.products:
                emptied, filled = _most(view, params, i, low)[1], _most(view, params, i, high)[0]
                _, low = next_soc(params, low, emptied + sold)
                _, high = next_soc(params, high, filled + sold)
        return torch.stack(buys, -1), torch.stack(sells, -1)

    def reward(self, outcome: Outcome[StorageParams]) -> Reward:
        """Return the profit as a share of the earnings of full discharge at `max_bid_price`.

        Sales of at most 1 MW count as none, and nothing is regretted, as recorded.
        """
        params = outcome.params
        counts = outcome.sold.abs() > IGNORED_VOLUME
        cost = (outcome.marginal_cost * outcome.sold).abs() * outcome.hours
        profit = torch.where(counts, outcome.revenue - cost, 0.0).sum(-2)
        scale = self.max_bid_price * params.max_power_discharge
        return Reward(reward=profit / scale, profit=profit, regret=torch.zeros_like(profit))

    def reward_range(
        self, params: StorageParams, stakes: Stakes
    ) -> tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]:
        """Return the least and the greatest reward: all power, at the best and the worst price.

        :param params: of the storages
        :param stakes: of the auction; marginal costs are those of `params`
        """
        sells, buys = params.max_power_discharge, -params.max_power_charge
        lowest, highest = stakes.price
        found = [
            (price - params.additional_cost_discharge) * sells for price in (lowest, highest)
        ] + [(-price - params.additional_cost_charge) * buys for price in (lowest, highest)]
        earned = torch.stack([torch.zeros_like(sells), *found])
        hours = sum(stakes.lengths[: self.products]) * stakes.step_hours
        share = hours / (self.max_bid_price * sells)
        return earned.amin(dim=0) * share, earned.amax(dim=0) * share


STORAGE_FEATURES = (
    Feature("max_power_discharge", 1, "GW", unique=True),
    Feature("max_power_charge", 1, "divided by max_power_discharge", unique=True),
    Feature("capacity", 1, "ten hours at max_power_discharge", unique=True),
    Feature("efficiency", 1, "of charging and discharging together", unique=True),
)
"""What tells storages apart that share a policy."""


def _own_features(params: StorageParams) -> list[Float[Tensor, " unit"]]:
    """Return the values of `STORAGE_FEATURES`."""
    most = params.max_power_discharge
    return [
        most / 1000.0,
        params.max_power_charge / -most,
        params.capacity / (10.0 * most),
        params.efficiency_charge * params.efficiency_discharge,
    ]


def _most(
    view: View[StorageView],
    params: StorageParams,
    product: int,
    soc: Float[Tensor, "... unit"],
) -> tuple[Float[Tensor, "... unit"], Float[Tensor, "... unit"]]:
    """Return the most that can be charged and discharged for a product, whatever the ramps, MW.

    :param view: of the storages
    :param params: of the storages, over the steps of the product
    :param product: by position in the auction
    :param soc: that is planned for it
    """
    sold = view.sold[..., product, :]
    limits = _limits(params, soc, sold, _reserve(view, product)) if product else view.limits
    # The limits of the first product are those of a single step.
    charge = torch.maximum(limits.buy.most[..., 0, :], max_charge(params, soc))
    return charge, torch.minimum(limits.sell.most[..., 0, :], max_discharge(params, soc))


def _delivers(params: StorageParams, power: Float[Tensor, "... unit"]) -> Bool[Tensor, "... unit"]:
    """Return whether power is not between the two minimum powers, where nothing is delivered."""
    return (power <= params.min_power_charge) | (power >= params.min_power_discharge)


def _reserve(view: View[StorageView], product: int) -> Mapping[str, Float[Tensor, "... unit"]]:
    """Return MW of reserve sold for a product by type, as it takes from what can be discharged.

    Downwards it adds to what can be charged, as recorded, but takes from it if it is deliverable.

    :param view: of the storages
    :param product: by position in the auction
    """
    sold = {kind: table[..., product, :] for kind, table in view.reserve.items()}
    if view.deliverable and CAPACITY_NEG in sold:
        return {**sold, CAPACITY_NEG: -sold[CAPACITY_NEG]}
    return sold


def _limits(
    params: StorageParams,
    soc: Float[Tensor, "... unit"],
    sold: Float[Tensor, "... unit"],
    reserve: Mapping[str, Float[Tensor, "... unit"]],
) -> Limits:
    """Return the limits of one product, for which `soc` is planned."""
    tables = {kind: table.unsqueeze(-2) for kind, table in {ENERGY: sold, **reserve}.items()}
    return limits_at(params, soc.unsqueeze(-2), tables[ENERGY], tables)


def _reachable(
    params: StorageParams,
    soc: Float[Tensor, "... unit"],
    previous: Float[Tensor, "... unit"],
    sold: Float[Tensor, "... unit"],
    limits: Limits,
) -> tuple[Float[Tensor, "... unit"], Float[Tensor, "... unit"]]:
    """Return the most that can be charged and discharged within limits and ramps, MW."""
    charge = ramp_charge(params, soc, previous, limits.buy.most[..., 0, :], sold.clamp(max=0))
    discharge = ramp_discharge(
        params, soc, previous, limits.sell.most[..., 0, :], sold.clamp(min=0)
    )
    return charge, discharge


def flexible(context: Context, params: FlexibleParams) -> FlexibleStorage:
    """Return the rule with its foresight in steps."""
    return FlexibleStorage(around=params.steps(context))


def learned(context: Context, params: LearnedParams) -> LearnedStorage:
    """Return the learned storage.

    :raises SettingError: regret is rewarded, which storages have none of
    """
    if context.reward == "regret":
        raise SettingError(
            "learning_config.reward.type", "learned storages have no regret; choose profit"
        )
    bidder = LearnedStorage(
        products=params.products_of(context),
        foresight=params.foresight or 24,
        max_bid_price=context.max_bid_price,
        shared=context.shared,
    )
    params.checked(bidder.name, 1, bidder.layout.unique_size)
    return bidder
