"""The unit kind of exchanges with other areas.

Columns: docs/scenario-format.md, "exchange_units".
"""

from collections.abc import Sequence

import numpy as np
import torch

from assume_rl.core.units.exchange import ExchangeParams
from assume_rl.scenario.tables.base import (
    Basis,
    MetaColumn,
    Series,
    SeriesFile,
    Unit,
    UnitTable,
    Values,
    column,
)

FILE = "exchanges_df"


class Exchange(Unit):
    """An exchange; its series come from exchanges_df."""

    technology: str = "exchange"
    """A label."""
    price_import: float = 0.0
    """What imports are offered for, EUR/MWh."""
    price_export: float = 2999.0
    """What exports are willing to pay, EUR/MWh."""


def _columns(exchange: Exchange) -> tuple[str, str]:
    return f"{exchange.id}_import", f"{exchange.id}_export"


def _powers(exchange: Exchange, series: Series) -> tuple[Values, Values]:
    """Return imports and exports, (step) each, MW; the sign in the file does not matter."""
    imports, exports = (np.abs(series.own[FILE][name].to_numpy()) for name in _columns(exchange))
    return imports, exports


def _capacity(exchange: Exchange, series: Series) -> Values:
    imports, _ = _powers(exchange, series)
    return imports


def _load(exchange: Exchange, series: Series) -> Values:
    """Return imports less exports, MW: the sign with which ASSUME's forecasts count them."""
    imports, exports = _powers(exchange, series)
    return imports - exports


def _cost(exchange: Exchange, series: Series) -> Values:
    """Return 0, (step): the prices of the orders are not costs of delivery, as recorded."""
    return series.constant(0.0)


def _to_params(exchanges: Sequence[Exchange], basis: Basis) -> ExchangeParams:
    exports = [-_powers(exchange, basis.series)[1] for exchange in exchanges]
    return ExchangeParams(
        price_import=column(exchange.price_import for exchange in exchanges),
        price_export=column(exchange.price_export for exchange in exchanges),
        most_export=torch.tensor(np.stack(exports, axis=1)),
    )


EXCHANGES = UnitTable(
    name="exchange",
    label="exchange",
    file="exchange_units",
    row=Exchange,
    technology="exchange",
    to_params=_to_params,
    capacity=_capacity,
    marginal_cost=_cost,
    series=SeriesFile(FILE, _columns),
    load=_load,
    meta=(MetaColumn("price_import", "EUR/MWh"), MetaColumn("price_export", "EUR/MWh")),
)
