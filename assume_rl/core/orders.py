"""Orders of an auction: the only place where they are built, joined, selected and judged.

A bidder makes orders of its own units (`unit_major`). Whoever knows the fleet puts those of several
bidders side by side (`join`, `beside`) and says which unit and node each slot belongs to.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class BlockTerms:
    """Conditions that bind the orders of a slot, for rules that have `blocks` among their `needs`.

    The orders of a block trade one share of their volumes in all products; those of any other slot
    a share each. A complex order is made of slots, and accepted or refused as a whole: then the
    slots may trade, each order at least its `min_acceptance`, and together they must earn its
    fixed cost beside what they ask.
    """

    block: Bool[Tensor, " slot"]
    min_acceptance: Float[Tensor, " slot"]  # least share that may trade, in [0, 1]; 0: any
    parent: Int[Tensor, " slot"]  # block whose share bounds that of this slot; -1: none
    group: Int[Tensor, " slot"]  # first slot of its exclusive group, of blocks; -1: none
    offer: Int[Tensor, " slot"]  # first slot of its complex order; -1: none
    fixed_cost: Float[Tensor, " slot"]  # EUR per hour of a product, at a complex order's first slot


def no_terms(slots: int, device: torch.device | None = None) -> BlockTerms:
    """Return the terms of orders that stand alone, to be replaced in part.

    :param slots: how many
    :param device: of the result
    """
    none = torch.full((slots,), -1, dtype=torch.int64, device=device)
    zero = torch.zeros(slots, dtype=torch.float64, device=device)
    return BlockTerms(
        block=zero.bool(), min_acceptance=zero, parent=none, group=none, offer=none, fixed_cost=zero
    )


@dataclass(frozen=True)
class Orders:
    """Orders: sell > 0, buy < 0, volume 0 = empty slot. Every product has the same slots."""

    price: Float[Tensor, "... product slot"]  # EUR/MWh
    volume: Float[Tensor, "... product slot"]  # MW
    unit: Int[Tensor, " slot"]  # index into the bidder's units
    node: Int[Tensor, " slot"]  # index into the scenario's nodes; 0 until orders are joined
    terms: BlockTerms | None = None  # None: every order stands alone


def unit_major(
    price: Float[Tensor, "... product slot"],
    volume: Float[Tensor, "... product slot"],
    units: int,
    terms: BlockTerms | None = None,
) -> Orders:
    """Return the orders of a bidder whose units have equally many slots, side by side.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0
    :param units: how many units
    :param terms: of the slots, for block orders
    """
    unit = torch.arange(units, device=price.device).repeat_interleave(price.shape[-1] // units)
    return Orders(price=price, volume=volume, unit=unit, node=torch.zeros_like(unit), terms=terms)


def beside(
    parts: Sequence[Orders], unit: Int[Tensor, " slot"], node: Int[Tensor, " slot"]
) -> Orders:
    """Return the orders of several parts side by side.

    :param parts: orders of each
    :param unit: of every slot of the result, index into the joined set of units
    :param node: likewise, index into the scenario's nodes
    """
    if len(parts) == 1:
        return Orders(parts[0].price, parts[0].volume, unit, node, parts[0].terms)
    return Orders(
        price=torch.cat([part.price for part in parts], dim=-1),
        volume=torch.cat([part.volume for part in parts], dim=-1),
        unit=unit,
        node=node,
        terms=_join_terms(parts),
    )


def join(
    parts: Sequence[Orders],
    units: Sequence[Tensor],  # (own,) each: parts differ in length
    node: Int[Tensor, " unit"],
) -> Orders:
    """Return the orders of several parts side by side.

    :param parts: orders of each
    :param units: of each part, the index of its units in the joined set
    :param node: of every unit of the joined set, index into the scenario's nodes
    """
    places = [own[part.unit] for part, own in zip(parts, units, strict=True)]
    unit = places[0] if len(places) == 1 else torch.cat(places)
    return beside(parts, unit, node[unit])


def select(orders: Orders, slots: Int[Tensor, " chosen"]) -> Orders:
    """Return the orders of some slots, in that order; terms cannot lead to slots left out."""
    return Orders(
        price=orders.price[..., slots],
        volume=orders.volume[..., slots],
        unit=orders.unit[slots],
        node=orders.node[slots],
        terms=None if orders.terms is None else _select_terms(orders.terms, slots),
    )


def split(orders: Orders, sizes: Sequence[int]) -> tuple[Orders, ...]:
    """Return the orders of each part that `beside` or `join` put together.

    :param sizes: slots of each part
    """
    slots = torch.arange(orders.unit.shape[0], device=orders.unit.device)
    return tuple(select(orders, own) for own in torch.split_with_sizes(slots, list(sizes)))


def auction_of(orders: Orders, number: int | Int[Tensor, "..."]) -> Orders:
    """Return those of one auction (or of an auction per copy), of orders (auction product slot)."""
    price, volume = orders.price[number], orders.volume[number]
    return Orders(price, volume, orders.unit, orders.node, orders.terms)


def products_of(orders: Orders, products: slice) -> Orders:
    """Return the orders for some products."""
    price, volume = orders.price[..., products, :], orders.volume[..., products, :]
    return replace(orders, price=price, volume=volume)


def repeated(orders: Orders, copies: int) -> Orders:
    """Return orders (product slot) as those of several copies of a market, without copying."""
    shape = (copies, *orders.price.shape)
    price, volume = orders.price.expand(shape), orders.volume.expand(shape)
    return Orders(price, volume, orders.unit, orders.node, orders.terms)


def fault_of(orders: Orders, products: int, units: int) -> str | None:
    """Return why orders cannot stand beside others, None if they can.

    :param orders: of a bidder
    :param products: of the auction
    :param units: registered by the bidder; `orders.unit` indexes these
    """
    shape, slots = tuple(orders.price.shape), tuple(orders.unit.shape)
    if len(shape) != 2 or tuple(orders.volume.shape) != shape or slots != shape[1:]:
        return "price, volume and unit differ in shape"
    if tuple(orders.node.shape) != slots:
        return "node differs in shape from unit"
    fault = None if orders.terms is None else fault_of_terms(orders.terms, slots[0])
    if fault is not None:
        return fault
    if shape[0] != products or shape[1] == 0:
        return f"{shape[0]} products with {shape[1]} orders each, the auction has {products}"
    owners = orders.unit.tolist()
    if not isinstance(owners[0], int) or min(owners) < 0 or max(owners) >= units:
        return f"an order is for none of the {units} registered units"
    return None


def is_finite(orders: Orders) -> bool:
    """Return whether all prices and volumes are finite; a sum is the cheapest look at them."""
    if math.isfinite(float(orders.price.sum() + orders.volume.sum())):
        return True
    return bool(torch.isfinite(orders.price).all() and torch.isfinite(orders.volume).all())


_LEADS = ("parent", "group", "offer")


def fault_of_terms(terms: BlockTerms, slots: int) -> str | None:
    """Return why terms are none of orders, None if they are.

    :param terms: of the orders
    :param slots: how many slots these have
    """
    if any(tuple(column.shape) != (slots,) for column in vars(terms).values()):
        return "terms differ in shape from unit"
    for name in _LEADS:
        lead = getattr(terms, name)
        at = _first((lead < -1) | (lead >= slots))
        if at is not None:
            return f"slot {at} has a {name} that is none of the {slots} slots"
    share, parent = terms.min_acceptance, terms.parent
    wrong = {
        "has a least share that is not in [0, 1]": ~((share >= 0) & (share <= 1)),
        "has a fixed cost that is negative or no number": ~(
            torch.isfinite(terms.fixed_cost) & (terms.fixed_cost >= 0)
        ),
        "has a parent that is no block": (parent >= 0) & ~terms.block[parent],
        "is in an exclusive group, but no block": (terms.group >= 0) & ~terms.block,
        "is on a cycle of links": _on_cycle(parent),
    }
    for what, lead in (("a group", terms.group), ("an offer", terms.offer)):
        astray = (lead >= 0) & (lead[lead] != lead)
        wrong[f"has {what} whose first slot is in another or none"] = astray
    found = ((what, _first(mask)) for what, mask in wrong.items())
    return next((f"slot {at} {what}" for what, at in found if at is not None), None)


def _first(mask: Bool[Tensor, " slot"]) -> int | None:
    return int(mask.nonzero()[0]) if bool(mask.any()) else None


def _on_cycle(parent: Int[Tensor, " slot"]) -> Bool[Tensor, " slot"]:
    """Return which slots are their own ancestors."""
    if not parent.numel() or int(parent.max()) < 0:
        return torch.zeros_like(parent, dtype=torch.bool)
    end = torch.cat([parent, parent.new_tensor([-1])])  # last place: no parent
    passed = 1
    while passed <= parent.numel():  # doubles the number of links that are followed
        end, passed = end[end], 2 * passed
    return torch.zeros_like(end, dtype=torch.bool).index_fill(0, end[end >= 0], True)[:-1]


def _join_terms(parts: Sequence[Orders]) -> BlockTerms | None:
    if all(part.terms is None for part in parts):
        return None
    terms, start = [], 0
    for part in parts:
        own = part.terms or no_terms(part.unit.shape[0], part.unit.device)
        leads = {name: _shifted(getattr(own, name), start) for name in _LEADS}
        terms.append(replace(own, **leads))
        start += part.unit.shape[0]
    return BlockTerms(*(torch.cat(column) for column in zip(*map(_columns, terms), strict=True)))


def _columns(terms: BlockTerms) -> tuple[Tensor, ...]:
    return tuple(vars(terms).values())


def _shifted(lead: Int[Tensor, " slot"], start: int) -> Int[Tensor, " slot"]:
    return torch.where(lead < 0, lead, lead + start)


def _select_terms(terms: BlockTerms, slots: Int[Tensor, " chosen"]) -> BlockTerms:
    """Return the terms of some slots.

    A group or complex order without its first slot is led by the next chosen, with its fixed cost.
    """
    size = terms.parent.shape[0]
    place = torch.full((size + 1,), -1, dtype=torch.int64, device=slots.device)  # last: none
    place = place.index_copy(0, slots, torch.arange(slots.shape[0], device=slots.device))
    offer = terms.offer[slots]
    cost = torch.where(offer < 0, 0.0, terms.fixed_cost[offer])
    return BlockTerms(
        block=terms.block[slots],
        min_acceptance=terms.min_acceptance[slots],
        parent=place[terms.parent[slots]],
        group=_led(terms.group[slots]),
        offer=_led(offer),
        fixed_cost=cost,
    )


def _led(lead: Int[Tensor, " chosen"]) -> Int[Tensor, " chosen"]:
    """Return the first slot of those that have the same lead; -1 stays."""
    if not lead.numel() or int(lead.max()) < 0:
        return lead
    same = (lead.unsqueeze(-1) == lead.unsqueeze(-2)).to(torch.uint8)
    return torch.where(lead < 0, lead, same.argmax(-1))
