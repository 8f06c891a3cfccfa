"""A plant that learns in reserve and in energy at once, held against all pairs of prices."""

from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from reserve_markets import MARKET, write_folder
from rich.console import Console
from test_fleets import check_same_learning
from test_ladders import resumed_is_uninterrupted
from torch import Tensor
from trained_runs import table

from assume_rl.cli.output import print_evaluation
from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.envs.adapters.decisions import Decisions, learned
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.record import play_recorded
from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.train import train
from assume_rl.experiments.train_task import training_task
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode
from assume_rl.testing.episodes import Frames

pytestmark = pytest.mark.unchecked

SLOW = pytest.mark.slow

RUNGS = [0.0, 5.0, 12.0, 30.0, 45.0, 70.0]
LENGTH = 4  # hours of a delivery
DELIVERIES = 6
EOM, RES = "learner@EOM", "learner@RES"
CHEAP, DEAR = 15.0, 60.0
PRICES = [CHEAP, DEAR] * (DELIVERIES // 2)  # of energy, EUR/MWh, by delivery


def write(folder: Path) -> Path:
    """Write a folder in which every other delivery is cheap energy: reserve pays then, else energy.

    The learner has 50 MW at 20 EUR/MWh. Of 40 MW of reserve a rival offers all at 13 EUR/MW and
    hour. Of energy another one offers all at 15 or at 60 EUR/MWh, by turns.
    """
    market = {**MARKET, "opening_frequency": "4h"}

    def delivers(after: str) -> list[dict[str, object]]:
        return [{"duration": f"{LENGTH}h", "count": 1, "first_delivery": after}]

    case = {
        "start_date": "2019-01-01 00:00",
        "end_date": "2019-01-02 04:00",
        "time_step": "1h",
        "markets_config": {
            "RES": {**market, "products": delivers("4h"), "product_type": "capacity_pos"},
            # Opens when reserve has cleared.
            "EOM": {**market, "products": delivers("3h"), "start_date": "2019-01-01 01:00"},
        },
        "bidding_strategy_params": {"rungs_at": RUNGS, "foresight": 1},
        "learning_config": {
            "algorithm": "q_learning",
            "gamma": 0.0,
            "reward": {"type": "profit"},
            "training_episodes": 24,
            "num_envs": 8,
            "episodes_collecting_initial_experience": 8,
            "initial_actions": "uniform",
            "validation_episodes_interval": 12,
            "gradient_steps": 10,
            "learning_rate": 0.01,
            "train_freq": "24h",
        },
    }
    naive = "powerplant_energy_naive"
    learns, holds = "powerplant_energy_learning_ladder", "powerplant_capacity_learning_ladder"
    rows = [
        ("learner", learns, holds, 50, 0, 20),
        ("holder", None, f"{naive}_balancing", 40, 0, 13),
        ("seller", naive, None, 200, 0, 0),
    ]
    names = ["name", "bidding_EOM", "bidding_RES", "max_power", "min_power", "additional_cost"]
    plants = pd.DataFrame(rows, columns=names).assign(emission_factor=0, efficiency=1)
    plants["fuel_type"] = ["nothing", "nothing", "gas"]
    times = pd.date_range("2019-01-01", periods=(DELIVERIES + 1) * LENGTH + 1, freq="h")
    write_folder(folder, case, plants, times, town=100.0, grid=40.0)
    cheap = (torch.arange(len(times)) // LENGTH % 2 == 1).tolist()
    gas = [CHEAP if low else DEAR for low in cheap]
    fuel = pd.DataFrame({"datetime": times, "gas": gas, "nothing": 0.0})
    fuel.to_csv(folder / "fuel_prices_df.csv", index=False)
    seen = pd.DataFrame({"datetime": times, "price_EOM": gas, "price_RES": gas})
    seen.to_csv(folder / "forecasts_df.csv", index=False)
    return folder


class Always:
    """A policy that takes one rung where energy is cheap, and another one where it is not."""

    dtype = torch.float64

    def __init__(self, cheap: int, dear: int) -> None:
        self.cheap, self.dear = (2.0 * rung / (len(RUNGS) - 1) - 1.0 for rung in (cheap, dear))

    def __call__(self, obs: Tensor) -> Tensor:
        # residual load, then price forecast of the delivery's first hour, scaled to [0, 1]
        return torch.where(obs[..., 1:2] < 0.5, self.cheap, self.dear)


def played(compiled: Compiled, reserve: int, energy: int) -> pd.DataFrame:
    """Rows of the learner's agents on one rung each."""
    frames = Frames()
    policies = {RES: Always(reserve, reserve), EOM: Always(energy, energy)}
    play_recorded(compiled, seed=1, policies=policies, sink=frames)
    return frames.table("rl_params")


def by_hand(reserve: float, energy: float, price: float) -> float:
    """EUR of one delivery at prices asked, where energy costs `price`."""
    held = 40 if reserve < 13 else 0
    sold = 50 - held if energy < price else 0
    return LENGTH * (held * reserve + sold * (price - 20))


def test_it_learns_what_no_other_pair_of_prices_beats(tmp_path: Path) -> None:
    # GIVEN what each pair of prices brings in each delivery, as worked out by hand
    scenario = load_scenario(write(tmp_path / "case"))
    compiled = compile_scenario(scenario)
    best: dict[float, tuple[float, ...]] = {}
    for reserve, energy in product(range(len(RUNGS)), repeat=2):
        found = played(compiled, reserve, energy).groupby("datetime").profit.sum().tolist()
        asked = RUNGS[reserve], RUNGS[energy]
        assert found == pytest.approx([by_hand(*asked, price) for price in PRICES])
        for price, profit in zip(PRICES, found, strict=True):
            best[price] = max(best.get(price, ()), (profit, *asked))
    # Reserve is sold at the highest price below the rival's where energy is cheap, and left to the
    # rival where it is dear, so that all power is sold as energy.
    assert best[CHEAP][:2] == (1920.0, 12.0)
    assert best[DEAR][0] == 8000.0
    # WHEN it learns both
    result = train(scenario, engine="batch", seed=1, out=tmp_path / "out")
    orders = table(result.folder, "market_orders").query("unit_id == 'learner'")
    accepted = orders.set_index(["market_id", "start_time"]).accepted_volume.unstack(0)
    # THEN it earns as much as the best pairs, more than in any one market
    assert accepted.RES.tolist() == [40.0, 0.0] * (DELIVERIES // 2)
    assert accepted.EOM.tolist() == [0.0, 50.0] * (DELIVERIES // 2)
    profit = sum(unit.profit for unit in result.last.units)
    assert profit == pytest.approx(sum(best[price][0] for price in PRICES))
    alone = {name: sum(by_hand(*asked, p) for p in PRICES) for name, asked in ALONE.items()}
    assert profit > max(alone.values())


ALONE = {"energy": (70.0, 45.0), "reserve": (12.0, 70.0)}
"""Prices at which the learner sells in one market only, as much as pays there."""


def test_an_agent_of_reserve_is_rewarded_for_energy_too(tmp_path: Path) -> None:
    compiled = compile_scenario(load_scenario(write(tmp_path / "case")))
    assert compiled.rewarded_with == {RES: (EOM,)}
    rows = played(compiled, reserve=2, energy=0).set_index(["unit", "datetime"])
    full = 50 * 100.0  # nameplate power at max_bid_price
    own = rows.profit / full
    assert rows.reward[EOM].tolist() == pytest.approx(own[EOM].tolist())
    assert rows.reward[RES].tolist() == pytest.approx((own[RES] + own[EOM]).tolist())
    # Likewise where only one of both agents learns.
    for learner, fixed, rung in ((RES, EOM, 2), (EOM, RES, 0)):
        policies = {fixed: Always(2, 2) if fixed == RES else Always(0, 0)}
        env = MarketEnv(compiled, num_envs=1, seeds=(1,), policies=policies)
        state, rewards = env.reset(torch.tensor([0])), []
        action = torch.full((1, 1, learned(env.teams[0]).action.size), Always(rung, rung).cheap)
        while not env.done(state):
            state, happened = env.step(state, (action,))
            rewards += [earned.reward.reward.item() for earned in happened.learners]
        assert rewards == pytest.approx(rows.reward[learner].tolist())


@pytest.mark.parametrize(
    "algorithm", [*(pytest.param(name, marks=SLOW) for name in ("mappo", "r2d2")), "q_learning"]
)
def test_both_shells_learn_the_same_and_resume_it(algorithm: str, tmp_path: Path) -> None:
    few: dict[str, Any] = {"training_episodes": 3, "num_envs": 1, "train_freq": "14h"}
    few |= {"validation_episodes_interval": 1, "gamma": 0.9, "algorithm": algorithm}
    if algorithm != "mappo":
        few |= {"episodes_collecting_initial_experience": 1, "gradient_steps": 2}
    settings = {f"learning_config.{key}": value for key, value in few.items()}
    scenario = load_scenario(write(tmp_path / "case"), overrides=settings)
    batch = resumed_is_uninterrupted(scenario, "batch", tmp_path)
    agents = train(scenario, engine="agents", out=tmp_path / "agents")
    check_same_learning(scenario, batch, agents)
    columns = ["unit", "episode", "evaluation_mode", "datetime", "reward", "profit", "regret"]
    one, other = (
        table(own.folder, "rl_params")
        .query("evaluation_mode == 1")[columns]
        .sort_values(columns[:4], ignore_index=True)
        for own in (batch, agents)
    )
    pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-6, atol=1e-6)


def test_policies_bid_alike_on_both_shells(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compiled = compile_scenario(load_scenario(write(tmp_path / "case")))
    assert_same_episode(compiled, {RES: Always(2, 5), EOM: Always(5, 0)})
    assert caplog.text == ""  # although who runs the markets owns units as well


EOM_KEYS = "markets_config.EOM"
APART = {
    "energy opens before reserve has cleared": {
        f"{EOM_KEYS}.start_date": "2019-01-01 00:00",
        f"{EOM_KEYS}.products": [{"duration": "4h", "count": 1, "first_delivery": "4h"}],
    },
    "energy closes after the next opening of reserve": {f"{EOM_KEYS}.opening_duration": "4h"},
    "energy is rewarded by the power that is offered": {
        "units.learner.bidding_EOM": "renewable_energy_learning_ladder"
    },
}


@pytest.mark.parametrize("overrides", APART.values(), ids=APART)
def test_others_are_rewarded_for_their_own_market(
    overrides: dict[str, Any], tmp_path: Path
) -> None:
    compiled = compile_scenario(load_scenario(write(tmp_path / "case"), overrides=overrides))
    assert compiled.rewarded_with == {}
    rows = played(compiled, reserve=2, energy=0).set_index(["unit", "datetime"]).loc[RES]
    # 50 MW that cost 40 EUR/MWh where energy is dear; regret of what it kept.
    forgone = [LENGTH * max(price - 20.0, 0.0) for price in PRICES]
    expected = [LENGTH * 40 * 12.0 - 40 * own for own in forgone]
    assert rows.profit.tolist() == pytest.approx(expected)


def test_units_that_share_a_policy_observe_the_same(tmp_path: Path) -> None:
    folder = write(tmp_path / "case")
    plants = pd.read_csv(folder / "powerplant_units.csv")
    other = plants.iloc[[0]].assign(name="other", bidding_RES=None)
    pd.concat([plants, other]).to_csv(folder / "powerplant_units.csv", index=False)
    key = "learning_config.parameter_sharing"
    scenario = load_scenario(folder, overrides={key: "technology"})
    names = [
        [feature.name for feature in bidder.layout.features]
        for operator in compile_scenario(scenario).operators
        for part in operator.participants.get("EOM", ())
        if isinstance(bidder := part.bidder, LearnedBidder)
    ]
    assert len(names) == 1
    assert "available_power" in names[0]
    training_task(scenario, None, None, "auto")


def test_policies_of_several_markets_are_not_those_of_one(tmp_path: Path) -> None:
    folder = write(tmp_path / "case")
    few = {"training_episodes": 2, "num_envs": 1, "episodes_collecting_initial_experience": 1}
    few |= {"validation_episodes_interval": 1, "gradient_steps": 1}
    settings = {f"learning_config.{key}": value for key, value in few.items()}
    result = train(load_scenario(folder, overrides=settings), engine="batch", out=tmp_path / "out")
    alone = load_scenario(folder, overrides={"markets_config.RES": None})
    with pytest.raises(PolicyError, match="'learner' in one market, but learner@EOM, learner@RES"):
        evaluate(alone, policies=result.folder)
    # In both, bids are in the unit of each market's prices.
    found = evaluate(load_scenario(folder), policies=result.folder, out=tmp_path / "evaluated")
    text = StringIO()
    print_evaluation(Console(file=text, width=200), found)
    assert "mean bid (unit of its market's prices)" in text.getvalue()


def test_a_delivery_is_one_transition_however_many_decide(tmp_path: Path) -> None:
    settings = {"algorithm": "mappo", "num_envs": 1, "replay_buffer_size": DELIVERIES}
    settings |= {"train_freq": "28h", "initial_actions": None}
    given = {f"learning_config.{key}": value for key, value in settings.items() if value}
    folder = write(tmp_path / "case")
    training_task(load_scenario(folder, overrides=given), None, None, "auto")
    given["learning_config.replay_buffer_size"] = DELIVERIES - 1
    with pytest.raises(ConfigurationError, match=f"{DELIVERIES} transitions"):
        training_task(load_scenario(folder, overrides=given), None, None, "auto")


def test_what_needs_all_learners_at_once_is_refused(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path / "case"))
    with pytest.raises(ConfigurationError, match=r"one after the other \(EOM, RES\)"):
        Decisions(scenario, num_envs=1, seed=1, window=None, policies=None)
