"""The possible earnings of learners: the range of their rewards, and their number per episode."""

from collections.abc import Mapping

import torch

from assume_rl.core.bidding.base import Bounded, LearnedBidder
from assume_rl.core.money import Stakes
from assume_rl.core.units.fleet import members
from assume_rl.learning.types import Earnings
from assume_rl.scenario.types import Compiled


def earnings_of(compiled: Compiled) -> Mapping[str, Earnings]:
    """Return the earnings of the agents by name, where the algorithm needs them.

    Agents are left out whose bidder does not know what its reward can be, and those that are
    rewarded in other markets too.
    """
    if not compiled.scenario.learning.settings.needs_earnings:
        return {}
    return {
        compiled.agent(market, unit): earnings
        for operator in compiled.operators
        for market, participants in operator.participants.items()
        for participant in participants
        if isinstance(participant.bidder, LearnedBidder) and isinstance(participant.bidder, Bounded)
        for unit in participant.units
        if compiled.agent(market, unit) not in compiled.rewarded_with
        if (earnings := _of(compiled, market, participant.bidder, unit)) is not None
    }


def _of(compiled: Compiled, market: str, bidder: Bounded, unit: int) -> Earnings | None:
    """Return the earnings of a unit; None: the market has no auctions."""
    spec = next(spec for spec in compiled.markets if spec.name == market)
    auctions = [a for a in compiled.auctions if a.market == market]
    cost = compiled.profiles.marginal_cost[:, [unit]]
    params = members(compiled.fleet, [unit]).block.params
    ranges = []
    for lengths in {auction.length for auction in auctions}:
        stakes = Stakes(
            price=(spec.min_price, spec.max_price),
            cost=(cost.amin(dim=0), cost.amax(dim=0)),
            lengths=lengths,
            step_hours=compiled.step_seconds / 3600,
        )
        ranges.append(torch.cat(bidder.reward_range(params, stakes)).tolist())
    if not ranges:
        return None
    least, most = zip(*ranges, strict=True)
    return Earnings(min(least), max(most), len(auctions))
