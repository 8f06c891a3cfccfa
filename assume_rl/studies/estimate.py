"""The cost of a study, estimated from finished runs and short trials."""

import heapq
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from assume_rl.errors import ResultsError
from assume_rl.studies.checks import is_number
from assume_rl.studies.costs import TrainCost
from assume_rl.studies.probe import Probe
from assume_rl.studies.records import read_record, run_folder
from assume_rl.studies.types import Run, Step, Study

COUNTS = (
    "training_episodes",
    "episodes_collecting_initial_experience",
    "gradient_steps",
    "train_freq",
    "early_stopping_steps",
    "max_bid_price",
)
"""Learning settings that do not change how long anything takes, apart from `is_number`."""


@dataclass(frozen=True)
class Cost:
    """The cost of one run."""

    run: Run
    seconds: float  # of one processor
    measured: bool  # mean of finished runs of the same design, not a trial
    finished: bool  # this run is one of them: it will not be done again


@dataclass(frozen=True)
class Estimate:
    """The cost of the runs of a study; trials were short, so take it for an order of magnitude."""

    costs: tuple[Cost, ...]

    @property
    def seconds(self) -> Mapping[str, float]:
        """Return the seconds of one processor, by run id."""
        return {cost.run.id: cost.seconds for cost in self.costs}

    @property
    def total(self) -> float:
        """Return the seconds of one processor for all that is left to do."""
        return sum(cost.seconds for cost in self._left())

    def with_workers(self, workers: int) -> float:
        """Return the elapsed seconds for all that is left, with a processor for each worker."""
        busy = [0.0] * workers
        for cost in self._left():
            heapq.heapreplace(busy, busy[0] + cost.seconds)
        return max(busy)

    def _left(self) -> Iterator[Cost]:
        return (cost for cost in self.costs if not cost.finished)


def estimate(study: Study) -> Estimate:
    """Return the time of each run: that of finished runs of its design, else by a trial.

    Seeds share a trial, as do designs that differ in mere numbers or in how long they train, and
    trainings that are over before a trial of their algorithm were.
    """
    known = {run.id: seconds for run in study.runs if (seconds := _known(study, run)) is not None}
    by_design: dict[str, list[float]] = {}
    for run in study.runs:
        if run.id in known:
            by_design.setdefault(run.design, []).append(known[run.id])
    found = {design: sum(own) / len(own) for design, own in by_design.items()}
    with TemporaryDirectory(prefix="assume-rl-") as place:
        trials = _Trials(Path(place))
        for run in study.runs:
            if run.design not in found:
                found[run.design] = trials.seconds(run)
    return Estimate(
        tuple(
            Cost(
                run,
                known.get(run.id, found[run.design]),
                measured=run.design in by_design,
                finished=run.id in known,
            )
            for run in study.runs
        )
    )


def _known(study: Study, run: Run) -> float | None:
    """Return the seconds of a finished run, None if it is not finished."""
    try:
        record = read_record(run_folder(study.folder, run.id))
    except ResultsError:
        return None
    return record.seconds if record is not None and record.state == "finished" else None


class _Trials:
    """Trials, each made once."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._probes: dict[tuple[str, str], Probe] = {}
        self._trained: dict[str, TrainCost] = {}

    def seconds(self, run: Run) -> float:
        """Return the seconds for all steps of a run."""
        key = (run.engine, run.device)
        if key not in self._probes:
            self._probes[key] = Probe(self._place, run.engine, run.device)
        probe, total = self._probes[key], 0.0
        trained: dict[str, Path] = {}  # by step, what came of the trial
        for step in run.steps:
            policies = step.policies and trained.get(step.policies, Path(step.policies))
            if step.kind == "train":
                shape = _shape(run, step, brief=probe.is_brief(step))
                if shape not in self._trained:
                    self._trained[shape] = probe.train(step, run.seed, policies or None)
                trained[step.name] = self._trained[shape].policies
                total += self._trained[shape].seconds(probe.load(step))
            else:
                played = probe.play(step, run.seed, policies or None, step.kind)
                total += played.seconds(probe.load(step))
        return total


def _shape(run: Run, step: Step, *, brief: bool) -> str:
    """Return a key for the settings on which the time of a part of a step depends.

    :param run: source of engine and device
    :param step: a training
    :param brief: whether it takes no longer than a trial: then one trial stands for all algorithms
    """
    counts = {f"learning_config.{name}" for name in COUNTS}
    settings = {
        key: value
        for key, value in step.settings.items()
        if key not in counts
        and not is_number(key)
        and not (brief and key.startswith("learning_config."))
    }
    content = {**vars(step), "settings": settings, "engine": run.engine, "device": run.device}
    return json.dumps(content, sort_keys=True, default=str)
