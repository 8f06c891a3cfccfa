"""Complex clearing on random small books, against what is worked out in other ways."""

from functools import cache

import numpy as np
import pytest
import torch
from coupled_books import TOLERANCE, Coupled, drawn

from assume_rl.core.clearing import complex_clearing
from assume_rl.core.clearing.complex.book import Book, read
from assume_rl.core.clearing.complex.highs import Solver
from assume_rl.core.clearing.complex.prices import traded
from assume_rl.core.clearing.complex.program import decide, none_removed
from assume_rl.core.clearing.complex.rule import Setup, cleared
from assume_rl.core.clearing.rule import Clearing

pytestmark = pytest.mark.unchecked

LIMITS = (-500.0, 3000.0)
FEW = range(12)
MANY = [*range(25), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(25, 400))]


@cache
def solver() -> Solver:
    return Solver()


def as_read(drawn_book: Coupled) -> Book:
    return read(drawn_book.orders, drawn_book.tie, drawn_book.grid)


def clear(book: Coupled, *, as_bid: bool = False, limits: tuple[float, float] = LIMITS) -> Clearing:
    setup = Setup(book.grid, book.grid.of_slots(book.orders.node), limits, as_bid, True, solver())
    return complex_clearing.clear(book.orders, book.tie, setup)


def welfare(book: Coupled, accepted: torch.Tensor) -> float:
    """What demand would pay less what supply asks, complex orders' fixed costs included."""
    terms = book.terms
    own = -float((book.orders.price * accepted).sum())
    for lead in terms.offer.unique():
        if lead >= 0 and accepted[:, terms.offer == lead].abs().sum() > TOLERANCE:
            own -= float(terms.fixed_cost[lead])
    return own


def best_decision(book: Coupled) -> float:
    """Welfare of the decision that the rule begins with."""
    made = as_read(book)
    removed = none_removed(made)
    decision = decide(made, removed, solver())
    filled = traded(made, decision, removed)
    cost = made.simple.price @ filled.accepted + decision.blocks @ made.blocks.cost
    return -float(cost + decision.offers @ made.fixed_cost)


@pytest.mark.parametrize("seed", FEW)
def test_the_first_decision_is_the_best_of_all_patterns(seed: int) -> None:
    book = drawn(seed, products=2, slots=6)
    shares = book.program()
    if shares.whole.sum() > 9:
        pytest.skip("too many patterns")
    assert best_decision(book) == pytest.approx(shares.tried(), abs=TOLERANCE * 10)


@pytest.mark.parametrize("seed", FEW)
def test_the_first_decision_is_that_of_another_formulation(seed: int) -> None:
    book = drawn(1000 + seed, products=4, slots=14)
    shares = book.program()
    found = best_decision(book)
    assert found == pytest.approx(shares.best(), rel=2e-6, abs=1e-4)
    assert found <= shares.relaxed() + 1e-4


@pytest.mark.parametrize("seed", MANY)
def test_nobody_loses_and_all_conditions_hold(seed: int) -> None:
    book = drawn(2000 + seed, products=3, slots=12)
    found = clear(book)
    assert_balanced(book, found)
    assert_conditions(book, found)
    assert_no_loss(book, found)
    assert_content(book, found)
    assert welfare(book, found.accepted) <= book.program().relaxed() + 1e-4


@pytest.mark.parametrize("seed", [50220, *MANY[18:]])
def test_binding_limits_of_prices_leave_nobody_with_a_loss(seed: int) -> None:
    book = drawn(seed, products=4, slots=16)
    limits = float(book.orders.price.min()), float(book.orders.price.max())
    found = clear(book, limits=limits)
    assert_balanced(book, found)
    assert_conditions(book, found)
    assert_no_loss(book, found)
    assert_content(book, found)
    trades = found.supply_volume + found.demand_volume > 0
    assert (found.price[trades] >= limits[0]).all()
    assert (found.price[trades] <= limits[1]).all()


def assert_balanced(book: Coupled, found: Clearing) -> None:
    """Energy and money, the latter but for what lines earn."""
    zones = len(book.grid.zones)
    net = torch.zeros(found.accepted.shape[0], zones, dtype=torch.float64)
    net = net.index_add(1, found.zone, found.accepted)
    rent = 0.0
    for i, line in enumerate(book.grid.lines):
        assert found.flows is not None
        flow = found.flows[:, i]
        assert (flow.abs() <= line.capacity + TOLERANCE).all()
        net[:, line.start] -= flow
        net[:, line.stop] += flow
        own = (flow * (found.price[:, line.stop] - found.price[:, line.start])).sum()
        assert own > -TOLERANCE
        rent += float(own)
    assert net.abs().max() < TOLERANCE
    money = float((found.paid * found.accepted).sum())
    assert money == pytest.approx(-rent, abs=1e-4)


def assert_conditions(book: Coupled, found: Clearing) -> None:
    terms, volume = book.terms, book.orders.volume
    share = torch.where(volume != 0, found.accepted / volume, torch.nan)
    assert not (share < 0).any()
    assert not (share > 1 + 1e-9).any()
    by_slot = share.nanmean(0)
    for slot in range(len(terms.block)):
        own = share[:, slot][~share[:, slot].isnan()]
        least, parent = float(terms.min_acceptance[slot]), int(terms.parent[slot])
        if not len(own):
            continue
        if terms.block[slot]:
            assert float(own.max() - own.min()) < 1e-9
        if terms.offer[slot] < 0:
            assert ((own == 0) | (own >= least - 1e-9)).all()
        if parent >= 0 and not by_slot[parent].isnan():
            assert (own <= by_slot[parent] + 1e-7).all()
    for lead in terms.group.unique():
        if lead >= 0:
            assert by_slot[terms.group == lead].nan_to_num().sum() <= 1 + 1e-7
    for lead in terms.offer.unique():
        if lead < 0:
            continue
        own = share[:, terms.offer == lead]
        least = terms.min_acceptance[terms.offer == lead].expand(own.shape)
        if own.nan_to_num().sum() > 1e-7:
            assert not (own < least - 1e-7).any()


def assert_no_loss(book: Coupled, found: Clearing) -> None:
    """No paradoxically accepted order is left; parents may live on what their children earn."""
    terms, accepted = book.terms, found.accepted
    gain = ((found.paid - book.orders.price) * accepted).sum(0)
    small = 1e-5 * (1 + book.orders.volume.abs().sum(0))
    family = gain.clone()
    for slot in reversed(range(len(gain))):  # children come after their parents
        parent = int(terms.parent[slot])
        if parent >= 0:
            family[parent] += family[slot].clamp(min=0)
    alone = terms.offer < 0
    assert (family[alone] >= -small[alone]).all()
    for lead in terms.offer.unique():
        own = terms.offer == lead
        if lead >= 0 and accepted[:, own].abs().sum() > TOLERANCE:
            assert gain[own].sum() >= terms.fixed_cost[lead] - small[own].sum()


def assert_content(book: Coupled, found: Clearing) -> None:
    """Every order that stands alone trades what it wants at the price of its zone."""
    terms, price, volume = book.terms, book.orders.price, book.orders.volume
    alone = ~terms.block & (terms.parent < 0) & (terms.offer < 0) & (terms.min_acceptance == 0)
    gain = (found.price_of_slots - price) * volume.sign()
    wants, refuses = gain > 1e-6, gain < -1e-6
    own = alone.expand(price.shape) & (volume != 0) & (found.price_of_slots != 0)
    assert torch.equal(found.accepted[own & wants], volume[own & wants])
    assert (found.accepted[own & refuses] == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_as_bid_everybody_is_paid_what_is_asked(seed: int) -> None:
    book = drawn(seed, slots=10)
    by_price, as_bid = clear(book), clear(book, as_bid=True)
    assert torch.equal(as_bid.accepted, by_price.accepted)
    assert torch.equal(as_bid.price, by_price.price)
    trades = as_bid.accepted != 0
    assert torch.equal(as_bid.paid[trades], book.orders.price[trades])
    assert torch.equal(as_bid.paid[~trades], by_price.paid[~trades])


def test_a_long_ladder_is_seen_in_part_only_and_gives_the_same() -> None:
    """Hundreds of steps per cell: the solver sees a window, whose tails change nothing."""
    for seed in range(2):
        book = drawn(seed, products=2, slots=700, parts=("least", "zones"))
        some = torch.arange(700) % 70 == 0
        least = torch.where(some, book.terms.min_acceptance, 0.0)
        volume = torch.where(some, 40 * book.orders.volume, book.orders.volume)
        terms = {**vars(book.terms), "min_acceptance": least, "block": some}
        orders = type(book.orders)(
            book.orders.price, volume, book.orders.unit, book.orders.node, type(book.terms)(**terms)
        )
        long = Coupled(orders, book.tie, book.grid)
        assert best_decision(long) == pytest.approx(long.program().best(), rel=2e-6)
        found = clear(long)
        assert_balanced(long, found)
        assert_no_loss(long, found)
        assert_content(long, found)


def test_phases_agree_with_the_whole() -> None:
    book = drawn(7)
    made = as_read(book)
    found = cleared(made, LIMITS, solver())
    flat = np.zeros(book.orders.volume.numel())
    flat[made.simple.place] = found.simple
    whole = clear(book).accepted.clone()
    whole[:, book.terms.block] = 0
    np.testing.assert_array_equal(flat, whole.numpy().ravel())
