import pytest
import torch
from books import Book, books, clear, prices, quarters
from hypothesis import given
from hypothesis import strategies as st
from loop_clearing import loop_clearing

from assume_rl.core.clearing import RULES

pytestmark = pytest.mark.unchecked  # other tests check the same functions' shapes

rules = pytest.mark.parametrize("rule", sorted(RULES))


@pytest.mark.parametrize("rule", ["pay_as_bid", "pay_as_clear"])
@given(book=books())
def test_equals_the_loop(rule: str, book: Book) -> None:
    accepted, paid, published = loop_clearing(rule, book.price, book.volume, book.tie)
    cleared = book.clear(rule)
    assert cleared.accepted.tolist() == accepted
    assert cleared.paid.tolist() == pytest.approx(paid, abs=1e-9)
    assert cleared.price.item() == pytest.approx(published, abs=1e-9)


@rules
@given(book=books())
def test_accepted_volumes_balance(rule: str, book: Book) -> None:
    cleared = book.clear(rule)
    assert cleared.accepted.sum().item() == 0
    assert cleared.supply_volume.item() == cleared.accepted.clamp(min=0).sum().item()
    assert cleared.demand_volume.item() == -cleared.accepted.clamp(max=0).sum().item()


@rules
@given(book=books())
def test_each_order_stays_within_its_bid(rule: str, book: Book) -> None:
    for accepted, volume in zip(book.clear(rule).accepted.tolist(), book.volume, strict=True):
        assert min(0, volume) <= accepted <= max(0, volume)


@rules
@given(book=books())
def test_nobody_pays_more_or_earns_less_than_bid(rule: str, book: Book) -> None:
    cleared = book.clear(rule)
    results = zip(cleared.accepted.tolist(), cleared.paid.tolist(), book.price, strict=True)
    for accepted, paid, price in results:
        assert accepted == 0 or (paid - price) * accepted >= 0


@rules
@given(book=books(), data=st.data())
def test_order_of_bids_does_not_matter(rule: str, book: Book, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(book.price))))
    straight, shuffled = book.clear(rule), book.shuffled(order).clear(rule)
    assert torch.equal(straight.accepted[order], shuffled.accepted)
    assert torch.equal(straight.paid[order], shuffled.paid)
    assert torch.equal(straight.price, shuffled.price)


@rules
@given(book=books(), price=prices)
def test_empty_slots_do_not_matter(rule: str, book: Book, price: float) -> None:
    bare, padded = book.clear(rule), book.plus(price, 0.0).clear(rule)
    assert padded.accepted.tolist() == [*bare.accepted.tolist(), 0]
    assert torch.equal(padded.price, bare.price)


@rules
@given(book=books(), offer=st.tuples(prices, quarters.map(abs)))
def test_more_supply_never_raises_the_price(
    rule: str, book: Book, offer: tuple[float, float]
) -> None:
    # GIVEN demand that pays any price and is fully served
    inelastic = [p if v > 0 else 3000.0 for p, v in zip(book.price, book.volume, strict=True)]
    wanted = sum(-v for v in book.volume if v < 0)
    served = Book(inelastic, book.volume, book.tie).plus(100.0, wanted)
    # WHEN somebody offers more, THEN the price does not rise
    before, after = served.clear(rule), served.plus(*offer, tie=0.5).clear(rule)
    assert before.demand_volume.item() == after.demand_volume.item() == wanted
    assert after.price.item() <= before.price.item() + 1e-9


@rules
@given(batch=st.lists(books(slots=6), min_size=1, max_size=5))
def test_batch_equals_stacked_singles(rule: str, batch: list[Book]) -> None:
    columns = zip(*(book.tensors() for book in batch), strict=True)
    together = clear(rule, *(torch.stack(column) for column in columns))
    for i, book in enumerate(batch):
        for name, value in vars(book.clear(rule)).items():
            assert torch.equal(getattr(together, name)[i], value), name
