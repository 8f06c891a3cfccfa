"""The contract of bidders: their views, the actions of learned ones, and their orders."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from pydantic import AfterValidator, BaseModel, ConfigDict
from torch import Tensor

from assume_rl.core.forecasts import Outlook
from assume_rl.core.money import Outcome, Reward, Stakes
from assume_rl.core.orders import Orders
from assume_rl.core.units.base import ENERGY, ROUNDING, Limits
from assume_rl.durations import duration_seconds
from assume_rl.errors import SettingError

O = TypeVar("O")  # noqa: E741

Need = Literal["operating_time", "downtime", "running_share"]
"""What a bidder looks up beside limits, prices and forecasts: how long its units have been on or
off in the window of the state, what their starts cost by their real downtime, and in which share of
an episode they were on."""


@dataclass(frozen=True)
class Feature:
    """A named run of observation entries and how they are scaled."""

    name: str
    size: int
    scaling: str  # for people and the policy manifest, e.g. "min-max over the calendar"
    unique: bool = False  # private to the unit: what other agents' critics are shown


@dataclass(frozen=True)
class Layout:
    """The features of an observation, in order."""

    features: tuple[Feature, ...]

    @property
    def size(self) -> int:
        """Return the length of the observation."""
        return sum(f.size for f in self.features)

    @property
    def unique_size(self) -> int:
        """Return the length of the private part, which comes last."""
        return sum(f.size for f in self.features if f.unique)

    def where(self, name: str) -> slice:
        """Return the position of the feature called `name`.

        :raises KeyError: there is none
        """
        start = 0
        for feature in self.features:
            if feature.name == name:
                return slice(start, start + feature.size)
            start += feature.size
        raise KeyError(name)


@dataclass(frozen=True)
class Box:
    """An action of `size` numbers in [-1, 1]."""

    size: int

    @property
    def rungs(self) -> int:
        """Return 0: there is no ladder."""
        return 0


@dataclass(frozen=True)
class Ladder:
    """An action that chooses one of `rungs` prices, `size` times.

    Each of its numbers is the place of a rung: -1 the lowest, 1 the highest, others evenly between.
    The last features of the layout are the places of the lowest and of the highest rung that each
    number may be, `size` entries each.
    """

    rungs: int
    size: int


@dataclass(frozen=True)
class Curve:
    """An action that is a rising supply curve of `steps` steps, for each of some products.

    What its numbers stand for: `core.bidding.curve.decode`.
    """

    steps: int
    products: int = 1

    @property
    def size(self) -> int:
        """Return the length of the action: prices of all steps, shares of all but the last."""
        return self.products * (2 * self.steps - 1)

    @property
    def rungs(self) -> int:
        """Return 0: there is no ladder."""
        return 0


ActionSpec = Box | Ladder | Curve


class Params(BaseModel):
    """Parameters of a bidder, which a study case's `bidding_strategy_params` may set."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @property
    def unread(self) -> Mapping[str, str]:
        """Return which parameters are not read, the others being as they are, and why."""
        return {}


class NoParams(Params):
    """The parameters of a bidder that has none."""


def parameter_error(key: str, what: str) -> SettingError:
    """Return the error of a parameter that a bidder cannot honour.

    :param key: of the parameter
    :param what: is wrong
    """
    return SettingError(f"bidding_strategy_params.{key}", what)


def _is_duration(text: str) -> str:
    duration_seconds(text)
    return text


Duration = Annotated[str, AfterValidator(_is_duration)]
"""A parameter such as `12h`."""


@dataclass(frozen=True)
class Context:
    """The settings of a study case and a market that every bidder is given."""

    max_bid_price: float  # EUR/MWh, what learned prices are scaled by
    products: int  # of an auction of the market
    step_hours: float  # length of a step
    price_tick: float = 0.0  # EUR/MWh that prices are multiples of in the market; 0: any
    lowest_price: float = -3000.0  # EUR/MWh that orders of the market may have
    highest_price: float = 3000.0  # EUR/MWh that orders of the market may have
    market: str = ""  # its name
    start_hour: float = 0.0  # of the day at which the calendar starts
    orders: int = 1  # most orders per unit and product that a unit table asks for
    reward: str = "opportunity_cost"  # what learners are rewarded for, key of `money.REWARDS`
    rungs: tuple[float, ...] = ()  # EUR/MWh, rising: a ladder of seen prices, once it is known
    shared: bool = False  # whether units share policies, which have to tell them apart
    product_type: str = ENERGY  # that the market trades
    after_reserve: bool = False  # whether units learn to hold reserve, then to sell what is left

    def whole_steps(self, duration: str) -> int:
        """Return how many whole steps a duration has, such as `12h`."""
        steps = duration_seconds(duration) / 3600 / self.step_hours
        return math.floor(steps + ROUNDING)


@dataclass(frozen=True)
class View(Generic[O]):
    """Everything a bidder may know at gate closure, and nothing else; `unit`: its own units."""

    limits: Limits  # additional to what is sold; of storages, for a single step
    lengths: tuple[int, ...]  # steps of each product
    sold: Float[Tensor, "... product unit"]  # MW of energy already sold for these steps
    # MW sold (> 0) or bought (< 0) in every step of each product, so that it can be undone.
    throughout: Float[Tensor, "... product unit"]
    capacity: Float[Tensor, "... product unit"]  # MW available in its first step; of demand < 0
    marginal_cost: Float[Tensor, "... product unit"]  # EUR/MWh
    previous_power: Float[Tensor, "... unit"]  # MW in the step before the first product
    price_history: Float[Tensor, "... unit window"]  # EUR/MWh, up to and including the first step
    outlook: Outlook  # forecasts
    own: O  # what the technology shows
    # Share of the steps so far in which each unit was on; None: no bidder needs it.
    running_share: Float[Tensor, "... unit"] | None = None
    # MW of reserve already sold for these steps, by product type.
    reserve: Mapping[str, Float[Tensor, "... product unit"]] = field(default_factory=dict)
    # Whether units are kept able to deliver that reserve.
    deliverable: bool = False
    # MW of reserve that may be sold here, so that it can be delivered; None: nothing limits it.
    reservable: Float[Tensor, "... product unit"] | None = None


AnyView = View[Any]
"""A view of units whose technology is not known where it is used."""


class Described(Protocol):
    """The description that every bidder gives of itself."""

    @property
    def name(self) -> str:
        """Return its key in the registry, as written in a `bidding_<MARKET>` cell."""
        ...

    @property
    def technologies(self) -> frozenset[str]:
        """Return the technologies (keys of `core.units.TECHNOLOGIES`) whose units may use it."""
        ...

    @property
    def product_types(self) -> frozenset[str]:
        """Return the kinds of products that it can trade: `product_type` of a market."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """Return the data that it reads; a bidder that reads none can bid for many auctions."""
        ...

    @property
    def foresight(self) -> int:
        """Return the number of steps of accepted prices in the view; 0 if it reads none."""
        ...

    @property
    def slots(self) -> int:
        """Return the number of orders per unit and product."""
        ...

    @property
    def blocks(self) -> bool:
        """Return whether its orders carry `BlockTerms`, which a rule must support."""
        ...


class BidsLike:
    """The description of a bidder that bids like another one, apart from some change."""

    bidder: Described

    @property
    def technologies(self) -> frozenset[str]:
        """Return those of the other bidder."""
        return self.bidder.technologies

    @property
    def product_types(self) -> frozenset[str]:
        """Return those of the other bidder."""
        return self.bidder.product_types

    @property
    def needs(self) -> frozenset[Need]:
        """Return the data that the other bidder reads."""
        return self.bidder.needs

    @property
    def foresight(self) -> int:
        """Return that of the other bidder."""
        return self.bidder.foresight

    @property
    def slots(self) -> int:
        """Return the orders of the other bidder per unit and product."""
        return self.bidder.slots

    @property
    def blocks(self) -> bool:
        """Return whether the other bidder makes block orders."""
        return self.bidder.blocks


ANY_CONTEXT = Context(max_bid_price=100.0, products=1, step_hours=1.0)
"""To make a bidder of which only what its context does not change is asked."""


class WithoutForecasts:
    """Marks bidders that look up no forecasts: columns `forecast_<key>` do not matter to them."""


class BidsCurve:
    """Marks bidders of elastic demand: their units have a curve instead of a series of demand."""


@runtime_checkable
class Bidder(Described, Protocol[O]):
    """Turns a view into orders by a rule."""

    def orders(self, view: View[O]) -> Orders:
        """Return orders; slots are unit-major: `slots` consecutive ones per unit."""
        ...


@runtime_checkable
class LearnedBidder(Described, Protocol[O]):
    """Turns a view and a decision of a policy into orders, and an outcome into a reward."""

    @property
    def layout(self) -> Layout:
        """Return the layout of the observations that `observe` returns."""
        ...

    @property
    def action(self) -> ActionSpec:
        """Return the form of a policy's action, for all products of an auction together."""
        ...

    def observe(self, view: View[O]) -> Float[Tensor, "... unit obs"]:
        """Return the observation, float64."""
        ...

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Return the centre of the random actions of the initial experience."""
        ...

    def orders(self, view: View[O], action: Float[Tensor, "... unit act"]) -> Orders:
        """Return orders; slots are unit-major: `slots` consecutive ones per unit."""
        ...

    def reward(self, outcome: Outcome[Any]) -> Reward:
        """Return reward, profit and regret of an auction."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """Marks learned bidders whose range of rewards is known."""

    def reward_range(
        self, params: Any, stakes: Stakes
    ) -> tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]:
        """Return the least reward of an auction, at most 0, and the greatest, at least 0.

        :param params: of the units
        :param stakes: of the auction
        """
        ...


@runtime_checkable
class Separable(Protocol):
    """Marks learned bidders that may be rewarded for each product of an auction on its own."""

    def products_apart(self, params: Any) -> int:
        """Return how many products are, for each of which an action has equally many numbers.

        The reward is then the sum of theirs, and what one brings depends on its own numbers alone;
        1: products are rewarded together.

        :param params: of one unit
        """
        ...


AnyBidder = Bidder[Any] | LearnedBidder[Any]
"""A bidder whose technology is not known where it is used."""


def kind_of(bidder: AnyBidder) -> tuple[str, Layout | None]:
    """Return the common key, name and observation, of bidders whose units bid together.

    On ladders of different prices the same is observed, and means something else: prices are in
    the scaling of a feature.
    """
    return bidder.name, bidder.layout if isinstance(bidder, LearnedBidder) else None
