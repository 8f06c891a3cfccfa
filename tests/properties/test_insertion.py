"""Own orders inserted into a sorted book clear as the whole book does, rung by rung."""

import pytest
import torch
from books import RESULTS, Book, books, prices, quarters
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_clearing import loop_clearing

from assume_rl import keyed
from assume_rl.core import reward_curve as module
from assume_rl.core.clearing import RULES
from assume_rl.core.clearing.insertion import can_insert, decisive_prices
from assume_rl.core.reward_curve import book_of_one_product, books_of, clear_rungs
from assume_rl.testing import toy_market

pytestmark = pytest.mark.unchecked  # other tests check the same functions' shapes

rules = pytest.mark.parametrize("rule", ["pay_as_bid", "pay_as_clear"])


@rules
@given(others=books(), data=st.data())
def test_equals_the_loop(rule: str, others: Book, data: st.DataObject) -> None:
    """Own orders come first in the book, and lose ties."""
    own = data.draw(st.integers(1, 3))
    rungs = data.draw(st.lists(own_orders(own), min_size=1, max_size=3))
    empty = [0.0] * own
    price, volume = (
        torch.tensor([empty + column], dtype=torch.float64)
        for column in (others.price, others.volume)
    )
    book = book_of_one_product(toy_market(RULES[rule]), price, volume, torch.arange(own))
    tried = torch.tensor(rungs, dtype=torch.float64)[None, :, None]  # (auction rung product own 2)
    cleared = clear_rungs(book, tried[..., 0], tried[..., 1])
    for rung, orders in enumerate(rungs):
        bids, sizes = (list(column) for column in zip(*orders, strict=True))
        tie = [(0.25 if size < 0 else 0.75) + 0.001 * i for i, size in enumerate(sizes)]
        accepted, paid, published = loop_clearing(
            rule, bids + others.price, sizes + others.volume, tie + [0.5] * len(others.price)
        )
        assert cleared.accepted[0, rung, 0].tolist() == accepted[:own]
        assert cleared.paid[0, rung, 0].tolist() == pytest.approx(paid[:own], abs=1e-9)
        assert cleared.price[0, rung, 0].item() == pytest.approx(published, abs=1e-9)
        traded = sum(volume for volume in accepted if volume > 0)
        assert cleared.supply_volume[0, rung, 0].item() == traded


@settings(deadline=None)
@given(others=books(), bids=st.lists(prices, min_size=1, max_size=8), size=quarters)
def test_beyond_decisive_prices_it_does_not_matter_what_is_asked(
    others: Book, bids: list[float], size: float
) -> None:
    """All is sold at one price at the lower one and below, nothing at the higher and above."""
    price, volume = (
        torch.tensor([[0.0, *column]], dtype=torch.float64)
        for column in (others.price, others.volume)
    )
    market = toy_market(RULES["pay_as_clear"])
    book = book_of_one_product(market, price, volume, torch.arange(1))
    offered = torch.tensor([[abs(size)]], dtype=torch.float64)
    low, high = (float(end) for end in decisive_prices(book.others, offered))
    ends = [end for end in (low, high) if market.min_price <= end <= market.max_price]
    asked = torch.tensor([[*bids, *ends]], dtype=torch.float64)[..., None, None]
    sold = clear_rungs(book, asked, torch.full_like(asked, abs(size)))
    below, above = asked.flatten() <= low, asked.flatten() >= high
    assert (sold.accepted[0, below] == abs(size)).all()
    assert len(set(sold.price[0, below].flatten().tolist())) <= 1
    assert (sold.accepted[0, above] == 0).all()


def own_orders(count: int) -> st.SearchStrategy[list[tuple[float, float]]]:
    """(price, volume) of each own order."""
    return st.lists(st.tuples(prices, quarters), min_size=count, max_size=count)


@rules
@pytest.mark.parametrize("distance", [None, 10.0])
@pytest.mark.parametrize("slots", [3, 40])
def test_equals_clearing_anew(
    rule: str, distance: float | None, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many auctions; prices at a distance are often equal."""
    copies, rungs = 200, 9
    own = torch.tensor([0, 2] if distance is None else [2])  # of own ties nothing is said

    def drawn(shape: tuple[int, ...], name: str) -> tuple[torch.Tensor, torch.Tensor]:
        price, volume = (keyed.array((*shape, 2), 0, name, slots) * 100).unbind(-1)
        if distance is not None:
            price = (price / distance).round() * distance
        return price, torch.where(volume < 10, 0.0, volume - 55)

    market = toy_market(RULES[rule])
    book = book_of_one_product(market, *drawn((copies, slots), "book"), own)
    price, volume = drawn((copies, rungs, 1, len(own)), "rungs")
    fast = clear_rungs(book, price, volume)
    monkeypatch.setattr(module, "can_insert", lambda rule: False)
    whole = clear_rungs(book, price, volume)
    for name in RESULTS:
        torch.testing.assert_close(
            getattr(fast, name), getattr(whole, name), rtol=1e-9, atol=1e-9, msg=name
        )


@rules
@settings(deadline=None)
@given(book=books(slots=6), data=st.data())
def test_a_book_that_was_sorted_once_is_that_of_each_bidder(
    rule: str, book: Book, data: st.DataObject
) -> None:
    """Prices are often equal, and bidders sell and buy."""
    price, volume, _ = book.tensors()
    alone = book_of_one_product(toy_market(RULES[rule]), price, volume, torch.arange(2))
    rungs = torch.tensor(data.draw(st.lists(own_orders(2), min_size=1, max_size=3))).double()
    tried = rungs[:, None]  # (rung product own 2)
    own = torch.arange(6).view(3, 2)
    for shared in books_of(alone.market, alone.setup, alone.orders, own):
        one = book_of_one_product(alone.market, price, volume, shared.own)
        found = clear_rungs(shared, tried[..., 0], tried[..., 1])
        expected = clear_rungs(one, tried[..., 0], tried[..., 1])
        for name in RESULTS:
            assert torch.equal(getattr(found, name), getattr(expected, name)), name


@rules
def test_the_rules_of_the_package_are_fast(rule: str) -> None:
    assert can_insert(toy_market(RULES[rule]))
