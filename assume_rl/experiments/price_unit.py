"""The unit of prices, by what a market trades."""

from assume_rl.core.units.base import HELD
from assume_rl.experiments.metric_names import ENERGY_PRICE, HELD_PRICE


def price_unit(product_type: str) -> str:
    """Return the unit of the prices of a market by what it trades."""
    return HELD_PRICE if product_type in HELD else ENERGY_PRICE
