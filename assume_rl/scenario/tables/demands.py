"""The unit kind of demand, inelastic or elastic.

Columns: docs/scenario-format.md, "demand_units".
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import pandas as pd
from pydantic import Field, field_validator, model_validator

from assume_rl.core.bidding import bids_curve
from assume_rl.core.bidding.base import Need
from assume_rl.core.units.demand import DemandParams
from assume_rl.scenario.tables.base import (
    Basis,
    MetaColumn,
    Series,
    Unit,
    UnitTable,
    Values,
    column,
)


class Demand(Unit):
    """Demand: inelastic, with a series in demand_df, or elastic, with a curve."""

    unsigned: ClassVar[tuple[str, ...]] = ("max_power", "min_power")

    max_power: float
    """MW, <= 0 once read; the larger one is all of an elastic demand; else a label."""
    min_power: float
    """MW, <= 0 once read; the larger one is all of an elastic demand; else a label."""
    price: float = 3000.0
    """Willingness to pay, EUR/MWh; of an elastic demand the highest."""
    elasticity: float = 0.0
    """Of an isoelastic demand, < 0."""
    elasticity_model: Literal["linear", "isoelastic"] | None = None
    """Form of the curve of an elastic demand, `linear` or `isoelastic`; empty: none."""
    num_bids: int = Field(0, ge=0)
    """Orders of an elastic demand per product, at least 2."""

    @model_validator(mode="before")
    @classmethod
    def _negative_power(cls, row: Any) -> Any:
        """Make powers negative, whichever sign the table gives them."""
        try:
            low, high = float(row["min_power"]), float(row["max_power"])
        except (KeyError, ValueError):
            return row  # reported by field
        if low * high < 0:
            raise ValueError(f"min_power {low:g} and max_power {high:g} have opposite signs")
        return {**row, "min_power": -abs(low), "max_power": -abs(high)}

    @field_validator("elasticity_model", mode="before")
    @classmethod
    def _zero_is_none(cls, model: Any) -> Any:
        return None if model in (0, "0") else model

    @model_validator(mode="after")
    def _complete_curve(self) -> Self:
        """Refuse a curve that cannot be drawn."""
        curves = [name for name in self.bidding.values() if bids_curve(name)]
        if self.elasticity_model is None:
            if curves:
                raise ValueError(f"elasticity_model is missing, which {curves[0]} needs")
        elif (fault := _fault(self)) is not None:
            raise ValueError(fault)
        return self

    @property
    def elastic(self) -> bool:
        """Return whether it bids a curve; then it needs no series."""
        return any(map(bids_curve, self.bidding.values()))

    @property
    def most(self) -> float:
        """Return all that a curve reaches, MW >= 0."""
        return max(-self.min_power, -self.max_power)

    @property
    def orders(self) -> int:
        """Return the steps of the curve that it bids, else 1."""
        return self.num_bids if self.elastic else 1

    def unused(self, needs: frozenset[Need]) -> dict[str, str]:
        """Return the model of a curve that no bidder reads."""
        if self.elastic or self.elasticity_model is None:
            return {}
        return {"elasticity_model": "nothing reads it without a strategy that bids a curve"}


def _fault(demand: Demand) -> str | None:
    """Return why the curve of a demand cannot be drawn, None if it can."""
    model, price = demand.elasticity_model, demand.price
    if demand.num_bids < 2:
        return f"num_bids {demand.num_bids} is below 2, which elastic demand needs"
    if demand.most == 0:
        return "min_power and max_power are 0, but an elastic demand must have power"
    if model == "linear" and price <= 0:
        return f"price {price:g} is not above 0, which linear demand needs"
    if model == "isoelastic" and demand.elasticity >= 0:
        return f"elasticity {demand.elasticity:g} is not below 0, which isoelastic demand needs"
    if model == "isoelastic" and price < 1:
        return f"price {price:g} is below 1, where isoelastic demand exceeds its power"
    return None


def inelastic(unit: Unit) -> bool:
    """Return whether a demand unit needs a series of demand_df."""
    return not (isinstance(unit, Demand) and unit.elastic)


def contradiction(unit: Unit, load: "pd.Series[float]") -> tuple[pd.Timestamp, str] | None:
    """Return when a series first leaves the powers of its demand unit, and its value then.

    :param unit: of a demand that follows a series
    :param load: MW, >= 0
    """
    if not isinstance(unit, Demand):
        return None
    powers = {"min_power": -unit.min_power, "max_power": -unit.max_power}
    least, most = sorted(powers, key=lambda name: powers[name])
    for name, outside in ((most, load > powers[most]), (least, load < powers[least])):
        if outside.any():
            moment = pd.DatetimeIndex(load.index)[int(outside.argmax())]
            side = "above" if name == most else "below"
            return moment, f"{load[moment]:g} MW is {side} {name} {powers[name]:g}"
    return None


def to_params(demands: Sequence[Demand], basis: Basis | None = None) -> DemandParams:
    """Return the parameters of the technology; a linear curve has no elasticity.

    :param demands: rows of the table
    :param basis: not read
    """
    isoelastic = (d.elasticity if d.elasticity_model == "isoelastic" else 0.0 for d in demands)
    return DemandParams(
        price=column(demand.price for demand in demands),
        most=column(demand.most for demand in demands),
        elasticity=column(isoelastic),
        num_bids=column(demand.num_bids if demand.elastic else 0 for demand in demands),
    )


def _capacity(demand: Demand, series: Series) -> Values:
    if demand.elastic:
        return series.constant(-demand.most)
    return series.demand[demand.id].to_numpy()


def _worth(demand: Demand, series: Series) -> Values:
    return series.constant(demand.price)


DEMANDS = UnitTable(
    name="demand",
    label="demand unit",
    file="demand_units",
    row=Demand,
    technology="demand",
    to_params=to_params,
    capacity=_capacity,
    marginal_cost=_worth,
    required=True,
    forecast="demand",
    meta=(
        MetaColumn("max_power", "MW, negative"),
        MetaColumn("min_power", "MW, negative"),
        MetaColumn("elasticity_model", text=True, value=lambda d: d.elasticity_model or ""),
        MetaColumn("elasticity"),
        MetaColumn("num_bids"),
    ),
)
