"""Possible objectives of a tuning: metrics of the study database, and their kin in evaluations."""

from assume_rl.errors import nearest
from assume_rl.evaluation.gap import PROFIT_GAP, REWARD_GAP, SHARE
from assume_rl.experiments.metric_names import METRICS, bare

KIN = {
    **dict.fromkeys(("reward", REWARD_GAP, SHARE), "reward"),
    **dict.fromkeys(("profit", PROFIT_GAP), "profit"),
    "regret": "regret",
    **dict.fromkeys(("nash_conv", "nash_conv_share"), "exploitability"),
    **dict.fromkeys(("exploitability", "exploitability_share"), "exploitability"),
}
"""Figures of evaluations during a training that say the most of a metric."""

RISING = frozenset({"reward", "profit"})
"""Figures of evaluations that are better when they are higher, whatever is searched for."""


def rises(by: str, metric: str, *, maximize: bool) -> bool:
    """Return whether a trial is better where a figure of its evaluations is higher.

    Of the metric's kin that is what the objective says; any other figure is good in itself.

    :param by: figure of evaluations
    :param metric: of the objective
    :param maximize: whether the metric is to be high

    >>> rises("reward", "reward", maximize=False), rises("profit", "reward", maximize=False)
    (False, True)
    """
    if KIN.get(bare(metric)) != by:
        return by in RISING
    return maximize != (bare(metric) in (REWARD_GAP, PROFIT_GAP))


def check_metric(metric: str) -> None:
    """Raise `ValueError` where no run could have a metric, as far as its name tells."""
    if bare(metric) not in METRICS:
        raise ValueError(f"there is no metric '{metric}'; {nearest(bare(metric), METRICS)}")
