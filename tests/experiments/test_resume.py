"""A training that was interrupted and resumed is one that was not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from trained_runs import SCENARIOS, SHORT, table

from assume_rl.errors import AssumeRlError, ResultsError
from assume_rl.experiments.observer import EpisodeReport, Silent
from assume_rl.experiments.resuming import together
from assume_rl.experiments.train import TrainResult, train, train_seeds
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

SETTINGS = {
    "learning_config.gradient_steps": 3,
    "learning_config.training_episodes": 6,
    "learning_config.episodes_collecting_initial_experience": 2,
    "learning_config.validation_episodes_interval": 2,
    "learning_config.batch_size": 16,
    "learning_config.action_noise_schedule": "linear",
    "learning_config.learning_rate_schedule": "linear",
    "learning_config.replay_buffer_size": 60,  # full after three episodes
}
TABLES = ("rl_params", "rl_grad_params", "market_orders", "market_meta", "unit_dispatch", "kpis")


def case(**settings: Any) -> Scenario:
    overrides = {**SHORT["single_learner"], **SETTINGS, **settings}
    return load_scenario(SCENARIOS / "single_learner", "tiny", overrides=overrides)


class Impatient(Silent):
    """Presses Ctrl-C after so many reports, or in the middle of the episode after."""

    def __init__(self, after: int, *, middle: bool = False) -> None:
        self.after, self.middle = after, middle

    def episode(self, report: EpisodeReport) -> None:
        self.after -= 1
        if self.after == 0 and not self.middle:
            raise KeyboardInterrupt

    def advance(self, share: float) -> None:
        if self.after <= 0 and self.middle:
            raise KeyboardInterrupt


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def told(folder: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`, but for the time taken."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def assert_same_results(found: Path, expected: Path) -> None:
    assert manifest(found)["final_hash"] == manifest(expected)["final_hash"]
    assert told(found) == told(expected)
    for name in TABLES:
        pd.testing.assert_frame_equal(table(found, name), table(expected, name))
    for file in (expected / "policies").rglob("*.safetensors"):
        other = found / "policies" / file.relative_to(expected / "policies")
        assert other.read_bytes() == file.read_bytes(), file


@pytest.fixture(scope="module", params=["batch", "agents"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A training that nobody interrupts."""
    out = tmp_path_factory.mktemp("whole") / request.param
    return train(case(), engine=request.param, out=out)


@pytest.mark.parametrize(("after", "middle"), [(1, False), (5, False), (8, False), (4, True)])
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


def test_a_training_can_be_interrupted_again_and_again(whole: TrainResult, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(3):
        observer = Impatient(2, middle=True)
        with pytest.raises(KeyboardInterrupt):
            train(case(), engine=whole.engine, out=out, resume=True, observer=observer)
    train(case(), engine=whole.engine, out=out, resume=True)
    assert_same_results(out, whole.folder)
    assert len(manifest(out)["resumed_after"]) == 3


def test_resume_starts_what_has_not_begun(whole: TrainResult, tmp_path: Path) -> None:
    train(case(), engine=whole.engine, out=tmp_path / "out", resume=True)
    assert_same_results(tmp_path / "out", whole.folder)


def interrupted(out: Path, after: int = 4, **options: Any) -> Path:
    with pytest.raises(KeyboardInterrupt):
        train(case(), engine="batch", out=out, observer=Impatient(after), **options)
    return out


def test_seeds_go_on_together_though_interrupted_an_episode_apart(tmp_path: Path) -> None:
    seeds = range(3, 6)
    expected = train_seeds(case(), seeds=seeds, engine="batch", out=tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train_seeds(case(), seeds=seeds, engine="batch", out=out, observer=Impatient(4))
    newest = max((out / "seed_5" / "checkpoints").glob("episode_*"))
    newest.unlink()  # as if the process had died before the last seed's was written
    found = train_seeds(case(), seeds=seeds, engine="batch", out=out, resume=True)
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


@pytest.mark.parametrize("engine", ["agents", "batch"])
def test_a_seed_that_has_not_begun_does_not_hold_others_back(engine: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_seeds(case(), seeds=[3], engine=engine, out=tmp_path, observer=Impatient(4))
    found = train_seeds(case(), seeds=[3, 4], engine=engine, out=tmp_path, resume=True)
    assert manifest(tmp_path / "seed_3")["resumed_after"] == [3]
    expected = train(case(), seed=3, engine=engine, out=tmp_path / "alone")
    assert manifest(found[0].folder)["final_hash"] == manifest(expected.folder)["final_hash"]


def test_what_results_do_not_depend_on_may_change(tmp_path: Path) -> None:
    out = interrupted(tmp_path / "out", seed=1)
    other = case(seed=7, **{"learning_config.trained_policies_save_path": str(tmp_path / "copy")})
    train(other, seed=1, engine="batch", out=out, resume=True)
    assert manifest(out)["resumed_after"] == [3]


def test_seeds_that_are_finished_are_left_alone(tmp_path: Path) -> None:
    expected = train(case(), seed=3, engine="batch", out=tmp_path / "seed_3")
    before = (tmp_path / "seed_3" / "manifest.json").read_bytes()
    found = train_seeds(case(), seeds=[3, 4], engine="batch", out=tmp_path, resume=True)
    assert [result.seed for result in found] == [4]
    assert (tmp_path / "seed_3" / "manifest.json").read_bytes() == before
    assert expected.seed == 3


def test_a_training_that_settled_early_is_only_finished(tmp_path: Path, monkeypatch) -> None:
    early = {
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


def test_a_damaged_checkpoint_leaves_the_one_before(tmp_path: Path) -> None:
    expected = train(case(), engine="batch", out=tmp_path / "whole")
    out = interrupted(tmp_path / "out", after=6)
    kept = sorted((out / "checkpoints").glob("episode_*"))
    assert len(kept) == 2
    kept[-1].write_bytes(kept[-1].read_bytes()[:-100])
    train(case(), engine="batch", out=out, resume=True)
    assert_same_results(out, expected.folder)


def test_checkpoints_go_when_a_training_is_finished(whole: TrainResult) -> None:
    assert not (whole.folder / "checkpoints").exists()


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_gives_a_sentence_and_leaves_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(case(), engine="batch", out=tmp_path / "whole")
    out = interrupted(tmp_path / "out", after=3)
    with monkeypatch.context() as patch:
        patch.setattr("assume_rl.learning.trainer_state.save_file", full)
        with pytest.raises(AssumeRlError, match="No space left on device"):
            train(case(), engine="batch", out=out, resume=True)
    assert manifest(out)["state"] == "failed"
    train(case(), engine="batch", out=out, resume=True)
    assert_same_results(out, expected.folder)


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
    tmp_path: Path, settings: dict[str, Any], seed: int, named: str
) -> None:
    out = interrupted(tmp_path / "out", seed=1)
    with pytest.raises(ResultsError, match=named):
        train(case(**settings), seed=seed, engine="batch", out=out, resume=True)


def test_an_interrupted_training_is_not_taken_for_any_other_run(tmp_path: Path) -> None:
    out = interrupted(tmp_path / "out")
    with pytest.raises(ResultsError, match="not finished; --resume goes on with it"):
        train(case(), engine="batch", out=out)


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


def test_a_finished_training_and_another_run_are_not_resumed(whole: TrainResult) -> None:
    with pytest.raises(ResultsError, match="is finished"):
        train(case(), engine=whole.engine, out=whole.folder, resume=True)


def test_lost_result_rows_are_told(tmp_path: Path) -> None:
    out = interrupted(tmp_path / "out")
    (out / "results.db").unlink()
    with pytest.raises(ResultsError, match="lack rows"):
        train(case(), engine="batch", out=out, resume=True)
