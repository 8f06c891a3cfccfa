"""Whole episodes: several markets, repeated messages, and agents in other containers."""

import asyncio
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from mango import Role, activate, agent_composed_of

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.messages import AuctionResult, MarketOpened, OrderBook, PolicyUpdate
from assume_rl.agents.trading.market_operator import MarketOperator
from assume_rl.agents.trading.unit_operator import UnitOperator
from assume_rl.agents.wire import tcp_container
from assume_rl.agents.world import World
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).parents[2] / "scenarios"
VECTOR = Path(__file__).parents[1] / "fixtures" / "vectors" / "v01_basic" / "inputs"


def learning_case(**settings: Any) -> Compiled:
    overrides = {
        "end_date": "2019-03-05 00:00",
        "learning_config.gradient_steps": 2,
        "learning_config.train_freq": "6h",
    }
    return compile_scenario(
        load_scenario(SCENARIOS / "single_learner", "tiny", overrides=overrides | settings)
    )


def role_of(compiled: Compiled) -> Learning:
    scenario = compiled.scenario
    end = scenario.index[-1].to_pydatetime()
    return Learning(scenario.learning, scenario.start, end, seed=42)


def weights(role: Learning) -> list[torch.Tensor]:
    kinds = role.extract_actors_and_critics()
    return [w for kind in kinds.values() for state in kind.values() for w in state.values()]


# --- several markets -----------------------------------------------------------------------------

MARKET = """
    {name}:
      operator: {operator}
      product_type: energy
      products:
      - {{duration: 1h, count: {count}, first_delivery: {delivery}}}
      opening_frequency: {every}
      opening_duration: {open}
      maximum_bid_volume: 100000
      maximum_bid_price: 3000
      minimum_bid_price: -500
      market_mechanism: pay_as_clear
"""
PLANTS = """name,unit_operator,technology,{columns},fuel_type,max_power,min_power,efficiency
cheap,O1,nuclear,{naive},uranium,100,0,1.0
dear,O2,hard coal,{naive},hard coal,300,0,1.0
"""
DEMANDS = """name,technology,{columns},max_power,min_power,price,unit_operator
load,inflex_demand,{naive},1000,0,3000,OD
"""


def two_markets(folder: Path, first: dict[str, Any], second: dict[str, Any]) -> Compiled:
    markets = "".join(MARKET.format(**market) for market in (first, second))
    (folder / "config.yaml").write_text(
        "base:\n  start_date: 2019-01-01 00:00\n  end_date: 2019-01-02 00:00\n  time_step: 1h\n"
        f"  seed: 1\n  markets_config:{markets}"
    )
    columns = f"bidding_{first['name']},bidding_{second['name']}"
    for name, text, kind in (
        ("powerplant", PLANTS, "powerplant_energy_naive"),
        ("demand", DEMANDS, "demand_energy_naive"),
    ):
        table = text.format(columns=columns, naive=f"{kind},{kind}")
        (folder / f"{name}_units.csv").write_text(table)
    (folder / "fuel_prices_df.csv").write_text("fuel,uranium,hard coal,co2\nprice,5,30,0\n")
    hours = pd.date_range("2019-01-01", "2019-01-02", freq="h")
    pd.DataFrame({"datetime": hours, "load": 60.0}).to_csv(folder / "demand_df.csv", index=False)
    return compile_scenario(load_scenario(folder))


HOURLY = {"operator": "op", "count": 1, "delivery": "1h", "every": "1h", "open": "1h"}


def play(compiled: Compiled, guests: dict[str, Role] | None = None) -> MemorySink:
    memory = MemorySink()
    asyncio.run(World(compiled, seed=1).run_episode(sink=memory, guests=guests))
    return memory


@pytest.mark.parametrize("operator", ["op", "another"])
def test_all_clearings_of_an_instant_precede_its_openings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operator: str
) -> None:
    heard: list[tuple[int, str]] = []
    bid, settled = UnitOperator._bid, UnitOperator._take

    def note_bid(self: UnitOperator, content: MarketOpened, meta: dict[str, Any]) -> None:
        if self._name == "O1":
            heard.append((content.auction.opens, "opened"))
        bid(self, content, meta)

    def note_result(self: UnitOperator, content: AuctionResult, meta: dict[str, Any]) -> None:
        if self._name == "O1":
            heard.append((content.auction.closes, "result"))
        settled(self, content, meta)

    monkeypatch.setattr(UnitOperator, "_bid", note_bid)
    monkeypatch.setattr(UnitOperator, "_take", note_result)
    first = HOURLY | {"name": "EOM"}
    second = HOURLY | {"name": "EOM2", "operator": operator}
    play(two_markets(tmp_path, first, second))
    assert len(heard) > 40
    times = [time for time, _ in heard]
    assert times == sorted(times)
    for time in set(times):
        kinds = [kind for at, kind in heard if at == time]
        assert kinds == sorted(kinds, reverse=True)  # "result" before "opened"


def test_energy_sold_a_day_ahead_is_not_offered_again(tmp_path: Path) -> None:
    """`cheap` sells 60 of its 100 MW first; the same demand buys again, beyond what is left."""
    day_ahead = {"name": "DAM", "operator": "op", "count": 12, "delivery": "6h", "every": "24h"}
    first = day_ahead | {"open": "1h"}
    compiled = two_markets(tmp_path, first, HOURLY | {"name": "EOM"})
    memory = play(compiled)
    orders = pd.DataFrame(memory.table("market_orders"))
    offers = orders[(orders["unit_id"] == "cheap") & (orders["volume"] > 0)]
    offered = offers.groupby(["market_id", "start_time"])["volume"].sum()
    assert len(offered["DAM"]) == 12
    assert (offered["DAM"] == 100).all()
    both = offered["EOM"].index.isin(offered["DAM"].index)
    assert both.sum() == 12
    assert (offered["EOM"][both] == 40).all()
    assert (offered["EOM"][~both] == 100).all()
    power = pd.DataFrame(memory.table("unit_dispatch")).set_index(["unit", "time"])["power"]
    assert power["cheap"].max() <= 100


def test_a_refused_book_does_not_hold_up_what_other_markets_sold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two markets that clear at the same instants, one takes no books of `O1`."""
    take = MarketOperator._take

    def choosy(self: MarketOperator, content: OrderBook, meta: dict[str, Any]) -> None:
        if (content.market, content.bidder) != ("EOM2", "O1"):
            take(self, content, meta)

    monkeypatch.setattr(MarketOperator, "_take", choosy)
    memory = play(two_markets(tmp_path, HOURLY | {"name": "EOM"}, HOURLY | {"name": "EOM2"}))
    rows = pd.DataFrame(memory.table("unit_dispatch"))
    power = rows[rows["unit"] == "cheap"].sort_values("time")["power"]
    assert power.tolist() == [0.0] + [60.0] * 23


# --- repeated messages ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["_bid", "_take", "_adopt"])
@pytest.mark.parametrize("late", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_repeated_message_changes_nothing(
    kind: str, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message arrives twice, or once more whenever the next one of its kind arrives."""

    async def train() -> tuple[Learning, MemorySink]:
        compiled = learning_case()
        role, memory = role_of(compiled), MemorySink()
        world = World(compiled, seed=42, learning=role)
        for episode in (1, 2):
            await world.run_episode(episode, sink=memory)
        return role, memory

    expected, orders = asyncio.run(train())
    handler = getattr(UnitOperator, kind)

    def twice(self: UnitOperator, content: Any, meta: dict[str, Any]) -> None:
        handler(self, content, meta)
        handler(self, self.__dict__.get("_old", content) if late else content, meta)
        self.__dict__["_old"] = content

    monkeypatch.setattr(UnitOperator, kind, twice)
    got, repeated = asyncio.run(train())
    assert all(torch.equal(a, b) for a, b in zip(weights(expected), weights(got), strict=True))
    for name in ("market_orders", "unit_dispatch"):
        frames = [pd.DataFrame(memory.table(name)) for memory in (orders, repeated)]
        pd.testing.assert_frame_equal(*frames)


def test_an_older_policy_update_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    versions: list[int] = []
    adopt = UnitOperator._adopt

    def with_an_old_one(self: UnitOperator, content: PolicyUpdate, meta: dict[str, Any]) -> None:
        adopt(self, content, meta)
        before = self._actors
        adopt(self, PolicyUpdate(content.version - 1, (), content.exploration), meta)
        assert self._actors is before
        versions.append(self.policy_version)

    monkeypatch.setattr(UnitOperator, "_adopt", with_an_old_one)
    compiled = learning_case()
    world = World(compiled, seed=42, learning=role_of(compiled))
    asyncio.run(world.run_episode(1))
    versions.clear()
    asyncio.run(world.run_episode(2))  # the first one with updates
    assert versions == sorted(versions)
    assert len(versions) > 1


# --- other containers ----------------------------------------------------------------------------


EPISODES = ((1, False), (2, False), (1, True), (3, False))


async def train_together() -> Learning:
    compiled = learning_case()
    role = role_of(compiled)
    world = World(compiled, seed=42, learning=role)
    for number, evaluation in EPISODES:
        await world.run_episode(number, evaluation=evaluation)
    return role


async def train_apart() -> Learning:
    """The Learning role lives in a container of its own, for the whole training."""
    compiled = learning_case()
    role, host = role_of(compiled), ("127.0.0.1", 0)
    home, market = tcp_container(host), tcp_container(host)
    agent = home.register(agent_composed_of(role), suggested_aid="learning")
    async with activate(home, market), asyncio.timeout(120):
        world = World(
            compiled,
            seed=42,
            learning_address=agent.addr,
            update_times=role.plan.update_times,
            container=market,
        )
        for number, evaluation in EPISODES:
            await world.run_episode(number, evaluation=evaluation)
    return role


def test_learning_in_a_second_container_gives_the_same_weights() -> None:
    together, apart = asyncio.run(train_together()), asyncio.run(train_apart())
    assert together.episodes_done == apart.episodes_done == 3
    assert apart.incomplete == together.incomplete == 0
    pairs = list(zip(weights(together), weights(apart), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert together.evaluation_scores == apart.evaluation_scores
