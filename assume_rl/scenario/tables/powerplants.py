"""The unit kind of power plants, thermal and renewable."""

from collections.abc import Sequence
from math import inf
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from assume_rl.core.bidding.base import Need
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.scenario.tables.base import (
    CO2,
    Basis,
    MetaColumn,
    Series,
    Unit,
    UnitTable,
    Values,
    column,
)


class Plant(Unit):
    """A power plant, thermal or renewable."""

    unread: ClassVar[frozenset[str]] = frozenset({"partial_load_eff", "max_heat_extraction"})

    max_power: float = Field(ge=0)
    """MW."""
    min_power: float = Field(0.0, ge=0)
    """MW."""
    efficiency: float = Field(1.0, gt=0, le=1)
    """Electric energy per thermal energy."""
    fuel_type: str = "others"
    """Column of the fuel prices."""
    emission_factor: float = Field(0.0, ge=0)
    """t CO2 per MWh thermal."""
    additional_cost: float = 0.0
    """EUR/MWh electric."""
    ramp_up: float | None = Field(None, ge=0)
    """MW per step; None and 0: no limit."""
    ramp_down: float | None = Field(None, ge=0)
    """MW per step; None and 0: no limit."""
    hot_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power and start."""
    warm_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power and start."""
    cold_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power and start."""
    min_operating_time: float = Field(1.0, ge=0)
    """Steps; holds a plant with a ramp limit, and counts in prices that count starts."""
    min_down_time: float = Field(1.0, ge=0)
    """Steps; holds a plant with a ramp limit, and counts in prices that count starts."""
    downtime_hot_start: float = Field(0.0, ge=0)
    """Hours off up to which a start is hot."""
    downtime_warm_start: float = Field(0.0, ge=0)
    """Hours off up to which a start is warm."""

    @field_validator("ramp_up", "ramp_down")
    @classmethod
    def _zero_is_no_limit(cls, ramp: float | None) -> float | None:
        return ramp or None

    @model_validator(mode="after")
    def _ordered_power(self) -> Self:
        if self.min_power > self.max_power:
            raise ValueError(f"min_power {self.min_power:g} is above max_power {self.max_power:g}")
        return self

    def unused(self, needs: frozenset[Need]) -> dict[str, str]:
        """Return minimum times without effect: as in ASSUME they need a ramp limit."""
        if self.ramp_up or self.ramp_down or "operating_time" in needs:
            return {}
        why = "has no effect without a ramp limit (ramp_up or ramp_down)"
        times = ("min_operating_time", "min_down_time")
        return {name: why for name in times if getattr(self, name) > 1}


def marginal_cost(plant: Plant, series: Series) -> Values:
    """Return fuel, CO2 and other costs per electric energy, (step), EUR/MWh.

    Formula: docs/scenario-format.md, "Marginal cost".
    """
    fuel, co2 = series.fuel_price(plant.fuel_type), series.fuel_price(CO2)
    eta = plant.efficiency
    return fuel / eta + co2 * plant.emission_factor / eta + plant.additional_cost


def _capacity(plant: Plant, series: Series) -> Values:
    return series.available(plant, plant.max_power)


def _to_params(plants: Sequence[Plant], basis: Basis) -> ThermalParams:
    """Return the parameters, with start costs in EUR per start and down times in steps."""
    hours = basis.step_hours
    up, down = (column(getattr(p, r) or inf for p in plants) for r in ("ramp_up", "ramp_down"))
    return ThermalParams(
        max_power=column(p.max_power for p in plants),
        min_power=column(p.min_power for p in plants),
        ramp_up=up,
        ramp_down=down,
        min_operating_time=column(p.min_operating_time for p in plants),
        min_down_time=column(p.min_down_time for p in plants),
        hot_start_cost=column(p.hot_start_cost * p.max_power for p in plants),
        warm_start_cost=column(p.warm_start_cost * p.max_power for p in plants),
        cold_start_cost=column(p.cold_start_cost * p.max_power for p in plants),
        downtime_hot_start=column(p.downtime_hot_start / hours for p in plants),
        downtime_warm_start=column(p.downtime_warm_start / hours for p in plants),
        ramped=bool((up.isfinite() | down.isfinite()).any()),
    )


def _fuels(plant: Plant) -> tuple[str, ...]:
    return (plant.fuel_type, CO2) if plant.emission_factor > 0 else (plant.fuel_type,)


POWER_PLANTS = UnitTable(
    name="power_plant",
    label="power plant",
    file="powerplant_units",
    row=Plant,
    technology="thermal",
    to_params=_to_params,
    capacity=_capacity,
    marginal_cost=marginal_cost,
    required=True,
    forecast="supply",
    availability="share or MW",
    fuels=_fuels,
    meta=(
        MetaColumn("max_power", "MW"),
        MetaColumn("min_power", "MW"),
        MetaColumn("emission_factor", "t CO2 per MWh thermal"),
        MetaColumn("efficiency"),
        MetaColumn("fuel_type", text=True),
        MetaColumn("max_heat_extraction", "MW", value=lambda _: 0.0),
        MetaColumn(
            "hot_start_cost", "EUR per start", value=lambda p: p.hot_start_cost * p.max_power
        ),
        MetaColumn(
            "warm_start_cost", "EUR per start", value=lambda p: p.warm_start_cost * p.max_power
        ),
        MetaColumn(
            "cold_start_cost", "EUR per start", value=lambda p: p.cold_start_cost * p.max_power
        ),
    ),
)
