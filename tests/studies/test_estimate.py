"""What a study would cost: formulas with known parts, finished runs, and trials of real steps."""

import dataclasses
import time
from pathlib import Path

import pytest
from study_text import SCENARIOS, study

from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario
from assume_rl.studies import estimate as module
from assume_rl.studies import probe
from assume_rl.studies.costs import PlayCost, TrainCost
from assume_rl.studies.estimate import Estimate, estimate
from assume_rl.studies.probe import Probe
from assume_rl.studies.records import Record, run_folder, write_record
from assume_rl.studies.types import Step, Study

pytestmark = pytest.mark.unchecked

PLAY = PlayCost(once=1.0, per_hour=0.5)
COST = TrainCost(
    once=100.0, per_hour=0.01, saving=0.1, iteration=0.001, judging=3.0, play=PLAY, policies=Path()
)


def test_the_cost_of_a_training_adds_up() -> None:
    # GIVEN a week: 45 episodes, 10 of them at random, evaluations after 15, 20, ..., 45
    scenario = load_scenario(SCENARIOS / "single_learner", "base")
    played, iterations, evaluations = 45, 35 * 7 * 30, 7
    # THEN parts times how often they happen
    assert COST.seconds(scenario) == pytest.approx(
        100 + played * (168 * 0.01 + 0.1) + iterations * 0.001 + evaluations * (168 * 0.01 + 3)
        + 2 * (1 + 168 * 0.5)
    )  # fmt: skip


def test_episodes_side_by_side_share_waves_and_keep_their_iterations() -> None:
    settings = {"num_envs": 5, "update_ratio": 0.5, "episode_length": "24h"}
    overrides = {f"learning_config.{key}": value for key, value in settings.items()}
    scenario = load_scenario(SCENARIOS / "single_learner", "base", overrides=overrides)
    cost = dataclasses.replace(COST, play=PlayCost(0.0, 0.0), judging=0.0, once=0.0)
    assert cost.seconds(scenario) == pytest.approx(
        9 * (24 * 0.01 + 0.1) + 35 * 30 * 0.5 * 0.001 + 7 * 168 * 0.01
    )


def finish(found: Study, number: int, seconds: float) -> None:
    """Pretend that a run has been done."""
    run = found.runs[number]
    record = dataclasses.replace(Record.of(run, found.name), state="finished", seconds=seconds)
    write_record(run_folder(found.folder, run.id), record)


@pytest.fixture
def fixed(tmp_path: Path) -> Study:
    """Two designs with two seeds each."""
    text = "scenarios: {folder: scenarios/national, cases: week}\nseeds: 2\n"
    found = study(tmp_path, text + "grid: {fuel_prices.co2: [10, 20]}")
    return dataclasses.replace(found, folder=tmp_path / "out")


def test_finished_runs_count_instead_of_trials(
    fixed: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a finished run of the first design, and a trial that says a second
    finish(fixed, 0, 50.0)
    monkeypatch.setattr(module._Trials, "seconds", lambda self, run: 1.0)
    found = estimate(fixed)
    # THEN its other seed takes as long, and the finished one is not done again
    assert list(found.seconds.values()) == [50.0, 50.0, 1.0, 1.0]
    assert [cost.measured for cost in found.costs] == [True, True, False, False]
    assert [cost.finished for cost in found.costs] == [True, False, False, False]
    assert found.total == 52.0


def test_workers_share_what_is_left(fixed: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Trials, "seconds", lambda self, run: 1.0)
    found = estimate(fixed)
    seconds = zip(found.costs, range(4, 0, -1), strict=True)
    shared = Estimate(tuple(dataclasses.replace(cost, seconds=s) for cost, s in seconds))
    assert (shared.with_workers(1), shared.with_workers(2), shared.with_workers(9)) == (10, 5, 4)
    assert Estimate(()).with_workers(3) == 0.0


def test_designs_that_differ_in_numbers_or_counts_share_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def tell(self: Probe, step: object, *rest: object) -> TrainCost:
        tried.append(step)
        return COST

    monkeypatch.setattr(Probe, "train", tell)
    found = estimate(
        study(
            tmp_path,
            """
            steps: train
            seeds: 2
            grid:
              learning_config.gamma: [0.1, 0.2]
              learning_config.training_episodes: [5, 9]
              learning_config.batch_size: [16, 32]
            """,
        )
    )
    assert len(tried) == 2
    long, short = max(found.seconds.values()), min(found.seconds.values())
    iterations = 4 * 4 * 4
    assert long - short == pytest.approx(
        4 * (48 * 0.01 + 0.1) + iterations * 0.001 + 2 * (48 * 0.01 + 3)
    )


def test_trainings_shorter_than_a_trial_share_one_and_episodes_are_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[object] = []
    played: list[object] = []

    def train_once(self: Probe, step: Step, seed: int, policies: Path | None) -> TrainCost:
        trained.append(step)
        return dataclasses.replace(COST, play=self.play(step, seed, policies, "evaluate"))

    monkeypatch.setattr(Probe, "train", train_once)
    monkeypatch.setattr(Probe, "_play", lambda self, *rest: played.append(rest) or 1.0)
    text = "steps: train\ngrid:\n  learning_config.algorithm: [matd3, masac, mappo]\n"
    brief = "set: {learning_config.training_episodes: 4}\n"
    assert len(estimate(study(tmp_path, text + brief)).costs) == 3
    assert (len(trained), len(played)) == (1, 4)
    estimate(study(tmp_path, text + "set: {learning_config.training_episodes: 40}\n"))
    assert (len(trained), len(played)) == (4, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["single_learner", "ten_learners"])
def test_a_trial_is_right_within_a_factor_of_three(tmp_path: Path, name: str) -> None:
    # GIVEN a training that is longer than its trial
    settings = "learning_config.training_episodes: 6, learning_config.gradient_steps: 10"
    text = f"scenarios: {{folder: scenarios/{name}, cases: tiny}}\nset: {{{settings}}}\n"
    found = study(tmp_path, text + "steps: train")
    # WHEN its cost is estimated, and it is run
    expected = estimate(found).total
    (step,), begun = found.runs[0].steps, time.process_time()
    scenario = load_scenario(step.scenario, step.case, overrides=step.settings)
    train(scenario, seed=found.runs[0].seed, out=tmp_path / "out")
    took = time.process_time() - begun
    # THEN both are about the same
    assert took / 3 < expected < 3 * took


@pytest.mark.parametrize("algorithm", ["matd3", "mappo"])
def test_a_trial_learns_however_late_its_training_starts_to(algorithm: str) -> None:
    late = {"learning_config.learning_starts": 10_000} if algorithm == "matd3" else {}
    given = {"learning_config.algorithm": algorithm, **late}
    part = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=given)
    settings = probe._training(part, 1, 4, 2, 3600)
    trial = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=given | settings)
    assert trial.learning.settings.transitions_first == 1


def test_every_kind_of_step_can_be_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "STEPS", 12)
    found = study(
        tmp_path,
        """
        scenarios: {folder: scenarios/single_learner, cases: tiny}
        set: {end_date: 2019-03-05 00:00, learning_config.gradient_steps: 2}
        steps: [train, evaluate, {run: {which: best_reward}}]
        engine: agents
        """,
    )
    (cost,) = estimate(found).costs
    assert 0.1 < cost.seconds < 60
    assert not (tmp_path / "studies").exists()
