"""The contract of a clearing rule."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core.clearing import MarketSpec, Rule, Slots
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.orders import Orders, auction_of, products_of, repeated, select, unit_major

_AUCTIONS, _PRODUCTS, _SLOTS = 32, 2, 12
_TOLERANCE = 1e-7  # MW and EUR/MWh
_PER_SLOT = ("accepted", "paid")
_PER_ZONE = ("price", "supply_volume", "demand_volume", "min_price", "max_price")

Clear = Callable[[Orders, Tensor], Clearing]


def toy_market(rule: Rule[Any, Any], **params: Any) -> MarketSpec[Any]:
    """Return a market that is cleared by `rule`.

    :param params: of the rule, as in `param_dict`
    """
    return MarketSpec(
        name="EOM",
        operator="exchange",
        rule=rule,
        params=rule.Params.model_validate(params),
        min_price=-500.0,
        max_price=3000.0,
        max_volume=1e6,
        product_type="energy",
    )


def check_clearing(rule: Rule[Any, Any], **params: Any) -> None:
    """Check that a clearing rule keeps its contract, on random books with ties and empty slots.

    :param params: of the rule, as in `param_dict`
    :raises AssertionError: with the clause that is broken and the first book that shows it
    """
    orders, tie = _random_books()
    setup = rule.setup(toy_market(rule, **params), Slots(node=orders.node))

    def clear(orders: Orders, tie: Tensor) -> Clearing:
        return rule.clear(orders, tie, setup)

    given = (orders.price, orders.volume, orders.unit, tie)
    before = tuple(x.clone() for x in given)
    cleared = clear(orders, tie) if rule.batched else _one_by_one(clear, orders, tie)
    assert all(map(torch.equal, given, before)), (
        "the rule wrote into its arguments; the same tensors are shared by other copies of a market"
    )
    _check_shapes(orders, cleared)
    books = (orders.price, orders.volume, tie)
    _check_volumes(books, cleared)
    _check_prices(books, cleared)
    _check_slot_order(rule, orders, tie, cleared, params)
    if rule.batched:
        _check_batching(clear, orders, tie, cleared)
    if not rule.couples_products:
        _check_products(clear, orders, tie, cleared)


Books = tuple[Tensor, Tensor, Tensor]


def _random_books() -> tuple[Orders, Tensor]:
    """Return books with repeated prices, empty slots, one-sided books and one without any order."""

    def draw(name: str) -> Tensor:
        return keyed.array((_AUCTIONS, _PRODUCTS, _SLOTS), 0, "check_clearing", name)

    price = (draw("price") * 12).floor() * 5 - 10
    volume = ((draw("volume") - 0.5) * 200).round(decimals=1)
    volume = torch.where(draw("empty") < 0.2, 0.0, volume)
    one_sided = torch.stack((volume[0].abs(), -volume[1].abs(), torch.zeros_like(volume[2])))
    volume = torch.cat((one_sided, volume[3:]))
    return unit_major(price, volume, _SLOTS), draw("tie")


def _auction(orders: Orders, tie: Tensor, index: int) -> tuple[Orders, Tensor]:
    return auction_of(orders, index), tie[index]


def _one_by_one(clear: Clear, orders: Orders, tie: Tensor) -> Clearing:
    """Return all auctions, cleared one after the other."""
    each = [clear(*_auction(orders, tie, i)) for i in range(_AUCTIONS)]
    stacked: dict[str, Any] = {
        n: torch.stack([getattr(c, n) for c in each]) for n in (*_PER_SLOT, *_PER_ZONE)
    }
    return replace(each[0], flows=None, **stacked)


def _require(holds: Tensor, books: Books, message: str) -> None:
    """Raise with the first book that does not hold; `holds` is `(auction product ...)`."""
    broken = (~holds).flatten(2).any(-1) if holds.dim() > 2 else ~holds
    if broken.any():
        auction, product = broken.nonzero()[0].tolist()
        names = ("price", "volume", "tie")
        orders = [x[auction, product].tolist() for x in books]
        shown = "\n".join(f"  {n}: {x}" for n, x in zip(names, orders, strict=True))
        raise AssertionError(f"{message}; book:\n{shown}")


def _check_shapes(orders: Orders, cleared: Clearing) -> None:
    slots, zones = orders.price.shape, (_AUCTIONS, _PRODUCTS, cleared.price.shape[-1])
    for name in (*_PER_SLOT, *_PER_ZONE):
        value, expected = getattr(cleared, name), slots if name in _PER_SLOT else zones
        assert value.shape == expected, (
            f"`{name}` has shape {tuple(value.shape)}, expected {tuple(expected)}: leading axes "
            "and product first, then one entry per slot (accepted, paid) or zone"
        )
        assert value.dtype == torch.float64, (
            f"`{name}` is {value.dtype}; economics is float64, or rounding moves the price"
        )
        assert value.isfinite().all(), f"`{name}` holds NaN or infinity; where nothing trades use 0"
    assert len(cleared.zones) == zones[-1], (
        f"`zones` names {len(cleared.zones)} zones, but there are {zones[-1]} prices"
    )
    zone = cleared.zone
    assert zone.shape == (_SLOTS,), (
        f"`zone` has shape {tuple(zone.shape)}, one entry per slot is due"
    )
    assert ((zone >= 0) & (zone < zones[-1])).all(), f"`zone` points to none of {zones[-1]} zones"


def _check_volumes(books: Books, cleared: Clearing) -> None:
    _, volume, _ = books
    accepted = cleared.accepted
    supply, demand = accepted.clamp(min=0).sum(-1), -accepted.clamp(max=0).sum(-1)
    within = (accepted * volume >= 0) & (accepted.abs() <= volume.abs())
    _require(within, books, "an order trades more than its volume, or in the other direction")
    _require((supply - demand).abs() < _TOLERANCE, books, "accepted supply and demand differ")
    for name, total in (("supply_volume", supply), ("demand_volume", demand)):
        gap = (getattr(cleared, name).sum(-1) - total).abs()
        _require(gap < _TOLERANCE, books, f"`{name}` is not the (positive) sum of what is accepted")


def _check_prices(books: Books, cleared: Clearing) -> None:
    price, _, _ = books
    accepted, surplus = cleared.accepted, cleared.paid - price
    earns = (accepted <= 0) | (surplus >= -_TOLERANCE)
    pays = (accepted >= 0) | (surplus <= _TOLERANCE)
    _require(earns, books, "an accepted supply order earns less than it asked")
    _require(pays, books, "an accepted demand order pays more than it offered")
    idle = (accepted == 0).all(-1, keepdim=True)
    _require(~idle | (cleared.price == 0), books, "nothing trades, but `price` is not 0")


def _check_slot_order(
    rule: Rule[Any, Any], orders: Orders, tie: Tensor, cleared: Clearing, params: dict[str, Any]
) -> None:
    """Compare with the same orders in other slots, of a market that is set up for these."""
    order = keyed.array((_SLOTS,), 0, "check_clearing", "order").argsort()
    moved, moved_tie = select(orders, order), tie[..., order]
    setup = rule.setup(toy_market(rule, **params), Slots(node=moved.node))

    def clear(orders: Orders, tie: Tensor) -> Clearing:
        return rule.clear(orders, tie, setup)

    message = "the order of the slots decides; equal prices are for `tie` to order"
    found = clear(moved, moved_tie) if rule.batched else _one_by_one(clear, moved, moved_tie)
    books = (orders.price, orders.volume, tie)
    same = (found.accepted - cleared.accepted[..., order]).abs() < _TOLERANCE
    _require(same, books, message)
    _require((found.price - cleared.price).abs() < _TOLERANCE, books, message)


def _check_batching(clear: Clear, orders: Orders, tie: Tensor, cleared: Clearing) -> None:
    message = (
        "`{}` of a book depends on the books it is cleared with; leading axes are free, "
        "each book is an auction of its own"
    )
    _compare(clear(repeated(orders, 1), tie[None]), _part(cleared, None), message)
    for i in range(_AUCTIONS):
        _compare(clear(*_auction(orders, tie, i)), _part(cleared, i), message)


def _check_products(clear: Clear, orders: Orders, tie: Tensor, cleared: Clearing) -> None:
    message = "`{}` of a product depends on the other products, but the rule does not couple them"
    for i, j in product(range(_AUCTIONS), range(_PRODUCTS)):
        at = slice(j, j + 1)
        own, own_tie = _auction(orders, tie, i)
        found = clear(products_of(own, at), own_tie[at])
        _compare(found, _part(_part(cleared, i), at), message)


def _part(cleared: Clearing, index: int | slice | None) -> Clearing:
    """Return some auctions of a batch, or some products of an auction."""
    parts = {name: getattr(cleared, name)[index] for name in (*_PER_SLOT, *_PER_ZONE)}
    return replace(cleared, flows=None, **parts)


def _compare(found: Clearing, expected: Clearing, message: str) -> None:
    for name in (*_PER_SLOT, *_PER_ZONE):
        gap = (getattr(found, name) - getattr(expected, name)).abs().max()
        assert gap < _TOLERANCE, message.format(name)
