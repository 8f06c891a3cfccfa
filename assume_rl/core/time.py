"""Time as the core counts it: auctions in seconds, deliveries in half-open steps."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

# A calendar step: one for everything (the message shell), or one per copy of a market.
Step = int | Int[Tensor, "..."]


@dataclass(frozen=True)
class Auction:
    """One auction of the plan. Times are seconds and deliveries steps since the episode began."""

    market: str
    number: int  # counts this market's auctions from 0
    opens: int
    closes: int
    first: tuple[int, ...]  # first delivery step of each product
    length: tuple[int, ...]  # steps of each product
    product_type: str = "energy"  # what is sold, and so the unit of its price

    @property
    def last(self) -> int:
        """Return the last step that it delivers."""
        return max(f + n for f, n in zip(self.first, self.length, strict=True)) - 1


@dataclass(frozen=True)
class Tick:
    """Everything that happens at one instant, in the order of `core.trade`."""

    time: int  # seconds since the calendar starts
    step: int  # the calendar step that contains `time`
    closing: tuple[Auction, ...]
    opening: tuple[Auction, ...]
