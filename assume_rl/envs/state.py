"""The state of all copies of a market, and the events of a step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core import trade
from assume_rl.core.bidding.base import AnyView
from assume_rl.core.joint_reward import Pending
from assume_rl.core.money import Reward
from assume_rl.core.orders import Orders
from assume_rl.core.time import Auction, Step
from assume_rl.core.trade import Position
from assume_rl.envs.setting import Setting
from assume_rl.episodes.rows.orders import ClearedAuction

Observations = tuple[Float[Tensor, "copy agent obs"], ...]  # one per learner team
Actions = tuple[Float[Tensor, "copy agent act"], ...]


@dataclass(frozen=True)
class Book:
    """An open order book: the orders and the action of each part of the market."""

    orders: tuple[Orders, ...]  # (copy product slot), as the bidders sent them
    actions: tuple[Tensor | None, ...]  # (copy agent act); None for rules
    # Of all cohorts when it opened; empty where no reward curves are wanted.
    opened: tuple[Position | None, ...] = ()


@dataclass(frozen=True)
class State:
    """The state of all copies of a market, at a decision of the learners or at the end.

    Copies move in step: their episodes may begin at different steps, but have equal progress.
    """

    tick: int  # position in the plan; its length at the end
    step: int  # since the episodes began
    start: Step  # calendar step at which each copy's episode begins
    now: Step  # calendar step at which each copy is
    episodes: Int[Tensor, " copy"]
    positions: tuple[Position | None, ...]  # per cohort; None: its bids need no memory
    books: Mapping[tuple[str, int], Book]  # open auctions by market and number
    views: tuple[AnyView | None, ...]  # per learner team; None: its market has not opened yet
    observations: Observations  # made when the team's market opened last
    # What fixed policies remember of the episode, (copy agent _) by agents; none of most.
    memories: Mapping[tuple[str, ...], Tensor] = field(default_factory=dict)
    pending: tuple[Pending["Earned"], ...] = ()  # rewards that wait for others


@dataclass(frozen=True)
class Cleared:
    """A cleared auction, (copy product slot)."""

    market: str
    step: int  # of the clearing, since the episodes began
    book: ClearedAuction


@dataclass(frozen=True)
class Executed:
    """Steps that a cohort delivered."""

    cohort: int
    steps: trade.Executed


@dataclass(frozen=True)
class Played:
    """An auction that a cohort traded in, as its reward curves are worked out from it."""

    opened: Position  # of the cohort when the auction opened
    closed: Position  # just before it was settled, with what others of the same instant sold
    cleared: ClearedAuction


@dataclass(frozen=True)
class Earned:
    """The reward of an auction for a team that acts on a policy."""

    team: int  # learners: position among the learner teams; fixed policies: part of the market
    auction: Auction
    action: Float[Tensor, "copy agent act"]
    reward: Reward
    played: Played | None = None  # None: no reward curves are wanted


@dataclass
class Happened:
    """The events of a step, in order of time."""

    cleared: list[Cleared] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    learners: list[Earned] = field(default_factory=list)
    fixed: list[Earned] = field(default_factory=list)


def moved_to(setting: Setting, state: State, step: int, markets: Iterable[str]) -> State:
    """Return the state at a later step, with the windows moved of units that trade then.

    The others keep theirs, so that what they have sold does not leave it before it is executed.

    :param setting: of the environment
    :param state: of all copies
    :param step: since the episodes began
    :param markets: that open or clear at that step
    """
    active = set(markets)
    positions = tuple(
        position
        if position is None or active.isdisjoint(cohort.markets)
        else trade.moved_to(cohort.portfolio, position, step)
        for cohort, position in zip(setting.cohorts, state.positions, strict=True)
    )
    return replace(state, step=step, now=state.start + step, positions=positions)
