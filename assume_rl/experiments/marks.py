"""Moments of a training, and how result files are taken back to one."""

from dataclasses import dataclass
from pathlib import Path

from assume_rl.errors import ResultsError
from assume_rl.experiments.outputs import METRICS
from assume_rl.experiments.training import Standing
from assume_rl.results.rewind import learning_rows, rewind_lines, rewind_tables


class NotResumable(ResultsError):
    """A folder holds a training that is another one now, or that has lost results."""


@dataclass(frozen=True)
class Mark:
    """A moment of a training, and the length of its result files then."""

    standing: Standing
    lines: int  # of metrics.jsonl
    rows: int  # of the learning tables
    fingerprint: str  # of all rows so far


def rewind(folder: Path, url: str, simulation: str, mark: Mark) -> None:
    """Take the result files of a training back to `mark`.

    :raises NotResumable: they lack something that they held then.
    """
    try:
        rewind_lines(folder / METRICS, mark.lines)
    except ResultsError as error:
        raise NotResumable(str(error)) from None
    standing = mark.standing
    rewind_tables(url, simulation, episodes=standing.episodes, evaluations=standing.evaluations)
    if learning_rows(url, simulation) != mark.rows:
        raise NotResumable(
            f"the training in '{folder}' cannot be resumed: its result tables lack rows that were "
            "written before its checkpoint; add --overwrite to start afresh"
        )
