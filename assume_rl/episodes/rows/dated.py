"""Convert calendar steps in the rows of both shells to the dates of the result tables."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assume_rl.episodes.calendar import Calendar


class Sink(Protocol):
    """A receiver of finished rows."""

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Append rows, as columns of equal lengths, to `table`."""
        ...


def _dates(steps: NDArray[np.int64], calendar: Calendar) -> NDArray[np.datetime64]:
    seconds = calendar.start + np.asarray(steps, dtype=np.int64) * calendar.step_seconds
    return seconds.astype("datetime64[s]")


def _market_meta(columns: dict[str, Any], calendar: Calendar) -> dict[str, Any]:
    kept = {k: v for k, v in columns.items() if k not in ("start_step", "end_step", "steps")}
    start, end = (_dates(columns[name], calendar) for name in ("start_step", "end_step"))
    hours = columns["steps"] * calendar.step_hours
    return kept | {
        "product_start": start,
        "product_end": end,
        "time": start,
        "supply_volume_energy": columns["supply_volume"] * hours,
        "demand_volume_energy": columns["demand_volume"] * hours,
    }


def _market_orders(columns: dict[str, Any], calendar: Calendar) -> dict[str, Any]:
    kept = {k: v for k, v in columns.items() if k not in ("start_step", "end_step")}
    return kept | {
        "start_time": _dates(columns["start_step"], calendar),
        "end_time": _dates(columns["end_step"], calendar),
    }


def _renamed(name: str) -> Callable[[dict[str, Any], Calendar], dict[str, Any]]:
    def dated(columns: dict[str, Any], calendar: Calendar) -> dict[str, Any]:
        kept = {k: v for k, v in columns.items() if k != "step"}
        return kept | {name: _dates(columns["step"], calendar)} if "step" in columns else columns

    return dated


DATED: dict[str, Callable[[dict[str, Any], Calendar], dict[str, Any]]] = {
    "market_meta": _market_meta,
    "market_orders": _market_orders,
    "market_dispatch": _renamed("datetime"),
    "grid_flows": _renamed("datetime"),
    "unit_dispatch": _renamed("time"),
    "start_costs": _renamed("time"),
    "rl_params": _renamed("datetime"),
}
