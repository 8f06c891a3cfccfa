"""Learning storages in the auctions of a recorded episode, which can be cleared again."""

from itertools import pairwise

import torch
from torch import Tensor

from assume_rl.core.bidding.storage import LearnedStorage
from assume_rl.core.units.storage import StorageParams
from assume_rl.evaluation.storage_plan import planned_profit
from assume_rl.evaluation.storage_response import Store
from assume_rl.experiments.recorded_episode import RecordedEpisode
from assume_rl.experiments.recorded_market import bidder_of, unit_of
from assume_rl.scenario.compile.compiled import Compiled


def is_storage(compiled: Compiled, agent: str) -> bool:
    """Return whether a learner of the only market is a storage."""
    return isinstance(unit_of(compiled, agent)[1], StorageParams)


def unlike_storage(compiled: Compiled, agent: str) -> str | None:
    """Return why the best response of a storage is not known; None: it is.

    :param compiled: scenario of one market, whose auctions can be cleared again
    :param agent: a storage
    """
    unit, _ = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    if not isinstance(bidder, LearnedStorage):
        return f"{agent} bids by {bidder.name}, whose best response is not known"
    auctions = sorted(compiled.auctions, key=lambda auction: auction.first)
    if any(len(auction.first) > 1 for auction in auctions):
        return f"{agent} is a storage, and an auction has several products"
    if any(steps > 1 for auction in auctions for steps in auction.length):
        return f"{agent} is a storage, and a product has several steps"
    if any(later.opens < earlier.closes for earlier, later in pairwise(auctions)):
        return f"{agent} is a storage, and an auction opens before the last one has cleared"
    return None


def recorded_storage(episode: RecordedEpisode, agent: str) -> Store:
    """Return a storage whose best response is known in a recorded episode.

    :param episode: that was recorded
    :param agent: the learner, for which `unlike_storage` is None
    """
    compiled = episode.compiled
    unit, params = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    assert isinstance(params, StorageParams)
    assert isinstance(bidder, LearnedStorage)
    return Store(
        params=params,
        bidder=bidder,
        book=episode.book_of(agent, bidder.slots),
        hours=compiled.step_seconds / 3600,
        limit=compiled.scenario.learning.max_bid_price,
    )


def planned(episode: RecordedEpisode, agent: str) -> float:
    """Return the profit of a storage's plans on its own forecasts, EUR.

    :param episode: that was recorded
    :param agent: the learner, for which `unlike_storage` is None
    """
    store = recorded_storage(episode, agent)
    return float(planned_profit(store, _forecasts(episode, agent)).sum())


def _forecasts(episode: RecordedEpisode, agent: str) -> Tensor:
    """Return residual load and price that a storage sees of each delivery, scaled (auction, 2)."""
    compiled = episode.compiled
    unit, _ = unit_of(compiled, agent)
    known = compiled.profiles.forecasts[compiled.markets[0].name]
    scaled = torch.stack((known.scaled_residual_load, known.scaled_price), -1)
    return scaled[known.series[unit], episode.steps]
