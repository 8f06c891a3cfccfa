"""What the batch shell cannot run."""

from collections.abc import Sequence
from typing import Any

from assume_rl.core.clearing import MarketSpec
from assume_rl.scenario.compile import Compiled


def unsupported(compiled: Compiled) -> str | None:
    """One sentence on what keeps the batch shell from running a scenario; None: nothing does.

    Units that act on a fixed policy do not count as learning, but the scenario does not say which
    will; hence all that could learn are asked for.
    """
    learning = {
        market
        for operator in compiled.operators
        for market, participants in operator.participants.items()
        if any(part.strategy.act_size > 0 for part in participants)
    }
    markets = [spec.name for spec in compiled.markets if spec.name in learning]
    if len(markets) > 1:
        return several_markets(markets)
    alone = (spec for spec in compiled.markets if not spec.rule.batched)
    return next((_one_at_a_time(spec) for spec in alone), None)


def _one_at_a_time(spec: MarketSpec[Any]) -> str:
    return f"the mechanism '{spec.rule.name}' of {spec.name} clears one auction at a time"


def several_markets(names: Sequence[str]) -> str:
    """That learners take part in several markets, as a sentence."""
    return f"learning bidders take part in {len(names)} markets ({', '.join(names)})"
