"""Parts that exist in tests only go through every command, on both shells, and into the hashes."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from small_case import write_case
from strangers import (
    LEARNED_BIDDER,
    RULE,
    RULE_BIDDER,
    LearnedWater,
    WaterValue,
    WithQuota,
    strangers,
)

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import Context
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.support import unsupported
from assume_rl.errors import ScenarioError
from assume_rl.experiments.observer import Silent
from assume_rl.learning.nets.stack import initial_actors
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.config.schema import StudyCase
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode, check_clearing

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]

LEARNING = {
    "learning_mode": True,
    "training_episodes": 4,
    "episodes_collecting_initial_experience": 1,
    "validation_episodes_interval": 2,
    "gradient_steps": 1,
    "batch_size": 8,
    "train_freq": "8h",
    "max_bid_price": 100,
}
RULES_ONLY = (
    "--set", f"units.reservoir.bidding_EOM={RULE_BIDDER}",
    "--set", "learning_config.learning_mode=false",
)  # fmt: skip
# Training on agents takes most of the time of these tests; the batch shell shows the same faults.
AGENTS_ARE_SLOW = pytest.mark.parametrize(
    "engine", [pytest.param("agents", marks=pytest.mark.slow), "batch"]
)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with strangers():
        yield


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A day in which a reservoir learns, in auctions of two hours that a quota limits."""
    folder = write_case(tmp_path / "day", products=2, learning_config=LEARNING)
    table = pd.read_csv(folder / "reservoir_units.csv")
    table.assign(bidding_EOM=LEARNED_BIDDER).to_csv(folder / "reservoir_units.csv", index=False)
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("pay_as_clear", RULE))
    return folder


@pytest.fixture
def command(
    assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., str]:
    """Runs `assume-rl ARGUMENTS` in an empty folder, which must succeed; returns its output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> str:
        code, out, err = assume_rl_command(*arguments)
        assert code == 0, err
        return out

    return call


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "results.db")) as connection:
        return connection.execute(query).fetchall()


def hashes(folder: Path) -> tuple[str, str, str]:
    """Hashes of the units and series, of the configuration, and of the results."""
    (found,) = rows(folder, "select configuration_hash, final_hash from runs")
    data = json.loads((folder / "manifest.json").read_text())["data"]
    assert all((data, *found))
    return (data, *found)


def test_the_rule_keeps_the_contract_of_rules() -> None:
    check_clearing(WithQuota(), quota=20)


def test_validate_describes_them(command: Callable[..., str], case: Path) -> None:
    out = command("validate", case)
    for expected in ("1 reservoir", RULE, "learning bidders"):
        assert expected in out


def test_their_faults_are_named(case: Path) -> None:
    faults = {
        "units.reservoir.inflow": (-1, "greater than or equal to 0"),
        "bidding_strategy_params.water_valu": (1, "unknown key; did you mean 'water_value'?"),
        "markets_config.EOM.param_dict.quoto": (1, "unknown key; did you mean 'quota'?"),
        "units.dear.bidding_EOM": (RULE_BIDDER, "is not for this kind of unit"),
    }
    for key, (value, sentence) in faults.items():
        with pytest.raises(ScenarioError) as raised:
            load_scenario(case, overrides={key: value})
        assert sentence in str(raised.value)
        assert key.split(".")[-1] in str(raised.value)


def test_their_parameters_reach_them(case: Path) -> None:
    context = Context(max_bid_price=100.0, products=2, step_hours=1.0)
    assert create(RULE_BIDDER, context, {"water_value": 7}) == WaterValue(7)
    assert create(LEARNED_BIDDER, context, {"foresight": 3}) == LearnedWater(2, 3, 100.0)
    settings = {"markets_config.EOM.param_dict": {"quota": 5}}
    assert compile_scenario(load_scenario(case, overrides=settings)).markets[0].params.quota == 5


def test_editors_know_their_keys() -> None:
    properties = StudyCase.model_json_schema()["properties"]
    assert "reservoir_units" in properties
    assert "water_value" in properties["bidding_strategy_params"]["properties"]


@pytest.mark.parametrize("bidder", [RULE_BIDDER, LEARNED_BIDDER])
def test_both_shells_give_the_same(case: Path, bidder: str) -> None:
    settings = {"units.reservoir.bidding_EOM": bidder}
    compiled = compile_scenario(load_scenario(case, overrides=settings))
    assert unsupported(compiled) is None
    agents = MarketEnv(compiled, num_envs=1, seeds=(0,)).agents
    policies = {a.unit_id: initial_actors([a], 7).to(dtype=torch.float64) for a in agents}
    assert_same_episode(compiled, policies)


@AGENTS_ARE_SLOW
def test_they_run_and_their_state_is_written_and_reported(
    command: Callable[..., str], case: Path, engine: str
) -> None:
    command("run", case, *RULES_ONLY, "--engine", engine, "--out", "ran", "--quiet")
    folder = case.parent / "ran"
    assert rows(folder, 'select "index", technology, max_power, content from reservoir_meta') == [
        ("reservoir", "hydro", 40.0, 150.0)
    ]
    states = rows(folder, "select power, level from unit_dispatch where unit = 'reservoir'")
    assert len(states) == 23  # up to the last delivery
    assert 0 < sum(power for power, _ in states) <= 75 + 23 * 12
    for (power, level), (_, after) in pairwise(states):
        assert after == pytest.approx(min(level + 12 - power, 150))
        assert 0 <= level <= 150
    (dearest,) = rows(folder, "select max(accepted_volume) from market_orders where volume > 0")
    assert dearest == (70.0,)  # the quota
    out = command("report", "ran")
    assert out == "report: ran/report.html\n"
    assert "hydro" in (folder / "report.html").read_text()


DATA, CONFIGURATION = 0, 1


@AGENTS_ARE_SLOW
@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("units.reservoir.inflow=9", DATA),
        ("bidding_strategy_params.water_value=90", CONFIGURATION),
        ("markets_config.EOM.param_dict.quota=55", CONFIGURATION),
    ],
)
def test_they_change_the_hashes_of_what_is_run_and_of_its_results(
    command: Callable[..., str], case: Path, setting: str, part: int, engine: str
) -> None:
    common = (*RULES_ONLY, "--engine", engine, "--quiet")
    for out, more in {"a": (), "b": (), "c": ("--set", setting)}.items():
        command("run", case, *common, *more, "--out", out)
    first, same, other = (hashes(case.parent / out) for out in "abc")
    assert first == same
    assert first[part] != other[part]
    assert first[-1] != other[-1]


@AGENTS_ARE_SLOW
def test_they_are_trained_resumed_evaluated_and_reported(
    assume_rl_command: Command,
    command: Callable[..., str],
    case: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
) -> None:
    common = (case, "--engine", engine, "--seed", 5, "--quiet")
    command("train", *common, "--out", "whole")
    seen = []

    def pressed(*report: object) -> None:
        seen.append(report)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Silent, "episode", pressed)
        assert assume_rl_command("train", *common, "--out", "twice")[0] == 130
    command("train", *common, "--out", "twice", "--resume")
    whole, twice = case.parent / "whole", case.parent / "twice"
    assert json.loads((twice / "manifest.json").read_text())["resumed_after"]
    assert hashes(whole) == hashes(twice)
    policies = sorted(file.name for file in (whole / "policies" / "last").iterdir())
    (name,) = [name for name in policies if "reservoir" in name]
    first, second = (folder / "policies" / "last" / name for folder in (whole, twice))
    assert first.read_bytes() == second.read_bytes()
    assert rows(whole, "select distinct unit from rl_params") == [("reservoir",)]
    evaluated = ("evaluate", case, "--policies", "whole", "--engine", engine, "--out", "scored")
    assert "reservoir" in command(*evaluated)
    assert len(rows(case.parent / "scored", "select * from rl_params")) == 11
    command("run", *common, "--policies", "whole", "--out", "ran")
    assert command("report", "whole") == "report: whole/report.html\n"
    assert "reservoir" in (whole / "report.html").read_text()
