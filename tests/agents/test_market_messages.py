"""The economics travels in messages: whoever sends orders takes part, and only in time."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from mango import AgentAddress, Role, sender_addr

from assume_rl.agents.messages import AuctionResult, MarketOpened, OrderBook, RegisterBidder
from assume_rl.agents.transport import AgentFailure, post
from assume_rl.agents.world import World
from assume_rl.core.orders import unit_major
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked


class Prices:
    """A sink that keeps clearing prices."""

    def __init__(self) -> None:
        self.rows: list[pd.DataFrame] = []

    def write(self, table: str, columns: dict[str, Any]) -> None:
        if table == "market_meta":
            self.rows.append(pd.DataFrame(columns))

    @property
    def series(self) -> pd.Series:
        return pd.concat(self.rows).set_index("product_start")["price"]


class Outsider(Role):  # type: ignore[misc]
    """A bidder of somebody else's: offers cheap power in every auction."""

    def __init__(self, *, delay: float = 0.0, repeat: int = 1) -> None:
        super().__init__()
        self.delay, self.repeat = delay, repeat
        self.results: list[AuctionResult] = []

    def setup(self) -> None:
        self.context.subscribe_message(self, self.bid, lambda c, _: isinstance(c, MarketOpened))
        self.context.subscribe_message(self, self.hear, lambda c, _: isinstance(c, AuctionResult))

    def on_ready(self) -> None:
        market = AgentAddress(self.context.addr.protocol_addr, "op")
        post(self.context, RegisterBidder("EOM", "outsider", ("windmill",)), market)

    def bid(self, content: MarketOpened, meta: dict[str, Any]) -> None:
        when = self.context.current_timestamp + self.delay
        self.context.schedule_timestamp_task(self.send(content, sender_addr(meta)), when)

    async def send(self, opened: MarketOpened, market: AgentAddress) -> None:
        shape = (len(opened.auction.first), 1)
        price = torch.full(shape, 0.5, dtype=torch.float64)
        orders = unit_major(price, torch.full(shape, 150.0, dtype=torch.float64), 1)
        book = OrderBook("EOM", opened.auction.number, "outsider", orders)
        for _ in range(self.repeat):
            await self.context.send_message(book, market)

    def hear(self, content: AuctionResult, meta: dict[str, Any]) -> None:
        self.results.append(content)


class Rows:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.rows: dict[str, list[pd.DataFrame]] = {}

    def write(self, table: str, columns: dict[str, Any]) -> None:
        self.rows.setdefault(table, []).append(pd.DataFrame(columns))


def everything(scenario: Compiled) -> dict[str, pd.DataFrame]:
    """All rows of an episode, those that several agents send in a fixed order."""
    sink = Rows()
    asyncio.run(World(scenario, seed=1).run_episode(sink=sink, flush_hours=5))
    joined = {table: pd.concat(parts) for table, parts in sink.rows.items()}
    keys = {"unit_dispatch": ["time", "unit"]}
    return {
        table: (rows.sort_values(keys[table]) if table in keys else rows).reset_index(drop=True)
        for table, rows in joined.items()
    }


@pytest.fixture(scope="module")
def scenario() -> Compiled:
    folder = Path(__file__).parents[1] / "fixtures" / "vectors" / "v01_basic" / "inputs"
    return compile_scenario(load_scenario(folder))


def prices(scenario: Compiled, guest: Role | None = None) -> pd.Series:
    sink = Prices()
    guests = {} if guest is None else {"outsider": guest}
    asyncio.run(World(scenario, seed=1).run_episode(sink=sink, guests=guests))
    return sink.series


def test_an_outsider_changes_the_price_and_gets_its_own_results(scenario: Compiled) -> None:
    outsider = Outsider()
    with_it, without = prices(scenario, outsider), prices(scenario)
    assert (with_it <= without).all()
    assert (with_it < without).any()
    assert len(outsider.results) == len(with_it)
    assert all(r.accepted.shape == (1, 1) for r in outsider.results)
    assert all(0 < float(r.accepted.sum()) <= 150.0 for r in outsider.results)


def test_orders_after_gate_closure_are_ignored(scenario: Compiled) -> None:
    late = Outsider(delay=3600.0)  # the auction closes after one hour
    assert prices(scenario, late).equals(prices(scenario))
    assert late.results == []


def test_a_repeated_order_book_changes_nothing(scenario: Compiled) -> None:
    assert prices(scenario, Outsider(repeat=3)).equals(prices(scenario, Outsider()))


def test_memoryless_operators_give_the_same_numbers_as_remembering_ones(
    scenario: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    routine = everything(scenario)
    monkeypatch.setattr("assume_rl.agents.trading.unit_operator.routine_of", lambda *_: None)
    remembering = everything(scenario)
    assert routine.keys() == remembering.keys()
    for table, rows in routine.items():
        # Columns come in the order in which rows have them.
        pd.testing.assert_frame_equal(rows, remembering[table], check_exact=True, check_like=True)


def test_an_agent_that_fails_stops_the_run_with_its_reason(
    scenario: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("no such market")

    monkeypatch.setattr("assume_rl.core.clearing.MarketSpec.limited", broken)
    with pytest.raises(AgentFailure, match="no such market"):
        prices(scenario)


class Crook(Outsider):
    """An outsider whose orders are forged or make no sense."""

    def __init__(self, bidder: str, price: float, products: int, unit: int) -> None:
        super().__init__()
        self.bidder, self.price, self.products, self.unit = bidder, price, products, unit

    async def send(self, opened: MarketOpened, market: AgentAddress) -> None:
        price = torch.full((self.products, 1), self.price, dtype=torch.float64)
        made = unit_major(price, torch.full_like(price, 150.0), 1)
        orders = replace(made, unit=torch.tensor([self.unit]))
        book = OrderBook("EOM", opened.auction.number, self.bidder, orders)
        await self.context.send_message(book, market)


@pytest.mark.parametrize(
    ("crook", "said"),
    [
        (("O1", 0.5, 1, 0), "'O1': its sender has not registered"),
        (("nobody", 0.5, 1, 0), "'nobody': its sender has not registered"),
        (("outsider", float("nan"), 1, 0), "not a finite number"),
        (("outsider", 0.5, 2, 0), "2 products with 1 orders each"),
        (("outsider", 0.5, 1, 7), "for none of the 1 registered units"),
    ],
)
def test_orders_that_are_forged_or_senseless_harm_nobody_else(
    scenario: Compiled, crook: tuple[str, float, int, int], said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    guest = Crook(*crook)
    assert prices(scenario, guest).equals(prices(scenario))
    assert guest.results == []
    assert said in caplog.text
