"""A log of cleared auctions, kept as tensors until many become table rows at once."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.clearing.rule import Clearing, MarketSpec
from assume_rl.core.time import Auction
from assume_rl.core.units.base import ZERO_VOLUME

Columns = dict[str, Any]


@dataclass(frozen=True)
class ClearedAuction:
    """The whole order book of an auction and its clearing."""

    auction: Auction
    price: Tensor  # (product, slot) EUR/MWh
    volume: Tensor  # (product, slot) MW
    node: Tensor  # (slot) index into the nodes of the market
    clearing: Clearing


class OrderLog:
    """A buffer of one market's auctions, which become rows of three tables.

    Delivery times are calendar steps (`start_step`, `end_step`); the recorder turns them into
    dates. Empty slots are not orders and give no rows, nor does an auction without any order.
    """

    def __init__(self, market: MarketSpec[Any]) -> None:
        self._market = market.name
        self._nodes = np.array(market.nodes, dtype=object)
        self._buffer: dict[tuple[str, ...], list[ClearedAuction]] = defaultdict(list)

    def add(self, units: tuple[str, ...], cleared: ClearedAuction) -> None:
        """Keep an auction; `units` is the unit id of each slot."""
        self._buffer[units].append(cleared)

    def drain(self) -> Iterator[tuple[str, Columns]]:
        """Yield rows of `market_meta`, `market_orders`, `market_dispatch`, and clear the buffer."""
        buffer, self._buffer = self._buffer, defaultdict(list)
        for units, auctions in buffer.items():
            yield from self._rows(np.array(units, dtype=object), auctions)

    def _rows(
        self, units: NDArray[np.object_], auctions: list[ClearedAuction]
    ) -> Iterator[tuple[str, Columns]]:
        real = np.abs(_stack([a.volume for a in auctions])) > ZERO_VOLUME
        traded = real.any(axis=(1, 2))
        if not traded.all():
            auctions = [a for a, any_order in zip(auctions, traded, strict=True) if any_order]
            real = real[traded]
        if not auctions:
            return
        first = np.array([a.auction.first for a in auctions])  # (auction, product)
        length = np.array([a.auction.length for a in auctions])
        yield "market_meta", self._meta(first, length, [a.clearing for a in auctions])
        price, volume = _stack([a.price for a in auctions]), _stack([a.volume for a in auctions])
        node = self._nodes[auctions[0].node.numpy()]
        accepted = _stack([a.clearing.accepted for a in auctions])
        paid = _stack([a.clearing.paid for a in auctions])
        yield (
            "market_orders",
            self._orders(units, node, first, length, price, volume, accepted, paid, real),
        )
        yield "market_dispatch", self._dispatch(units, first, length, accepted)

    def _meta(self, first: Any, length: Any, clearings: list[Clearing]) -> Columns:
        """Rows per auction, product and zone; a market without zones names none."""
        zones = clearings[0].zones
        count = len(zones)
        first, length = first.repeat(count), length.repeat(count)

        def column(name: str) -> NDArray[np.float64]:
            return _stack([getattr(c, name) for c in clearings]).ravel()

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
            "steps": length.ravel(),
        }

    def _orders(
        self,
        units: NDArray[np.object_],
        node: NDArray[np.object_],
        first: Any,
        length: Any,
        price: Any,
        volume: Any,
        accepted: Any,
        paid: Any,
        real: NDArray[np.bool_],
    ) -> Columns:
        auction, product, slot = np.nonzero(real)
        unit_id = units[slot]
        position = _position_within_unit(units, real)[auction, product, slot]
        return {
            "market_id": np.full(len(slot), self._market, dtype=object),
            "start_step": first[auction, product],
            "end_step": (first + length)[auction, product],
            "unit_id": unit_id,
            "bid_id": np.array(
                [f"{u}_{n}" for u, n in zip(unit_id, position.tolist(), strict=True)], dtype=object
            ),
            "price": price[real],
            "volume": volume[real],
            "accepted_price": paid[real],
            "accepted_volume": accepted[real],
            "node": node[slot],
        }

    def _dispatch(
        self, units: NDArray[np.object_], first: Any, length: Any, accepted: Any
    ) -> Columns:
        """Return the columns of `market_dispatch`: MW sold in this market per unit and step."""
        names, column = np.unique(units, return_inverse=True)
        sold = np.zeros((*accepted.shape[:2], len(names)))
        for slot, unit in enumerate(column):
            sold[:, :, unit] += accepted[:, :, slot]
        repeats = length.ravel()
        steps = np.concatenate(
            [np.arange(f, f + n) for f, n in zip(first.ravel(), repeats, strict=True)]
        )
        power = np.repeat(sold.reshape(-1, len(names)), repeats, axis=0)
        return {
            "market_id": np.full(power.size, self._market, dtype=object),
            "step": np.repeat(steps, len(names)),
            "unit_id": np.tile(names, len(steps)),
            "power": power.ravel(),
        }


def _stack(tensors: list[Tensor]) -> NDArray[Any]:
    array: NDArray[Any] = torch.stack(tensors).cpu().numpy()
    return array


def _position_within_unit(units: NDArray[np.object_], real: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the position of each order, from 1, among its unit's orders of the auction."""
    position = np.zeros(real.shape, dtype=np.int64)
    for unit in dict.fromkeys(units):
        own = units == unit
        orders = real[:, :, own]
        count = np.cumsum(orders.reshape(len(real), -1), axis=1)
        position[:, :, own] = count.reshape(orders.shape)
    return position
