"""Matches supply and demand along the merit order.

All orders of an auction are put on one ladder, cheapest first. At each rung the supply up to it and
the demand from it upwards are known from two running sums; the volume that trades is the largest
volume both sides can carry at one rung. There is no loop over orders or auctions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import threshold

from assume_rl.core.types import ZERO_VOLUME


@dataclass(frozen=True)
class Match:
    """Which volumes trade, in ladder order (price ascending, supply before demand).

    `order` leads from the ladder to the slots: `ladder = slots.gather(-1, order)`.
    """

    order: Int[Tensor, "... slot"]
    price: Float[Tensor, "... slot"]  # EUR/MWh as bid
    supply: Float[Tensor, "... slot"]  # MW accepted, 0 at demand orders
    demand: Float[Tensor, "... slot"]  # MW accepted, positive, 0 at supply orders
    supply_until: Float[Tensor, "... slot"]  # MW offered up to and including this rung
    demand_until: Float[Tensor, "... slot"]  # MW wanted at this rung and above
    traded: Float[Tensor, "... 1"]  # MW


def match(
    price: Float[Tensor, "*batch slot"],
    volume: Float[Tensor, "*batch slot"],
    tie: Float[Tensor, "*batch slot"],
) -> Match:
    """Trade the largest volume at which the supply price does not exceed the demand price.

    Equal prices trade. Orders smaller than `ZERO_VOLUME` are empty slots, and what rounding leaves
    of an order below that size is given to, or taken from, the order.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0
    :param tie: in [0, 1); among equal prices the smaller supply and the larger demand come first
    """
    order = ladder_order(price, volume, tie)
    price, volume = price.gather(-1, order), volume.gather(-1, order)
    offered, wanted = threshold(volume, ZERO_VOLUME, 0.0), threshold(-volume, ZERO_VOLUME, 0.0)
    supply_until = offered.cumsum(-1)
    demand_until = wanted.flip(-1).cumsum(-1).flip(-1)
    traded = torch.minimum(supply_until, demand_until).amax(-1, keepdim=True)
    return Match(
        order,
        price,
        filled(offered, supply_until, traded),
        filled(wanted, demand_until, traded),
        supply_until,
        demand_until,
        traded,
    )


def ladder_order(
    price: Float[Tensor, "*batch slot"],
    volume: Float[Tensor, "*batch slot"],
    tie: Float[Tensor, "*batch slot"],
) -> Int[Tensor, "*batch slot"]:
    """Slots by price, at equal prices supply before demand, then by `tie`.

    Supply comes first so that the rungs of one price hold a rung that sees all of both sides.
    """
    by_tie = (tie + (volume < 0)).argsort(-1)
    by_price = price.gather(-1, by_tie).argsort(dim=-1, stable=True)
    return by_tie.gather(-1, by_price)


def filled(
    size: Float[Tensor, "*batch slot"],
    until: Float[Tensor, "*batch slot"],
    traded: Float[Tensor, "*batch 1"],
) -> Float[Tensor, "*batch slot"]:
    """Accepted part of each order, MW, when the first `traded` MW of its side trade.

    :param size: order sizes, MW, not negative
    :param until: running sum of `size`, each order included
    """
    refused = threshold(until - traded, ZERO_VOLUME, 0.0)
    return threshold(size - refused, ZERO_VOLUME, 0.0)
