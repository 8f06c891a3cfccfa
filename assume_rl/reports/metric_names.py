"""Names of metrics with their units of measure, and what they are figures of."""

from assume_rl.evaluation.gap import PROFIT_GAP
from assume_rl.experiments.evaluate import OF_LEARNER

UNITS = {
    "profit": "EUR",
    "regret": "EUR",
    PROFIT_GAP: "EUR",
    "avg_price": "EUR/MWh",
    "total_cost": "EUR",
    "total_volume": "MWh",
    "total_profit": "EUR",
    "congestion_rent": "EUR",
    "pay_as_bid_surplus": "EUR",
    "nash_conv": "EUR",
    "nash_conv_error": "EUR",
    "exploitability": "EUR",
    "learner_profit": "EUR",
    "best_response_profit": "EUR",
    "best_response_gap": "EUR",
    "best_response_error": "EUR",
    "best_constant_profit": "EUR",
    "best_constant_bid": "EUR/MWh",
    "planned_profit": "EUR",
    "markup": "EUR/MWh",
    "consumer_payment": "EUR",
    "welfare": "EUR",
}


def axis_name(metric: str) -> str:
    """Return a metric with its unit of measure, e.g. `avg_price[EOM] (EUR/MWh)`."""
    unit = unit_of(metric)
    return f"{metric} ({unit})" if unit else metric


def of_learner(metric: str) -> bool:
    """Return whether a metric is a figure of a single learner, which a table of its own has."""
    return metric.split("[", maxsplit=1)[0] in (*OF_LEARNER, "best_response_error")


def unit_of(metric: str) -> str:
    """Return the unit of measure of a metric, empty where it has none."""
    return UNITS.get(metric.split("[", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1], "")


def of_policies(metric: str) -> bool:
    """Return whether a metric is a score of some of the policies that a training kept."""
    return "." in metric.split("[", maxsplit=1)[0]
