"""The unit kind of storages: batteries, pumped storage and others.

Columns: docs/scenario-format.md, "storage_units".
"""

from collections.abc import Sequence
from math import inf
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from assume_rl.core.bidding.base import Need
from assume_rl.core.units.storage import StorageParams
from assume_rl.scenario.tables.base import (
    Basis,
    MetaColumn,
    Series,
    Unit,
    UnitTable,
    Values,
    column,
)

# Effect of a ramp of 0 on a storage; for a power plant 0 means no limit.
BLOCKED = {
    "ramp_up_charge": "the storage never charges",
    "ramp_down_charge": "charging never becomes weaker, it can only stop",
    "ramp_up_discharge": "the storage never discharges",
    "ramp_down_discharge": "discharging never becomes weaker, it can only stop",
}


class Storage(Unit):
    """A storage; charging power is negative once read, discharging power positive."""

    unread: ClassVar[frozenset[str]] = frozenset(
        {"soc_tick", "min_operating_time", "min_down_time"}
    )
    unsigned: ClassVar[tuple[str, ...]] = ("max_power_charge", "min_power_charge")

    capacity: float = Field(gt=0)
    """MWh."""
    max_power_charge: float = Field(le=0)
    """MW, <= 0 once read."""
    max_power_discharge: float = Field(ge=0)
    """MW."""
    min_power_charge: float = Field(0.0, le=0)
    """MW, <= 0 once read."""
    min_power_discharge: float = Field(0.0, ge=0)
    """MW."""
    min_soc: float = Field(0.0, ge=0, le=1)
    """Lowest state of charge, share of the capacity."""
    max_soc: float = Field(1.0, ge=0, le=1)
    """Highest state of charge, share of the capacity."""
    initial_soc: float = Field(0.0, ge=0, le=1)
    """State of charge at the start, share of the capacity."""
    efficiency_charge: float = Field(1.0, gt=0, le=1)
    """Stored energy per energy taken."""
    efficiency_discharge: float = Field(1.0, gt=0, le=1)
    """Energy delivered per stored energy."""
    additional_cost_charge: float = 0.0
    """EUR/MWh taken."""
    additional_cost_discharge: float = 0.0
    """EUR/MWh delivered."""
    ramp_up_charge: float | None = Field(None, le=0)
    """MW per step, <= 0, towards stronger charging; None: no limit, 0: never charges."""
    ramp_down_charge: float | None = Field(None, le=0)
    """MW per step, <= 0, towards weaker charging; None: no limit."""
    ramp_up_discharge: float | None = Field(None, ge=0)
    """MW per step; None: no limit, 0: never discharges."""
    ramp_down_discharge: float | None = Field(None, ge=0)
    """MW per step; None: no limit."""
    hot_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power_discharge and start."""
    warm_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power_discharge and start."""
    cold_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power_discharge and start."""
    downtime_hot_start: float = Field(8.0, ge=0)
    """Hours off up to which a start is hot."""
    downtime_warm_start: float = Field(48.0, ge=0)
    """Hours off up to which a start is warm."""

    @model_validator(mode="before")
    @classmethod
    def _negative_charging(cls, row: Any) -> Any:
        """Make charging powers negative, whichever sign the table gives them; ramps keep theirs."""
        return {k: _negative(v) if k in cls.unsigned else v for k, v in row.items()}

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        pairs = (
            ("max_power_charge", "min_power_charge"),
            ("min_power_discharge", "max_power_discharge"),
            ("min_soc", "max_soc"),
        )
        for low, high in pairs:
            least, most = getattr(self, low), getattr(self, high)
            if least > most:
                raise ValueError(f"{low} {least:g} is above {high} {most:g}")
        return self

    def concerns(self) -> dict[str, str]:
        """Return warnings by column: ramps of 0, and a state of charge out of bounds."""
        found = {
            name: f"is 0, as an empty cell is: {effect}; write a large number for no limit"
            for name, effect in BLOCKED.items()
            if getattr(self, name) == 0
        }
        if not self.min_soc <= self.initial_soc <= self.max_soc:
            bounds = f"min_soc {self.min_soc:g} and max_soc {self.max_soc:g}"
            found["initial_soc"] = f"{self.initial_soc:g} does not lie between {bounds}"
        return found

    def unused(self, needs: frozenset[Need]) -> dict[str, str]:
        """Return ramps towards less power, which bind only where less is offered than possible."""
        why = "has no effect, since storages offer all that they can charge or discharge"
        most = {
            "ramp_down_charge": self.max_power_charge,
            "ramp_down_discharge": self.max_power_discharge,
        }
        ramps = {name: getattr(self, name) for name in most}
        return {n: why for n, ramp in ramps.items() if ramp and abs(ramp) < abs(most[n])}


def _negative(value: Any) -> Any:
    """Return a number with a negative sign; other values unchanged, to be reported by field."""
    try:
        return 0.0 - abs(float(value))
    except (TypeError, ValueError):
        return value


def _to_params(storages: Sequence[Storage], basis: Basis) -> StorageParams:
    """Return the parameters, with start costs in EUR per start and down times in steps."""
    hours = basis.step_hours

    def field(name: str) -> Any:
        return column(getattr(s, name) for s in storages)

    def limit(name: str, none: float) -> Any:
        ramps = (getattr(s, name) for s in storages)
        return column(none if ramp is None else ramp for ramp in ramps)

    def per_start(name: str) -> Any:
        return column(getattr(s, name) * s.max_power_discharge for s in storages)

    return StorageParams(
        capacity=field("capacity"),
        max_power_charge=field("max_power_charge"),
        min_power_charge=field("min_power_charge"),
        max_power_discharge=field("max_power_discharge"),
        min_power_discharge=field("min_power_discharge"),
        min_soc=field("min_soc"),
        max_soc=field("max_soc"),
        initial_soc=field("initial_soc"),
        efficiency_charge=field("efficiency_charge"),
        efficiency_discharge=field("efficiency_discharge"),
        additional_cost_charge=field("additional_cost_charge"),
        additional_cost_discharge=field("additional_cost_discharge"),
        ramp_up_charge=limit("ramp_up_charge", -inf),
        ramp_down_charge=limit("ramp_down_charge", -inf),
        ramp_up_discharge=limit("ramp_up_discharge", inf),
        ramp_down_discharge=limit("ramp_down_discharge", inf),
        hot_start_cost=per_start("hot_start_cost"),
        warm_start_cost=per_start("warm_start_cost"),
        cold_start_cost=per_start("cold_start_cost"),
        downtime_hot_start=field("downtime_hot_start") / hours,
        downtime_warm_start=field("downtime_warm_start") / hours,
        step_hours=hours,
        cost_limit=basis.max_bid_price,
    )


def _capacity(storage: Storage, series: Series) -> Values:
    """Return the greatest discharging power at every step, MW, for any state of charge."""
    return series.constant(storage.max_power_discharge)


def _cost(storage: Storage, series: Series) -> Values:
    return series.constant(storage.additional_cost_discharge)


STORAGES = UnitTable(
    name="storage",
    label="storage",
    file="storage_units",
    row=Storage,
    technology="storage",
    to_params=_to_params,
    capacity=_capacity,
    marginal_cost=_cost,
    power="max_power_discharge",
    meta=(
        MetaColumn("capacity", "MWh"),
        MetaColumn("max_soc", "share of the capacity"),
        MetaColumn("min_soc", "share of the capacity"),
        MetaColumn("max_power_charge", "MW, negative"),
        MetaColumn("min_power_charge", "MW, negative"),
        MetaColumn("max_power_discharge", "MW"),
        MetaColumn("min_power_discharge", "MW"),
        MetaColumn("efficiency_charge", "stored energy per energy taken"),
        MetaColumn("efficiency_discharge", "energy delivered per stored energy"),
    ),
)
