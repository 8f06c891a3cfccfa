"""A tuning laid out, and the results of its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assume_rl.durations import duration_seconds
from assume_rl.studies.tuning.schema import TuneFile
from assume_rl.studies.types import Run, Study

TrialState = Literal["running", "complete", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """Values of the space that were tried, and their results."""

    number: int  # from 0 on
    values: Mapping[str, Any]  # by dotted key
    state: TrialState
    value: float | None = None  # of the objective; None unless complete
    reason: str | None = None  # of one that failed or was pruned
    seconds: float = 0.0  # real time of its runs, over all attempts


@dataclass(frozen=True)
class Budget:
    """The limits of a tuning."""

    trials: int
    seeds: int
    episodes: tuple[int, int]  # training episodes of a run, least and most
    timeout: float | None  # s

    @property
    def most(self) -> int:
        """Return the training episodes of all trials, if none ends early."""
        return self.trials * self.seeds * self.episodes[1]


@dataclass(frozen=True)
class Tuning:
    """Everything that a tune file asks for.

    :param content: keys of the file that study files have too, as they were written.
    :param plugins: beside those that study cases name.
    :param first: runs of the first values of the space, which no trial needs to have.
    """

    name: str
    file: Path
    asked: TuneFile
    content: Mapping[str, Any]
    plugins: tuple[str | Path, ...]
    first: tuple[Run, ...]
    budget: Budget
    folder: Path
    database: str | None  # SQLAlchemy URL; None: `study.db` in the folder

    @property
    def base(self) -> Path:
        """Return the folder that relative paths start at."""
        return self.file.parent

    @property
    def step(self) -> str:
        """Return the name of the step that the objective is from."""
        return self.asked.objective.step or self.first[0].steps[-1].name

    def study(self, runs: Sequence[Run]) -> Study:
        """Return the study that the trials make."""
        unique = {run.id: run for run in runs}
        return Study(
            name=self.name,
            file=self.file,
            runs=tuple(unique.values()),
            folder=self.folder,
            database=self.database,
            track=self.asked.track,
        )


def timeout_of(file: TuneFile) -> float | None:
    """Return the seconds after which no trial is begun; None if there is no limit."""
    return None if file.timeout is None else float(duration_seconds(file.timeout))
