"""Where all copies of a market stand, and what happens to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.orders import Orders
from assume_rl.core.step import advance
from assume_rl.core.types import Auction, Reward, Step, UnitState, View
from assume_rl.episodes.order_log import ClearedAuction

Observations = tuple[Float[Tensor, "copy agent obs"], ...]  # one per learner team
Actions = tuple[Float[Tensor, "copy agent act"], ...]


@dataclass(frozen=True)
class Book:
    """An order book that is open: per part of the market its orders and what its team did."""

    orders: tuple[Orders, ...]  # (copy product slot), as the bidders sent them
    actions: tuple[Tensor, ...]  # (copy agent act), act 0 for rules


@dataclass(frozen=True)
class State:
    """All copies of a market, at a decision of the learners or at the end.

    Copies move in step: they differ in where their episode begins, not in how far it has come.
    """

    tick: int  # position in the plan; its length at the end
    step: int  # since the episodes began
    start: Step  # calendar step at which each copy's episode begins
    now: Step  # calendar step at which each copy is
    episodes: Int[Tensor, " copy"]
    units: tuple[UnitState | None, ...]  # per cohort; None: its bids need no memory
    executed: tuple[int, ...]  # last executed step, per cohort
    books: Mapping[tuple[str, int], Book]  # open auctions by market and number
    views: tuple[View, ...]  # per learner team
    observations: Observations


@dataclass(frozen=True)
class Cleared:
    """An auction that was cleared: (copy product slot)."""

    market: str
    step: int  # when, since the episodes began
    book: ClearedAuction


@dataclass(frozen=True)
class Executed:
    """Steps that a cohort delivered: the last `steps` of its state, up to and with `step`."""

    cohort: int
    state: UnitState
    step: int
    steps: int


@dataclass(frozen=True)
class Earned:
    """What an auction brought a team that acts on a policy."""

    team: int  # learners: position among the learner teams; fixed policies: part of the market
    auction: Auction
    action: Float[Tensor, "copy agent act"]
    reward: Reward


@dataclass
class Happened:
    """All that happened in a step, in order of time."""

    cleared: list[Cleared] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    learners: list[Earned] = field(default_factory=list)
    fixed: list[Earned] = field(default_factory=list)


def moved_to(state: State, step: int) -> State:
    """Let the units' windows follow the clock to a step since the episodes began."""
    passed = step - state.step
    if passed == 0:
        return state
    units = tuple(own and advance(own, passed) for own in state.units)
    return replace(state, step=step, now=state.start + step, units=units)
