"""Clearing rules: who trades (merit order) and what each order is paid.

Semantics: docs/scenario-format.md, "pay_as_clear" and "pay_as_bid".
"""

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.clearing.merit_order import Match, match
from assume_rl.core.types import ZERO_VOLUME, Clearing


def pay_as_clear(
    price: Float[Tensor, "*batch slot"],
    volume: Float[Tensor, "*batch slot"],
    tie: Float[Tensor, "*batch slot"],
) -> Clearing:
    """Uniform price: everyone pays and earns the highest accepted supply price.

    Demand never sets the price, not even in shortage. Nothing trades: price 0.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0, 0 = empty slot; at least one slot
    :param tie: in [0, 1), breaks equal prices (see `merit_order.match`)
    """
    matched = match(price, volume, tie)
    highest = highest_supply_price(matched)
    return _clearing(matched, highest.expand_as(price), highest, highest, highest)


def pay_as_bid(
    price: Float[Tensor, "*batch slot"],
    volume: Float[Tensor, "*batch slot"],
    tie: Float[Tensor, "*batch slot"],
) -> Clearing:
    """Discriminatory price: supply earns its own price, demand pays its last match's.

    The published price is the volume-weighted average of the accepted supply prices; it is also
    what rejected orders are told. Nothing trades: price 0.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0, 0 = empty slot; at least one slot
    :param tie: in [0, 1), breaks equal prices (see `merit_order.match`)
    """
    matched = match(price, volume, tie)
    average = average_supply_price(matched)
    paid = torch.where(matched.supply > 0, matched.price, average)
    paid = torch.where(matched.demand > 0, last_matched_price(matched), paid)
    lowest, highest = lowest_supply_price(matched), highest_supply_price(matched)
    return _clearing(matched, to_slots(matched, paid), average, lowest, highest)


def lowest_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Lowest price among accepted supply orders, EUR/MWh; 0 if nothing trades."""
    lowest = torch.where(matched.supply > 0, matched.price, torch.inf).amin(-1, keepdim=True)
    return torch.where(matched.traded > 0, lowest, 0.0)


def highest_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Highest price among accepted supply orders, EUR/MWh; 0 if nothing trades."""
    highest = torch.where(matched.supply > 0, matched.price, -torch.inf).amax(-1, keepdim=True)
    return torch.where(matched.traded > 0, highest, 0.0)


def average_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Volume-weighted mean price of accepted supply, EUR/MWh; 0 if nothing trades."""
    revenue = (matched.price * matched.supply).sum(-1, keepdim=True)
    volume = matched.supply.sum(-1, keepdim=True)
    return torch.where(volume > 0, revenue / volume, 0.0)


def last_matched_price(matched: Match) -> Float[Tensor, "... slot"]:
    """Price of the last supply order that serves each demand order, EUR/MWh.

    Meaningful at accepted demand orders only.
    """
    served_until = torch.minimum(matched.demand_until, matched.traded) - ZERO_VOLUME
    rung = torch.searchsorted(matched.supply_until, served_until.contiguous())
    return matched.price.gather(-1, rung.clamp(max=matched.price.shape[-1] - 1))


def to_slots(matched: Match, ladder: Float[Tensor, "*batch slot"]) -> Float[Tensor, "*batch slot"]:
    """Values in ladder order, put back to the slots of the orders."""
    return torch.empty_like(ladder).scatter(-1, matched.order, ladder)


def _clearing(
    matched: Match,
    paid: Float[Tensor, "*batch slot"],
    price: Float[Tensor, "*batch zone"],
    lowest: Float[Tensor, "*batch zone"],
    highest: Float[Tensor, "*batch zone"],
) -> Clearing:
    return Clearing(
        accepted=to_slots(matched, matched.supply - matched.demand),
        paid=paid,
        price=price,
        supply_volume=matched.supply.sum(-1, keepdim=True),
        demand_volume=matched.demand.sum(-1, keepdim=True),
        min_price=lowest,
        max_price=highest,
    )
