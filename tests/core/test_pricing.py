from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch

from assume_rl import keyed
from assume_rl.core.clearing import (
    RULES,
    MarketSpec,
    Need,
    NoParams,
    Slots,
    pay_as_bid,
    pay_as_clear,
)
from assume_rl.core.clearing.merit_order import Match, MeritOrder, Prices, uniform
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.orders import Orders, unit_major
from assume_rl.testing import check_clearing, toy_market

# (supply, demand, price, accepted supply, accepted demand): docs/scenario-format.md, pay_as_clear
Side = list[tuple[float, float]]
BOOKS = [
    ([(100, 10), (100, 20), (100, 30)], [(150, 3000)], 20, [100, 50, 0], [150]),
    ([(100, 10), (100, 20)], [(250, 3000)], 20, [100, 100], [200]),
    ([(100, 10), (100, 20)], [(50, 25), (100, 15), (30, 5)], 10, [100, 0], [50, 50, 0]),
    ([(10, 50)], [(5, 40)], 0, [0], [0]),
    ([(100, 30)], [(80, 30)], 30, [80], [80]),
]


def clear(rule: str, supply: Side, demand: Side, **params: bool) -> Clearing:
    book = [(p, v) for v, p in supply] + [(p, -v) for v, p in demand]
    price, volume = torch.tensor(book, dtype=torch.float64).T[:, None]
    orders = unit_major(price, volume, len(book))
    setup = RULES[rule].setup(toy_market(RULES[rule], **params), Slots(node=orders.node))
    tie = torch.linspace(0, 0.9, len(book), dtype=torch.float64)[None]
    return RULES[rule].clear(orders, tie, setup)


@pytest.mark.parametrize("book", BOOKS)
def test_pay_as_clear_of_the_known_books(
    book: tuple[Side, Side, float, list[float], list[float]],
) -> None:
    supply, demand, price, sold, bought = book
    c = clear("pay_as_clear", supply, demand)
    assert c.accepted.tolist() == [[*sold, *(-v for v in bought)]]
    assert c.price.tolist() == [[price]]
    assert c.paid.tolist() == [[price] * len(c.zone)]
    assert set(c.zone.tolist()) == {0}
    assert c.supply_volume.item() == c.demand_volume.item() == sum(sold)


SCARCITY_PRICES = (20, 3000, 15, 0, 30)


@pytest.mark.parametrize(("book", "price"), list(zip(BOOKS, SCARCITY_PRICES, strict=True)))
def test_demand_that_buys_less_than_it_wants_sets_the_price_in_scarcity(
    book: tuple[Side, Side, float, list[float], list[float]], price: float
) -> None:
    supply, demand, _, sold, bought = book
    c = clear("pay_as_clear", supply, demand, scarcity_pricing=True)
    assert c.accepted.tolist() == [[*sold, *(-v for v in bought)]]
    assert c.price.tolist() == c.max_price.tolist() == [[price]]
    assert c.paid.tolist() == [[price] * len(c.zone)]


def test_demand_dearer_than_all_supply_but_wholly_served_sets_no_price() -> None:
    served = clear("pay_as_clear", [(100, 10)], [(60, 90), (40, 50)], scarcity_pricing=True)
    assert served.price.item() == 10
    refused = clear(
        "pay_as_clear", [(100, 10)], [(60, 90), (40, 50), (5, 45)], scarcity_pricing=True
    )
    assert refused.price.item() == 45


def test_in_scarcity_the_price_is_that_of_complex_clearing() -> None:
    pytest.importorskip("highspy")
    market = toy_market(pay_as_clear, scarcity_pricing=True)
    others = toy_market(RULES["complex_clearing"])
    price = keyed.array((200, 1, 8), 0, "price") * 100
    volume = (keyed.array((200, 1, 8), 0, "volume") - 0.4) * 50
    tie = keyed.array((200, 1, 8), 0, "tie")
    node = torch.zeros(8, dtype=torch.long)
    orders = Orders(price, volume, node, node)
    found, expected = (
        spec.clear(orders, tie, spec.rule.setup(spec, Slots(node))) for spec in (market, others)
    )
    torch.testing.assert_close(found.accepted, expected.accepted, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.price, expected.price, atol=1e-6, rtol=0)
    unlike = (
        found.price
        != toy_market(pay_as_clear)
        .clear(orders, tie, pay_as_clear.setup(toy_market(pay_as_clear), Slots(node)))
        .price
    )
    assert 0.2 < unlike.double().mean() < 0.8


@pytest.mark.parametrize(("rule", "lowest"), [("pay_as_clear", 20), ("pay_as_bid", 10)])
def test_price_range_is_what_accepted_supply_is_paid(rule: str, lowest: float) -> None:
    c = clear(rule, [(100, 10), (100, 20), (100, 30)], [(150, 3000)])
    assert (c.min_price.item(), c.max_price.item()) == (lowest, 20)


def test_nothing_trades_at_price_zero() -> None:
    nothing = clear("pay_as_bid", [(10, 50)], [(5, 40)])
    assert (nothing.min_price.item(), nothing.max_price.item(), nothing.price.item()) == (0, 0, 0)
    assert nothing.paid.tolist() == [[0, 0]]


def test_negative_prices_clear() -> None:
    c = clear("pay_as_clear", [(10, -50), (10, -20)], [(15, -10)])
    assert c.price.item() == -20


def test_pay_as_bid_pays_own_price_and_charges_the_last_match() -> None:
    # GIVEN 60 MW wanted at 90, then 60 MW at 80; supply 50@10, 50@20, 50@30
    c = clear("pay_as_bid", [(50, 10), (50, 20), (50, 30)], [(60, 90), (60, 80)])
    # THEN the first demand ends inside 20, the second inside 30
    assert c.accepted.tolist() == [[50, 50, 20, -60, -60]]
    assert c.paid.tolist() == [[10, 20, 30, 20, 30]]
    assert c.price.item() == pytest.approx((500 + 1000 + 600) / 120)


def test_pay_as_bid_demand_that_ends_with_an_order_pays_that_order() -> None:
    # GIVEN eight times 0.1 MW, which add up to a little less than 0.8 in floating point
    c = clear("pay_as_bid", [*((0.1, p) for p in range(8)), (5, 30)], [(0.8, 90), (1, 80)])
    assert c.paid[0].tolist()[-2:] == [7, 30]


def test_pay_as_bid_tells_rejected_orders_the_average() -> None:
    # GIVEN a supply order too dear and a demand order that is reached but finds no match
    c = clear("pay_as_bid", [(50, 10), (50, 20), (50, 70)], [(100, 90), (10, 60)])
    assert c.accepted.tolist() == [[50, 50, 0, -100, 0]]
    assert c.paid.tolist() == [[10, 20, 15, 20, 15]]


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_keeps_the_contract(rule: str) -> None:
    check_clearing(RULES[rule])


def test_scarcity_pricing_keeps_the_contract() -> None:
    check_clearing(pay_as_clear, scarcity_pricing=True)


def test_contract_catches_a_rule_that_pays_too_little() -> None:
    def half_price(matched: Match) -> Prices:
        return replace(uniform(matched), paid=uniform(matched).paid / 2)

    with pytest.raises(AssertionError, match="earns less than it asked"):
        check_clearing(MeritOrder("half_price", half_price))


@dataclass(frozen=True)
class Broken:
    """Pay-as-bid with a fault, which `clear` of the cases below has."""

    fault: Callable[[Orders, torch.Tensor], tuple[Orders, torch.Tensor]]
    name: str = "broken"
    Params: type[NoParams] = NoParams
    couples_products: bool = False
    needs: frozenset[Need] = frozenset()
    batched: bool = True

    def setup(self, spec: MarketSpec[NoParams], slots: Slots) -> torch.Tensor:
        return pay_as_bid.setup(spec, slots)

    def clear(self, orders: Orders, tie: torch.Tensor, setup: torch.Tensor) -> Clearing:
        return pay_as_bid.clear(*self.fault(orders, tie), setup)


def first_come(orders: Orders, tie: torch.Tensor) -> tuple[Orders, torch.Tensor]:
    first = torch.linspace(0, 0.9, tie.shape[-1], dtype=torch.float64)
    return orders, first.expand_as(tie)


def one_ladder(orders: Orders, tie: torch.Tensor) -> tuple[Orders, torch.Tensor]:
    """Orders of a product go only where the products before left none in their slot."""
    earlier = (orders.volume != 0).cumsum(-2) - (orders.volume != 0).int()
    return replace(orders, volume=torch.where(earlier > 0, 0.0, orders.volume)), tie


def cheapest_year(orders: Orders, tie: torch.Tensor) -> tuple[Orders, torch.Tensor]:
    """Supply dearer than the mean of all books goes nowhere."""
    dear = (orders.volume > 0) & (orders.price > orders.price.mean())
    return replace(orders, volume=torch.where(dear, 0.0, orders.volume)), tie


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (first_come, "order of the slots"),
        (one_ladder, "does not couple them"),
        (cheapest_year, "books it is cleared with"),
    ],
)
def test_contract_catches_a_broken_rule(
    fault: Callable[[Orders, torch.Tensor], tuple[Orders, torch.Tensor]], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        check_clearing(Broken(fault))


def test_a_rule_for_single_auctions_is_checked_one_by_one() -> None:
    check_clearing(replace(Broken(lambda orders, tie: (orders, tie)), batched=False))
    with pytest.raises(AssertionError, match="order of the slots"):
        check_clearing(replace(Broken(first_come), batched=False))


def test_neighbours_in_the_book_get_their_part_of_the_prices_of_slots() -> None:
    one = clear("pay_as_clear", [(100, 10), (100, 20)], [(150, 3000)])
    other = {
        name: torch.cat([getattr(one, name), getattr(one, name) + 1], dim=-1)
        for name in ("price", "supply_volume", "demand_volume", "min_price", "max_price")
    }
    two = replace(one, zone=torch.tensor([0, 1, 1]), zones=("south", "north"), **other)
    for clearing in (one, two):
        parts = clearing.prices_of([2, 1])
        assert [part.shape[-1] for part in parts] == [2, 1]
        assert torch.cat(list(parts), dim=-1).equal(clearing.price_of_slots)
    assert two.prices_of([2, 1])[0].tolist() == [[20.0, 21.0]]
