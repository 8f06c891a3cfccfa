"""Stops a trial by the evaluations of its training."""

from assume_rl.experiments.metric_names import bare
from assume_rl.experiments.observer import EpisodeReport, Observer, Several, Silent
from assume_rl.studies.attempts import TrialPruned
from assume_rl.studies.tuning.history import TrialInProgress
from assume_rl.studies.tuning.objective import KIN, rises
from assume_rl.studies.tuning.schema import TuneFile


class PruningObserver(Silent):
    """Shows the evaluations of a trial's first training to the pruner; ends it by `TrialPruned`.

    Where seeds train side by side an evaluation is the mean over them. Where they train one after
    the other, on the message shell, only the first one is looked at.

    :param trial: that trains
    :param by: figure of evaluations
    :param higher: whether a trial is better where it is higher
    :param maximize: whether the objective is to be high
    """

    def __init__(self, trial: TrialInProgress, by: str, *, higher: bool, maximize: bool) -> None:
        self._trial, self._by, self._higher = trial, by, higher
        self._sign = 1 if higher == maximize else -1
        self._trainings = 0

    def begin(self, episodes: int, done: int = 0) -> None:
        """Count trainings."""
        self._trainings += 1

    def episode(self, report: EpisodeReport) -> None:
        """Report an evaluation; raise `TrialPruned` where the trial is to end."""
        value = getattr(report, self._by)
        if not report.evaluation or self._trainings > 1 or value is None:
            return
        if self._trial.report(report.episode, self._sign * value):
            side = "below" if self._higher else "above"
            figure = f"{self._by} {value:.6g}, {side} the median"
            raise TrialPruned(f"pruned after evaluation {report.episode}: {figure}")


def pruned(trial: TrialInProgress, file: TuneFile, watcher: Observer) -> Observer:
    """Return an observer that prunes a trial, if its tune file has a pruner.

    :param trial: that trains
    :param watcher: that hears of the training in any case
    """
    if file.pruner.name == "none":
        return watcher
    by = file.pruner.by or KIN[bare(file.objective.metric)]
    maximize = file.objective.maximize is not None
    higher = rises(by, file.objective.metric, maximize=maximize)
    return Several([watcher, PruningObserver(trial, by, higher=higher, maximize=maximize)])
