"""A unit kind, two bidders and a rule that the package does not know: only tests register them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from unittest.mock import patch

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, Field
from torch import Tensor

from assume_rl.core.bidding import BIDDERS, Entry
from assume_rl.core.bidding.base import Box, Context, Feature, Layout, Need, Params, View
from assume_rl.core.bidding.learned import (
    LearnedParams,
    by_product,
    market_features,
    observe_market,
)
from assume_rl.core.clearing import RULES, MarketSpec, Slots, pay_as_clear
from assume_rl.core.clearing import Need as RuleNeed
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.money import Outcome, Reward
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.time import Step
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.core.units.base import (
    ENERGY,
    Limits,
    PerProduct,
    PerStep,
    PerUnit,
    Range,
    Sale,
    Side,
    Sold,
    Starts,
    Window,
    no_range,
    no_starts,
    rows_of,
)
from assume_rl.scenario.tables import register, unregister
from assume_rl.scenario.tables.base import (
    Basis,
    MetaColumn,
    Series,
    Unit,
    UnitTable,
    Values,
    column,
)

# --- a technology with a state of its own --------------------------------------------------------


@dataclass(frozen=True)
class ReservoirParams:
    """Reservoirs on a river."""

    max_power: Float[Tensor, " unit"]  # MW
    inflow: Float[Tensor, " unit"]  # MWh per step
    content: Float[Tensor, " unit"]  # MWh; what flows in beyond is spilled
    initial: Float[Tensor, " unit"]  # MWh
    step_hours: float


@dataclass(frozen=True)
class ReservoirState:
    """What reservoirs hold at the beginning of each step, planned after now."""

    level: Float[Tensor, "... window unit"]  # MWh


@dataclass(frozen=True)
class ReservoirView:
    """What the bidders of reservoirs see of them."""

    params: ReservoirParams
    share: Float[Tensor, "... unit"]  # of the content, at the first product


def rolled(params: ReservoirParams, level: Tensor, power: Tensor) -> tuple[Tensor, Tensor]:
    """Return possible power, MW, and the level after each step, MWh.

    :param level: (... unit), MWh before the first step
    :param power: (... step unit), MW wanted
    """
    done, after = [], []
    for wanted in power.unbind(-2):
        full = level + params.inflow
        done.append(torch.minimum(wanted.clamp(min=0), full / params.step_hours))
        level = torch.minimum(full - done[-1] * params.step_hours, params.content)
        after.append(level)
    return torch.stack(done, dim=-2), torch.stack(after, dim=-2)


@dataclass(frozen=True)
class Reservoir:
    name: str = "reservoir"
    sides: frozenset[Side] = frozenset({"sells"})

    def select(self, params: ReservoirParams, units: Int[Tensor, " chosen"]) -> ReservoirParams:
        return rows_of(params, units)

    def lookback(self, params: ReservoirParams, timed: bool) -> int:
        return 0

    def initial(
        self, params: ReservoirParams, batch: tuple[int, ...], window: int
    ) -> ReservoirState:
        return ReservoirState(params.initial.expand(*batch, window, len(params.initial)))

    def advance(self, state: ReservoirState, steps: int) -> ReservoirState:
        size = state.level.shape[-2]
        kept = torch.cat([state.level[..., steps:, :], *[state.level[..., -1:, :]] * steps], -2)
        return ReservoirState(kept[..., :size, :])

    def limits(
        self,
        params: ReservoirParams,
        state: ReservoirState,
        capacity: PerProduct,
        sold: Sold,
        first: int,
    ) -> Limits:
        water = (state.level[..., first : first + 1, :] + params.inflow) / params.step_hours
        most = (torch.minimum(capacity, water) - sold[ENERGY]).clamp(min=0)
        return Limits(sell=Range(torch.zeros_like(most), most), buy=no_range(most))

    def plan(
        self, params: ReservoirParams, state: ReservoirState, energy: Window, first: int
    ) -> tuple[Window, ReservoirState]:
        done, after = rolled(params, state.level[..., first, :], energy[..., first:, :])
        level = torch.cat((state.level[..., : first + 1, :], after[..., :-1, :]), dim=-2)
        return torch.cat((energy[..., :first, :], done), dim=-2), ReservoirState(level)

    def execute(
        self,
        params: ReservoirParams,
        state: ReservoirState,
        capacity: PerStep,
        energy: Window,
        first: int,
        since: Step,
    ) -> tuple[PerStep, ReservoirState]:
        steps = capacity.shape[-2]
        wanted = torch.minimum(energy[..., first : first + steps, :], capacity)
        done, after = rolled(params, state.level[..., first, :], wanted)
        rest = state.level[..., first + 1 + steps :, :]
        parts = (state.level[..., : first + 1, :], after, rest)
        size = state.level.shape[-2]
        return done, ReservoirState(torch.cat(parts, dim=-2)[..., :size, :])

    def view(
        self, params: ReservoirParams, state: ReservoirState, past: Window, since: Step
    ) -> ReservoirView:
        return ReservoirView(params, state.level[..., past.shape[-2], :] / params.content)

    def marginal_cost(self, params: ReservoirParams, series: PerStep, power: PerStep) -> PerStep:
        return series

    def running_cost(self, params: ReservoirParams, series: PerStep, power: PerStep) -> PerStep:
        return series * power

    def starts(
        self, params: ReservoirParams, power: PerStep, downtime: PerUnit
    ) -> tuple[Starts, PerUnit]:
        return no_starts(power), downtime

    def settle(self, params: ReservoirParams, state: ReservoirState, sale: Sale) -> ReservoirState:
        return state

    def columns(self, params: ReservoirParams, state: ReservoirState) -> Mapping[str, Window]:
        return {"level": state.level}


# --- its table -----------------------------------------------------------------------------------


class Lake(Unit):
    """A row of reservoir_units.csv."""

    max_power: float = Field(ge=0)
    """MW."""
    inflow: float = Field(ge=0)
    """MW."""
    content: float = Field(gt=0)
    """MWh."""
    initial_level: float = Field(0.5, ge=0, le=1)
    """Share of the content."""


def _params(lakes: Sequence[Lake], basis: Basis) -> ReservoirParams:
    return ReservoirParams(
        max_power=column(lake.max_power for lake in lakes),
        inflow=column(lake.inflow * basis.step_hours for lake in lakes),
        content=column(lake.content for lake in lakes),
        initial=column(lake.initial_level * lake.content for lake in lakes),
        step_hours=basis.step_hours,
    )


def _capacity(lake: Lake, series: Series) -> Values:
    return series.available(lake, lake.max_power)


def _cost(lake: Lake, series: Series) -> Values:
    return series.constant(2.0)


RESERVOIRS = UnitTable(
    name="reservoir",
    label="reservoir",
    file="reservoir_units",
    row=Lake,
    technology="reservoir",
    to_params=_params,
    capacity=_capacity,
    marginal_cost=_cost,
    availability="share",
    meta=(MetaColumn("max_power", "MW"), MetaColumn("content", "MWh")),
    states=(MetaColumn("level", "MWh at the beginning of the step"),),
)

# --- its bidders ---------------------------------------------------------------------------------

RULE_BIDDER, LEARNED_BIDDER = "reservoir_energy_water_value", "reservoir_energy_learning"


class WaterParams(Params):
    water_value: float = Field(60.0, ge=0)
    """EUR/MWh of the last water; a full reservoir asks for nothing."""


@dataclass(frozen=True)
class WaterValue:
    """Asks for more the less water there is."""

    water_value: float
    name: str = RULE_BIDDER
    technologies: frozenset[str] = frozenset({"reservoir"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 1
    blocks: bool = False

    def orders(self, view: View[ReservoirView]) -> Orders:
        volume = view.limits.sell.most
        price = self.water_value * (1 - view.own.share)
        return unit_major(price.unsqueeze(-2).expand_as(volume), volume, volume.shape[-1])


@dataclass(frozen=True)
class LearnedWater:
    """Learns what to ask for."""

    products: int
    foresight: int
    max_bid_price: float
    name: str = LEARNED_BIDDER
    technologies: frozenset[str] = frozenset({"reservoir"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    slots: int = 1
    blocks: bool = False

    @property
    def action(self) -> Box:
        return Box(self.products)

    @cached_property
    def layout(self) -> Layout:
        level = Feature("level", 1, "share of the content", unique=True)
        return Layout((*market_features(self.foresight), level))

    def observe(self, view: View[ReservoirView]) -> Tensor:
        market = observe_market(view, self.foresight, self.max_bid_price)
        return torch.cat([*market, view.own.share.unsqueeze(-1)], dim=-1)

    def explore_around(self, observation: Tensor) -> Tensor:
        return observation.new_zeros((*observation.shape[:-1], self.products))

    def orders(self, view: View[ReservoirView], action: Tensor) -> Orders:
        price = (action * self.max_bid_price).to(torch.float64).unsqueeze(-1)
        volume = view.limits.sell.most[..., : self.products, :].transpose(-1, -2).unsqueeze(-1)
        return by_product(price, volume, view)

    def reward(self, outcome: Outcome[ReservoirParams]) -> Reward:
        cost = outcome.marginal_cost * outcome.sold * outcome.hours
        profit = (outcome.revenue - cost).sum(-2)
        scale = self.max_bid_price * outcome.params.max_power
        return Reward(reward=profit / scale, profit=profit, regret=torch.zeros_like(profit))


def _rule(context: Context, params: WaterParams) -> WaterValue:
    return WaterValue(params.water_value)


def _learned(context: Context, params: LearnedParams) -> LearnedWater:
    return LearnedWater(params.products_of(context), params.foresight or 6, context.max_bid_price)


# --- a rule --------------------------------------------------------------------------------------

RULE = "pay_as_clear_quota"


class Quota(BaseModel):
    quota: float = Field(70.0, gt=0)
    """MW that an order may sell."""


@dataclass(frozen=True)
class WithQuota:
    """Uniform price; of every supply order at most the quota takes part."""

    name: str = RULE
    Params: type[Quota] = Quota
    couples_products: bool = False
    needs: frozenset[RuleNeed] = frozenset()
    batched: bool = True

    def setup(self, spec: MarketSpec[Quota], slots: Slots) -> tuple[float, Tensor]:
        return spec.params.quota, pay_as_clear.setup(spec, slots)

    def clear(self, orders: Orders, tie: Tensor, setup: tuple[float, Tensor]) -> Clearing:
        quota, zone = setup
        return pay_as_clear.clear(replace(orders, volume=orders.volume.clamp(max=quota)), tie, zone)


# --- registering: one entry, or one call, each ---------------------------------------------------


@contextmanager
def strangers() -> Iterator[None]:
    """Let the package know all of the above, for as long as it is needed."""
    bidders: dict[str, Entry[Any]] = {
        RULE_BIDDER: Entry(_rule, WaterParams),
        LEARNED_BIDDER: Entry(_learned, LearnedParams),
    }
    with (
        patch.dict(TECHNOLOGIES, {"reservoir": Reservoir()}),
        patch.dict(BIDDERS, bidders),
        patch.dict(RULES, {RULE: WithQuota()}),
    ):
        register(RESERVOIRS)
        try:
            yield
        finally:
            unregister("reservoir")
