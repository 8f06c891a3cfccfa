"""What `assume-rl tune` prints: the budget, a line per trial, and what came of it."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assume_rl.cli.pace import duration
from assume_rl.cli.progress import LineObserver, ProgressObserver
from assume_rl.cli.tables import numbers
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.results.secrets import shown_place
from assume_rl.studies.estimate import Estimate
from assume_rl.studies.labels import short_names
from assume_rl.studies.tuning.driver import TuningResult
from assume_rl.studies.tuning.types import Trial, Tuning


def print_budget(console: Console, tuning: Tuning) -> None:
    """Print what trials may take, if none of them ends early."""
    budget = tuning.budget
    least, most = budget.episodes
    each = f"{most}" if least == most else f"{least} to {most}"
    text = f"budget: {_count(budget.trials, 'trial')} x {_count(budget.seeds, 'seed')}"
    if most:
        text += f" x {each} training episodes: {budget.most:,} episodes at most"
    if budget.timeout is not None:
        text += f"; no trial is begun after {duration(budget.timeout)}"
    _print(console, text)


def print_estimate(console: Console, tuning: Tuning, estimated: Estimate) -> None:
    """Print what all trials would take if each took as long as that of the first values."""
    each = sum(estimated.seconds.values())
    _print(
        console,
        f"a trial of the first values takes about {duration(each)} of one processor with its seeds "
        f"one after the other, {_count(tuning.budget.trials, 'trial')} about "
        f"{duration(each * tuning.budget.trials)}. This is an estimate.",
    )


class TuningLines:
    """A line per trial; for the training that runs a bar on a terminal, else a line a minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: ProgressObserver | LineObserver | None = None
        self._names: Mapping[str, str] = {}
        self._metric = ""
        self._total = 0
        self._seconds: list[float] = []

    def __enter__(self) -> "TuningLines":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def begin(self, tuning: Tuning, trials: Sequence[Trial]) -> None:
        """Say how many trials there are already."""
        self._names = short_names(tuning.asked.space, ".")
        self._metric, self._total = tuning.asked.objective.metric, tuning.budget.trials
        self._seconds = [trial.seconds for trial in trials]
        if trials:
            _print(self._console, f"{len(trials)} of {self._total} trials are done")

    def started(self, number: int, values: Mapping[str, Any]) -> Observer:
        """Show how far the trial is."""
        if self._console.quiet:
            return Silent()
        self._shown = (
            ProgressObserver(self._console)
            if self._console.is_terminal
            else LineObserver(self._console, f"trial {number}: ")
        )
        return self._shown.__enter__()

    def ended(self, trial: Trial, best: Trial | None, left: int) -> None:
        """Print what was tried, what came of it, and what is left."""
        self._stop()
        self._seconds.append(trial.seconds)
        came = trial.reason or f"{self._metric} {trial.value:.6g}"
        if best is not None:
            came += f" (best {best.value:.6g}, trial {best.number})"
        each = fmean(self._seconds)
        rest = f"; {left} left, about {duration(left * each)}" if left else ""
        tried = settings_text(trial.values, self._names)
        _print(
            self._console,
            f"trial {trial.number}: {tried}: {came}, {duration(trial.seconds)}{rest}",
        )

    def _stop(self) -> None:
        if self._shown is not None:
            self._shown.__exit__()
            self._shown = None


def settings_text(values: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return values in a line.

    :param values: by dotted key
    :param names: short ones of the keys

    >>> settings_text({"a.gamma": 0.91234567, "a.size": 64}, {"a.gamma": "gamma", "a.size": "size"})
    'gamma=0.912346, size=64'
    """
    return ", ".join(f"{names[key]}={_text(value)}" for key, value in values.items())


def print_tuning(console: Console, tuning: Tuning, result: TuningResult) -> None:
    """Print the best setting, which settings matter, and where the rest is."""
    if result.out_of_time:
        _print(console, "out of time: the same command does the trials that are left")
    _print(console, _counts(result.trials))
    if result.best is not None:
        _print_best(console, tuning, result.best, result.importances)
    if result.not_stored:
        text = "not all runs are in the study database yet"
        _print(Console(stderr=True), f"{text}: {result.not_stored}; the same command stores them")
    _print(console, f"results: {tuning.folder}")
    _print(console, f"study database: {shown_place(result.database)}")
    if result.file is not None:
        file = tuning.folder / result.file.name
        _print(console, f"next: assume-rl batch {file}")


def _counts(trials: Sequence[Trial]) -> str:
    found = [
        (state, sum(one.state == state for one in trials))
        for state in ("complete", "pruned", "failed")
    ]
    return "trials: " + ", ".join(f"{count} {state}" for state, count in found if count)


def _print_best(
    console: Console, tuning: Tuning, best: Trial, importances: Mapping[str, float]
) -> None:
    table = Table("setting", *numbers(["best", *["how much it matters"] * bool(importances)]))
    for key, value in best.values.items():
        share = [f"{100 * importances[key]:.0f} %"] if key in importances else []
        table.add_row(escape(key), escape(_text(value)), *share)
    console.print(table)
    metric = tuning.asked.objective.metric
    seeds = _count(tuning.budget.seeds, "seed")
    _print(console, f"best: trial {best.number}, {metric} {best.value:.6g}, mean over {seeds}")


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
