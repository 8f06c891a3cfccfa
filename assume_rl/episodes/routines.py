"""Which bids need no memory, so that they can be worked out for many auctions at a time."""

from collections.abc import Sequence

from assume_rl.core.bidding.protocol import Strategy
from assume_rl.core.types import Auction, Block
from assume_rl.core.units import TECHNOLOGIES


def memoryless(strategy: Strategy, block: Block) -> bool:
    """Whether units that follow a strategy never look back."""
    history = TECHNOLOGIES[block.technology].has_history(block.params)
    looks_back = strategy.foresight > 0 or strategy.needs_operating_time or history
    return strategy.act_size == 0 and not looks_back


def one_step_each(auctions: Sequence[Auction], step_seconds: int) -> bool:
    """Every auction sells one step of its own, and that step is executed as it clears."""
    alike = {(a.length, a.first[0] - a.opens // step_seconds) for a in auctions}
    executed = all(a.closes // step_seconds == a.first[0] for a in auctions)
    steps = {a.first[0] for a in auctions}
    single = len(alike) == 1 and next(iter(alike))[0] == (1,)
    return single and executed and len(steps) == len(auctions)
