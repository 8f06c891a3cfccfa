"""A reward curve is what other orders would have brought, worked out one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core import decisive
from assume_rl.core import reward_curve as module
from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import Context, Ladder, LearnedBidder
from assume_rl.core.clearing import MarketSpec, NoParams, Rule, pay_as_bid, pay_as_clear
from assume_rl.core.clearing.insertion import can_insert
from assume_rl.core.clearing.rule import PER_ORDER, PER_ZONE, Clearing, Need, Slots
from assume_rl.core.money import Reward
from assume_rl.core.orders import Orders, beside, join
from assume_rl.core.reward_curve import (
    OwnBook,
    Tried,
    aggregated,
    book_among,
    book_of_one_product,
    clear_rungs,
    ladder_curve,
    observed_next,
    on_each_rung,
    products_apart,
    reward_curve,
    rung_orders,
    twins,
)
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, begin, look, moved_to, settle
from assume_rl.core.units.fleet import Fleet, Profiles, members
from assume_rl.testing import TOYS, toy_fleet, toy_market

COPIES, RUNGS, RIVALS, PLAYED = 2, 5, 8, 3
CONTEXT = Context(max_bid_price=100.0, products=2, step_hours=1.0)
PLANT = "powerplant_energy_learning"
NEXT = Auction("EOM", 4, 5, 6, (6, 7), (1, 1))
"""After that of a `Case`; deliveries are counted from where it opens."""


def draw(shape: tuple[int, ...], *purpose: object) -> Tensor:
    return keyed.array(shape, 0, "test_reward_curve", *purpose)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True)
class OneByOne:
    """A rule that takes no leading axes, and counts the auctions it has cleared."""

    inner: Rule[Any, Any] = pay_as_clear
    name: str = "one_by_one"
    Params: type[NoParams] = NoParams
    couples_products: bool = False
    needs: frozenset[Need] = frozenset()
    batched: bool = False

    def setup(self, spec: MarketSpec[Any], slots: Slots) -> Any:
        return self.inner.setup(spec, slots)

    def clear(self, orders: Orders, tie: Tensor, setup: Any) -> Clearing:
        assert orders.price.ndim == tie.ndim == 2
        return self.inner.clear(orders, tie, setup)


@dataclass(frozen=True)
class Islands(OneByOne):
    """A rule with two zones that trade apart, one node in each."""

    name: str = "islands"
    batched: bool = True

    def setup(self, spec: MarketSpec[Any], slots: Slots) -> Any:
        return slots.node, self.inner.setup(spec, slots)

    def clear(self, orders: Orders, tie: Tensor, setup: Any) -> Clearing:
        node, one = setup
        parts = [
            self.inner.clear(
                replace(orders, volume=torch.where(node == zone, orders.volume, 0.0)), tie, one
            )
            for zone in (0, 1)
        ]
        zoned = {name: torch.cat([getattr(part, name) for part in parts], -1) for name in PER_ZONE}
        accepted, paid = (
            torch.where(node == 0, *(getattr(part, name) for part in parts))
            for name in ("accepted", "paid")
        )
        return Clearing(accepted, paid, **zoned, zone=node, zones=("south", "north"))


@dataclass(frozen=True)
class Case:
    """An auction of two products that a team bids in, among rivals, after it has traded before."""

    portfolio: Portfolio
    team: Team
    market: MarketSpec[Any]
    opened: Position
    auction: Auction
    action: Tensor  # (copy unit act)

    def book_of(self, orders: Orders) -> Orders:
        """Return the team's orders and those of rivals, within the limits of the market."""
        shape = (COPIES, 2, RIVALS)
        volume = (draw(shape, "rival") - 0.4) * 80
        nowhere = torch.zeros(RIVALS, dtype=torch.long)
        rivals = Orders(draw(shape, "price") * 100, volume, nowhere, nowhere)
        unit = torch.cat([orders.unit, nowhere])
        node = torch.cat([orders.unit, torch.arange(RIVALS)]) % 2
        joined = beside([orders, rivals], unit, node)
        return self.market.limited(joined)

    def played(self, action: Tensor, tie: Tensor) -> Reward:
        """Return what an action brings the team, with the functions that both shells call."""
        return self.followed(action, tie)[0]

    def followed(self, action: Tensor, tie: Tensor) -> tuple[Reward, Tensor]:
        """Return the same, and what the team observes next."""
        orders = self.team.orders(
            look(self.portfolio, self.opened, self.auction, self.team), action
        )
        book = self.book_of(orders)
        setup = self.market.rule.setup(self.market, Slots(book.node))
        cleared = self.market.clear(book, tie, setup)
        own = slice(0, orders.price.shape[-1])
        orders = join([orders], [self.team.members.units.index], self.portfolio.fleet.node)
        result = Result(
            self.auction, orders, cleared.accepted[..., own], cleared.paid[..., own],
            cleared.price_of_slots[..., own], (self.team,), (own,),
        )  # fmt: skip
        after, _, ((outcome,),) = settle(self.portfolio, self.closed, [result])
        view = look(self.portfolio, moved_to(self.portfolio, after, 5), NEXT, self.team)
        return self.team.reward(outcome), self.team.observe(view)

    @property
    def closed(self) -> Position:
        return moved_to(self.portfolio, self.opened, self.auction.closes)

    def own_book(self, unit: int) -> OwnBook:
        """Return the book that was cleared, and the slots of a unit."""
        view = look(self.portfolio, self.opened, self.auction, self.team)
        orders = self.team.orders(view, self.action)
        book = self.book_of(orders)
        own = (orders.unit == unit).nonzero().squeeze(-1)
        setup = self.market.rule.setup(self.market, Slots(book.node))
        return OwnBook(self.market, setup, book, own)

    def curve(self, unit: int, action: Tensor) -> Reward:
        """Return the curve of a unit over actions (copy rung act), while others keep theirs."""
        return self.tried(unit, action).reward

    def tried(self, unit: int, action: Tensor) -> Tried:
        """Return the same, and where the unit would stand then."""
        alike = twins(self.portfolio, self.team, unit, action.shape[-2])
        alternatives = rung_orders(alike, self.opened, self.auction, action)
        known = self.own_book(unit)
        return reward_curve(alike, self.closed, self.auction, alternatives, known)


def case_of(
    bidder: LearnedBidder[Any],
    rule: Rule[Any, Any] = pay_as_clear,
    units: Sequence[int] = (0, 1, 2),
    made: tuple[Fleet, Profiles] | None = None,
) -> Case:
    """Return a case after three hours in which units sold and bought at random."""
    (technology,) = bidder.technologies
    fleet, profiles = made or TOYS[technology]()
    agents = tuple(fleet.ids[unit] for unit in units)
    team = Team(bidder, members(fleet, units), agents, learns=True)
    portfolio = Portfolio(
        fleet, profiles, {"EOM": (team,)}, 1.0, lookback=bidder.foresight + 5, horizon=4
    )
    position = begin(portfolio, (COPIES,), start=torch.arange(COPIES) * 7)
    case = Case(
        portfolio, team, toy_market(rule), position, Auction("EOM", 3, 3, 4, (4, 5), (1, 1)),
        draw((COPIES, len(units), bidder.action.size), "action") * 2 - 1,
    )  # fmt: skip
    for hour in range(3):
        moved = moved_to(portfolio, position, hour + 1)
        position = _traded(replace(case, opened=moved), hour)
    return replace(case, opened=position)


def _traded(case: Case, number: int) -> Position:
    auction = Auction("EOM", number, number, number + 1, (case.opened.elapsed,), (1,))
    view = look(case.portfolio, case.opened, auction, case.team)
    volume = view.limits.sell.most * draw(tuple(view.limits.sell.most.shape), "sold", number)
    unit, price = case.team.members.units.index, torch.full_like(volume, 50.0)
    orders = Orders(price, volume, unit, torch.zeros_like(unit))
    result = Result(auction, orders, volume, price, price, (), ())
    return settle(case.portfolio, case.opened, [result])[0]


RULES = [pay_as_clear, pay_as_bid, OneByOne(), OneByOne(pay_as_bid), Islands()]
BIDDERS: dict[str, dict[str, Any]] = {
    PLANT: {},
    f"{PLANT}_single_bid": {},
    f"{PLANT}_curve": {},
    f"{PLANT}_ladder": {"rungs": 101},
    "renewable_energy_learning_single_bid": {},
    "renewable_energy_learning_ladder": {"rungs": 101},
    "storage_energy_learning": {},
    "storage_energy_learning_ladder": {"rungs": 101},
}


@pytest.mark.parametrize("name", BIDDERS)
@pytest.mark.parametrize("rule", [pay_as_clear, pay_as_bid], ids=lambda rule: rule.name)
def test_the_rung_that_was_played_has_the_reward_that_was_received(
    name: str, rule: Rule[Any, Any]
) -> None:
    bidder = create(name, CONTEXT, BIDDERS[name])
    assert isinstance(bidder, LearnedBidder)
    # Units on one ladder bid equal prices, of which ties decide: one of them bids.
    case = case_of(bidder, rule, (1,) if name.endswith("ladder") else (0, 1, 2))
    slots = len(case.team.ids) * bidder.slots + RIVALS
    received, differs = case.played(case.action, draw((COPIES, 2, slots), "tie")), []
    for unit in range(len(case.team.ids)):
        action = draw((COPIES, RUNGS, bidder.action.size), "rungs", unit) * 2 - 1
        action[:, PLAYED] = case.action[:, unit]
        curve = case.curve(unit, action)
        for column in ("reward", "profit", "regret"):
            expected, found = getattr(received, column)[:, unit], getattr(curve, column)
            assert tuple(found.shape) == (COPIES, RUNGS)
            torch.testing.assert_close(found[:, PLAYED], expected, rtol=1e-12, atol=1e-12)
        differs.append(curve.reward.std(-1).max().item() > 0)
    assert any(differs)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name}-{rule.batched}")
@pytest.mark.parametrize("name", [PLANT, "storage_energy_learning"])
def test_a_curve_is_what_each_rung_brings_alone(name: str, rule: Rule[Any, Any]) -> None:
    bidder = create(name, CONTEXT, {})
    assert isinstance(bidder, LearnedBidder)
    inner = rule.inner if isinstance(rule, OneByOne) and not rule.batched else rule
    unit, played = 1, case_of(bidder, inner)
    action = draw((COPIES, RUNGS, bidder.action.size), "rungs") * 2 - 1
    found = case_of(bidder, rule).tried(unit, action)
    curve, ahead = found.reward.reward, observed_next(found, NEXT, 5)
    tie = draw((COPIES, 2, 3 * bidder.slots + RIVALS), "tie")
    for rung in range(RUNGS):
        tried = played.action.clone()
        tried[:, unit] = action[:, rung]
        received, seen = played.followed(tried, tie)
        torch.testing.assert_close(curve[:, rung], received.reward[:, unit], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(ahead[:, rung], seen[:, unit], rtol=1e-12, atol=1e-12)
    own = ahead[..., -2:]
    assert (own.std(-2) > 0).any()


def test_starts_are_charged_rung_by_rung() -> None:
    """A plant that was off pays for a start on the rungs on which it sells, by its downtime."""
    bidder = create(f"{PLANT}_single_bid", CONTEXT, {"start_costs": True})
    assert isinstance(bidder, LearnedBidder)
    made = toy_fleet(plants=((50.0, 0.0, 30.0),), cold_start_cost=700.0)
    case = case_of(bidder, units=(0,), made=made)
    case = replace(case, opened=moved_to(case.portfolio, begin(case.portfolio, (COPIES,)), 3))
    prices = torch.full((COPIES, 2, 2), 1.0).double()
    prices[:, 0] = -1.0  # sells, whatever it is paid
    curve = case.curve(0, prices)
    received = case.played(prices[:, 0].unsqueeze(-2), draw((COPIES, 2, 1 + RIVALS), "tie"))
    torch.testing.assert_close(curve.profit[:, 0], received.profit[:, 0])
    assert (curve.profit[:, 1] == 0).all()


@pytest.mark.parametrize("rule", [pay_as_clear, pay_as_bid], ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    ("limits", "reward", "parts"),
    [
        ({}, "opportunity_cost", 2),
        ({"hot_start_cost": 900.0}, "opportunity_cost", 1),
        ({"hot_start_cost": 900.0}, "regret", 2),
    ],
)
def test_products_of_a_plant_are_on_a_rung_at_once_and_have_the_curves_of_each_alone(
    limits: dict[str, float], reward: str, parts: int, rule: Rule[Any, Any]
) -> None:
    bidder = create(f"{PLANT}_ladder", replace(CONTEXT, reward=reward), {"rungs": 11})
    assert isinstance(bidder, LearnedBidder)
    assert isinstance(bidder.action, Ladder)
    case = case_of(bidder, rule, (0, 1), made=toy_fleet(varied=True, **limits))
    differs = []
    for unit in (0, 1):
        assert products_apart(case.team, unit) == parts
        expected = case.curve(unit, on_each_rung(case.action[:, unit], bidder.action))
        found = ladder_curve(
            case.portfolio, case.team, unit, case.auction, opened=case.opened,
            closed=case.closed, action=case.action[:, unit], book=case.own_book(unit),
        ).reward  # fmt: skip
        columns = ("reward", "regret") if reward == "regret" else ("reward", "profit", "regret")
        for column in columns:
            ours, theirs = getattr(found, column), getattr(expected, column)
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-9)
        differs.append(found.reward.unflatten(-1, (2, 2, 11)).std(-1).amax((0, -1)) > 0)
    if reward != "regret":  # of which there is none in some auctions
        assert torch.stack(differs).any(0).all()  # rungs matter to both products


@pytest.mark.parametrize("step", [0.0, 10.0])
@pytest.mark.parametrize("more", [-300.0, -20.0, 0.0, 20.0, 300.0])
def test_rungs_that_are_worth_the_same_are_worked_out_once(
    more: float, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether supply is scarce or demand, and whether prices of rivals are on rungs or not."""
    bidder = create(f"{PLANT}_ladder", CONTEXT, {"rungs": 41})
    assert isinstance(bidder, LearnedBidder)
    case = case_of(bidder, units=(0, 1), made=toy_fleet(varied=True, hot_start_cost=900.0))
    assert decisive.can_tell(case.market, case.team)
    books = [case.own_book(unit) for unit in (0, 1)]
    own, orders = torch.stack([book.own for book in books]), books[0].orders
    rivals = torch.ones(orders.price.shape[-1]).index_fill(0, own.flatten(), 0.0)
    orders = replace(orders, volume=orders.volume + more * draw((1,), "more") * rivals)
    if step:
        orders = replace(orders, price=(orders.price / step).round() * step)
    counted = []

    def settled(portfolio: Portfolio, position: Position, results: Sequence[Result]) -> Any:
        counted.append(len(results[0].accepted))
        return settle(portfolio, position, results)

    monkeypatch.setattr(decisive, "settle", settled)
    found = decisive.rewards_of_team(
        case.portfolio, case.team, case.market, case.auction, opened=case.opened,
        closed=case.closed, action=case.action, orders=orders, own=own,
    )  # fmt: skip
    for unit, book in enumerate(books):
        expected = ladder_curve(
            case.portfolio, case.team, unit, case.auction, opened=case.opened,
            closed=case.closed, action=case.action[:, unit], book=replace(book, orders=orders),
        ).reward.reward  # fmt: skip
        torch.testing.assert_close(found[:, unit], expected, rtol=1e-12, atol=1e-12)
    # Entries and rungs: where nobody else supplies, own prices are paid on all of them.
    assert (sum(counted) < 4 * 41) == (more > -300)


def test_own_supply_trades_after_that_of_rivals_at_the_same_price() -> None:
    book = book_of_one_product(
        toy_market(pay_as_clear), row(0, 40, 3000), row(50, 50, -60), torch.tensor([0])
    )
    prices = row(39.99, 40, 40.01)[:, None, None]
    cleared = clear_rungs(book, prices, torch.full_like(prices, 50.0))
    assert cleared.accepted.flatten().tolist() == [50, 10, 10]


def test_own_demand_trades_after_that_of_rivals_at_the_same_price() -> None:
    book = book_of_one_product(
        toy_market(pay_as_clear), row(0, 40, 10), row(0, -50, 60), torch.tensor([0])
    )
    prices = row(39.99, 40, 40.01)[:, None, None]
    cleared = clear_rungs(book, prices, torch.full_like(prices, -50.0))
    assert cleared.accepted.flatten().tolist() == [-10, -10, -50]


def test_own_orders_are_cut_to_the_limits_of_the_market() -> None:
    market = replace(toy_market(pay_as_bid), max_price=60.0, max_volume=20.0)
    book = book_of_one_product(market, row(0, 3000), row(0, -50), torch.tensor([0]))
    beyond = row(90.0)[:, None, None]
    cleared = clear_rungs(book, beyond, beyond)
    assert (cleared.accepted.item(), cleared.paid.item()) == (20, 60)


# --- what a bidder knows of published curves -----------------------------------------------------


def test_published_curves_have_a_level_for_each_price_and_side() -> None:
    nowhere = torch.zeros(5, dtype=torch.long)
    orders = Orders(row(40, 20, 40, 40, 0)[None], row(10, 5, 30, -7, 0)[None], nowhere, nowhere)
    found = aggregated(orders)
    levels = {
        (price, volume)
        for price, volume in zip(found.price[0].tolist(), found.volume[0].tolist(), strict=True)
        if volume
    }
    assert levels == {(20.0, 5.0), (40.0, 40.0), (40.0, -7.0)}


@pytest.mark.parametrize("rule", [pay_as_clear, pay_as_bid], ids=lambda rule: rule.name)
def test_published_curves_say_what_the_whole_book_does(rule: Rule[Any, Any]) -> None:
    """Prices are whole tens, so that many are equal, and some own orders are beyond the limits."""
    market = replace(toy_market(rule), max_price=90.0, max_volume=25.0)
    slots, own = RIVALS + 2, torch.tensor([0, 1])
    sent = (draw((COPIES, 2, slots), "price") * 10).round() * 10
    offered = (draw((COPIES, 2, slots), "volume") - 0.4) * 80
    offered[..., :2] = offered[..., :2].abs()
    nowhere = torch.zeros(slots, dtype=torch.long)
    orders = market.limited(Orders(sent, offered, nowhere, nowhere))
    whole = OwnBook(market, rule.setup(market, Slots(nowhere)), orders, own)
    known = book_among(aggregated(orders), market, sent[..., :2], offered[..., :2])
    prices = (draw((COPIES, RUNGS, 2, 2), "rungs") * 10).round() * 10
    volumes = torch.full_like(prices, 12.0)
    expected, found = clear_rungs(whole, prices, volumes), clear_rungs(known, prices, volumes)
    for name in (*PER_ORDER, *PER_ZONE):
        ours, theirs = getattr(found, name), getattr(expected, name)
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


class Counted:
    """A rule that keeps the numbers of orders that it cleared in one call; no merit order."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(pay_as_clear, name)

    def clear(self, orders: Orders, tie: Tensor, setup: Any) -> Clearing:
        self.sizes.append(orders.price.numel())
        return pay_as_clear.clear(orders, tie, setup)


def test_as_many_rungs_are_cleared_at_once_as_memory_has_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = Counted()
    assert not can_insert(toy_market(rule))  # type: ignore[arg-type]
    price, volume = draw((4, 6), "price") * 100, (draw((4, 6), "volume") - 0.5) * 50
    book = book_of_one_product(toy_market(rule), price, volume, torch.tensor([0, 1]))
    rungs = draw((4, 10, 1, 2), "rungs") * 100
    whole = clear_rungs(book, rungs, torch.full_like(rungs, 5.0))
    monkeypatch.setattr(module, "AT_ONCE", 100)
    parts = clear_rungs(book, rungs, torch.full_like(rungs, 5.0))
    assert rule.sizes == [240, 96, 96, 48]
    for name in (*PER_ORDER, *PER_ZONE):
        assert torch.equal(getattr(whole, name), getattr(parts, name))
    monkeypatch.setattr(module, "AT_ONCE", 1)  # a book that is larger is cleared rung by rung
    assert torch.equal(clear_rungs(book, rungs, torch.full_like(rungs, 5.0)).paid, whole.paid)
