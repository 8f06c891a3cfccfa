import numpy as np
import pytest
from books import Book, books
from hypothesis import given
from libraries import Later

from assume_rl.core.clearing import RULES

# Makes equal prices trade without changing any other decision: prices are multiples of 1/4.
EAGERNESS = 1e-3


def optimum(book: Book) -> np.ndarray:
    """Accepted volumes (MW, signed) that maximise welfare, and the volume among those."""
    price, volume = np.array(book.price), np.array(book.volume)
    cost = np.where(volume > 0, price, price + EAGERNESS)
    bounds = [(min(0, v), max(0, v)) for v in volume]
    balance = np.ones((1, len(volume)))
    solved = Later("scipy.optimize").linprog(
        cost, A_eq=balance, b_eq=[0], bounds=bounds, method="highs"
    )
    assert solved.success, solved.message
    return np.asarray(solved.x)


def by_price(book: Book, accepted: np.ndarray) -> list[float]:
    """Accepted MW of each side at each price: who of equals trades is not the LP's to say."""
    price, sells = np.array(book.price), np.array(book.volume) > 0
    return [
        accepted[(price == p) & side].sum() for p in set(book.price) for side in (sells, ~sells)
    ]


@pytest.mark.parametrize("rule", sorted(RULES))
@given(book=books())
def test_volumes_and_welfare_are_optimal(rule: str, book: Book) -> None:
    best, cleared = optimum(book), book.clear(rule)
    accepted = cleared.accepted.numpy()
    assert -accepted @ book.price == pytest.approx(-best @ book.price, abs=1e-6)
    assert cleared.supply_volume.item() == pytest.approx(best.clip(min=0).sum(), abs=1e-6)
    assert by_price(book, accepted) == pytest.approx(by_price(book, best), abs=1e-6)


@given(book=books())
def test_price_is_the_highest_accepted_supply_bid(book: Book) -> None:
    best = optimum(book)
    highest = max((p for p, x in zip(book.price, best, strict=True) if x > 1e-6), default=0.0)
    cleared = book.clear("pay_as_clear")
    assert cleared.price.item() == highest
    assert book.clear("pay_as_bid").max_price.item() == highest
