"""Read orders: the first phase of complex clearing.

Arrays of numpy, in float64. A *cell* is a product in a zone; orders of one cell meet at one price.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.clearing.grid import Grid
from assume_rl.core.orders import Orders, no_terms
from assume_rl.core.units.base import ZERO_VOLUME

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Simple:
    """Orders of single products, each in the order of its cell's prices.

    At equal prices supply comes before demand, so that as much as can be is traded; ties follow.
    """

    place: Ints  # index into the flattened (product slot)
    cell: Ints
    price: Floats  # EUR/MWh
    volume: Floats  # MW, sell > 0, buy < 0
    least: Floats  # least share that may trade, 0: any
    parent: Ints  # index into the blocks, -1: none
    offer: Ints  # index into the complex orders, -1: none

    def __len__(self) -> int:
        """Return how many."""
        return len(self.place)

    def of(self, chosen: Flags | Ints) -> "Simple":
        """Return some of the orders."""
        return Simple(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Blocks:
    """Orders that trade the same share of their volumes in several cells."""

    slot: Ints
    volume: Floats  # (block cell) MW, sell > 0, buy < 0
    cost: Floats  # EUR per hour of a product, price times volume over all cells
    least: Floats  # least share that may trade, 0: any
    parent: Ints  # index into the blocks, -1: none
    offer: Ints  # index into the complex orders, -1: none
    group: Ints  # equal numbers exclude each other, -1: none

    def __len__(self) -> int:
        """Return how many."""
        return len(self.slot)


@dataclass(frozen=True)
class Book:
    """The orders of an auction."""

    products: int
    grid: Grid
    simple: Simple
    tied: Ints  # those of the simple orders that a condition binds
    blocks: Blocks
    fixed_cost: Floats  # EUR per hour of a product, of each complex order

    @property
    def zones(self) -> int:
        """Return how many zones there are."""
        return len(self.grid.zones)

    @property
    def cells(self) -> int:
        """Return how many cells there are."""
        return self.products * self.zones


def read(
    orders: Orders, tie: Float[Tensor, "product slot"], grid: Grid, *, ratios: bool = True
) -> Book:
    """Return the orders of an auction as arrays.

    Empty slots are left out. An order whose parent is empty stands alone.

    :param orders: (product slot)
    :param tie: in [0, 1), orders equal prices
    :param grid: zones of the nodes, and lines
    :param ratios: whether least shares count
    """
    columns = _columns(orders, tie, grid, ratios)
    leads = np.unique(columns.offer[columns.offer >= 0])
    numbered = replace(
        columns, offer=np.where(columns.offer < 0, -1, np.searchsorted(leads, columns.offer))
    )
    blocks = _blocks(numbered, len(grid.zones))
    simple = _simple(numbered, blocks.slot)
    bound = (simple.least > 0) | (simple.parent >= 0) | (simple.offer >= 0)
    cost = columns.fixed_cost[leads]
    return Book(len(columns.price), grid, simple, np.flatnonzero(bound), blocks, cost)


@dataclass(frozen=True)
class _Columns:
    """Orders and their terms; those of empty slots are none."""

    price: Floats  # (product slot)
    volume: Floats  # (product slot)
    tie: Floats  # (product slot)
    cell: Ints  # (product slot)
    block: Flags  # of each slot, as all below
    least: Floats
    parent: Ints  # slot
    group: Ints
    offer: Ints
    fixed_cost: Floats


def _columns(
    orders: Orders, tie: Float[Tensor, "product slot"], grid: Grid, ratios: bool
) -> _Columns:
    volume = _array(orders.volume)
    volume = np.where(np.abs(volume) > ZERO_VOLUME, volume, 0.0)
    products, slots = volume.shape
    terms = orders.terms or no_terms(slots)
    filled = (volume != 0).any(0)
    first = np.arange(products)[:, None] * len(grid.zones)
    return _Columns(
        price=_array(orders.price),
        volume=volume,
        tie=_array(tie),
        cell=first + _array(grid.of_slots(orders.node)),
        block=_array(terms.block),
        least=_array(terms.min_acceptance) if ratios else np.zeros(slots),
        parent=_array(terms.parent),
        group=_array(terms.group),
        offer=np.where(filled, _array(terms.offer), -1),
        fixed_cost=_array(terms.fixed_cost),
    )


def _blocks(columns: _Columns, zones: int) -> Blocks:
    """Return the blocks that have a volume."""
    slot = np.flatnonzero(columns.block & (columns.volume != 0).any(0))
    volume, cell = columns.volume[:, slot].T, columns.cell[:, slot].T
    table = np.zeros((len(slot), len(columns.price) * zones))
    np.put_along_axis(table, cell, volume, axis=1)
    return Blocks(
        slot=slot,
        volume=table,
        cost=(columns.price[:, slot].T * volume).sum(1),
        least=columns.least[slot],
        parent=_numbers(slot, columns.parent)[slot],
        offer=columns.offer[slot],
        group=columns.group[slot],
    )


def _simple(columns: _Columns, blocks: Ints) -> Simple:
    """Return the orders of single products, sorted.

    :param blocks: slots that are blocks
    """
    place = np.flatnonzero((columns.volume != 0) & ~columns.block)
    price, volume, tie = (
        table.reshape(-1)[place] for table in (columns.price, columns.volume, columns.tie)
    )
    cell = columns.cell.reshape(-1)[place]
    order = np.lexsort((tie, volume < 0, price, cell))
    own = place % len(columns.least)
    return Simple(
        place=place,
        cell=cell,
        price=price,
        volume=volume,
        least=columns.least[own],
        parent=_numbers(blocks, columns.parent)[own],
        offer=columns.offer[own],
    ).of(order)


def _numbers(blocks: Ints, parent: Ints) -> Ints:
    """Return of each slot the number of the block that is its parent, -1: none."""
    number = np.full(len(parent) + 1, -1)  # the last stands for no parent
    number[blocks] = np.arange(len(blocks))
    found: Ints = number[parent]
    return found


def _array(tensor: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = tensor.detach().cpu().numpy()
    return found


def sums(cell: Ints, values: Floats, cells: int) -> Floats:
    """Return the sum of values in each cell.

    :param cell: of each value
    :param values: any
    :param cells: how many
    """
    found: Floats = np.bincount(cell, values, minlength=cells).astype(np.float64)
    return found
