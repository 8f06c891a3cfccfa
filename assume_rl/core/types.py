"""The values that the economics is written in.

Shapes: the last axis has a name, leading axes (`...`) are free, so one function serves one auction
and ten thousand. `unit` counts the units of a `Fleet` (all of a scenario's, or one operator's).
Units of measure: power MW, prices EUR/MWh, money EUR, energy MWh. Supply > 0, demand < 0.
Economics is float64. Time is counted in steps of the calendar, half-open; only `Auction` and
`Tick` have seconds.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

# Volumes smaller than this count as zero, so that rounding cannot flip the marginal bid.
ZERO_VOLUME = 1e-9  # MW

# Steps off of a unit that has not run yet.
NEVER_RAN = float("inf")


@dataclass(frozen=True)
class ThermalParams:
    """Power plants (thermal and renewable). Start costs are EUR per start, times are steps."""

    max_power: Float[Tensor, " unit"]
    min_power: Float[Tensor, " unit"]
    ramp_up: Float[Tensor, " unit"]  # MW per step, inf: no limit
    ramp_down: Float[Tensor, " unit"]  # MW per step, inf: no limit
    min_operating_time: Float[Tensor, " unit"]
    min_down_time: Float[Tensor, " unit"]
    hot_start_cost: Float[Tensor, " unit"]
    warm_start_cost: Float[Tensor, " unit"]
    cold_start_cost: Float[Tensor, " unit"]
    downtime_hot_start: Float[Tensor, " unit"]
    downtime_warm_start: Float[Tensor, " unit"]
    ramped: bool  # any unit has a ramp limit; without one, execution needs no history


@dataclass(frozen=True)
class StorageParams:
    """Storages. Charging power and its ramps are negative or zero, discharging ones positive."""

    capacity: Float[Tensor, " unit"]  # MWh
    max_power_charge: Float[Tensor, " unit"]  # MW, <= 0
    min_power_charge: Float[Tensor, " unit"]  # MW, <= 0
    max_power_discharge: Float[Tensor, " unit"]  # MW, >= 0
    min_power_discharge: Float[Tensor, " unit"]  # MW, >= 0
    min_soc: Float[Tensor, " unit"]  # share of the capacity
    max_soc: Float[Tensor, " unit"]
    initial_soc: Float[Tensor, " unit"]
    efficiency_charge: Float[Tensor, " unit"]
    efficiency_discharge: Float[Tensor, " unit"]
    additional_cost_charge: Float[Tensor, " unit"]  # EUR/MWh
    additional_cost_discharge: Float[Tensor, " unit"]  # EUR/MWh
    ramp_up_charge: Float[Tensor, " unit"]  # MW per step, <= 0; -inf: no limit
    ramp_down_charge: Float[Tensor, " unit"]  # MW per step, <= 0; -inf: no limit
    ramp_up_discharge: Float[Tensor, " unit"]  # MW per step, >= 0; inf: no limit
    ramp_down_discharge: Float[Tensor, " unit"]  # MW per step, >= 0; inf: no limit
    hot_start_cost: Float[Tensor, " unit"]  # EUR per start
    warm_start_cost: Float[Tensor, " unit"]
    cold_start_cost: Float[Tensor, " unit"]
    downtime_hot_start: Float[Tensor, " unit"]  # steps
    downtime_warm_start: Float[Tensor, " unit"]  # steps
    step_hours: float


@dataclass(frozen=True)
class DemandParams:
    """Inelastic demand."""

    price: Float[Tensor, " unit"]  # willingness to pay, EUR/MWh


@dataclass(frozen=True)
class Block:
    """Neighbouring units of one technology: `[start, stop)` of the fleet's unit axis."""

    technology: str  # key of core.units.TECHNOLOGIES
    start: int
    stop: int
    params: Any  # that technology's parameters


@dataclass(frozen=True)
class Fleet:
    """Units, ordered so that each technology is one block."""

    ids: tuple[str, ...]
    blocks: tuple[Block, ...]
    owner: Int[Tensor, " unit"]
    node: Int[Tensor, " unit"]


@dataclass(frozen=True)
class Members:
    """The units of a fleet that use one strategy in one market; all of one technology."""

    units: Int[Tensor, " member"] | None  # index into the fleet; None: all of it
    block: Block  # their technology and parameters, one row per member, in this order


@dataclass(frozen=True)
class Forecasts:
    """One energy market's forecasts over the whole calendar, one row per distinct series."""

    price: Float[Tensor, "series step"]  # EUR/MWh
    residual_load: Float[Tensor, "series step"]  # MW
    scaled_price: Float[Tensor, "series step"]  # min-max over the calendar, [0, 1]
    scaled_residual_load: Float[Tensor, "series step"]
    series: Int[Tensor, " unit"]  # which row a unit reads


@dataclass(frozen=True)
class Profiles:
    """Exogenous series of a fleet over the whole calendar; shared by every copy of a market."""

    capacity: Float[Tensor, "step unit"]  # MW: available power of a plant, -|demand| of a demand
    marginal_cost: Float[Tensor, "step unit"]  # EUR/MWh (a demand's willingness to pay)
    forecasts: dict[str, Forecasts]  # by market


@dataclass(frozen=True)
class UnitState:
    """What units remember and have promised: a window of steps around now.

    Index `lookback` of the window axis is the current step, later ones hold what is already sold.
    Steps before the calendar starts read as zero.
    """

    energy: Float[Tensor, "... window unit"]  # MW: sold, and once executed, delivered
    # EUR/MWh of the unit's last order; None: nobody looks at it, so it is not kept
    accepted_price: Float[Tensor, "... window unit"] | None
    # EUR as the established tables have it: every step has the money of its whole product
    cashflow: Float[Tensor, "... window unit"] | None  # None: not recorded, so it is not kept
    # EUR of the step itself, so that it can be summed up; likewise None where it is not recorded
    revenue: Float[Tensor, "... window unit"] | None
    lookback: int
    # Steps off up to and with each executed step, 0: it runs, `NEVER_RAN`: not in this episode yet.
    # None: no reward charges starts by their downtime, so it is not kept
    downtime: Float[Tensor, "... window unit"] | None = None


@dataclass(frozen=True)
class View:
    """Everything a bidder may know at gate closure, and nothing else; `unit`: its own units."""

    min_power: Float[Tensor, "... product unit"]  # MW, additional to what is sold
    max_power: Float[Tensor, "... product unit"]
    sold: Float[Tensor, "... product unit"]  # MW already sold for these steps
    marginal_cost: Float[Tensor, "... product unit"]
    previous_power: Float[Tensor, "... unit"]  # MW in the step before the first product
    operating_time: Float[Tensor, "... unit"]  # steps; > 0 on, < 0 off
    residual_load: Float[Tensor, "... unit window"]  # scaled, circular over the calendar
    price_forecast: Float[Tensor, "... unit window"]  # scaled, circular over the calendar
    price_history: Float[Tensor, "... unit window"]  # EUR/MWh, up to and including the first step
    params: Any  # the technology's parameters of these units


@dataclass(frozen=True)
class Clearing:
    """What a clearing rule decides; a rule without zones has one."""

    accepted: Float[Tensor, "... product slot"]  # MW, sign of the order
    paid: Float[Tensor, "... product slot"]  # EUR/MWh, also stated for rejected orders
    price: Float[Tensor, "... product zone"]  # published price, 0 if nothing trades
    supply_volume: Float[Tensor, "... product zone"]  # MW
    demand_volume: Float[Tensor, "... product zone"]  # MW, positive
    min_price: Float[Tensor, "... product zone"]  # that accepted supply is paid
    max_price: Float[Tensor, "... product zone"]
    zone: Int[Tensor, " slot"]  # in which each slot lies
    flows: Float[Tensor, "... product line"] | None = None  # MW; None: the rule has no grid


# Kinds of starts, by how long a unit was off.
START_KINDS = ("hot", "warm", "cold")


@dataclass(frozen=True)
class Starts:
    """Which units start in which steps, and what that costs."""

    started: Bool[Tensor, "... step unit"]
    kind: Int[Tensor, "... step unit"]  # index into `START_KINDS`; of a start only
    downtime: Float[Tensor, "... step unit"]  # steps off before the step; `NEVER_RAN`
    cost: Float[Tensor, "... step unit"]  # EUR, 0 where a unit does not start


@dataclass(frozen=True)
class Outcome:
    """What one auction brought each bidding unit, after dispatch: the input of a reward."""

    price: Float[Tensor, "... unit"]  # EUR/MWh, published by the auction
    revenue: Float[Tensor, "... unit"]  # EUR of the unit's orders: price paid * accepted * hours
    sold: Float[Tensor, "... unit"]  # MW accepted
    offered: Float[Tensor, "... unit"]  # MW
    hours: float  # length of the first product
    marginal_cost: Float[Tensor, "... unit"]  # at the first product
    power: Float[Tensor, "... unit"]  # MW delivered (planned, if not yet executed) in that step
    previous_power: Float[Tensor, "... unit"]  # MW in the step before
    params: Any
    # EUR of the starts in the product, by their downtime; None: the state keeps no downtime
    start_cost: Float[Tensor, "... unit"] | None = None


@dataclass(frozen=True)
class Reward:
    """What a strategy makes of an outcome; `reward` is what a learner maximises."""

    reward: Float[Tensor, "... unit"]  # scaled
    profit: Float[Tensor, "... unit"]  # EUR
    regret: Float[Tensor, "... unit"]  # EUR, opportunity cost as the reward counts it

    def __add__(self, other: "Reward") -> "Reward":
        """Of two auctions together."""
        return Reward(
            self.reward + other.reward, self.profit + other.profit, self.regret + other.regret
        )


@dataclass(frozen=True)
class Auction:
    """One auction of the plan. Times: seconds since the calendar starts; deliveries: steps."""

    market: str
    number: int  # counts this market's auctions from 0
    opens: int
    closes: int
    first: tuple[int, ...]  # first delivery step of each product
    length: tuple[int, ...]  # steps of each product

    @property
    def last(self) -> int:
        """Return the last step that it delivers."""
        return max(f + n for f, n in zip(self.first, self.length, strict=True)) - 1


@dataclass(frozen=True)
class Tick:
    """Everything that happens at one instant, in the order of `core.step`."""

    time: int  # seconds since the calendar starts
    step: int  # the calendar step that contains `time`
    closing: tuple[Auction, ...]
    opening: tuple[Auction, ...]


# A calendar step: one for everything (the agents shell), or one per copy of a market.
Step = int | Int[Tensor, "..."]
