"""A recorded day-ahead market of 262 plants with ramps, `example_01f` (9 significant digits).

In most hours several plants ask the price of the market. Which of them sells is a toss in the
record, and decides what each of them can do later. So every auction is also started from the
recorded state before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from recorded import Shell, assert_close, compiled, read, run, run_batch
from torch import Tensor

from assume_rl.core.orders import Orders
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, begin, look, moved_to, settle
from assume_rl.core.units.base import ENERGY
from assume_rl.envs.cohorts import build_cohorts
from assume_rl.envs.markets import Market, build_markets
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.compile.plan import auctions_of

pytestmark = [pytest.mark.unchecked, pytest.mark.reference]

DIGITS = 1e-6  # times max(1, |x|)
EQUAL = 4  # digits of a price; orders of equal prices are one group
FEWEST_ALIKE = 0.97  # of the hours, where every auction starts from our own state before it


@dataclass(frozen=True)
class Record:
    """The recorded tables, and the same market here."""

    scenario: Compiled
    results: Path

    def table(self, name: str, time: str) -> pd.DataFrame:
        """Rows in order of time, with the step of the calendar."""
        rows = read(self.results / f"{name}.csv.gz", (time,))
        start = pd.Timestamp(self.scenario.scenario.start)
        return rows.assign(step=(rows[time] - start) // pd.Timedelta("1h"))

    @cached_property
    def orders(self) -> pd.DataFrame:
        return self.table("market_orders", "start_time")

    @cached_property
    def prices(self) -> pd.Series:
        meta = self.table("market_meta", "product_start")
        return meta.set_index("step").price

    def by_unit(self, rows: pd.DataFrame, column: str, value: str) -> Tensor:
        """(step, unit): sums of a column, 0 where there are no rows."""
        ids = list(self.scenario.fleet.ids)
        table = rows.pivot_table(index="step", columns=column, values=value, aggfunc="sum")
        table = table.reindex(index=range(self.scenario.steps), columns=ids)
        return torch.tensor(table.fillna(0.0).to_numpy())

    @cached_property
    def sold(self) -> Tensor:
        """(step, unit), MW."""
        return self.by_unit(self.orders, "unit_id", "accepted_volume")

    @cached_property
    def power(self) -> Tensor:
        """(step, unit), MW delivered."""
        return self.by_unit(self.dispatch, "unit", "power")

    @cached_property
    def dispatch(self) -> pd.DataFrame:
        return self.table("unit_dispatch", "time")

    @cached_property
    def market(self) -> tuple[Portfolio, Market]:
        (cohort,) = build_cohorts(self.scenario, {})
        (market,) = build_markets(self.scenario, (cohort,)).values()
        assert cohort.portfolio.fleet.ids == self.scenario.fleet.ids
        return cohort.portfolio, market


@pytest.fixture(scope="module")
def record(reference: Path) -> Record:
    examples = reference / "examples"
    scenario = compiled(examples / "scenarios" / "example_01f", "eom_case")
    return Record(scenario, examples / "results" / "example_01f" / "eom_case")


def as_recorded(record: Record, auction: Auction, executed: int) -> Position:
    """Return the recorded position when an auction opens.

    :param executed: last step that was executed; what is sold for later ones is planned
    """
    portfolio, _ = record.market
    hour = auction.opens // 3600
    position = moved_to(portfolio, begin(portfolio), hour)
    known = torch.cat([record.power[: executed + 1], record.sold[executed + 1 :]])
    known[auction.first[0] :] = 0.0
    first = hour - portfolio.lookback
    steps = range(first, first + position.state.energy.shape[-2])
    rows = [known[s] if 0 <= s < len(known) else torch.zeros_like(known[0]) for s in steps]
    state = replace(position.state, sold={**position.state.sold, ENERGY: torch.stack(rows)})
    return replace(position, state=state, executed=executed)


def orders_of(record: Record, position: Position, auction: Auction) -> Orders:
    portfolio, market = record.market
    parts = [(part, look(portfolio, position, auction, part.team)) for part in market.parts]
    made = [part.team.orders(view, None) for part, view in parts]
    price, volume = (torch.cat([getattr(o, n) for o in made], -1) for n in ("price", "volume"))
    spec = market.spec
    joined = Orders(price, volume, market.unit, market.node)
    return spec.limited(joined)


def auctions(record: Record) -> Iterator[tuple[Auction, int]]:
    """Yield each auction and the last step executed when it opens."""
    executed = -1
    for auction in auctions_of(record.scenario.plan, "EOM"):
        yield auction, executed
        executed = auction.closes // 3600


def as_rows(record: Record, auction: Auction, orders: Orders, accepted: Tensor) -> pd.DataFrame:
    """The orders of an auction as in the record, whose empty ones are left out."""
    product, slot = (i.numpy() for i in (orders.volume.abs() > 1e-9).nonzero(as_tuple=True))
    ids = np.array(record.scenario.fleet.ids)
    columns = {"price": orders.price, "volume": orders.volume, "accepted_volume": accepted}
    return pd.DataFrame(
        {
            "step": np.array(auction.first)[product],
            "unit_id": ids[orders.unit[slot].numpy()],
            **{name: table[product, slot].numpy() for name, table in columns.items()},
        }
    )


def by_price(rows: pd.DataFrame) -> pd.Series:
    """Accepted volumes of each hour, summed over the orders that ask the same price."""
    return rows.groupby([rows.step, rows.price.round(EQUAL)]).accepted_volume.sum()


def test_every_auction_from_the_recorded_state_before_it(record: Record) -> None:
    """Orders, prices and sums over units of equal price; then what is delivered of it."""
    portfolio, market = record.market
    spec, keys, compared = market.spec, ["step", "unit_id"], 0
    for auction, executed in auctions(record):
        position = as_recorded(record, auction, executed)
        orders = orders_of(record, position, auction)
        tie = torch.rand(orders.price.shape, generator=torch.Generator().manual_seed(1)).double()
        clearing = spec.rule.clear(orders, tie, market.setup)
        ours = as_rows(record, auction, orders, clearing.accepted).sort_values(keys)
        theirs = record.orders[record.orders.step.isin(auction.first)]
        theirs = theirs[theirs.volume.abs() > 1e-9].sort_values(keys)
        assert ours[keys].to_numpy().tolist() == theirs[keys].to_numpy().tolist()
        assert_close(ours.price, theirs.price, DIGITS, "price of orders")
        assert_close(ours.volume, theirs.volume, DIGITS, "volume of orders")
        prices = record.prices[list(auction.first)]
        assert_close(clearing.price[:, 0], prices, DIGITS, "prices")
        here, there = by_price(ours), by_price(theirs)
        assert_close(here, there, DIGITS, "volume of a price")
        compared += len(auction.first)

        # What the recorded sales deliver, up to the clearing.
        sold = record.sold[list(auction.first)][:, orders.unit]
        result = Result(auction, orders, sold, 0 * sold, 0 * sold, asked=(), slots=())
        closed = moved_to(portfolio, position, auction.closes // 3600)
        _, done, _ = settle(portfolio, closed, [result])
        assert done is not None
        power = done.state.energy[done.state.lookback + 1 - done.steps : done.state.lookback + 1]
        steps = slice(done.step + 1 - done.steps, done.step + 1)
        assert_close(power, record.power[steps], DIGITS, "delivered")
    assert compared == len(record.prices) == 456


@pytest.mark.parametrize("shell", [run_batch, pytest.param(run, marks=pytest.mark.slow)])
def test_started_once(record: Record, shell: Shell) -> None:
    ours = shell(record.scenario)
    meta = ours["market_meta"].sort_values("product_start")
    prices = record.prices.to_numpy()
    alike = np.abs(meta.price - prices) <= DIGITS * np.maximum(1, np.abs(prices))
    assert alike.mean() >= FEWEST_ALIKE
    # Every recorded step is there; those after the last clearing are delivered here too.
    rows = ours["unit_dispatch"][["time", "unit"]]
    recorded = record.dispatch[["time", "unit"]]
    assert len(rows.merge(recorded)) == len(recorded)
    assert rows.time.max() > recorded.time.max()
