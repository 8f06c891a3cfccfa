"""One market and scripted bidders: who is asked, what counts, what everybody is told."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import torch
from mango import (
    AgentAddress,
    ExternalClock,
    Role,
    activate,
    agent_composed_of,
    create_ec_container,
)

from assume_rl.agents.messages import (
    AuctionResult,
    EpisodeEnd,
    Goodbye,
    MarketOpened,
    OrderBook,
    RegisterBidder,
    Rows,
)
from assume_rl.agents.trading.market_operator import MarketOperator
from assume_rl.agents.transport import Failures, post, settle
from assume_rl.core.clearing import RULES, MarketSpec
from assume_rl.core.orders import unit_major
from assume_rl.core.time import Auction, Tick
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.testing import toy_market

HOUR = 3600
AUCTIONS = tuple(Auction("EOM", n, n * HOUR, (n + 1) * HOUR, (n + 1,), (1,)) for n in range(3))
PLAN = tuple(
    Tick(
        n * HOUR,
        n,
        tuple(a for a in AUCTIONS if a.closes == n * HOUR),
        tuple(a for a in AUCTIONS if a.opens == n * HOUR),
    )
    for n in range(4)
)


def spec(rule: str = "pay_as_clear", **changes: Any) -> MarketSpec[Any]:
    return replace(toy_market(RULES[rule]), max_volume=1e5, **changes)


def book(bidder: str, number: int, *orders: tuple[float, float]) -> OrderBook:
    price, volume = torch.tensor(orders, dtype=torch.float64).T
    return OrderBook(
        "EOM",
        number,
        bidder,
        unit_major(price[None], volume[None], 1),
    )


class Scripted(Role):  # type: ignore[misc]
    """Answers an opening with what its script has for it."""

    def __init__(
        self,
        script: dict[int, list[Any]],
        *,
        registered: bool = True,
        curves: bool = False,
    ) -> None:
        super().__init__()
        self.script, self.registered, self.curves = script, registered, curves
        self.opened: list[int] = []
        self.results: list[AuctionResult] = []
        self.rows: list[Rows] = []

    def setup(self) -> None:
        for kind, handler in ((MarketOpened, self.bid), (AuctionResult, self.hear)):
            self.context.subscribe_message(self, handler, lambda c, _, k=kind: isinstance(c, k))
        self.context.subscribe_message(
            self, lambda c, _: self.rows.append(c), lambda c, _: isinstance(c, Rows)
        )

    def on_ready(self) -> None:
        if self.registered:
            plants = (f"{self.context.aid} plant",)
            self.tell(RegisterBidder("EOM", self.context.aid, plants, self.curves))

    def tell(self, content: Any) -> None:
        post(self.context, content, AgentAddress(self.context.addr.protocol_addr, "market"))

    def bid(self, content: MarketOpened, meta: dict[str, Any]) -> None:
        self.opened.append(content.auction.number)
        for order_book in self.script.get(content.auction.number, []):
            self.tell(order_book)

    def hear(self, content: AuctionResult, meta: dict[str, Any]) -> None:
        self.results.append(content)


def trade(market: MarketSpec, **bidders: Scripted) -> None:
    """Lets three auctions happen."""

    async def live() -> None:
        clock, failures = ExternalClock(start_time=-1), Failures()
        container = create_ec_container(clock=clock)
        recorder = AgentAddress(container.addr, next(iter(bidders)))
        key = EpisodeKey(1, 1, False)
        role = MarketOperator(market, PLAN, 0, key, failures, recorder=recorder)
        operator = container.register(agent_composed_of(role), suggested_aid="market")
        for name, bidder in bidders.items():
            container.register(agent_composed_of(bidder), suggested_aid=name)
        async with activate(container):
            await settle(container, failures)
            for hour in range(4):
                clock.set_time(hour * HOUR)
                await settle(container, failures)
            await container.send_message(EpisodeEnd(1, False), operator.addr)
            await settle(container, failures)

    asyncio.run(live())


def seller(*prices: float, volume: float = 10.0) -> Scripted:
    return Scripted({n: [book("seller", n, (p, volume))] for n, p in enumerate(prices)})


def buyer(volume: float = 10.0) -> Scripted:
    return Scripted({n: [book("buyer", n, (3000.0, -volume))] for n in range(3)})


def test_everybody_is_told_its_own_orders_and_the_price() -> None:
    selling, buying = seller(1.0, 2.0, 3.0), buyer(4.0)
    trade(spec(), seller=selling, buyer=buying)
    assert selling.opened == buying.opened == [0, 1, 2]
    assert [float(r.price) for r in selling.results] == [1.0, 2.0, 3.0]
    assert [r.accepted.tolist() for r in selling.results] == [[[4.0]]] * 3
    assert [r.accepted.tolist() for r in buying.results] == [[[-4.0]]] * 3


@pytest.mark.parametrize("publishes", [True, False])
def test_curves_are_sent_to_who_asks_where_the_market_publishes_them(publishes: bool) -> None:
    asking = Scripted({0: [book("seller", 0, (1.0, 10.0))]}, curves=True)
    silent = buyer(4.0)
    trade(replace(spec(), publishes_curves=publishes), seller=asking, buyer=silent)
    assert all((heard.curves is not None) == publishes for heard in asking.results)
    assert asking.results
    assert all(heard.curves is None for heard in silent.results)


def test_the_last_book_counts_and_a_repeated_one_changes_nothing() -> None:
    cheap, dear = book("seller", 0, (1.0, 10.0)), book("seller", 0, (9.0, 10.0))
    selling = Scripted({0: [cheap, dear, dear]})
    trade(spec(), seller=selling, buyer=buyer())
    assert [float(r.price) for r in selling.results] == [9.0]


def test_books_for_auctions_that_are_not_open_are_ignored() -> None:
    early = Scripted({0: [book("seller", 1, (1.0, 10.0))], 2: [book("seller", 0, (1.0, 10.0))]})
    buying = buyer()
    trade(spec(), seller=early, buyer=buying)
    assert early.results == []
    assert all(r.accepted.tolist() == [[0.0]] for r in buying.results)


def test_who_has_not_registered_is_neither_asked_nor_heard() -> None:
    stranger = Scripted({}, registered=False)
    pushy = Scripted({0: [book("stranger", 0, (0.5, 10.0)), book("seller", 0, (7.0, 10.0))]})
    trade(spec(), seller=pushy, buyer=buyer(), stranger=stranger)
    assert stranger.opened == stranger.results == []
    assert [float(r.price) for r in pushy.results] == [7.0]


def test_orders_beyond_the_limits_of_the_market_are_cut() -> None:
    selling = Scripted({0: [book("seller", 0, (9999.0, 10.0))]})
    trade(spec(max_price=100.0), seller=selling, buyer=buyer(5.0))
    assert float(selling.results[0].price) <= 100.0


def test_each_pays_its_own_price_where_the_market_says_so() -> None:
    selling = Scripted({0: [book("seller", 0, (1.0, 10.0), (5.0, 10.0))]})
    trade(spec(rule="pay_as_bid"), seller=selling, buyer=buyer(15.0))
    assert selling.results[0].paid.tolist() == [[1.0, 5.0]]


@pytest.mark.parametrize("silent", [0, 1])
def test_an_auction_without_a_seller_or_a_buyer_trades_nothing(silent: int) -> None:
    sides = [seller(1.0, 1.0, 1.0), buyer()]
    sides[silent] = Scripted({})
    trade(spec(), seller=sides[0], buyer=sides[1])
    heard = sides[1 - silent].results
    assert len(heard) == 3
    assert all(float(r.accepted.abs().sum()) == 0 for r in heard)


def test_rows_of_all_auctions_are_delivered_at_the_end() -> None:
    selling = seller(1.0, 2.0, 3.0)
    trade(spec(), seller=selling, buyer=buyer())
    by_table = {rows.table: rows.columns for rows in selling.rows}
    assert by_table["market_meta"]["price"].tolist() == [1.0, 2.0, 3.0]
    assert (
        sorted(by_table["market_orders"]["unit_id"]) == ["buyer plant"] * 3 + ["seller plant"] * 3
    )


def test_nobody_can_take_over_the_name_of_another() -> None:
    thief = Scripted({})
    thief.on_ready = lambda: thief.tell(RegisterBidder("EOM", "seller", ("x",)))
    selling = seller(1.0, 2.0, 3.0)
    trade(spec(), seller=selling, thief=thief, buyer=buyer())
    assert len(selling.results) == 3
    assert thief.results == []


def test_a_book_for_other_units_of_the_same_number_is_told_apart() -> None:
    selling = seller(1.0, 1.0)
    selling.registered = False
    selling.on_ready = lambda: selling.tell(RegisterBidder("EOM", "seller", ("one", "two")))
    selling.script[1][0].orders.unit[0] = 1
    trade(spec(), seller=selling, buyer=buyer())
    told = [u for r in selling.rows if r.table == "market_orders" for u in r.columns["unit_id"]]
    assert {"one", "two"} <= set(told)


def test_who_takes_the_place_of_a_bidder_that_left_has_neither_its_book_nor_its_units() -> None:
    selling = seller(1.0, 2.0, 3.0)
    selling.script[1] += [Goodbye(), RegisterBidder("EOM", "seller", ("new",))]
    trade(spec(), seller=selling, buyer=buyer())
    assert [r.auction.number for r in selling.results] == [0, 2]
    told = [u for r in selling.rows if r.table == "market_orders" for u in r.columns["unit_id"]]
    assert sorted(told) == ["buyer plant"] * 3 + ["new", "seller plant"]
