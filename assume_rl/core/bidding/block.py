"""Block bids of plants: a constant profile, and minimum power as a block over all products.

Semantics: docs/scenario-format.md, "Plant bidders".
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.bidding.base import Context, Need, NoParams, View, WithoutForecasts
from assume_rl.core.bidding.cost_based import reachable
from assume_rl.core.bidding.flexible import FlexibleParams, FlexiblePlant, plant
from assume_rl.core.orders import BlockTerms, Orders, no_terms, unit_major
from assume_rl.core.units.base import ENERGY, ZERO_VOLUME
from assume_rl.core.units.thermal import ThermalView


@dataclass(frozen=True)
class Profile(WithoutForecasts):
    """Offers the most constant power over all products as one block, of which any share may trade.

    It asks the marginal cost of the first product.
    """

    name: str = "powerplant_energy_naive_profile"
    technologies: frozenset[str] = frozenset({"thermal"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 1
    blocks: bool = True

    def orders(self, view: View[ThermalView]) -> Orders:
        """Return one block per plant."""
        first = reachable(view, view.own)[..., :1, :]
        constant = torch.minimum(first, view.limits.sell.most.amin(-2, keepdim=True))
        volume = constant.clamp(min=0).expand(view.limits.sell.most.shape)
        price = view.marginal_cost[..., :1, :].expand(volume.shape)
        return unit_major(price, volume, volume.shape[-1], block_first(volume.shape[-1], 1))


@dataclass(frozen=True)
class BlockPlant:
    """Offers minimum power as one block, all or nothing, and the rest product by product.

    The block asks the mean of what `FlexiblePlant` asks for minimum power, by volume.

    :param linked: whether the rest of a product in which there is a minimum hangs on the block
    """

    flexible: FlexiblePlant
    name: str
    linked: bool
    technologies: frozenset[str] = frozenset({"thermal"})
    product_types: frozenset[str] = frozenset({ENERGY})
    foresight: int = 0
    blocks: bool = True

    @property
    def needs(self) -> frozenset[Need]:
        """Return what `FlexiblePlant` needs."""
        return self.flexible.needs

    @property
    def slots(self) -> int:
        """Return how many orders a plant has: the block, the rest, and where linked a free rest."""
        return 3 if self.linked else 2

    def orders(self, view: View[ThermalView]) -> Orders:
        """Return the block and the rest of each plant."""
        offer, asked = self.flexible.offers(view)
        least, rest, cost = offer.least, offer.rest, view.marginal_cost
        prices, volumes = [_mean(asked, least), cost], [least, rest]
        if self.linked:
            held = least > ZERO_VOLUME
            volumes = [least, torch.where(held, rest, 0.0), torch.where(held, 0.0, rest)]
            prices.append(cost)
        price, volume = (torch.stack(own, -1).flatten(-2) for own in (prices, volumes))
        units = least.shape[-1]
        terms = block_first(units, self.slots, device=least.device)
        terms = replace(terms, min_acceptance=terms.block.to(torch.float64))
        if self.linked:
            place = torch.arange(units * self.slots, device=least.device)
            parent = torch.where(place % self.slots == 1, place - 1, -1)
            terms = replace(terms, parent=parent)
        return unit_major(price, volume, units, terms)


def _mean(
    price: Float[Tensor, "... product unit"], volume: Float[Tensor, "... product unit"]
) -> Float[Tensor, "... product unit"]:
    """Return the mean price by volume, the same in every product; 0 without volume."""
    total = volume.sum(-2, keepdim=True)
    mean = (price * volume).sum(-2, keepdim=True) / torch.where(total > 0, total, 1.0)
    return mean.expand(price.shape)


def profile(context: Context, params: NoParams) -> Profile:
    """Return the bidder of constant profiles."""
    return Profile()


def block(context: Context, params: FlexibleParams) -> BlockPlant:
    """Return the bidder whose minimum power is a block."""
    return BlockPlant(plant(context, params), "powerplant_energy_heuristic_block", linked=False)


def linked(context: Context, params: FlexibleParams) -> BlockPlant:
    """Return the bidder whose minimum power is a block, on which the rest hangs."""
    return BlockPlant(plant(context, params), "powerplant_energy_heuristic_linked", linked=True)


def block_first(units: int, slots: int, device: torch.device | None = None) -> BlockTerms:
    """Return terms by which the first slot of each unit is a block."""
    block = torch.arange(units * slots, device=device) % slots == 0
    return replace(no_terms(units * slots, device), block=block)
