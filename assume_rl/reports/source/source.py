"""Where a report's data come from: an output folder, a study folder, a study database."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.types import RunInfo
from assume_rl.studies.place import Asked

CURVE_COLUMNS = (
    *("run_id", "step", "evaluation", "episode", "reward", "profit", "regret"),
    *("exploitability", "movement"),
)
METRIC_COLUMNS = ("run_id", "step", "name", "value")


@dataclass(frozen=True)
class Source:
    """What there is to report on.

    Curves and metrics are small and in memory; the rows of markets are read when a figure is drawn.
    """

    title: str
    home: Path | None  # its folder; None: a database by its URL
    runs: tuple[RunInfo, ...]
    notes: tuple[str, ...]  # what a reader has to know first: what is not finished, or not there
    recorded: tuple[Recorded, ...]  # steps whose markets are shown
    curves: pd.DataFrame  # CURVE_COLUMNS, a row per episode
    metrics: pd.DataFrame  # METRIC_COLUMNS
    database: str | None = None  # URL of a study database
    asked: tuple[Asked, ...] | None = None  # the study's runs; None: not known, or no study

    @property
    def is_study(self) -> bool:
        """Return whether there may be designs to compare."""
        return self.database is not None

    def missing(self, reason: str) -> str:
        """Return why something is not there: `reason`, unless there are no results at all yet."""
        if not any(run.state == "finished" for run in self.runs):
            return "no run has finished yet"
        if self.is_study and self.metrics.empty and self.curves.empty and not self.recorded:
            return "no run that has finished is in the study database yet"
        return reason

    def noting(self, *notes: str) -> "Source":
        """Return the same with more to be said first."""
        return replace(self, notes=(*notes, *self.notes))
