"""Turns result rows that other roles send into rows of the result tables."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from mango import Role
from numpy.typing import NDArray

from assume_rl.agents.messages import Rows
from assume_rl.agents.portfolio import Calendar
from assume_rl.agents.transport import Failures


class Sink(Protocol):
    """Where finished rows go."""

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Append rows to `table`."""
        ...


class Recorder(Role):  # type: ignore[misc]
    """Receives `Rows`, turns calendar steps into dates and hands them to a sink.

    Agents send their rows at the same instant; what one instant brings is written together, as a
    batch per table. Writing each message's rows would cost more than the simulation.
    """

    def __init__(self, sink: Sink, calendar: Calendar, failures: Failures) -> None:
        super().__init__()
        self._sink = sink
        self._calendar = calendar
        self._failures = failures
        self._waiting: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = {}

    def setup(self) -> None:
        """Subscribe by message type."""
        self.context.subscribe_message(
            self, self._failures.guard(self._take), lambda c, _: isinstance(c, Rows)
        )

    def _take(self, content: Rows, meta: dict[str, Any]) -> None:
        dated = DATED.get(content.table)
        columns = dated(content.columns, self._calendar) if dated else content.columns
        if not self._waiting:
            soon = self.context.current_timestamp + 1
            self.context.schedule_timestamp_task(self._write_later(), soon)
        self._waiting.setdefault((content.table, tuple(columns)), []).append(columns)

    async def _write_later(self) -> None:
        try:
            self.write()
        except Exception as error:
            self._failures.note(error)

    def write(self) -> None:
        """Write everything received so far."""
        waiting, self._waiting = self._waiting, {}
        for (table, names), parts in waiting.items():
            columns = {name: np.concatenate([part[name] for part in parts]) for name in names}
            self._sink.write(table, columns)


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
        "node": np.full(len(columns["price"]), "node0", dtype=object),
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
    "unit_dispatch": _renamed("time"),
    "rl_params": _renamed("datetime"),
}
