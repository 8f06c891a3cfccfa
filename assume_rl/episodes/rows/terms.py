"""Columns of `market_orders` that say which conditions bind an order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assume_rl.core.orders import BlockTerms

Rows = NDArray[np.int64]
Names = NDArray[np.object_]

SIMPLE, BLOCK, LINKED = "SB", "BB", "LB"


def with_terms(
    terms: BlockTerms, bid_id: Names, auction: Rows, slot: Rows
) -> tuple[Names, dict[str, Any]]:
    """Return names of orders, those of a block the same in all products, and their terms.

    Orders that are bound together name the first of them. A parent without volume in an auction
    binds nothing, as in clearing.

    :param terms: of the slots
    :param bid_id: of each order, which follow one another product by product
    :param auction: of each order
    :param slot: likewise
    """
    block, least = terms.block.cpu().numpy()[slot], terms.min_acceptance.cpu().numpy()[slot]
    group, offer = terms.group.cpu().numpy()[slot], terms.offer.cpu().numpy()[slot]
    names = np.where(block, _first(bid_id, auction, slot), bid_id)
    parent = _names_of(names, auction, slot, terms.parent.cpu().numpy()[slot])
    alone = np.array([name is None for name in parent])
    return names, {
        "bid_type": np.where(block, BLOCK, np.where(alone, SIMPLE, LINKED)).astype(object),
        "parent_bid_id": parent,
        "min_acceptance_ratio": np.where(least > 0, least, np.nan),
        "exclusive_group": _first_of(names, auction, group),
        "complex_order": _first_of(names, auction, offer),
    }


def _first(names: Names, auction: Rows, mark: Rows) -> Names:
    """Return for each order the name of the first one of its auction with the same mark."""
    pairs = np.stack([auction, mark])
    _, at, inverse = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
    first: Names = names[at[inverse.ravel()]]
    return first


def _first_of(names: Names, auction: Rows, lead: Rows) -> Names:
    """Return the same as `_first`, and None for orders without a lead."""
    found = _first(names, auction, lead)
    found[lead < 0] = None
    return found


def _names_of(names: Names, auction: Rows, slot: Rows, wanted: Rows) -> Names:
    """Return the name of the order in the slot that each order wants; None if there is none."""
    places = zip(auction.tolist(), slot.tolist(), strict=True)
    known = dict(zip(places, names, strict=True))
    sought = zip(auction.tolist(), wanted.tolist(), strict=True)
    return np.array([known.get(place) for place in sought], dtype=object)
