"""A log of cleared auctions, kept as tensors until many become table rows at once."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import compress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.clearing.rule import Clearing, MarketSpec
from assume_rl.core.orders import Orders
from assume_rl.core.time import Auction
from assume_rl.core.units.base import ZERO_VOLUME
from assume_rl.episodes.rows.terms import with_terms

Columns = dict[str, Any]
Alike = tuple[tuple[str, ...], tuple[bytes, ...]]


@dataclass(frozen=True)
class ClearedAuction:
    """The whole order book of an auction and its clearing."""

    auction: Auction
    orders: Orders
    clearing: Clearing


@dataclass(frozen=True)
class ClearedAuctions:
    """Auctions whose books have the same slots, with their clearing.

    Numbers have a leading axis of auctions; what slots are is the same for all.
    """

    auctions: tuple[Auction, ...]
    orders: Orders
    clearing: Clearing


TABLES = frozenset({"market_meta", "market_orders", "market_dispatch", "grid_flows"})


class OrderLog:
    """A buffer of one market's auctions, which become rows of `TABLES`.

    Delivery times are calendar steps (`start_step`, `end_step`); the recorder turns them into
    dates. Empty slots are not orders and give no rows, nor does an auction without any order.

    :param market: whose auctions these are
    :param tables: those whose rows are wanted
    """

    def __init__(self, market: MarketSpec[Any], tables: Collection[str] = TABLES) -> None:
        self._market, self._traded = market.name, market.product_type
        self._nodes = np.array(market.nodes, dtype=object)
        lines = () if market.grid is None else market.grid.lines
        self._lines = np.array([line.name for line in lines], dtype=object)
        self._tables = tables
        # By unit ids of the slots, and what binds these together: both are the same in a table.
        self._buffer: dict[Alike, list[ClearedAuction]] = defaultdict(list)
        self._stacked: list[tuple[tuple[str, ...], ClearedAuctions]] = []

    def add(self, units: tuple[str, ...], cleared: ClearedAuction) -> None:
        """Keep an auction; `units` is the unit id of each slot."""
        self._buffer[units, _bound(cleared.orders)].append(cleared)

    def add_all(self, units: tuple[str, ...], cleared: ClearedAuctions) -> None:
        """Keep auctions that were cleared in one call; `units` as in `add`."""
        self._stacked.append((units, cleared))

    def drain(self) -> Iterator[tuple[str, Columns]]:
        """Yield rows of the wanted tables, and clear the buffer."""
        buffer, self._buffer = self._buffer, defaultdict(list)
        stacked, self._stacked = self._stacked, []
        stacked += [(units, _stack(auctions)) for (units, _), auctions in buffer.items()]
        for units, cleared in stacked:
            yield from self._rows(np.array(units, dtype=object), cleared)

    def _rows(
        self, units: NDArray[np.object_], cleared: ClearedAuctions
    ) -> Iterator[tuple[str, Columns]]:
        real = (cleared.orders.volume.abs() > ZERO_VOLUME).cpu()
        traded = real.any(-1).any(-1)
        if not traded.any():
            return
        if not traded.all():
            cleared, real = _select(cleared, traded), real[traded]
        first = np.array([a.first for a in cleared.auctions])  # (auction, product)
        length = np.array([a.length for a in cleared.auctions])
        if "market_meta" in self._tables:
            yield "market_meta", self._meta(first, length, cleared.clearing)
        if "market_orders" in self._tables:
            yield "market_orders", self._orders(units, first, length, cleared, real.numpy())
        if "market_dispatch" in self._tables:
            accepted = cleared.clearing.accepted.cpu().numpy()
            yield "market_dispatch", self._dispatch(units, first, length, accepted)
        flows = cleared.clearing.flows
        if "grid_flows" in self._tables and flows is not None and len(self._lines):
            yield "grid_flows", self._flows(first, length, flows.cpu().numpy())

    def _meta(self, first: Any, length: Any, clearing: Clearing) -> Columns:
        """Return rows per auction, product and zone; a market without zones has an empty zone."""
        zones = clearing.zones
        count = len(zones)
        first, length = first.repeat(count), length.repeat(count)

        def column(name: str) -> NDArray[np.float64]:
            values: NDArray[np.float64] = getattr(clearing, name).cpu().numpy()
            return values.ravel()

        supply, demand = column("supply_volume"), column("demand_volume")
        names = np.tile(np.array(zones, dtype=object), first.size // count)
        return {
            "market_id": np.full(first.size, self._market, dtype=object),
            "start_step": first.ravel(),
            "end_step": (first + length).ravel(),
            **({"node": names} if count > 1 else {}),
            "price": column("price"),
            "min_price": column("min_price"),
            "max_price": column("max_price"),
            "supply_volume": supply,
            "demand_volume": demand,
            "product_type": np.full(first.size, self._traded, dtype=object),
            "steps": length.ravel(),
        }

    def _orders(
        self,
        units: NDArray[np.object_],
        first: Any,
        length: Any,
        cleared: ClearedAuctions,
        real: NDArray[np.bool_],
    ) -> Columns:
        auction, product, slot = np.nonzero(real)
        position = _position_within_unit(units, real)[real]
        numbers = range(1, int(position.max()) + 1)
        names = np.array([[f"{unit}_{n}" for n in numbers] for unit in units], dtype=object)

        def column(values: Tensor) -> NDArray[np.float64]:
            own: NDArray[np.float64] = values.cpu().numpy()[real]
            return own

        orders = cleared.orders
        bid_id = names[slot, position - 1]
        terms: Columns = {}
        if orders.terms is not None:
            bid_id, terms = with_terms(orders.terms, bid_id, auction, slot)
        return {
            "market_id": np.full(len(slot), self._market, dtype=object),
            "start_step": first[auction, product],
            "end_step": (first + length)[auction, product],
            "unit_id": units[slot],
            "bid_id": bid_id,
            "price": column(orders.price),
            "volume": column(orders.volume),
            "accepted_price": column(cleared.clearing.paid),
            "accepted_volume": column(cleared.clearing.accepted),
            "node": self._nodes[orders.node.cpu().numpy()][slot],
            **terms,
        }

    def _dispatch(
        self, units: NDArray[np.object_], first: Any, length: Any, accepted: Any
    ) -> Columns:
        """Return the columns of `market_dispatch`: MW sold in this market per unit and step."""
        names, column = np.unique(units, return_inverse=True)
        sold = np.zeros((*accepted.shape[:2], len(names)))
        if len(names) == len(units):
            sold[:, :, column] += accepted
        else:
            for slot, unit in enumerate(column):
                sold[:, :, unit] += accepted[:, :, slot]
        steps, power = _each_step(first, length, sold)
        return {
            "market_id": np.full(power.size, self._market, dtype=object),
            "step": np.repeat(steps, len(names)),
            "unit_id": np.tile(names, len(steps)),
            "power": power.ravel(),
        }

    def _flows(self, first: Any, length: Any, flows: NDArray[np.float64]) -> Columns:
        """Return the columns of `grid_flows`: MW per step and line (auction, product, line)."""
        steps, flow = _each_step(first, length, flows)
        return {
            "market_id": np.full(flow.size, self._market, dtype=object),
            "step": np.repeat(steps, len(self._lines)),
            "line": np.tile(self._lines, len(steps)),
            "flow": flow.ravel(),
        }


def _each_step(
    first: Any, length: Any, values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the steps of all products, and for each the values of its product.

    :param first: step at which each product begins (auction, product)
    :param length: steps of each
    :param values: (auction, product, _)
    """
    repeats = length.ravel()
    steps = [np.arange(f, f + n) for f, n in zip(first.ravel(), repeats, strict=True)]
    rows = values.reshape(-1, values.shape[-1])
    return np.concatenate(steps), np.repeat(rows, repeats, axis=0)


def _bound(orders: Orders) -> tuple[bytes, ...]:
    """Return the terms of orders as something to compare; empty: every order stands alone."""
    terms = () if orders.terms is None else vars(orders.terms).values()
    return tuple(own.cpu().numpy().tobytes() for own in terms)


def _stack(cleared: Sequence[ClearedAuction]) -> ClearedAuctions:
    """Return auctions whose books have the same slots with an axis of auctions."""
    clearings = [one.clearing for one in cleared]
    stacked: dict[str, Any] = {
        name: torch.stack([getattr(clearing, name) for clearing in clearings])
        for name in _per_auction(clearings[0])
    }
    return ClearedAuctions(
        auctions=tuple(one.auction for one in cleared),
        orders=replace(
            cleared[0].orders,
            price=torch.stack([one.orders.price for one in cleared]),
            volume=torch.stack([one.orders.volume for one in cleared]),
        ),
        clearing=replace(clearings[0], **stacked),
    )


def _select(cleared: ClearedAuctions, chosen: Tensor) -> ClearedAuctions:
    """Return the auctions that a mask chooses."""
    orders, clearing = cleared.orders, cleared.clearing
    own: dict[str, Any] = {name: getattr(clearing, name)[chosen] for name in _per_auction(clearing)}
    return ClearedAuctions(
        auctions=tuple(compress(cleared.auctions, chosen.tolist())),
        orders=replace(orders, price=orders.price[chosen], volume=orders.volume[chosen]),
        clearing=replace(clearing, **own),
    )


def _per_auction(clearing: Clearing) -> list[str]:
    """Return the names of the fields with an axis of auctions."""
    names = [field.name for field in fields(clearing) if field.name not in ("zone", "zones")]
    return [name for name in names if getattr(clearing, name) is not None]


def _position_within_unit(units: NDArray[np.object_], real: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the position of each order, from 1, among its unit's orders of the auction."""
    slots: dict[str, list[int]] = defaultdict(list)
    for slot, unit in enumerate(units):
        slots[unit].append(slot)
    alike: dict[int, list[list[int]]] = defaultdict(list)  # by the number of slots of a unit
    for own in slots.values():
        alike[len(own)].append(own)
    position = np.zeros(real.shape, dtype=np.int64)
    for many in (np.array(own) for own in alike.values()):  # (unit, slot of it)
        orders = np.moveaxis(real[:, :, many], 1, 2)  # (auction, unit, product, slot of it)
        count = orders.reshape(*orders.shape[:2], -1).cumsum(axis=-1).reshape(orders.shape)
        position[:, :, many] = np.moveaxis(count, 2, 1)
    return position
