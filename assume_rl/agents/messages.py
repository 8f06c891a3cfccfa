"""Typed messages between the roles, the only way in which agents share information.

Times are POSIX seconds (UTC) of the simulation clock, deliveries are calendar steps. Tensors in
messages are snapshots: they are not written to after sending. `agents.codec` encodes all of them
for TCP or MQTT. A repeated message changes nothing.

`PROTOCOL` counts changes after which old and new containers do not understand each other.
"""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from assume_rl.core.bidding.base import Layout
from assume_rl.core.orders import Orders
from assume_rl.core.reward_curve import Aggregated
from assume_rl.core.time import Auction
from assume_rl.learning.exploration import Exploration
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.types import NO_SCALES, Earnings, Scales

PROTOCOL = 1

Address = tuple[Any, str]
"""Address of a container, (host, port) or a topic, and name of an agent in it."""

# --- episode -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class EpisodeStart:
    """The start of a new episode: state is fresh, auctions start again at number 0."""

    episode: int  # counts from 1; evaluation episodes are counted separately
    evaluation: bool
    # all that learn, in the order of the learner's agents; empty: those that register, as they come
    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class EpisodeEnd:
    """The end of an episode, after its last clearing: roles send their buffered results."""

    episode: int
    evaluation: bool


# --- market ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RegisterBidder:
    """A bidder's subscription to a market's openings and results, sent once per episode."""

    market: str
    bidder: str
    unit_ids: tuple[str, ...]  # the units its `Orders.unit` indices point to
    curves: bool = False  # whether its results are to have the published supply and demand


@dataclass(frozen=True)
class MarketOpened:
    """The opening of an auction, which takes orders until it closes."""

    auction: Auction


@dataclass(frozen=True)
class OrderBook:
    """A bidder's orders for one auction; `orders.unit` indexes the bidder's registered units."""

    market: str
    number: int  # of the auction
    bidder: str
    orders: Orders


@dataclass(frozen=True)
class AuctionResult:
    """An auction's results for this bidder's own orders, and the public prices."""

    auction: Auction
    accepted: Tensor  # (product, slot) MW, slots as in the order book
    paid: Tensor  # (product, slot) EUR/MWh
    price: Tensor  # (product, slot) EUR/MWh, published for the slot's zone
    curves: Aggregated | None = None  # of the whole auction; None: the bidder did not ask for them


# --- learning ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RegisterUnit:
    """The registration of an agent, which is answered with a `PolicyUpdate`."""

    unit_id: str
    layout: Layout
    act_size: int
    rungs: int = 0  # of the ladder that the action chooses from; 0: there is none
    earnings: Earnings | None = None  # what it can earn, for algorithms that need it
    scales: Scales = NO_SCALES  # what its numbers stand for, for policy files
    shared: str | None = None  # policy that it shares with others; None: it has one of its own
    protocol: int = PROTOCOL  # of the sender


@dataclass(frozen=True)
class Observed:
    """The observation on which an agent bid for the delivery at `time`."""

    unit_id: str
    time: float
    observation: Tensor  # (obs,)


@dataclass(frozen=True)
class Acted:
    """The action on that observation."""

    unit_id: str
    time: float
    action: Tensor  # (act,)
    noise: Tensor  # (act,)
    extras: dict[str, Tensor] = field(default_factory=dict)  # of how it was drawn, (_,) each
    version: int = -1  # of the `PolicyUpdate` that it was drawn from; -1: not known


@dataclass(frozen=True)
class Rewarded:
    """The reward of the delivery at `time`."""

    unit_id: str
    time: float
    reward: float  # scaled
    profit: float  # EUR
    regret: float  # EUR
    extras: dict[str, Tensor] = field(default_factory=dict)  # of the outcome, (_,) each


@dataclass(frozen=True)
class ObsActRew:
    """One unit's observations, actions and rewards of several deliveries, entry by entry.

    Equivalent to an `Observed`, an `Acted` (without noise) and a `Rewarded` (profit and regret 0)
    for each delivery; for bidders that report several at once. Lists alone will do, as in the
    field: without `unit_id` it is the only unit of the sender, without `time` deliveries follow
    those that the unit reported before, so that a repeated message counts again.
    """

    observation: list[Tensor]  # (obs,) each
    action: list[Tensor]  # (act,) each
    reward: list[Tensor]  # scalars
    unit_id: str | None = None
    time: tuple[float, ...] | None = None

    def __getitem__(self, name: str) -> Any:
        """Return the field of that name."""
        return getattr(self, name)


@dataclass(frozen=True)
class UpdateDue:
    """A request to the Learning role to do the updates due by `time`, once `records` have arrived.

    `records` counts the Observed, Acted and Rewarded messages sent so far in this episode, so that
    no message is missed that is still in transit to a role in another container. A later request of
    the same sender for the same time takes the place of one that is not answered yet.
    """

    time: float
    records: int


@dataclass(frozen=True)
class UpdateDone:
    """The answer to `UpdateDue`: all updates due by `time` are done, with this policy version."""

    time: float
    version: int
    records: int  # that were asked for


@dataclass(frozen=True)
class PolicyUpdate:
    """A snapshot of actors; never a view of the learner's weights."""

    version: int
    # one stack per sizes of observation and action, units in the order of registration
    actors: tuple[ActorStack, ...]
    exploration: Exploration
    # units that explore with noise although the others still collect initial experience
    experienced: tuple[str, ...] = ()


# --- agents in other containers ----------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """The answer to a message from another container that was not accepted."""

    reason: str


@dataclass(frozen=True)
class Goodbye:
    """The leave of an agent: nothing more comes from it, and it awaits nothing."""

    of: Address | None = None  # who has left; None: the sender


@dataclass(frozen=True)
class Join:
    """The wish of a client to play unit operators, answered with `Joined` or `Refused`."""

    client: str  # its name, under which it comes back
    operators: tuple[str, ...]
    terms: str  # digest of what clients and markets must agree on
    number: int  # counts how often it has joined anew; a repeated message has the same
    protocol: int = PROTOCOL


@dataclass(frozen=True)
class Joined:
    """The answer to `Join`: the client plays from the next episode on."""

    number: int  # of the `Join`


@dataclass(frozen=True)
class Invite:
    """The start of an episode for a client: it makes its operators anew."""

    seed: int
    episode: int
    evaluation: bool
    names: dict[str, str]  # of its agents in this episode, by operator
    markets: dict[str, str]  # agents in the sender's container, by market
    learning: Address | None
    recorder: str | None  # an agent in the sender's container
    flush_every: int | None  # seconds of simulated time between two deliveries of rows


@dataclass(frozen=True)
class SyncDue:
    """A request to a client to handle all messages to its agents so far, and to answer then.

    It is repeated until it is answered; an answer to the latest one will do.
    """

    number: int
    sent: dict[str, int]  # messages sent to each of its agents
    version: int = -1  # of the policies that its learners must have


@dataclass(frozen=True)
class SyncDone:
    """The answer to `SyncDue`."""

    number: int
    sent: dict[str, int]  # messages that it has sent to each agent in the other container
    records: int  # that it has sent to the Learning role in this episode
    version: int  # the lowest version of policies that its learners act on; -1: none learns


@dataclass(frozen=True)
class GivenUp:
    """The answer to a `SyncDone` of a client that has lost its place: it may join again."""

    number: int  # of the `SyncDone`


# --- results -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Finished rows of one result table, column by column (equal lengths)."""

    table: str
    columns: dict[str, Any]
