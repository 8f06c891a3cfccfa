"""Several markets, overlapping auctions and tight limits on both shells."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from policies import fresh_policies
from torch import Tensor
from toy_scenarios import market, toy_scenario

from assume_rl.agents.world import World
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.record import play_recorded
from assume_rl.envs.support import unsupported
from assume_rl.errors import ConfigurationError
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

DAY_AHEAD = market(
    products=[{"duration": "1h", "count": 24, "first_delivery": "12h"}],
    opening_frequency="24h",
    opening_duration="2h",
)
HALF_SOLD = market(
    products=[{"duration": "1h", "count": 6, "first_delivery": "3h"}],
    opening_frequency="6h",
    maximum_bid_volume=50,
)
OPEN_FOR_LONG = market(
    products=[{"duration": "1h", "count": 1, "first_delivery": "4h"}], opening_duration="3h"
)
LATE = market(
    products=[{"duration": "1h", "count": 1, "first_delivery": "0h"}], opening_duration="2h"
)
BLOCKS = market(
    products=[
        {"duration": "1h", "count": 4, "first_delivery": "2h"},
        {"duration": "4h", "count": 1, "first_delivery": "2h"},
    ],
    opening_frequency="4h",
)
LEARNS = {"coal": "powerplant_energy_learning", "gas": "powerplant_energy_learning_single_bid"}
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "day-ahead, then hourly": {"DAM": DAY_AHEAD, "EOM": market()},
    "hourly, then day-ahead": {"EOM": market(), "DAM": HALF_SOLD},
    "auctions that overlap": {"EOM": OPEN_FOR_LONG},
    "delivery before clearing": {"EOM": LATE},
    "products of two lengths": {"EOM": BLOCKS},
    "tight price limits": {"EOM": market(maximum_bid_price=40, minimum_bid_price=8)},
    "scarcity pricing": {"EOM": market(param_dict={"scarcity_pricing": True})},
    "pay-as-bid": {"EOM": market(market_mechanism="pay_as_bid")},
    "ticks": {"DAM": HALF_SOLD, "EOM": market(price_tick=0.5, volume_tick=4)},
}


@pytest.mark.parametrize("case", CASES)
def test_both_shells_give_the_same(tmp_path: Path, case: str) -> None:
    compiled = toy_scenario(tmp_path, CASES[case], bids={"EOM": LEARNS})
    assert_same_episode(compiled, fresh_policies(compiled))


CHARGED = {"bidding_strategy_params.start_costs": True}


@pytest.mark.parametrize("case", ["day-ahead, then hourly", "products of two lengths"])
def test_both_shells_charge_the_same_starts(tmp_path: Path, case: str) -> None:
    toy_scenario(tmp_path, CASES[case], bids={"EOM": LEARNS})
    plants = pd.read_csv(tmp_path / "powerplant_units.csv")
    costs = {"warm_start_cost": 40, "cold_start_cost": 80}
    limits = {"downtime_hot_start": 2, "downtime_warm_start": 9}
    plants.assign(**costs, **limits).to_csv(tmp_path / "powerplant_units.csv", index=False)
    compiled = compile_scenario(load_scenario(tmp_path, overrides=CHARGED))
    assert_same_episode(compiled, fresh_policies(compiled))


def test_a_start_costs_what_its_downtime_makes_of_it(tmp_path: Path) -> None:
    """300 MW at 80 EUR/MW when cold, both downtimes 0: 24,000 EUR in the hours of a start."""
    toy_scenario(tmp_path, {"EOM": market()}, hours=8, bids={"EOM": LEARNS})
    plants = pd.read_csv(tmp_path / "powerplant_units.csv")
    plant = plants[plants["name"] == "coal"].assign(
        max_power=300, min_power=0, cold_start_cost=80, additional_cost=6
    )
    plant.to_csv(tmp_path / "powerplant_units.csv", index=False)
    load = pd.read_csv(tmp_path / "demand_df.csv")
    load["load"] = [0, 0, 100, 100, 0, 0, 0, 100, 0]
    load.to_csv(tmp_path / "demand_df.csv", index=False)
    compiled = compile_scenario(load_scenario(tmp_path, overrides=CHARGED))
    limit = compiled.scenario.learning.max_bid_price
    policies = {"coal": Prices(30 / limit, 30 / limit)}  # at marginal cost: no margin
    message, batch = MemorySink(), MemorySink()
    asyncio.run(World(compiled, seed=0, policies=policies).run_episode(0, sink=message))
    play_recorded(compiled, seed=0, policies=policies, sink=batch)
    for sink in (message, batch):
        charged = [0, -24_000, 0, 0, 0, 0, -24_000]
        assert sink.table("rl_params")["profit"] == pytest.approx(charged)


class Prices:
    """A policy that always asks the same prices, over `max_bid_price`."""

    dtype = torch.float64

    def __init__(self, *prices: float) -> None:
        self._prices = torch.tensor(prices, dtype=torch.float64)

    def __call__(self, obs: Tensor) -> Tensor:
        return self._prices.expand(*obs.shape[:-1], -1)


def test_profit_under_pay_as_bid_is_what_the_orders_earned(tmp_path: Path) -> None:
    """20 MW at 40 and 80 MW at 80 EUR/MWh, at a cost of 30: 200 and 4,000 EUR in every hour."""
    markets = {"EOM": market(market_mechanism="pay_as_bid")}
    toy_scenario(tmp_path, markets, hours=4, bids={"EOM": LEARNS})
    plants = pd.read_csv(tmp_path / "powerplant_units.csv")
    plant = plants[plants["name"] == "coal"].assign(
        max_power=100, min_power=20, hot_start_cost=0, additional_cost=6
    )
    plant.to_csv(tmp_path / "powerplant_units.csv", index=False)
    load = pd.read_csv(tmp_path / "demand_df.csv").assign(load=100)
    load.to_csv(tmp_path / "demand_df.csv", index=False)
    compiled = compile_scenario(load_scenario(tmp_path))
    assert compiled.profiles.marginal_cost[0, 0].item() == 30
    limit = compiled.scenario.learning.max_bid_price
    policies = {"coal": Prices(40 / limit, 80 / limit)}
    message, batch = MemorySink(), MemorySink()
    asyncio.run(World(compiled, seed=0, policies=policies).run_episode(0, sink=message))
    play_recorded(compiled, seed=0, policies=policies, sink=batch)
    for sink in (message, batch):
        earned = sink.table("rl_params")
        assert earned["profit"] == pytest.approx([4200.0] * 3)
        assert earned["reward"] == pytest.approx([4200.0 / (limit * 100)] * 3)


def test_a_market_in_which_nobody_bids_changes_nothing(tmp_path: Path) -> None:
    toy_scenario(tmp_path / "toy", {"EOM": market(), "IDLE": market()}, hours=12)
    units = load_scenario(tmp_path / "toy").units
    nobody = {f"units.{unit.id}.bidding_IDLE": None for unit in units}
    compiled = compile_scenario(load_scenario(tmp_path / "toy", overrides=nobody))
    assert_same_episode(compiled)


def test_orders_on_ticks_are_paid_in_eur_and_delivered_in_mw(tmp_path: Path) -> None:
    """Coal costs 24.6 EUR/MWh; 70 MW of load is 17.5 ticks of 4 MW, of which 18 are bought."""
    markets = {"EOM": market(price_tick=0.5, volume_tick=4)}
    toy_scenario(tmp_path, markets, hours=4, load=70)
    plants = pd.read_csv(tmp_path / "powerplant_units.csv")
    plant = plants[plants["name"] == "coal"].assign(additional_cost=0.6)
    plant.to_csv(tmp_path / "powerplant_units.csv", index=False)
    compiled = compile_scenario(load_scenario(tmp_path))
    for sink in on_both_shells(compiled):
        orders = pd.DataFrame(sink.table("market_orders"))
        coal = orders[orders["unit_id"] == "coal"]
        assert set(zip(coal["price"], coal["volume"], strict=True)) == {(24.5, 80.0)}
        assert set(coal["accepted_volume"]) == {72.0}
        dispatch = pd.DataFrame(sink.table("unit_dispatch")).groupby("unit")
        assert dispatch["power"].max()["coal"] == 72
        assert dispatch["revenue"].max()["coal"] == 72 * 24.5
        assert dispatch["power"].min()["load"] == -72


def on_both_shells(compiled: Compiled) -> tuple[MemorySink, MemorySink]:
    message, batch = MemorySink(), MemorySink()
    asyncio.run(World(compiled, seed=0, policies={}).run_episode(0, sink=message))
    play_recorded(compiled, seed=0, policies={}, sink=batch)
    return message, batch


def test_operators_that_trade_in_other_markets_are_executed_at_other_times(tmp_path: Path) -> None:
    """O1 sells in both markets, O2 hourly only, O3 day-ahead only."""
    bids = {"EOM": {"coal twin": ""}, "DAM": {"coal": "", "gas": ""}}
    compiled = toy_scenario(tmp_path, {"EOM": market(), "DAM": HALF_SOLD}, bids=bids)
    assert_same_episode(compiled)


def test_learners_in_markets_that_are_out_of_step_are_not_supported(tmp_path: Path) -> None:
    learning = "powerplant_energy_learning"
    bids = {"EOM": {"coal": learning}, "DAM": {"gas": learning}}
    compiled = toy_scenario(tmp_path, {"EOM": market(), "DAM": HALF_SOLD}, bids=bids)
    message = (
        r"take part in 2 markets \(EOM, DAM\) whose auctions do not begin to deliver at the same"
    )
    assert re.search(message, unsupported(compiled) or "")
    with pytest.raises(ConfigurationError, match=message):
        MarketEnv(compiled, num_envs=1, seeds=(1,))


def test_units_that_learn_in_markets_one_after_the_other_give_the_same_on_both_shells(
    tmp_path: Path,
) -> None:
    learning = "powerplant_energy_learning"
    bids = {"EOM": {"coal": learning, "gas": learning}, "LATER": {"coal": learning}}
    # The second auction for two hours opens when the first one has closed.
    hours = {"duration": "1h", "count": 2}
    first = market(products=[{**hours, "first_delivery": "2h"}], opening_frequency="2h")
    later = {**first, "products": [{**hours, "first_delivery": "1h"}]}
    later["start_date"] = "2019-01-01 01:00"
    compiled = toy_scenario(tmp_path, {"EOM": first, "LATER": later}, bids=bids)
    setting = MarketEnv(compiled, num_envs=1, seeds=(1,)).setting
    assert setting.in_turns
    assert compiled.rewarded_with == {}
    assert_same_episode(compiled, fresh_policies(compiled))


def test_units_that_learn_in_two_markets_give_the_same_on_both_shells(tmp_path: Path) -> None:
    learning = "powerplant_energy_learning"
    bids = {"EOM": {"coal": learning, "gas": learning}, "POOL": {"coal": learning}}
    compiled = toy_scenario(tmp_path, {"EOM": market(), "POOL": market()}, bids=bids)
    assert compiled.learners == ("coal@EOM", "gas", "coal@POOL")
    assert_same_episode(compiled, fresh_policies(compiled))


def test_rows_are_the_same_however_often_they_are_flushed(tmp_path: Path) -> None:
    compiled = toy_scenario(tmp_path, {"EOM": market(), "DAM": HALF_SOLD})
    sinks = MemorySink(), MemorySink()
    for sink, hours in zip(sinks, (None, 7), strict=True):
        play_recorded(compiled, seed=1, policies={}, sink=sink, flush_hours=hours)
    for name in ("market_orders", "unit_dispatch", "market_meta"):
        whole, parts = (pd.DataFrame(sink.table(name)) for sink in sinks)
        keys = list(whole)
        pd.testing.assert_frame_equal(
            whole.sort_values(keys, ignore_index=True), parts.sort_values(keys, ignore_index=True)
        )


def test_a_difference_between_the_shells_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assume_rl.testing import episodes

    def other_seed(*arguments: Any, seed: int, **rest: Any) -> None:
        play_recorded(*arguments, seed=seed + 1, **rest)

    monkeypatch.setattr(episodes, "play_recorded", other_seed)
    compiled = toy_scenario(tmp_path, {"EOM": market()})
    with pytest.raises(AssertionError, match=r"market_orders\.accepted_volume differ"):
        assert_same_episode(compiled, seed=3)
