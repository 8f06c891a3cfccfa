"""The contract of a clearing rule."""

from collections.abc import Callable

import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core.clearing import Rule
from assume_rl.core.types import Clearing

_BOOKS, _SLOTS = 64, 12
_TOLERANCE = 1e-7  # MW and EUR/MWh

Books = tuple[Tensor, Tensor, Tensor]


def check_clearing(rule: Rule) -> None:
    """Check that a clearing rule keeps its contract, on random books with ties and empty slots.

    :raises AssertionError: with the clause that is broken and the first book that shows it
    """
    books = _random_books()
    before = tuple(x.clone() for x in books)
    cleared = rule(*books)
    assert all(map(torch.equal, books, before)), (
        "the rule wrote into its arguments; the same tensors are shared by other copies of a market"
    )
    _check_shapes(books, cleared)
    _check_volumes(books, cleared)
    _check_prices(books, cleared)
    _check_slot_order(rule, books, cleared)
    _check_batching(rule, books, cleared)


def _random_books() -> Books:
    """Books with repeated prices, empty slots, one-sided books and one without any order."""

    def draw(name: str) -> Tensor:
        return keyed.array((_BOOKS, _SLOTS), 0, "check_clearing", name)

    price = (draw("price") * 12).floor() * 5 - 10
    volume = ((draw("volume") - 0.5) * 200).round(decimals=1)
    volume = torch.where(draw("empty") < 0.2, 0.0, volume)
    one_sided = torch.stack((volume[0].abs(), -volume[1].abs(), torch.zeros_like(volume[2])))
    return price, torch.cat((one_sided, volume[3:])), draw("tie")


def _require(holds: Tensor, books: Books, message: str) -> None:
    """Every book holds, or the first that does not is shown; `holds` is `(book, ...)`."""
    broken = (~holds).reshape(_BOOKS, -1).any(-1).nonzero().flatten()
    if len(broken):
        orders = [x[broken[0]].tolist() for x in books]
        names = ("price", "volume", "tie")
        shown = "\n".join(f"  {n}: {x}" for n, x in zip(names, orders, strict=True))
        raise AssertionError(f"{message}; book:\n{shown}")


def _check_shapes(books: Books, cleared: Clearing) -> None:
    slots, zones = books[0].shape, (_BOOKS, cleared.price.shape[-1])
    for name, value in vars(cleared).items():
        expected = slots if name in ("accepted", "paid") else zones
        assert value.shape == expected, (
            f"`{name}` has shape {tuple(value.shape)}, expected {tuple(expected)}: leading axes "
            "first, then one entry per slot (accepted, paid) or zone"
        )
        assert value.dtype == torch.float64, (
            f"`{name}` is {value.dtype}; economics is float64, or rounding moves the price"
        )
        assert value.isfinite().all(), f"`{name}` holds NaN or infinity; where nothing trades use 0"


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


def _check_slot_order(rule: Rule, books: Books, cleared: Clearing) -> None:
    order = keyed.array((_SLOTS,), 0, "check_clearing", "order").argsort()
    shuffled = rule(*(x[:, order] for x in books))
    message = "the order of the slots decides; equal prices are for `tie` to order"
    same = (shuffled.accepted - cleared.accepted[:, order]).abs() < _TOLERANCE
    _require(same, books, message)
    _require((shuffled.price - cleared.price).abs() < _TOLERANCE, books, message)


def _check_batching(rule: Rule, books: Books, cleared: Clearing) -> None:
    _compare(rule(*(x[None] for x in books)), cleared, lambda x: x[0])
    for i in range(_BOOKS):
        _compare(rule(*(x[i] for x in books)), cleared, lambda x: x, i)


def _compare(
    other: Clearing, cleared: Clearing, unpack: Callable[[Tensor], Tensor], book: int | None = None
) -> None:
    for name, value in vars(cleared).items():
        expected = value if book is None else value[book]
        gap = (unpack(getattr(other, name)) - expected).abs().max()
        assert gap < _TOLERANCE, (
            f"`{name}` of a book depends on the books it is cleared with; leading axes are free, "
            "each book is an auction of its own"
        )
