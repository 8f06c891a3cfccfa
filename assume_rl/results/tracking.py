"""Trackers: where the numbers of a training can be watched while it runs.

They come beside `metrics.jsonl` and the tables, never instead of them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from assume_rl.errors import ConfigurationError, ResultsError, nearest, uninstalled
from assume_rl.results.sinks import Columns

REPORTED = ("reward", "profit", "regret", "seconds")
"""What is shown of an episode: `training/<name>` or `evaluation/<name>`."""

PLACES = ("step", "unit", "evaluation_mode", "episode")
"""Columns of `rl_grad_params` that say what a row is of; others are shown as `update/<name>`."""


class Tracker(Protocol):
    """Takes single numbers as they come."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """Take one number; `step` is its place on the x-axis."""
        ...

    def flush(self) -> None:
        """Make all earlier numbers visible."""
        ...

    def close(self) -> None:
        """Note that no more numbers will come."""
        ...


class TensorBoardTracker:
    """Writes an event file that TensorBoard shows, to the folder `tensorboard` of a run's folder.

    :raises ResultsError: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        place = Path(folder) / "tensorboard"
        try:
            self._writer = EventFileWriter(str(place))
        except OSError as error:
            raise ResultsError(f"'{place}' cannot be written: {error.strerror}") from None
        self._event, self._summary = Event, Summary

    def scalar(self, name: str, value: float, step: int) -> None:
        """Write one number."""
        summary = self._summary(value=[self._summary.Value(tag=name, simple_value=value)])
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))

    def flush(self) -> None:
        """Flush everything to disk."""
        self._writer.flush()

    def close(self) -> None:
        """Flush everything to disk and close the file."""
        self._writer.close()


TRACKERS: dict[str, Callable[[Path], Tracker]] = {"tensorboard": TensorBoardTracker}
"""Trackers by name; each is made with the output folder of a run."""


def create_trackers(names: Sequence[str], folder: Path) -> tuple[Tracker, ...]:
    """Return the trackers called `names` for a run that writes to `folder`.

    :raises ConfigurationError: there is no such tracker, or it is not installed.
    """
    check_trackers(names)
    return tuple(TRACKERS[name](folder) for name in names)


def check_trackers(names: Sequence[str]) -> None:
    """Refuse names that no tracker has, or whose library is missing; `ConfigurationError`."""
    for name in names:
        if name not in TRACKERS:
            raise ConfigurationError(f"unknown tracker '{name}'; {nearest(name, TRACKERS)}")
        if name == "tensorboard" and find_spec("tensorboard") is None:
            raise ConfigurationError(uninstalled(f"tracker '{name}'", "tensorboard", "track"))


def track_episode(trackers: Sequence[Tracker], report: Mapping[str, float], done: int) -> None:
    """Show a line of `metrics.jsonl`.

    :param done: training episodes that have ended: the x-axis of training and of evaluation.
    """
    kind = "evaluation" if report["evaluation"] else "training"
    for tracker in trackers:
        for name in REPORTED:
            tracker.scalar(f"{kind}/{name}", float(report[name]), done)
        tracker.flush()


def track_updates(trackers: Sequence[Tracker], columns: Columns) -> None:
    """Show rows of `rl_grad_params`: the mean over the agents, empty values left out."""
    if not trackers:
        return
    steps, place = np.unique(np.asarray(columns["step"]), return_inverse=True)
    for name in (name for name in columns if name not in PLACES):
        values = np.asarray(columns[name], dtype=np.float64)
        there = ~np.isnan(values)
        count = np.bincount(place[there], minlength=len(steps))
        total = np.bincount(place[there], values[there], minlength=len(steps))
        for i in np.flatnonzero(count):
            for tracker in trackers:
                tracker.scalar(f"update/{name}", float(total[i] / count[i]), int(steps[i]))
