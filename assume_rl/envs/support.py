"""The scenarios that the batch shell cannot run."""

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.compile.plan import out_of_step


def unsupported(compiled: Compiled) -> str | None:
    """Return a sentence why the batch shell cannot run a scenario; None if it can.

    All units with a learned bidder count as learning, since the scenario does not say which of them
    will act on fixed policies.
    """
    learning = {
        market
        for operator in compiled.operators
        for market, participants in operator.participants.items()
        if any(isinstance(part.bidder, LearnedBidder) for part in participants)
    }
    markets = [spec.name for spec in compiled.markets if spec.name in learning]
    return out_of_step(compiled.plan, markets)
