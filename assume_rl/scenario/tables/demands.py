"""The unit kind of inelastic demand."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import model_validator

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
    """Inelastic demand; its series comes from demand_df."""

    unread: ClassVar[frozenset[str]] = frozenset({"elasticity", "elasticity_model", "num_bids"})

    unsigned: ClassVar[tuple[str, ...]] = ("max_power", "min_power")

    max_power: float
    """MW, <= 0 once read; a label, as demand_df holds the demand."""
    min_power: float
    """MW, <= 0 once read; a label, as demand_df holds the demand."""
    price: float = 3000.0
    """Willingness to pay, EUR/MWh."""

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


def _to_params(demands: Sequence[Demand], basis: Basis) -> DemandParams:
    return DemandParams(price=column(demand.price for demand in demands))


def _capacity(demand: Demand, series: Series) -> Values:
    return series.demand[demand.id].to_numpy()


def _worth(demand: Demand, series: Series) -> Values:
    return series.constant(demand.price)


DEMANDS = UnitTable(
    name="demand",
    label="demand unit",
    file="demand_units",
    row=Demand,
    technology="demand",
    to_params=_to_params,
    capacity=_capacity,
    marginal_cost=_worth,
    required=True,
    forecast="demand",
    meta=(MetaColumn("max_power", "MW, negative"), MetaColumn("min_power", "MW, negative")),
)
