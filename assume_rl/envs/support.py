"""What the batch shell cannot run."""

from typing import Any

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.core.clearing import MarketSpec
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.compile.plan import out_of_step


def unsupported(compiled: Compiled) -> str | None:
    """Return what keeps the batch shell from running a scenario, a sentence; None: nothing does.

    Units that act on a fixed policy do not count as learning, but the scenario does not say which
    will; hence all that could learn count.
    """
    learning = {
        market
        for operator in compiled.operators
        for market, participants in operator.participants.items()
        if any(isinstance(part.bidder, LearnedBidder) for part in participants)
    }
    markets = [spec.name for spec in compiled.markets if spec.name in learning]
    problem = out_of_step(compiled.plan, markets)
    if problem is not None:
        return problem
    alone = (spec for spec in compiled.markets if not spec.rule.batched)
    return next((_one_at_a_time(spec) for spec in alone), None)


def _one_at_a_time(spec: MarketSpec[Any]) -> str:
    return f"the mechanism '{spec.rule.name}' of {spec.name} clears one auction at a time"
