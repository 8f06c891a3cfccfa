"""Possible objectives of a tuning: metrics of the study database, and their kin in evaluations."""

from dataclasses import fields

from assume_rl.errors import nearest
from assume_rl.evaluation.gap import PROFIT_GAP, REWARD_GAP, SHARE
from assume_rl.experiments.evaluate import OF_LEARNER
from assume_rl.experiments.market_figures import MarketFigures

OF_CALENDAR = ("reward", "profit", "regret", REWARD_GAP, PROFIT_GAP, SHARE, "movement")
OF_EQUILIBRIUM = (
    *("nash_conv", "nash_conv_share", "exploitability", "exploitability_share"),
    "nash_conv_error",
)
OF_MARKET = (
    *("avg_price", "total_cost", "total_volume", "capacity_factor", "pay_as_bid_surplus"),
    "congestion_rent",
    *(own.name for own in fields(MarketFigures) if own.name != "market"),
)
METRICS = frozenset(
    {*OF_CALENDAR, *OF_EQUILIBRIUM, *OF_MARKET, *OF_LEARNER, "best_response_error", "welfare"}
    | {"total_profit"}
)
"""Names of metrics without policies in front and without market or learner behind."""

KIN = {
    **dict.fromkeys(("reward", REWARD_GAP, SHARE), "reward"),
    **dict.fromkeys(("profit", PROFIT_GAP), "profit"),
    "regret": "regret",
    **dict.fromkeys(OF_EQUILIBRIUM[:4], "exploitability"),
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


def bare(metric: str) -> str:
    """Return the name of a metric without its policies and its market or learner.

    >>> bare("best_reward.nash_conv_share"), bare("avg_price[EOM]")
    ('nash_conv_share', 'avg_price')
    """
    return metric.partition("[")[0].rpartition(".")[2]


def check_metric(metric: str) -> None:
    """Raise `ValueError` where no run could have a metric, as far as its name tells."""
    if bare(metric) not in METRICS:
        raise ValueError(f"there is no metric '{metric}'; {nearest(bare(metric), METRICS)}")
