"""The contract of technologies, and the state of their units at one instant.

A technology is a frozen object without data; its parameters `P` and the state `S` of its units are
frozen dataclasses of tensors whose last axis is `unit`. A new one is one file and one line in
`core.units.TECHNOLOGIES`; `assume_rl.testing.check_technology` says whether it keeps the contract.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.core import window
from assume_rl.core.time import Step

ZERO_VOLUME = 1e-9
"""MW; smaller volumes count as zero, so that rounding cannot flip the marginal order."""

NEVER_RAN = float("inf")
"""Steps off of a unit that has not run yet."""

ENERGY = "energy"
"""Product type of energy markets: what is sold of it is delivered."""

CAPACITY_POS, CAPACITY_NEG = "capacity_pos", "capacity_neg"
"""Product types of reserve: power that is held to be added, or to be taken off."""

ENERGY_POS, ENERGY_NEG = "energy_pos", "energy_neg"
"""Product types of energy that is called from reserve."""

UP, DOWN = frozenset({CAPACITY_POS, ENERGY_POS}), frozenset({CAPACITY_NEG, ENERGY_NEG})
RESERVE = UP | DOWN
"""Product types of reserve: those that add power, and those that take it off."""

HELD = frozenset({CAPACITY_POS, CAPACITY_NEG})
"""Product types of which power is paid, EUR/MW and hour, not energy."""

Side = Literal["sells", "buys"]

PerStep = Float[Tensor, "... step unit"]
PerUnit = Float[Tensor, "... unit"]
PerProduct = Float[Tensor, "... product unit"]
Window = Float[Tensor, "... window unit"]
"""A number per step of a state window."""

Sold = Mapping[str, Float[Tensor, "... product unit"]]
"""MW sold so far by product type; a type that is absent is not traded."""

P = TypeVar("P")
S = TypeVar("S")
O = TypeVar("O")  # noqa: E741
O_co = TypeVar("O_co", covariant=True)


@dataclass(frozen=True)
class Range:
    """Least and most power in one direction, MW, signed: sell > 0, buy < 0; 0 and 0: none.

    What a unit holds may leave it less than its least power, as recorded for storages.
    """

    least: Float[Tensor, "... product unit"]
    most: Float[Tensor, "... product unit"]


@dataclass(frozen=True)
class Limits:
    """Limits of units' further sales and purchases, per product, MW."""

    sell: Range
    buy: Range


def no_range(like: Float[Tensor, "... product unit"]) -> Range:
    """Return the range of a direction that does not exist; it takes no memory."""
    zero = like.new_zeros(()).expand(like.shape)
    return Range(zero, zero)


@runtime_checkable
class Technology(Protocol[P, S, O_co]):
    """The behaviour of units of one kind.

    In every method `params` and `state` are those of the units at hand, one row per unit. Powers
    are MW, sell > 0, buy < 0. An `int` called `first` is an index into the window of a
    `core.trade.UnitState`. Parameters may be series over the calendar, see `at_steps`: `limits`
    and `execute` are given their rows at the products or steps in question.
    """

    @property
    def name(self) -> str:
        """Return its key in `core.units.TECHNOLOGIES`."""
        ...

    @property
    def sides(self) -> frozenset[Side]:
        """Return the directions in which its units can trade."""
        ...

    def select(self, params: P, units: Int[Tensor, " chosen"]) -> P:
        """Return the parameters of some of the units."""
        ...

    def lookback(self, params: P, timed: bool) -> int:
        """Return how many earlier steps the behaviour of units in a step depends on; 0: none.

        :param timed: whether their bidders ask how long they have been on or off
        """
        ...

    def initial(self, params: P, batch: tuple[int, ...], window: int) -> S:
        """Return the state at the start of an episode.

        :param batch: leading axes, one entry per copy of the market
        :param window: steps of the window of the unit state
        """
        ...

    def advance(self, state: S, steps: int) -> S:
        """Return the state `steps` steps later."""
        ...

    def limits(self, params: P, state: S, capacity: PerProduct, sold: Sold, first: int) -> Limits:
        """Return the limits of further sales and purchases, ignoring ramps.

        :param capacity: available in the first step of each product
        :param sold: sold for these steps, by product type
        :param first: index of the first product's step
        """
        ...

    def plan(self, params: P, state: S, energy: Window, first: int) -> tuple[Window, S]:
        """Return the possible part of the sales, and the state, before execution.

        :param energy: sold, the whole window
        :param first: index of the first step that is not executed
        """
        ...

    def execute(
        self, params: P, state: S, capacity: PerStep, energy: Window, first: int, since: Step
    ) -> tuple[PerStep, S]:
        """Return the power that is delivered in some steps and the state after them.

        :param capacity: available in the steps to execute
        :param energy: sold, the window up to and including the last step to execute
        :param first: index of the first step to execute
        :param since: steps since the episode began, at the last step to execute
        """
        ...

    def view(self, params: P, state: S, past: Window, since: Step) -> O_co:
        """Return bidders' information on their units beside limits, prices and forecasts.

        :param past: power in the steps of the window before the first product
        :param since: steps since the episode began, at the first product
        """
        ...

    def marginal_cost(self, params: P, series: PerStep, power: PerStep) -> PerStep:
        """Return the cost of a MWh at some power, EUR/MWh.

        :param series: EUR/MWh, as compiled from the unit table
        :param power: its sign says which cost holds
        """
        ...

    def running_cost(self, params: P, series: PerStep, power: PerStep) -> PerStep:
        """Return the cost of delivering power, EUR/h, without start costs.

        What a demand is willing to pay is its worth, not a cost.

        :param series: EUR/MWh, as compiled from the unit table
        :param power: delivered
        """
        ...

    def starts(self, params: P, power: PerStep, downtime: PerUnit) -> tuple["Starts", PerUnit]:
        """Return the starts in each step, and the steps off after the last step.

        :param power: delivered
        :param downtime: steps off directly before the first step; `NEVER_RAN`: it has not run yet
        """
        ...

    def settle(self, params: P, state: S, sale: "Sale") -> S:
        """Return the state once the energy sold at one instant is paid.

        :param sale: sold energy (MW) and revenue (EUR) of the instant, step by step
        """
        ...

    def columns(self, params: P, state: S) -> Mapping[str, Window]:
        """Return columns of the dispatch table beside power and money, over the whole window."""
        ...


@dataclass(frozen=True)
class Sale:
    """The results of an instant's energy auctions for the units of a technology, step by step."""

    sold: PerStep  # MW accepted at this instant
    revenue: PerStep  # EUR
    marginal_cost: PerStep  # EUR/MWh, at the power planned or delivered
    hours: float  # length of a step
    first: int  # index of the first step


START_KINDS = ("hot", "warm", "cold")
"""Kinds of starts, by how long a unit was off."""

ROUNDING = 1e-9
"""Steps; downtimes are whole steps, their limits hours divided by the length of a step."""


@dataclass(frozen=True)
class Starts:
    """Which units start in which steps, and the cost of it."""

    started: Bool[Tensor, "... step unit"]
    kind: Int[Tensor, "... step unit"]  # index into `START_KINDS`; of a start only
    downtime: PerStep  # steps off before the step; `NEVER_RAN`
    cost: PerStep  # EUR, 0 where a unit does not start


@runtime_checkable
class StartParams(Protocol):
    """Costs of starts of units, EUR per start; the limits of downtimes are steps."""

    @property
    def hot_start_cost(self) -> Float[Tensor, " unit"]:
        """Return the cost of a hot start, EUR."""
        ...

    @property
    def warm_start_cost(self) -> Float[Tensor, " unit"]:
        """Return the cost of a warm start, EUR."""
        ...

    @property
    def cold_start_cost(self) -> Float[Tensor, " unit"]:
        """Return the cost of a cold start, EUR."""
        ...

    @property
    def downtime_hot_start(self) -> Float[Tensor, " unit"]:
        """Return the greatest number of steps off before a hot start."""
        ...

    @property
    def downtime_warm_start(self) -> Float[Tensor, " unit"]:
        """Return the greatest number of steps off before a warm start."""
        ...


def starts_of(params: StartParams, power: PerStep, downtime: PerUnit) -> tuple[Starts, PerUnit]:
    """Return the starts in each step, and the steps off after the last step.

    A start is hot after at most `downtime_hot_start` steps off, warm after at most
    `downtime_warm_start`, else cold. The downtime is passed along, so that no window limits it.

    :param params: of the units
    :param power: MW, > 0: on
    :param downtime: steps off directly before the first step: 0 of a unit that ran in the step
        before, `NEVER_RAN` of one that has not run in this episode; its first start is cold
    """
    steps = power.shape[-2]
    on = power > ZERO_VOLUME
    number = torch.arange(steps, device=power.device)[:, None]
    last = torch.where(on, number, -1).cummax(-2).values  # step of the latest run, -1: none yet
    after = torch.where(last < 0, downtime[..., None, :] + number + 1, number - last)
    before = torch.cat([downtime[..., None, :], after[..., :-1, :]], dim=-2)
    started = on & (before > 0)
    hot, warm = _hot_and_warm(params, before)
    kind = torch.where(hot, 0, torch.where(warm, 1, 2))
    found = Starts(started, kind, before, torch.where(started, start_cost(params, before), 0.0))
    return found, after[..., -1, :]


def start_cost(params: StartParams, downtime: PerUnit) -> PerUnit:
    """Return the cost of a start after some steps off, EUR."""
    hot, warm = _hot_and_warm(params, downtime)
    cost = torch.where(warm, params.warm_start_cost, params.cold_start_cost)
    return torch.where(hot, params.hot_start_cost, cost)


def _hot_and_warm(params: StartParams, downtime: PerUnit) -> tuple[Tensor, Tensor]:
    """Return whether a start after some steps off is hot, and whether it is at least warm."""
    hot = downtime <= params.downtime_hot_start + ROUNDING
    return hot, downtime <= params.downtime_warm_start + ROUNDING


def no_starts(power: PerStep) -> Starts:
    """Return the starts of units that have none."""
    none = torch.zeros_like(power)
    never = torch.zeros_like(power, dtype=torch.bool)
    return Starts(never, never.long(), none, none)


@dataclass(frozen=True)
class NoState:
    """State of units without any memory beside their sales and deliveries."""


NO_STATE = NoState()


class WithoutState:
    """The methods of a technology whose units have no state of their own."""

    def initial(self, params: object, batch: tuple[int, ...], window: int) -> NoState:
        """Return nothing."""
        return NO_STATE

    def advance(self, state: NoState, steps: int) -> NoState:
        """Return nothing."""
        return state

    def plan(
        self, params: object, state: NoState, energy: Window, first: int
    ) -> tuple[Window, NoState]:
        """Return the sales."""
        return energy, state

    def marginal_cost(self, params: object, series: PerStep, power: PerStep) -> PerStep:
        """Return the compiled costs."""
        return series

    def settle(self, params: object, state: NoState, sale: Sale) -> NoState:
        """Return nothing."""
        return state

    def columns(self, params: object, state: NoState) -> Mapping[str, Window]:
        """Return nothing."""
        return {}


class WithoutStarts:
    """The methods of a technology whose units need no start and cost nothing to run."""

    def lookback(self, params: object, timed: bool) -> int:
        """Return 0: the past does not limit the units."""
        return 0

    def running_cost(self, params: object, series: PerStep, power: PerStep) -> PerStep:
        """Return 0; it takes no memory."""
        return power.new_zeros(()).expand(power.shape)

    def starts(self, params: object, power: PerStep, downtime: PerUnit) -> tuple[Starts, PerUnit]:
        """Return no starts."""
        return no_starts(power), downtime


@dataclass(frozen=True)
class Block(Generic[P, S, O]):
    """Neighbouring units of one technology: `[start, stop)` of the fleet's unit axis."""

    technology: Technology[P, S, O]
    start: int
    stop: int
    params: P


AnyBlock = Block[Any, Any, Any]
"""A block whose technology is not known where it is used."""


def rows_of(params: P, units: Int[Tensor, " chosen"]) -> P:
    """Return parameters, or a state, of some units; entries that are no tensors stay."""
    rows: dict[str, Any] = {
        name: value[..., units] for name, value in vars(params).items() if isinstance(value, Tensor)
    }
    return replace(params, **rows)  # type: ignore[type-var]


def at_steps(params: P, start: Step, offsets: tuple[int, ...]) -> P:
    """Return parameters whose series over the calendar are cut to the steps `start + offsets`.

    A class of parameters names those of its fields that are series, (step unit), in a class
    variable `series`; one without it has none. So a technology can have more than its capacity.

    :param params: of a technology
    :param start: step of the calendar
    :param offsets: of the steps, from `start`
    """
    rows: dict[str, Any] = {
        name: window.at(getattr(params, name), start, offsets) for name in series_of(params)
    }
    return replace(params, **rows) if rows else params  # type: ignore[type-var]


def series_of(params: object) -> Iterable[str]:
    """Return the names of the parameters that are series, see `at_steps`."""
    names: Iterable[str] = getattr(params, "series", ())
    return names
