"""What the batch shell cannot run."""

from collections.abc import Sequence

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
    return several_markets(markets) if len(markets) > 1 else None


def several_markets(names: Sequence[str]) -> str:
    """That learners take part in several markets, as a sentence."""
    return f"learning bidders take part in {len(names)} markets ({', '.join(names)})"
