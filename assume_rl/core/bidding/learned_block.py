"""Learned block bids: a policy decides the price of minimum power as a block, and of the rest.

Semantics: docs/scenario-format.md, "Learning".
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.bidding import ladder
from assume_rl.core.bidding.base import Box, Context, View
from assume_rl.core.bidding.block import block_first
from assume_rl.core.bidding.ladder import Bounds, OnLadder, PlantLadderParams, plant_able
from assume_rl.core.bidding.learned import (
    PlantLearning,
    PlantParams,
    by_product,
    inflexible_and_flexible,
    plant_of,
)
from assume_rl.core.orders import Orders
from assume_rl.core.units.base import ZERO_VOLUME
from assume_rl.core.units.thermal import ThermalParams, ThermalView


@dataclass(frozen=True)
class BlockLearning(PlantLearning):
    """A plant that learns the price of a block and that of the rest, for a whole auction.

    The block has its minimum power in all products that it decides for, all or nothing; what is
    left of its power is offered product by product.
    """

    blocks: bool = True

    @property
    def action(self) -> Box:
        """Return the price of the block, then that of the rest."""
        return Box(2)

    def orders(self, view: View[ThermalView], action: Float[Tensor, "... unit act"]) -> Orders:
        """Return the block and an order for the rest of each product.

        Prices are computed in the dtype of the policy.
        """
        chosen = (action * self.max_bid_price).to(torch.float64).unsqueeze(-2)
        chosen = chosen.expand(*chosen.shape[:-2], self.products, self.prices)
        _, volume = self.divide(view.limits.sell, chosen)
        orders = by_product(chosen, volume, view)
        terms = block_first(chosen.shape[-3], self.slots, chosen.device)
        return replace(orders, terms=replace(terms, min_acceptance=terms.block.to(torch.float64)))

    def products_apart(self, params: ThermalParams) -> int:
        """Return 1: the block ties all products together.

        :param params: of one plant
        """
        return 1


def plant(context: Context, params: PlantParams) -> BlockLearning:
    """Return the plant whose block and rest have any prices."""
    return _named("powerplant_energy_learning_block", context, params)


def on_ladder(context: Context, params: PlantLadderParams) -> OnLadder[ThermalView, BlockLearning]:
    """Return the plant whose block and rest have prices on a ladder."""
    name = "powerplant_energy_learning_block_ladder"
    bidder = _named(name, context, params.of_bidder)
    return ladder.on_ladder(
        name, bidder, block_bounds, plant_able, context, params, own_cost=True, products=1
    )


def _named(name: str, context: Context, params: PlantParams) -> BlockLearning:
    return plant_of(
        name,
        inflexible_and_flexible,
        context,
        params,
        prices=2,
        foresight=12,
        kind=BlockLearning,
    )


def block_bounds(
    bidder: PlantLearning, view: View[ThermalView], prices: Float[Tensor, "... unit #act rung"]
) -> Bounds:
    """Return all rungs where anything is left to sell, else the lowest one only.

    :param bidder: of the plant
    :param view: of the plant
    :param prices: of the rungs
    """
    left = view.limits.sell.most[..., : bidder.products, :].amax(dim=-2) > ZERO_VOLUME
    high = torch.where(left, prices.shape[-1] - 1, 0).unsqueeze(-1)
    high = high.expand(*high.shape[:-1], bidder.action.size)
    return torch.zeros_like(high), high
