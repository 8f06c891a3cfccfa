"""The earnings of learned bidders in an episode on fixed policies."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assume_rl.experiments.price_unit import price_unit
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled

REWARD_COLUMNS = ("reward", "profit", "regret")


@dataclass(frozen=True)
class UnitScore:
    """One agent over a whole episode: a unit, or an operator with all of its units."""

    unit: str  # name of the agent
    reward: float
    profit: float  # EUR
    regret: float  # EUR
    mean_bid: float | None  # EUR/MWh, mean of its orders to sell weighted by volume; None: no such
    mean_purchase: float | None = None  # EUR/MWh, the same of its orders to buy


@dataclass(frozen=True)
class PriceStatistics:
    """Clearing prices of one market, in its unit, unweighted over its products."""

    market: str
    mean: float
    minimum: float
    maximum: float
    std: float
    unit: str


def unit_scores(compiled: Compiled, memory: MemorySink) -> tuple[UnitScore, ...]:
    """Return the scores of all agents in `rl_params`; `market_orders` has their bids.

    :param compiled: says which units an agent bids for, and where
    :param memory: tables of the episode
    """
    earned, orders = memory.table("rl_params"), memory.table("market_orders")
    traders = orders["unit_id"].astype(str)
    markets = {market: orders["market_id"] == market for market in compiled.agents}
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)  # market and unit, by agent
    for market, agents in compiled.agents.items():
        for name, agent in agents.items():
            places[agent].append((market, name))
    scores = []
    for unit in dict.fromkeys(earned.get("unit", ())):
        own = earned["unit"] == unit
        reward, profit, regret = (float(earned[n][own].sum()) for n in REWARD_COLUMNS)
        bids = np.zeros(len(orders["unit_id"]), dtype=bool)
        for market, name in places[unit]:
            bids |= markets[market] & (traders == name)
        price, volume = orders["price"][bids], orders["volume"][bids]
        sale, purchase = _mean(price, volume.clip(min=0)), _mean(price, -volume.clip(max=0))
        scores.append(UnitScore(unit, reward, profit, regret, sale, purchase))
    return tuple(scores)


def price_statistics(memory: MemorySink) -> tuple[PriceStatistics, ...]:
    """Return statistics per market in `market_meta`."""
    meta = memory.table("market_meta")
    found = []
    for market in dict.fromkeys(meta.get("market_id", ())):
        own = meta["market_id"] == market
        price, unit = meta["price"][own], price_unit(meta["product_type"][own][0])
        mean, low, high, std = map(float, (price.mean(), price.min(), price.max(), price.std()))
        found.append(PriceStatistics(market, mean, low, high, std, unit))
    return tuple(found)


def _mean(price: NDArray[np.float64], weight: NDArray[np.float64]) -> float | None:
    total = weight.sum()
    return float((price * weight).sum() / total) if total else None
