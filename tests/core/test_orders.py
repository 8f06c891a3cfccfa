from dataclasses import replace

import pytest
import torch
from torch import Tensor

from assume_rl.core.clearing import pay_as_clear
from assume_rl.core.orders import (
    BlockTerms,
    Orders,
    auction_of,
    beside,
    fault_of,
    is_finite,
    join,
    no_terms,
    products_of,
    repeated,
    select,
    split,
    unit_major,
)
from assume_rl.testing import toy_market

NODES = torch.tensor([7, 8, 9])
ONES = torch.ones(2, dtype=torch.float64)


def leads(*slots: int) -> Tensor:
    return torch.tensor(slots, dtype=torch.int64)


def blocks(*parents: int, group: tuple[int, ...] | None = None) -> BlockTerms:
    share = torch.linspace(0, 1, len(parents), dtype=torch.float64)
    plain = no_terms(len(parents))
    block = torch.ones_like(plain.block)
    own = replace(plain, block=block, min_acceptance=share, parent=leads(*parents))
    return own if group is None else replace(own, group=leads(*group))


def complex_order(*offer: int, cost: float = 500.0) -> BlockTerms:
    plain = no_terms(len(offer))
    fixed = torch.tensor([cost if lead == slot else 0.0 for slot, lead in enumerate(offer)])
    return replace(plain, offer=leads(*offer), fixed_cost=fixed.double())


def book(*price: float, units: int = 1, terms: BlockTerms | None = None) -> Orders:
    """Two products: the second is asked 100 EUR/MWh more for."""
    table = torch.tensor([price, [p + 100 for p in price]], dtype=torch.float64)
    return unit_major(table, table / 10, units, terms)


def test_slots_of_a_unit_are_side_by_side() -> None:
    made = book(1, 2, 3, 4, units=2)
    assert made.unit.tolist() == [0, 0, 1, 1]
    assert made.node.tolist() == [0, 0, 0, 0]
    assert made.terms is None


def test_joined_orders_know_their_unit_and_node() -> None:
    joined = join([book(1, 2), book(3)], [leads(2), leads(0)], NODES)
    assert joined.price.tolist() == [[1, 2, 3], [101, 102, 103]]
    assert joined.unit.tolist() == [2, 2, 0]
    assert joined.node.tolist() == [9, 9, 7]
    alone = join([book(1, 2, units=2)], [leads(1, 2)], NODES)
    assert (alone.unit.tolist(), alone.node.tolist()) == ([1, 2], [8, 9])


def test_terms_lead_to_the_same_orders_once_joined() -> None:
    chained = book(3, 4, 5, terms=blocks(-1, 0, 1, group=(0, 0, -1)))
    joined = beside([book(1, 2), chained], leads(0, 0, 1, 1, 1), leads(0, 0, 0, 0, 0))
    assert joined.terms is not None
    assert joined.terms.parent.tolist() == [-1, -1, -1, 2, 3]
    assert joined.terms.group.tolist() == [-1, -1, 2, 2, -1]
    assert joined.terms.min_acceptance.tolist() == [0, 0, 0, 0.5, 1]


def test_splitting_undoes_joining() -> None:
    parts = [book(1, 2), book(3, 4, 5, terms=blocks(-1, 0, 1, group=(0, 0, -1)))]
    joined = join(parts, [leads(0), leads(1)], NODES)
    for part, found in zip(parts, split(joined, (2, 3)), strict=True):
        assert torch.equal(found.price, part.price)
        assert torch.equal(found.volume, part.volume)
        if part.terms is not None:
            assert found.terms is not None
            assert found.terms.parent.tolist() == part.terms.parent.tolist()
            assert found.terms.group.tolist() == part.terms.group.tolist()


def test_selected_orders_lose_terms_that_lead_elsewhere() -> None:
    chained = book(3, 4, 5, terms=blocks(-1, 0, 1, group=(0, 0, 0)))
    chosen = select(chained, leads(2, 1))
    assert chosen.price[0].tolist() == [5, 4]
    assert chosen.terms is not None
    assert chosen.terms.parent.tolist() == [1, -1]
    assert chosen.terms.group.tolist() == [0, 0]
    assert chosen.terms.min_acceptance.tolist() == [1, 0.5]


def test_a_complex_order_keeps_its_fixed_cost_without_its_first_slot() -> None:
    orders = book(3, 4, 5, terms=complex_order(0, 0, -1))
    joined = beside([book(1), orders], leads(0, 1, 1, 1), leads(0, 0, 0, 0))
    assert joined.terms is not None
    assert joined.terms.offer.tolist() == [-1, 1, 1, -1]
    assert joined.terms.fixed_cost.tolist() == [0, 500, 0, 0]
    chosen = select(orders, leads(2, 1))
    assert chosen.terms is not None
    assert chosen.terms.offer.tolist() == [-1, 1]
    assert chosen.terms.fixed_cost.tolist() == [0, 500]


def test_products_and_auctions_are_selected() -> None:
    made = book(1, 2)
    assert products_of(made, slice(1, 2)).price.tolist() == [[101, 102]]
    copies = repeated(made, 3)
    assert copies.price.shape == (3, 2, 2)
    assert auction_of(copies, 2).price.tolist() == made.price.tolist()


def test_limits_cut_prices_and_both_signs_of_volume() -> None:
    made = unit_major(torch.tensor([[5000.0, -900, 20]]), torch.tensor([[10.0, -700, 600]]), 3)
    market = replace(toy_market(pay_as_clear), min_price=-500.0, max_price=3000.0, max_volume=500.0)
    cut = market.limited(made)
    assert cut.price.tolist() == [[3000, -500, 20]]
    assert cut.volume.tolist() == [[10, -500, 500]]
    assert cut.unit is made.unit


@pytest.mark.parametrize(
    ("orders", "fault"),
    [
        (book(1, 2), None),
        (book(1, 2, terms=blocks(-1, 0)), None),
        (book(1, 2, terms=blocks(-1, 2)), "slot 1 has a parent that is none of the 2 slots"),
        (book(1, 2, terms=blocks(-1, 0, 1)), "terms differ in shape"),
        (book(1, 2, 3, terms=blocks(-1, 2, 1)), "slot 1 is on a cycle of links"),
        (book(1, 2, 3, terms=blocks(1, 1, -1)), "slot 1 is on a cycle of links"),
        (book(1, 2, terms=replace(blocks(-1, 0), block=no_terms(2).block)), "that is no block"),
        (book(1, 2, terms=replace(complex_order(0, 0), group=leads(-1, 1))), "but no block"),
        (book(1, 2, terms=replace(blocks(-1, -1), min_acceptance=1.5 * ONES)), "not in [0, 1]"),
        (book(1, 2, terms=complex_order(0, 0, cost=float("nan"))), "slot 0 has a fixed cost"),
        (
            book(1, 2, terms=complex_order(0, 0, cost=-1.0)),
            "slot 0 has a fixed cost that is negative",
        ),
        (book(1, 2, 3, terms=complex_order(-1, 2, 1)), "slot 1 has an offer whose first slot"),
        (book(1, 2, terms=replace(blocks(-1, -1), group=leads(-1, 0))), "slot 1 has a group whose"),
        (repeated(book(1, 2), 1), "price, volume and unit differ"),
        (products_of(book(1, 2), slice(1)), "1 products with 2 orders each, the auction has 2"),
        (select(book(1, 2), leads()), "2 products with 0 orders each"),
        (book(1, 2, units=2), "none of the 1 registered units"),
    ],
)
def test_orders_that_cannot_stand_beside_others_are_found(orders: Orders, fault: str) -> None:
    found = fault_of(orders, 2, 1)
    assert found is None if fault is None else fault in str(found)


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_found(odd: float) -> None:
    huge = book(1e308, 1e308)
    assert is_finite(huge)
    assert not is_finite(book(1, odd))
    assert not is_finite(replace(huge, volume=book(1, odd).price))
