"""A training that was interrupted and resumed is one that was not."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from trained_runs import SCENARIOS, SHORT, table

from assume_rl.errors import AssumeRlError, ResultsError
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.observer import EpisodeReport, Silent
from assume_rl.experiments.resuming import together
from assume_rl.experiments.train import TrainResult, train, train_seeds
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

SETTINGS = {
    "learning_config.gradient_steps": 3,
    "learning_config.training_episodes": 3,
    "learning_config.episodes_collecting_initial_experience": 1,
    "learning_config.validation_episodes_interval": 1,  # after the second episode, and the third
    "learning_config.batch_size": 16,
    "learning_config.action_noise_schedule": "linear",
    "learning_config.learning_rate_schedule": "linear",
    "learning_config.replay_buffer_size": 10,  # full after two episodes
}
TABLES = ("rl_params", "rl_grad_params", "market_orders", "market_meta", "unit_dispatch", "kpis")


def case(**settings: Any) -> Scenario:
    overrides = {**SHORT["single_learner"], **SETTINGS, **settings}
    return load_scenario(SCENARIOS / "single_learner", "tiny", overrides=overrides)


class Impatient(Silent):
    """Presses Ctrl-C after a number of reports, or in the midst of what is played then."""

    def __init__(self, after: int, *, middle: bool = False) -> None:
        self.after, self.middle = after, middle

    def episode(self, report: EpisodeReport) -> None:
        self.after -= 1
        if self.after == 0 and not self.middle:
            raise KeyboardInterrupt

    def advance(self, share: float) -> None:
        if self.after <= 0 and self.middle:
            raise KeyboardInterrupt

    def doing(self, what: str, share: float = 0.0) -> None:
        self.advance(share)


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def reported(folder: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`, but for the time taken."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def assert_same_results(found: Path, expected: Path) -> None:
    assert manifest(found)["final_hash"] == manifest(expected)["final_hash"]
    assert reported(found) == reported(expected)
    for name in TABLES:
        pd.testing.assert_frame_equal(table(found, name), table(expected, name))
    for file in (expected / "policies").rglob("*.safetensors"):
        other = found / "policies" / file.relative_to(expected / "policies")
        assert other.read_bytes() == file.read_bytes(), file


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[EngineName], TrainResult]:
    """A training on each engine that nobody interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    return cache(lambda engine: train(case(), engine=engine, out=folder / engine))


@pytest.fixture(params=["batch", "agents"])
def whole(
    request: pytest.FixtureRequest, wholes: Callable[[EngineName], TrainResult]
) -> TrainResult:
    return wholes(request.param)


@pytest.fixture
def batch(wholes: Callable[[EngineName], TrainResult]) -> TrainResult:
    return wholes("batch")


@pytest.mark.parametrize(
    ("after", "middle"),
    [
        pytest.param(3, False, marks=pytest.mark.slow),
        (3, True),
        pytest.param(1, False, marks=pytest.mark.slow),
        pytest.param(5, False, marks=pytest.mark.slow),
    ],
)
def test_resumed_is_uninterrupted(
    whole: TrainResult, tmp_path: Path, after: int, middle: bool
) -> None:
    engine, out = whole.engine, tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(case(), engine=engine, out=out, observer=Impatient(after, middle=middle))
    assert manifest(out)["state"] == "interrupted"
    result = train(case(), engine=engine, out=out, resume=True)
    assert_same_results(out, whole.folder)
    assert [r.episode for r in result.episodes] == [r.episode for r in whole.episodes]
    assert (result.last, result.best) == (whole.last, whole.best)


def test_a_training_can_be_interrupted_again_and_again(batch: TrainResult, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(3):  # resuming starts what has not begun
        observer = Impatient(1, middle=True)
        with pytest.raises(KeyboardInterrupt):
            train(case(), engine="batch", out=out, resume=True, observer=observer)
    train(case(), engine="batch", out=out, resume=True)
    assert_same_results(out, batch.folder)
    assert len(manifest(out)["resumed_after"]) == 3


def interrupted(out: Path, after: int = 4, **options: Any) -> Path:
    with pytest.raises(KeyboardInterrupt):
        train(case(), engine="batch", out=out, observer=Impatient(after), **options)
    return out


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return interrupted(tmp_path_factory.mktemp("interrupted") / "out", seed=1)


@pytest.fixture
def stopped(original: Path, tmp_path: Path) -> Path:
    """The folder of a training of seed 1 that was interrupted in the third episode."""
    return shutil.copytree(original, tmp_path / "out")


def test_seeds_resume_together_though_interrupted_an_episode_apart(tmp_path: Path) -> None:
    seeds, scenario = (3, 4), case(**{"learning_config.training_episodes": 4})
    expected = train_seeds(scenario, seeds=seeds, engine="batch", out=tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train_seeds(scenario, seeds=seeds, engine="batch", out=out, observer=Impatient(6))
    newest = max((out / "seed_4" / "checkpoints").glob("episode_*"))
    newest.unlink()  # as if the process had died before the last seed's was written
    found = train_seeds(scenario, seeds=seeds, engine="batch", out=out, resume=True)
    assert manifest(out / "seed_3")["resumed_after"] == [2]
    for one, other in zip(found, expected, strict=True):
        assert_same_results(one.folder, other.folder)


@pytest.mark.parametrize(
    ("held", "chosen"),
    [
        ([[10, 9], [9, 8]], [9, 9]),
        ([[10, 9], [10, 9], []], [10, 10, 0]),  # what has begun is not thrown away
        ([[10, 9], [9, 8], [4, 3]], [9, 9, 4]),
        ([[], []], [0, 0]),
        ([[1], []], [1, 0]),
    ],
)
def test_trainings_go_back_only_to_what_they_hold(held: list[list[int]], chosen: list[int]) -> None:
    assert together(held) == chosen


def test_a_seed_that_has_not_begun_does_not_hold_others_back(
    batch: TrainResult, tmp_path: Path
) -> None:
    seed, engine = batch.seed, batch.engine
    with pytest.raises(KeyboardInterrupt):
        train_seeds(case(), seeds=[seed], engine=engine, out=tmp_path, observer=Impatient(4))
    found = train_seeds(case(), seeds=[seed, seed + 1], engine=engine, out=tmp_path, resume=True)
    assert manifest(tmp_path / f"seed_{seed}")["resumed_after"] == [2]
    assert manifest(found[0].folder)["final_hash"] == manifest(batch.folder)["final_hash"]


def test_what_results_do_not_depend_on_may_change(stopped: Path, tmp_path: Path) -> None:
    other = case(seed=7, **{"learning_config.trained_policies_save_path": str(tmp_path / "copy")})
    train(other, seed=1, engine="batch", out=stopped, resume=True)
    assert manifest(stopped)["resumed_after"] == [2]


def test_seeds_that_are_finished_are_left_alone(batch: TrainResult, tmp_path: Path) -> None:
    seed = batch.seed
    finished = shutil.copytree(batch.folder, tmp_path / f"seed_{seed}") / "manifest.json"
    before = finished.read_bytes()
    found = train_seeds(case(), seeds=[seed, seed + 1], engine="batch", out=tmp_path, resume=True)
    assert [result.seed for result in found] == [seed + 1]
    assert finished.read_bytes() == before


def test_a_training_that_settled_early_is_only_finished(tmp_path: Path, monkeypatch) -> None:
    early = {
        "learning_config.training_episodes": 4,
        "learning_config.early_stopping_steps": 1,
        "learning_config.early_stopping_threshold": 9.0,
    }
    expected = train(case(**early), engine="batch", out=tmp_path / "whole")
    assert expected.episodes[-1].episode < 3
    with monkeypatch.context() as patch:
        patch.setattr("assume_rl.experiments.train_group._finish", die)
        with pytest.raises(RuntimeError, match="dies"):
            train(case(**early), engine="batch", out=tmp_path / "out")
    train(case(**early), engine="batch", out=tmp_path / "out", resume=True)
    assert_same_results(tmp_path / "out", tmp_path / "whole")


def die(*_: object) -> None:
    raise RuntimeError("dies")


def test_a_damaged_checkpoint_leaves_the_one_before(batch: TrainResult, tmp_path: Path) -> None:
    out = interrupted(tmp_path / "out", after=4)
    kept = sorted((out / "checkpoints").glob("episode_*"))
    assert len(kept) == 2
    kept[-1].write_bytes(kept[-1].read_bytes()[:-100])
    train(case(), engine="batch", out=out, resume=True)
    assert_same_results(out, batch.folder)


def test_checkpoints_go_when_a_training_is_finished(whole: TrainResult) -> None:
    assert not (whole.folder / "checkpoints").exists()


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_gives_a_sentence_and_leaves_the_checkpoint(
    batch: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = interrupted(tmp_path / "out", after=3)
    with monkeypatch.context() as patch:
        patch.setattr("assume_rl.learning.policies.trainer_state.save_file", full)
        with pytest.raises(AssumeRlError, match="No space left on device"):
            train(case(), engine="batch", out=out, resume=True)
    assert manifest(out)["state"] == "failed"
    train(case(), engine="batch", out=out, resume=True)
    assert_same_results(out, batch.folder)


@pytest.mark.parametrize(
    ("settings", "seed", "named"),
    [
        (
            {"learning_config.gamma": 0.5},
            1,
            r"learning_config.gamma was 0.9 and is 0.5",
        ),
        ({}, 2, "seed was 1 and is 2"),
    ],
)
def test_another_training_is_not_resumed(
    stopped: Path, settings: dict[str, Any], seed: int, named: str
) -> None:
    with pytest.raises(ResultsError, match=named):
        train(case(**settings), seed=seed, engine="batch", out=stopped, resume=True)


def test_an_interrupted_training_is_not_taken_for_any_other_run(stopped: Path) -> None:
    with pytest.raises(ResultsError, match=r"not finished; .*--resume.* continues it, --out"):
        train(case(), seed=1, engine="batch", out=stopped)


def test_other_data_are_not_resumed(tmp_path: Path) -> None:
    folder = shutil.copytree(SCENARIOS / "single_learner", tmp_path / "scenario")
    overrides = {**SHORT["single_learner"], **SETTINGS}
    loaded = load_scenario(folder, "tiny", overrides=overrides)
    with pytest.raises(KeyboardInterrupt):
        train(loaded, engine="batch", out=tmp_path / "out", observer=Impatient(2))
    prices = folder / "fuel_prices_df.csv"
    rows = pd.read_csv(prices, index_col=0)
    (rows * 2).to_csv(prices)
    loaded = load_scenario(folder, "tiny", overrides=overrides)
    with pytest.raises(ResultsError, match="data was"):
        train(loaded, engine="batch", out=tmp_path / "out", resume=True)


def test_other_policies_are_not_resumed_from(batch: TrainResult, tmp_path: Path) -> None:
    start = shutil.copytree(batch.folder / "policies" / "last", tmp_path / "policies")
    options = {"engine": "batch", "policies": start, "out": tmp_path / "out"}
    with pytest.raises(KeyboardInterrupt):
        train(case(), observer=Impatient(2), **options)
    content = json.loads((start / "manifest.json").read_text())
    (start / "manifest.json").write_text(json.dumps(content, indent=1))
    with pytest.raises(ResultsError, match="policies_read"):
        train(case(), resume=True, **options)


def test_a_finished_training_and_another_run_are_not_resumed(whole: TrainResult) -> None:
    with pytest.raises(ResultsError, match="is finished"):
        train(case(), engine=whole.engine, out=whole.folder, resume=True)


def test_lost_result_rows_are_told(stopped: Path) -> None:
    (stopped / "results.db").unlink()
    with pytest.raises(ResultsError, match="lack rows"):
        train(case(), seed=1, engine="batch", out=stopped, resume=True)
