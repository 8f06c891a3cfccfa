"""What is sold is delivered up to the end of an episode, on both shells."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from policies import fresh_policies
from toy_scenarios import market, toy_scenario

from assume_rl.agents.world import World
from assume_rl.envs import market_env
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.record import Recording, play_recorded
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

NONE = np.nan
# Marginal costs with the fuel prices of the toy scenario: 3 / 0.6 = 5 and 12 / 0.2 = 60 EUR/MWh.
CHEAP = ("cheap", "O1", "nuclear", "uranium", 100, 0, 0.6, NONE, NONE, 0, 0, 0)
DEAR = ("dear", "O2", "hard coal", "hard coal", 300, 0, 0.2, NONE, NONE, 0, 0, 0)
# Ramps of 25 and 30 MW per step.
STIFF = ("cheap", "O1", "nuclear", "uranium", 100, 40, 0.6, 25, 30, 6, 1, 0)


def day_ahead(first: int, count: int, **settings: Any) -> dict[str, Any]:
    """A daily auction of `count` hours, which clears an hour after it opens."""
    products = [{"duration": "1h", "count": count, "first_delivery": f"{first}h"}]
    return market(products=products, opening_frequency="24h", **settings)


HOURLY = market()
FAR_AHEAD = market(products=[{"duration": "1h", "count": 1, "first_delivery": "30h"}])


def dispatch(compiled: Compiled, shell: str) -> pd.DataFrame:
    """`unit_dispatch` of an episode."""
    sink = MemorySink()
    if shell == "batch":
        play_recorded(compiled, seed=1, policies={}, sink=sink)
    else:
        asyncio.run(World(compiled, seed=1).run_episode(0, sink=sink))
    return pd.DataFrame(sink.table("unit_dispatch")).sort_values(["time", "unit"])


def of_unit(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    return rows[rows["unit"] == unit].reset_index(drop=True)


@pytest.mark.parametrize("shell", ["agents", "batch"])
@pytest.mark.parametrize("auction", [HOURLY, day_ahead(1, 24)], ids=["hourly", "24 products"])
def test_a_plant_earns_the_same_however_its_hours_are_sold(
    tmp_path: Path, shell: str, auction: dict[str, Any]
) -> None:
    """72 hours of 100 MW at a margin of 55 EUR/MWh."""
    compiled = toy_scenario(tmp_path, {"EOM": auction}, hours=73, plants=[CHEAP, DEAR], load=200)
    own = of_unit(dispatch(compiled, shell), "cheap")
    assert own["power"].tolist() == [0.0] + [100.0] * 72
    earned = (own["energy_cashflow"] - own["energy_generation_costs"]).sum()
    assert earned == pytest.approx(396_000)


@pytest.mark.parametrize("shell", ["agents", "batch"])
def test_steps_are_written_once_up_to_the_last_delivery(tmp_path: Path, shell: str) -> None:
    """The last auction delivers hours 30 to 39; nothing is known of later ones."""
    compiled = toy_scenario(
        tmp_path, {"EOM": day_ahead(6, 10)}, hours=45, plants=[CHEAP, DEAR], load=70
    )
    own = of_unit(dispatch(compiled, shell), "cheap")
    hours = (own["time"] - pd.Timestamp("2019-01-01")) // pd.Timedelta("1h")
    assert hours.tolist() == list(range(40))
    assert own["power"].tolist() == [70.0 * (h in range(6, 16) or h >= 30) for h in range(40)]


@pytest.mark.parametrize("shell", ["agents", "batch"])
def test_limits_hold_beyond_the_last_clearing(tmp_path: Path, shell: str) -> None:
    """A single auction sells 20 hours of a plant that needs several to reach what it sold."""
    compiled = toy_scenario(tmp_path, {"EOM": day_ahead(2, 20)}, hours=23, plants=[STIFF, DEAR])
    power = of_unit(dispatch(compiled, shell), "cheap")["power"].to_numpy()
    assert len(power) == 22
    assert power[2] == 40.0  # the minimum power, which lies above the ramp
    rises = np.diff(power[2:])
    assert rises.max() == pytest.approx(25)
    assert rises.min() >= -30 - 1e-9


AT_ONCE = [{"duration": "1h", "count": 1, "first_delivery": "0h"}]
LATE = market(products=AT_ONCE, opening_duration="3h", maximum_bid_volume=25)


@pytest.mark.parametrize("shell", ["agents", "batch"])
def test_what_clears_after_its_delivery_has_begun_is_delivered(tmp_path: Path, shell: str) -> None:
    """25 MW are sold three hours late, 40 MW right before their delivery, for the same hours."""
    markets = {"LATE": LATE, "EOM": market(maximum_bid_volume=40)}
    compiled = toy_scenario(tmp_path, markets, hours=9, plants=[CHEAP, DEAR], load=200)
    assert compiled.delay == 3
    own = of_unit(dispatch(compiled, shell), "cheap")
    assert own["power"].tolist() == [25.0] + [65.0] * 6 + [40.0] * 2
    assert own["energy_generation_costs"].tolist() == [125.0] + [325.0] * 6 + [200.0] * 2


@pytest.mark.parametrize(
    "markets",
    [
        {"LATE": LATE, "EOM": HOURLY},
        {"DAM": day_ahead(1, 24)},
        {"DAM": day_ahead(20, 24)},
        {"EOM": FAR_AHEAD},
        {"DAM": day_ahead(6, 24), "EOM": HOURLY},
        {"EOM": FAR_AHEAD, "DAM": day_ahead(3, 12, maximum_bid_volume=50)},
    ],
    ids=[
        "after the fact",
        "day-ahead",
        "late",
        "far ahead",
        "with an hourly market",
        "two days ahead",
    ],
)
def test_both_shells_deliver_the_same_rest(
    tmp_path: Path, markets: dict[str, dict[str, Any]]
) -> None:
    assert_same_episode(toy_scenario(tmp_path, markets, hours=72))


def test_units_of_one_operator_are_delivered_alike_whatever_they_bid_in(tmp_path: Path) -> None:
    """`coal` sells day-ahead and looks back, `gas` hourly; their operator delivers both."""
    bids = {"EOM": {"coal": ""}, "DAM": {"gas": "", "coal": "powerplant_energy_learning"}}
    markets = {"EOM": HOURLY, "DAM": day_ahead(20, 24)}
    compiled = toy_scenario(tmp_path, markets, hours=72, bids=bids)
    assert_same_episode(compiled, fresh_policies(compiled))


def second_copy(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> MemorySink:
    """The tables of the second of two copies, whose window of 26 steps begins at step 24."""
    monkeypatch.setattr(market_env, "starts", lambda *_: torch.tensor([0, 24]))
    env = MarketEnv(compiled, num_envs=2, seeds=(1,), window=26, record=True)
    sink, state = MemorySink(), env.reset(torch.tensor([0, 0]))
    recording = Recording(env, sink, EpisodeKey(1, 0, evaluation=False), state, copy=1)
    while not env.done(state):
        state, happened = env.step(state, ())
        recording.add(happened)
    recording.flush()
    return sink


def test_a_window_delivers_what_it_sold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second copy plays hours 24 to 49 and delivers hours 25 to 48."""
    compiled = toy_scenario(
        tmp_path, {"EOM": day_ahead(1, 24)}, hours=72, plants=[STIFF, DEAR], load=90
    )
    sink = second_copy(compiled, monkeypatch)
    own = of_unit(pd.DataFrame(sink.table("unit_dispatch")), "cheap")
    hours = (own["time"] - pd.Timestamp("2019-01-01")) // pd.Timedelta("1h")
    assert hours.tolist() == list(range(24, 49))
    assert own["power"].tolist() == [0.0, 40.0, 65.0] + [90.0] * 22


def test_a_window_delivers_what_an_exchange_sold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its series are those of the calendar, the log of the second copy begins at hour 24."""
    compiled = toy_scenario(tmp_path, {"EOM": HOURLY}, hours=72, exchange=True)
    sink = second_copy(compiled, monkeypatch)
    sold = pd.DataFrame(sink.table("market_dispatch")).query("unit_id == 'border'")
    delivered = of_unit(pd.DataFrame(sink.table("unit_dispatch")), "border").set_index("time")
    assert (sold["power"] < 0).any()
    assert delivered["power"].loc[sold["datetime"]].tolist() == sold["power"].tolist()


def test_a_market_that_ends_before_another_is_delivered_alike(tmp_path: Path) -> None:
    ends = day_ahead(1, 24, end_date="2019-01-03 00:00")
    own = {name: "" for name in ("coal", "gas", "wind", "nuclear")}
    bids = {"DAM": {"coal twin": "", "load": "demand_energy_naive"}, "EOM": own}
    compiled = toy_scenario(tmp_path, {"DAM": ends, "EOM": market()}, hours=96, bids=bids)
    assert_same_episode(compiled)


@pytest.mark.parametrize("shell", ["agents", "batch"])
def test_a_plant_beside_a_late_market_is_lifted_to_its_minimum(tmp_path: Path, shell: str) -> None:
    late = market(products=[{"duration": "1h", "count": 1, "first_delivery": "0h"}])
    plants = [
        ("cheap", "O1", "nuclear", "uranium", 100, 40, 0.6, NONE, NONE, 0, 0, 0),
        ("dear", "O2", "hard coal", "hard coal", 100, 0, 0.2, NONE, NONE, 0, 0, 0),
    ]
    bids = {"LATE": {"cheap": ""}, "EOM": {"dear": ""}}
    markets = {"EOM": market(), "LATE": late}
    compiled = toy_scenario(tmp_path, markets, hours=12, bids=bids, plants=plants, load=10)
    power = of_unit(dispatch(compiled, shell), "cheap")["power"]
    assert set(power[1:]) == {40.0}
