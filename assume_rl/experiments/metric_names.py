"""Every metric of a run by name: its unit of measure, and what it is a figure of."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from assume_rl.evaluation.gap import PROFIT_GAP, REWARD_GAP, SHARE

Of = Literal["learners", "equilibrium", "markets", "learner"]


@dataclass(frozen=True)
class Metric:
    """A metric of the study database.

    :param of: all learners together, their distance from an equilibrium, markets, or one learner
    :param unit: of measure; empty: none
    :param words: what people call it; empty: by its name
    """

    of: Of
    unit: str = ""
    words: str = ""


METRICS: dict[str, Metric] = {
    "reward": Metric("learners"),
    "profit": Metric("learners", "EUR", "profit of learners"),
    "regret": Metric("learners", "EUR", "regret of learners"),
    REWARD_GAP: Metric("learners"),
    PROFIT_GAP: Metric("learners", "EUR"),
    SHARE: Metric("learners", words="share of best reward"),
    "movement": Metric("learners"),
    "nash_conv": Metric("equilibrium", "EUR", "NashConv"),
    "nash_conv_share": Metric("equilibrium"),
    "nash_conv_error": Metric("equilibrium", "EUR"),
    "exploitability": Metric("equilibrium", "EUR"),
    "exploitability_share": Metric("equilibrium"),
    "avg_price": Metric("markets", "EUR/MWh", "mean price"),
    "total_cost": Metric("markets", "EUR", "price times volume"),
    "total_volume": Metric("markets", "MWh", "bought"),
    "total_profit": Metric("markets", "EUR", "profit of all sellers"),
    "capacity_factor": Metric("markets", words="capacity factor of plants"),
    "congestion_rent": Metric("markets", "EUR", "congestion rent"),
    "undeliverable_reserve": Metric("markets", "MW times h", "held, but not deliverable"),
    "pay_as_bid_surplus": Metric("markets", "EUR", "paid above what supply is paid"),
    "markup": Metric("markets", "EUR/MWh", "mark-up"),
    "hhi": Metric("markets", words="concentration of sales (HHI)"),
    "lowest_rsi": Metric("markets", words="lowest residual supply index"),
    "pivotal_share": Metric("markets"),
    "consumer_payment": Metric("markets", "EUR", "consumers pay"),
    "welfare": Metric("markets", "EUR"),
    "learner_profit": Metric("learner", "EUR"),
    "best_response_profit": Metric("learner", "EUR"),
    "best_response_gap": Metric("learner", "EUR"),
    "best_response_error": Metric("learner", "EUR"),
    "best_constant_profit": Metric("learner", "EUR"),
    "best_constant_bid": Metric("learner", "EUR/MWh"),
    "planned_profit": Metric("learner", "EUR"),
}
"""All metrics, without policies in front and without market or learner behind."""


ENERGY_PRICE, HELD_PRICE = "EUR/MWh", "EUR/MW and h"
"""Units of prices, the latter of reserve that is held."""

OF_HELD: dict[str, Metric] = {
    "avg_price": Metric("markets", HELD_PRICE, "mean price"),
    "total_volume": Metric("markets", "MW times h", "held"),
    "capacity_factor": Metric("markets", words="power held of plants"),
}
"""Metrics that are others in markets of reserve that is held."""


def bare(metric: str) -> str:
    """Return the name of a metric without its policies and its market or learner.

    >>> bare("best_reward.nash_conv_share"), bare("avg_price[EOM]")
    ('nash_conv_share', 'avg_price')
    """
    return metric.partition("[")[0].rpartition(".")[2]


def _known(metric: str, held: Collection[str]) -> Metric | None:
    where = metric.partition("[")[2].rstrip("]")
    own = OF_HELD.get(bare(metric)) if where in held else None
    return own or METRICS.get(bare(metric))


def unit_of(metric: str, held: Collection[str] = ()) -> str:
    """Return the unit of measure of a metric, empty where it has none.

    :param metric: with its market, if it is of one
    :param held: markets of reserve that is held

    >>> unit_of("avg_price[CRM]"), unit_of("avg_price[CRM]", {"CRM"})
    ('EUR/MWh', 'EUR/MW and h')
    """
    known = _known(metric, held)
    return "" if known is None else known.unit


def axis_name(metric: str) -> str:
    """Return a metric with its unit of measure, e.g. `avg_price[EOM] (EUR/MWh)`."""
    unit = unit_of(metric)
    return f"{metric} ({unit})" if unit else metric


def words_of(metric: str, held: Collection[str] = ()) -> str:
    """Return what people call a metric, with its market, e.g. `mean price, EOM`.

    :param metric: with its market, if it is of one
    :param held: markets of reserve that is held

    >>> words_of("avg_price[EOM]"), words_of("reward"), words_of("best_reward.profit")
    ('mean price, EOM', 'reward', 'best_reward.profit')
    """
    where = metric.partition("[")[2]
    known = None if of_policies(metric) else _known(metric, held)
    if known is None or not known.words:
        return metric
    return f"{known.words}, {where.rstrip(']')}" if where else known.words


def of_learner(metric: str) -> bool:
    """Return whether a metric is a figure of a single learner, which a table of its own has."""
    known = METRICS.get(bare(metric))
    return known is not None and known.of == "learner"


def of_policies(metric: str) -> bool:
    """Return whether a metric is a score of some of the policies that a training kept."""
    return "." in metric.partition("[")[0]
