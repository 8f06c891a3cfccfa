"""Measures a cell: trains until its processor time is spent, then evaluates the last policies."""

import functools
import math
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from assume_rl.experiments.case import Experiment, Places, open_experiment
from assume_rl.experiments.evaluate import KEPT, score
from assume_rl.experiments.foresight import foresight_profit
from assume_rl.experiments.observer import Silent
from assume_rl.experiments.policies import folder_policies
from assume_rl.experiments.train_task import Task, ready, training_task
from assume_rl.experiments.training import Engine, Standing, training, waves
from assume_rl.experiments.training_engine import TrainingEngine
from assume_rl.learning.config import LearningConfig
from assume_rl.results.files import POLICIES
from assume_rl.scenario.types import Scenario
from assume_rl.studies.bench.cells import Cell, Measured, study_case

TRIAL = 0.1  # share of the budget in which the cost of an episode is measured


def measure(cell: Cell, planned: int | None = None) -> Measured:
    """Train for `cell.budget` seconds and judge the last policies.

    The training is planned to end with its budget, and with it the schedules of rates and noise;
    it is stopped where it does not.

    :param cell: to be measured
    :param planned: episodes; None: a short trial measures what an episode costs
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if planned is None:
            with (
                _opened(cell, cell.trial(), folder / "trial") as (task, run),
                closing(TrainingEngine(task, [run])) as engine,
            ):
                planned = _affordable(engine, task.config, cell.budget)
        with _opened(cell, cell.load(planned), folder / "training") as (task, run):
            with closing(TrainingEngine(task, [run])) as engine:
                done, seconds = _learn(engine, task.config, cell.budget)
            saved = run.folder / POLICIES / "last"
            policies = task.fixed | folder_policies(task.compiled, saved, task.learners)
            found = score(run.unrecorded(KEPT), policies, Silent())
    # Overrides may be keys of this algorithm, not of the one that the study case has.
    settings = {**cell.overrides, "learning_config.algorithm": cell.algorithm}
    most = _foresight(cell.scenario, tuple(settings.items()))
    alone = len(found.responses) == 1  # whose gap its share says already
    return Measured(
        cell,
        episodes=done,
        seconds=round(seconds, 2),
        reward=found.reward,
        profit=found.profit,
        best_response=found.share,
        perfect_foresight=found.profit / most if most else None,
        nash_conv_share=None if alone else found.equilibrium.get("nash_conv_share"),
    )


@contextmanager
def _opened(cell: Cell, case: Scenario, out: Path) -> Iterator[tuple[Task, Experiment]]:
    """Return the training of a cell, whose tables are not stored."""
    task = _unevaluated(ready(training_task(case, None, "cpu", "auto")))
    places = Places(out, tables=["market_meta"])
    with open_experiment(
        task.compiled, "train", places, seed=cell.seed, engine=task.engine, keep=KEPT
    ) as run:
        yield task, run


def _unevaluated(task: Task) -> Task:
    """Return a training without evaluations: no two episodes are side by side across one."""
    scenario, episodes = task.compiled.scenario, task.config.training_episodes
    learning = task.config.model_copy(update={"validation_episodes_interval": episodes})
    config = scenario.config.model_copy(update={"learning_config": learning})
    return replace(task, compiled=replace(task.compiled, scenario=replace(scenario, config=config)))


def _affordable(engine: Engine, config: LearningConfig, budget: float) -> int:
    """Return the number of episodes within a budget, by the cost of the first ones.

    Those of initial experience, which learn nothing, are cheaper than the others.
    """
    first, before, done, seconds = config.initial_episodes, 0.0, 0, 0.0
    with closing(_clock(engine, config)) as clock:
        for done, seconds in clock:
            if done <= first:
                before = seconds
            elif seconds >= TRIAL * budget:
                break
    each = (seconds - before) / (done - first)
    return first + max(1, math.floor((budget - before) / each))


def _learn(engine: Engine, config: LearningConfig, budget: float) -> tuple[int, float]:
    """Train until all episodes are played or the budget is spent; save the policies.

    Returns how many episodes were played, and the seconds that they took.
    """
    with closing(_clock(engine, config)) as clock:
        for played, spent in clock:
            done, seconds = played, spent
            if spent >= budget:
                break
    return done, seconds


def _clock(engine: Engine, config: LearningConfig) -> Generator[tuple[int, float], None, None]:
    """Yield, after each wave of episodes, how many are done and the processor time since the start.

    Nothing is evaluated in between, and no checkpoint kept. The policies of the moment are saved
    when the iterator ends or is closed.
    """
    start = time.process_time()
    reports = training(engine, config, lambda _: None, [Standing()], lambda *_: None)
    with closing(reports):
        for wave in waves(config, engine.width):
            for _ in wave:
                next(reports)
            yield wave[-1], time.process_time() - start


@functools.cache
def _foresight(scenario: str, overrides: tuple[tuple[str, str], ...]) -> float | None:
    """Return the profit of perfect foresight in a study case, EUR, where it is known."""
    with tempfile.TemporaryDirectory() as scratch:
        return foresight_profit(study_case(scenario, dict(overrides)), 0, Path(scratch) / "idle")
