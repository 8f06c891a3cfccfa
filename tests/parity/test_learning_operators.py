"""Operators that learn for all of their plants, on both shells and from the command line."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from policies import fresh_policies
from toy_scenarios import market, toy_scenario

from assume_rl.envs.support import unsupported
from assume_rl.errors import ConfigurationError, ScenarioError
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.train import train
from assume_rl.experiments.train_task import check_training
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.queries import learners
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

NAME = "portfolio_learning"
LEARNING = {
    "learning_mode": True,
    "training_episodes": 2,
    "episodes_collecting_initial_experience": 1,
    "validation_episodes_interval": 1,
    "train_freq": "6h",
    "gradient_steps": 2,
    "batch_size": 4,
}


def owned(
    folder: Path, markets: dict[str, Any], strategies: dict[str, dict[str, str]], **given: Any
) -> Path:
    """Write a toy scenario whose operators have strategies, by operator and market."""
    toy_scenario(folder, markets, hours=24, **given)
    names = dict.fromkeys(name for own in strategies.values() for name in own)
    rows = [
        {"name": o, **{f"bidding_{m}": own.get(m) for m in names}} for o, own in strategies.items()
    ]
    pd.DataFrame(rows).to_csv(folder / "unit_operators.csv", index=False)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["base"]["learning_config"] = LEARNING
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


def compiled_of(folder: Path) -> Compiled:
    return compile_scenario(load_scenario(folder))


TWO_HOURS = market(
    products=[{"duration": "1h", "count": 2, "first_delivery": "1h"}], opening_frequency="2h"
)


@pytest.mark.parametrize("settings", [market(), TWO_HOURS], ids=["an hour", "two hours"])
def test_two_operators_play_alike_on_both_shells(tmp_path: Path, settings: dict[str, Any]) -> None:
    """O1 has wind and a plant with ramps, O2 coal and gas; a plant of O3 learns by itself."""
    strategies = {name: {"EOM": NAME} for name in ("O1", "O2")}
    bids = {"EOM": {"coal twin": "powerplant_energy_learning_single_bid"}}
    compiled = compiled_of(owned(tmp_path / "toy", {"EOM": settings}, strategies, bids=bids))
    assert compiled.learners == ("O1", "O2", "coal twin")
    assert unsupported(compiled) is None
    assert_same_episode(compiled, fresh_policies(compiled))


def test_an_operator_that_learns_in_two_markets_is_two_agents(tmp_path: Path) -> None:
    strategies = {"O2": {"EOM": NAME, "POOL": NAME}}
    folder = owned(tmp_path / "toy", {"EOM": market(), "POOL": market()}, strategies)
    compiled = compiled_of(folder)
    assert compiled.learners == ("O2@EOM", "O2@POOL")
    assert_same_episode(compiled, fresh_policies(compiled))


def test_it_trains_and_its_policy_is_read_again(tmp_path: Path) -> None:
    scenario = load_scenario(owned(tmp_path / "toy", {"EOM": market()}, {"O2": {"EOM": NAME}}))
    last = train(scenario, engine="batch", out=tmp_path / "out").last
    again = evaluate(scenario, policies=tmp_path / "out", out=tmp_path / "again")
    assert again.evaluation.reward == pytest.approx(last.reward, abs=1e-6)
    own = ["coal", "gas"]
    (score,) = again.evaluation.units
    orders = table(tmp_path / "out", "market_orders").query("unit_id in @own")
    cost = orders["unit_id"].map(constant_costs(tmp_path / "out"))
    earned = ((orders["accepted_price"] - cost) * orders["accepted_volume"]).sum()
    assert again.evaluation.profit == pytest.approx(earned) != 0
    assert score.unit == "O2"
    assert score.mean_bid == pytest.approx(np.average(orders["price"], weights=orders["volume"]))
    assert again.evaluation.unknown == (
        "O2 is an operator, which decides for all of its plants at once"
    )
    (recorded,) = open_source(tmp_path / "out").recorded
    assert learners(recorded) == {*own}


def constant_costs(run: Path) -> "pd.Series[float]":
    """Marginal costs of plants, which are the same in all steps."""
    costs = table(run, "marginal_costs").set_index("unit")["marginal_cost"]
    assert costs.index.is_unique
    return costs


def table(run: Path, name: str) -> pd.DataFrame:
    with closing(sqlite3.connect(run / "results.db")) as connection:
        return pd.read_sql(f"select * from {name}", connection)


def test_an_algorithm_for_rungs_is_refused_without_advice_for_units(tmp_path: Path) -> None:
    folder = owned(tmp_path / "toy", {"EOM": market()}, {"O2": {"EOM": NAME}})
    scenario = load_scenario(folder, overrides={"learning_config.algorithm": "q_learning"})
    with pytest.raises(ConfigurationError) as raised:
        check_training(compile_scenario(scenario))
    assert "as operator 'O2' with the strategy portfolio_learning must" in str(raised.value)
    assert "ladder" not in str(raised.value)


@pytest.mark.slow
def test_agents_train_it_to_the_same_and_it_is_reported(
    tmp_path: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    folder = owned(tmp_path / "toy", {"EOM": market()}, {"O2": {"EOM": NAME}})
    scenario = load_scenario(folder)
    rewards = [
        train(scenario, engine=engine, out=tmp_path / engine).last.reward
        for engine in ("batch", "agents")
    ]
    assert rewards[0] == pytest.approx(rewards[1], abs=1e-6)
    assert assume_rl_command("report", tmp_path / "batch")[0] == 0
    named = {"policies.O2": str(tmp_path / "batch" / "policies" / "last")}
    again = evaluate(load_scenario(folder, overrides=named), out=tmp_path / "again")
    assert again.evaluation.reward == pytest.approx(rewards[0], abs=1e-6)


def refusal(folder: Path) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder)
    return str(raised.value)


def test_what_does_not_go_with_it_is_refused_by_name(tmp_path: Path) -> None:
    markets, strategy = {"EOM": market()}, {"O1": {"EOM": NAME}}
    bids = {"EOM": {"nuclear": "powerplant_energy_learning"}}
    folder = owned(tmp_path / "a", markets, strategy)
    plants = pd.read_csv(folder / "powerplant_units.csv")
    plants.loc[plants["name"] == "nuclear", "bidding_EOM"] = bids["EOM"]["nuclear"]
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    assert "'powerplant_energy_learning' learns its prices" in refusal(folder)
    folder = owned(tmp_path / "b", markets, strategy, storage=True)
    assert "which is not for this kind of unit" in refusal(folder)
    folder = owned(tmp_path / "c", markets, strategy)
    plants = pd.read_csv(folder / "powerplant_units.csv").replace({"wind": "O1"})
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    assert "unit_operators.csv, row 'O1': a unit has the same name" in refusal(folder)
