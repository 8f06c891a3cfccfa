"""Runs a tuning: one trial after the other, each with its seeds side by side."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from assume_rl.errors import ConfigurationError, ResultsError, nearest
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.results.gather import gather
from assume_rl.studies.attempts import TrialPruned, sentence
from assume_rl.studies.driver import alone, store_late, store_rest, write_study
from assume_rl.studies.execute import PATIENCE, execute
from assume_rl.studies.jobs import Job
from assume_rl.studies.place import database_url
from assume_rl.studies.records import read_record, run_folder
from assume_rl.studies.status import status
from assume_rl.studies.storing import store
from assume_rl.studies.tuning.best import write_best, write_trials
from assume_rl.studies.tuning.file import runs_of
from assume_rl.studies.tuning.history import SCENARIO, History, TrialInProgress, open_history
from assume_rl.studies.tuning.pruning import pruned
from assume_rl.studies.tuning.types import Trial, TrialState, Tuning
from assume_rl.studies.types import Run

FREE = frozenset(
    {"name", "include", "plugins", "device", "database", "track", "out", "trials", "timeout"}
)
"""Keys of a tune file that may change between trials."""


class TuningObserver(Protocol):
    """Is called as a tuning proceeds."""

    def begin(self, tuning: Tuning, trials: Sequence[Trial]) -> None:
        """Note the tuning that begins, and the trials that exist already."""
        ...

    def started(self, number: int, values: Mapping[str, Any]) -> Observer:
        """Note that a trial begins, or resumes; return the observer of its trainings."""
        ...

    def ended(self, trial: Trial, best: Trial | None, left: int) -> None:
        """Note that a trial has ended, with the best so far and the number left."""
        ...


class Unobserved:
    """Ignores everything."""

    def begin(self, tuning: Tuning, trials: Sequence[Trial]) -> None:
        """Do nothing."""

    def started(self, number: int, values: Mapping[str, Any]) -> Observer:
        """Do nothing."""
        return Silent()

    def ended(self, trial: Trial, best: Trial | None, left: int) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class TuningResult:
    """The results of a tuning."""

    trials: tuple[Trial, ...]
    best: Trial | None  # None where no trial is complete
    file: Path | None  # study file of the best setting
    importances: Mapping[str, float]  # share of the spread of values by setting
    out_of_time: bool
    not_stored: str | None  # why the study database lacks runs, if it does
    database: str  # SQLAlchemy URL


def run_tuning(tuning: Tuning, observer: TuningObserver | None = None) -> TuningResult:
    """Do the trials that are not done; the one that was interrupted resumes.

    :raises ResultsError: the study folder or its database cannot be used, its trials are of
        another tuning, another process is at it, or a run failed for a reason that is not of its
        settings: calling it again resumes the trial
    :raises ConfigurationError: there is no Optuna, or no run has the objective
    """
    tuning = replace(tuning, folder=tuning.folder.absolute())
    watcher, begun = observer or Unobserved(), time.monotonic()
    url = database_url(tuning.study(()))
    with (
        alone(tuning.study(())),
        open_history(tuning.folder, tuning.asked, asked_of(tuning)) as history,
    ):
        work = _Work(tuning, history, url, watcher)
        done = _ended(history.trials())
        work.take_up(done)
        watcher.begin(tuning, done)
        while len(done) < tuning.budget.trials and not _is_over(tuning, begun):
            work.do(history.next())
            done = _ended(history.trials())
            write_trials(tuning, done)
            watcher.ended(done[-1], best_of(tuning, done), tuning.budget.trials - len(done))
        reason = store_rest(tuning.study(work.runs), url)
        best = best_of(tuning, done)
        return TuningResult(
            trials=done,
            best=best,
            file=None if best is None else write_best(tuning, best),
            importances=history.importances(),
            out_of_time=len(done) < tuning.budget.trials,
            not_stored=reason,
            database=url,
        )


def best_of(tuning: Tuning, trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the best value, the first of equal ones; None where none has one."""
    complete = [trial for trial in trials if trial.value is not None]
    if not complete:
        return None
    sign = 1 if tuning.asked.objective.maximize is not None else -1
    return max(complete, key=lambda trial: sign * (trial.value or 0.0))


class _Work:
    """Does trials, one after the other."""

    def __init__(self, tuning: Tuning, history: History, url: str, watcher: TuningObserver) -> None:
        self._tuning, self._history, self._url = tuning, history, url
        self._watcher = watcher
        self.runs: tuple[Run, ...] = ()  # of all trials that can be run

    def take_up(self, done: Sequence[Trial]) -> None:
        """Load the runs of earlier trials; store those that the study database lacks."""
        for trial in done:
            try:
                self.runs += runs_of(
                    self._tuning, self._first(trial.values, trial.number), trial.values
                )
            except ConfigurationError:
                continue  # it had none then
        study = self._tuning.study(self.runs)
        store_late(study, status(study), self._url)
        write_study(study)

    def do(self, trial: TrialInProgress) -> None:
        """Do a trial and note how it ended."""
        observer = self._watcher.started(trial.number, trial.values)
        number = self._first(trial.values, trial.number)
        try:
            runs = runs_of(self._tuning, number, trial.values)
        except ConfigurationError as error:
            trial.end("failed", 0.0, reason=sentence(error))
            return
        self.runs += runs
        write_study(self._tuning.study(self.runs))
        state, value, reason = self._outcome(trial, runs, observer)
        trial.end(state, self._seconds(runs), value, reason)

    def _outcome(
        self, trial: TrialInProgress, runs: tuple[Run, ...], observer: Observer
    ) -> tuple[TrialState, float | None, str]:
        """Do the runs of a trial; return its state, value and reason."""
        tuning = self._tuning
        job = Job(tuning.name, runs)
        try:
            report = execute(
                job,
                tuning.folder,
                self._url,
                tuning.asked.track,
                pruned(trial, tuning.asked, observer),
            )
        except TrialPruned as stop:
            store(tuning.folder, [run.id for run in runs], self._url, PATIENCE)
            return "pruned", None, str(stop)
        failed = [one for one in report.outcomes if one.state != "finished"]
        for one in failed:
            if one.passing:
                raise ResultsError(
                    f"trial {trial.number}, seed {one.run.seed}: {one.error}; the same command "
                    "resumes the trial"
                )
        if failed:
            return "failed", None, f"seed {failed[0].run.seed}: {failed[0].error}"
        return self._value(runs)

    def _value(self, runs: Sequence[Run]) -> tuple[TrialState, float | None, str]:
        """Return the mean of the objective over the seeds of a finished trial."""
        step, metric = self._tuning.step, self._tuning.asked.objective.metric
        found: list[float] = []
        for run in runs:
            rows = gather(run_folder(self._tuning.folder, run.id)).metrics
            figures = {name: value for _, own, name, value in rows if own == step}
            if metric in figures:
                found.append(float(figures[metric]))
            elif not any(one.state == "complete" for one in self._history.trials()):
                raise ConfigurationError(
                    f"{self._tuning.file.name}, objective: the step '{step}' has no metric "
                    f"'{metric}'; {nearest(metric, figures)}"
                )
            else:
                return "failed", None, f"seed {run.seed} has no {metric}"
        return "complete", fmean(found), ""

    def _seconds(self, runs: Sequence[Run]) -> float:
        records = [read_record(run_folder(self._tuning.folder, run.id)) for run in runs]
        return sum(record.seconds for record in records if record is not None)

    def _first(self, values: Mapping[str, Any], number: int) -> int:
        """Return the number of the first trial of the same values: its runs keep their name."""
        alike = [one.number for one in self._history.trials() if one.values == values]
        return min([*alike, number])


def _ended(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    return tuple(trial for trial in trials if trial.state != "running")


def _is_over(tuning: Tuning, begun: float) -> bool:
    timeout = tuning.budget.timeout
    return timeout is not None and time.monotonic() - begun >= timeout


def asked_of(tuning: Tuning) -> dict[str, Any]:
    """Return all that trials depend on; the scenario's data are in the first runs' ids."""
    file = tuning.asked.model_dump(mode="json", exclude=set(FREE))
    return {**file, SCENARIO: [run.id for run in tuning.first]}
