"""Stops a trial by the evaluations of its training."""

from assume_rl.experiments.observer import EpisodeReport, Observer, Several, Silent
from assume_rl.studies.attempts import Pruned
from assume_rl.studies.tuning.history import Open
from assume_rl.studies.tuning.objective import KIN, RISING, bare
from assume_rl.studies.tuning.schema import TuneFile


class Judge(Silent):
    """Shows the evaluations of a trial's first training to the pruner; ends it by `Pruned`.

    Where seeds train side by side an evaluation is the mean over them. Where they train one after
    the other, on the message shell, only the first one is looked at.

    :param trial: that trains
    :param by: figure of evaluations
    :param sign: 1 where a higher figure is better for the objective's direction, else -1
    """

    def __init__(self, trial: Open, by: str, sign: int) -> None:
        self._trial, self._by, self._sign = trial, by, sign
        self._trainings = 0

    def begin(self, episodes: int, done: int = 0) -> None:
        """Count trainings."""
        self._trainings += 1

    def episode(self, report: EpisodeReport) -> None:
        """Report an evaluation; raise `Pruned` where the trial is to end."""
        value = getattr(report, self._by)
        if not report.evaluation or self._trainings > 1 or value is None:
            return
        if self._trial.report(report.episode, self._sign * value):
            side = "below" if self._by in RISING else "above"
            figure = f"{self._by} {value:.6g}, {side} the median"
            raise Pruned(f"pruned after evaluation {report.episode}: {figure}")


def judged(trial: Open, file: TuneFile, watcher: Observer) -> Observer:
    """Return an observer that prunes a trial, if its tune file has a pruner.

    :param trial: that trains
    :param watcher: that hears of the training in any case
    """
    if file.pruner.name == "none":
        return watcher
    by = file.pruner.by or KIN[bare(file.objective.metric)]
    sign = 1 if (by in RISING) == (file.objective.maximize is not None) else -1
    return Several([watcher, Judge(trial, by, sign)])
