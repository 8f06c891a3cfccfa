"""What learned bidders earned in an episode on fixed policies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assume_rl.results.sinks import MemorySink

REWARD_COLUMNS = ("reward", "profit", "regret")


@dataclass(frozen=True)
class UnitScore:
    """One bidder over a whole episode."""

    unit: str
    reward: float
    profit: float  # EUR
    regret: float  # EUR
    mean_bid: float  # EUR/MWh, mean of its orders weighted by volume


@dataclass(frozen=True)
class PriceStatistics:
    """Clearing prices of one market, EUR/MWh, unweighted over its products."""

    market: str
    mean: float
    minimum: float
    maximum: float
    std: float


def unit_scores(memory: MemorySink) -> tuple[UnitScore, ...]:
    """Scores of all units in `rl_params`; `market_orders` gives their bids."""
    earned, orders = memory.table("rl_params"), memory.table("market_orders")
    scores = []
    for unit in dict.fromkeys(earned.get("unit", ())):
        own = earned["unit"] == unit
        reward, profit, regret = (float(earned[n][own].sum()) for n in REWARD_COLUMNS)
        bid = _mean_bid(orders["price"], orders["volume"], orders["unit_id"] == unit)
        scores.append(UnitScore(unit, reward, profit, regret, bid))
    return tuple(scores)


def price_statistics(memory: MemorySink) -> tuple[PriceStatistics, ...]:
    """Statistics per market in `market_meta`."""
    meta = memory.table("market_meta")
    return tuple(
        PriceStatistics(market, float(p.mean()), float(p.min()), float(p.max()), float(p.std()))
        for market in dict.fromkeys(meta.get("market_id", ()))
        for p in [meta["price"][meta["market_id"] == market]]
    )


def _mean_bid(
    price: NDArray[np.float64], volume: NDArray[np.float64], own: NDArray[np.bool_]
) -> float:
    weight = np.abs(volume[own]).sum()
    return float((price[own] * np.abs(volume[own])).sum() / weight) if weight else float("nan")
