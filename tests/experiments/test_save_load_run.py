"""A policy that was saved and loaded bids bit for bit as it did in the training."""

import asyncio
import dataclasses
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from trained_runs import Trained, bids, tiny

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.world import World
from assume_rl.errors import PolicyError
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.provenance import trained_share
from assume_rl.experiments.run import run
from assume_rl.learning.policies.assume_layout import save_assume_layout
from assume_rl.learning.policies.manifest import read_manifest
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked


def learning_role(scenario: Scenario, **options: object) -> Learning:
    end = scenario.index[-1].to_pydatetime()
    return Learning(scenario.learning, scenario.start, end, seed=42, **options)  # type: ignore[arg-type]


def recorded_bids(memory: MemorySink) -> pd.Series:
    orders = pd.DataFrame(memory.table("market_orders"))
    return orders.set_index(["start_time", "unit_id", "bid_id"])["price"].sort_index()


async def train_in_memory(scenario: Scenario, memory: MemorySink) -> Learning:
    """Two training episodes and an evaluation whose orders are recorded."""
    role = learning_role(scenario)
    world = World(compile_scenario(scenario), seed=42, learning=role)
    await world.run_episode(1)
    await world.run_episode(2)
    await world.run_episode(1, evaluation=True, sink=memory)
    return role


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("ours", "ten_learners"),
        ("assume", "single_learner"),
        pytest.param("ours", "single_learner", marks=pytest.mark.slow),
        pytest.param("assume", "ten_learners", marks=pytest.mark.slow),
    ],
)
def test_the_bids_of_the_last_evaluation_come_back(name: str, layout: str, tmp_path: Path) -> None:
    scenario, memory = tiny(name), MemorySink()
    role = asyncio.run(train_in_memory(scenario, memory))
    if layout == "ours":
        role.save_params(tmp_path / "saved")
    else:
        save_assume_layout(tmp_path / "saved", role.learner)
    run(scenario, policies=tmp_path / "saved", out=tmp_path / "run")
    evaluated, reloaded = recorded_bids(memory), bids(tmp_path / "run")
    assert len(evaluated) == len(reloaded)
    assert np.array_equal(evaluated.to_numpy(), reloaded.to_numpy())


@pytest.mark.parametrize("name", ["single", "ten"])
def test_the_recorded_run_of_a_training_is_the_run_on_its_last_policies(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    trained: Trained = request.getfixturevalue(name)
    run(trained.scenario, policies=trained.folder, out=tmp_path / "run")
    pd.testing.assert_series_equal(bids(trained.folder), bids(tmp_path / "run"), rtol=0, atol=0)


def test_policies_of_the_study_case_and_of_a_folder_are_the_same(
    single: Trained, tmp_path: Path
) -> None:
    named = tiny("single_learner", **{"policies.learner": str(single.last)})
    run(named, out=tmp_path / "named")
    loaded = tiny(
        "single_learner", **{"learning_config.trained_policies_load_path": str(single.last)}
    )
    run(loaded, out=tmp_path / "loaded")
    assert bids(tmp_path / "named").equals(bids(single.folder))
    assert bids(tmp_path / "loaded").equals(bids(single.folder))


def test_an_evaluation_says_how_much_of_its_days_was_trained_on(
    single: Trained, tmp_path: Path
) -> None:
    result = evaluate(single.scenario, policies=single.folder, out=tmp_path / "same")
    assert result.trained_share == 1.0
    manifest = read_manifest(single.last)
    start, end = single.scenario.start, single.scenario.config.end_date
    for later, share in (((end - start) / 2, 0.5), (timedelta(weeks=1), 0.0)):
        here = tiny("single_learner", start_date=start + later, end_date=end + later)
        assert trained_share(compile_scenario(here), manifest) == share
    assert trained_share(compile_scenario(single.scenario), None) is None


def test_a_run_needs_no_critics_replay_or_optimiser(
    ten: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a run on finished policies holds none of this")

    for place in (
        "assume_rl.learning.learner.Learner.__init__",
        "assume_rl.compat.replay_buffer.ReplayBuffer.__init__",
        "assume_rl.learning.build.build_nets",
        "torch.optim.AdamW.__init__",
        "assume_rl.learning.nets.stack.CriticStack.__init__",
        "assume_rl.agents.learning.role.Learning.__init__",
    ):
        monkeypatch.setattr(place, forbidden)
    assert ten.scenario.learning.learning_mode
    run(ten.scenario, policies=ten.last, out=tmp_path / "run")
    assert not (tmp_path / "run" / "policies").exists()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("max_bid_price", 3000.0, "max_bid_price 100, here it is 3000"),
        ("observation_window", "clamp", "observation_window wrap, here it is clamp"),
    ],
)
def test_a_policy_trained_for_another_setting_is_refused(
    single: Trained, tmp_path: Path, setting: str, value: object, message: str
) -> None:
    learning = single.scenario.learning.model_copy(update={setting: value})
    config = single.scenario.config.model_copy(update={"learning_config": learning})
    other = dataclasses.replace(single.scenario, config=config)
    with pytest.raises(PolicyError, match=message):
        run(other, policies=single.result.folder, out=tmp_path / "run")
