"""Designs of a study compared on one metric, with how sure one can be."""

from collections.abc import Sequence
from dataclasses import dataclass

from assume_rl.studies.comparison_notes import notes_on
from assume_rl.studies.contrasts import DesignScore, against, score
from assume_rl.studies.place import Asked
from assume_rl.studies.scores import DesignValues, index_of, metric_values


@dataclass(frozen=True)
class Comparison:
    """The findings of `compare`."""

    metric: str
    step: str
    baseline: str | None
    level: float
    designs: tuple[DesignScore, ...]  # the baseline first
    notes: tuple[str, ...]  # what has to be said beside the figures


def compare(
    database: str,
    metric: str,
    *,
    step: str | None = None,
    baseline: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    study: str | None = None,
    asked: Sequence[Asked] | None = None,
) -> Comparison:
    """Compare the designs of a study; finished runs only.

    :param database: SQLAlchemy URL, see `studies.place.find_study`
    :param metric: `metrics.name` in the study database, e.g. `reward`
    :param step: may be left out where only one step has the metric
    :param baseline: design that the others are compared with, on equal seeds
    :param level: of the intervals, 0 to 1; they are not adjusted for being many
    :param seed: of the resampling
    :param study: may be left out where the database holds only one
    :param asked: the runs that count; None: all
    :raises ConfigurationError: no such metric, step, baseline or study
    """
    step, values = metric_values(database, metric, step, study=study, asked=asked)
    return compared(metric, step, values, baseline, level=level, seed=seed)


def compared(
    metric: str,
    step: str,
    values: Sequence[DesignValues],
    baseline: str | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare values of a metric that were read, see `compare` and `metric_values`.

    :param metric: its name
    :param step: that it is from
    :param values: of each design
    :param baseline: design that the others are compared with, on equal seeds
    :param level: of the intervals, 0 to 1
    :param seed: of the resampling
    :raises ConfigurationError: no such baseline
    """
    scores = tuple(score(one, level, seed) for one in values)
    if baseline is not None:
        at = index_of(baseline, values)
        scores = against(scores, scores[at], level, seed)
    notes = notes_on(metric, scores, baseline, level)
    return Comparison(metric, step, baseline, level, scores, notes)
