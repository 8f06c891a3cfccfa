"""Write the result rows that other roles send to the result tables."""

from typing import Any

import numpy as np
from mango import Role

from assume_rl.agents.messages import Rows
from assume_rl.agents.transport import Failures
from assume_rl.episodes.calendar import Calendar
from assume_rl.episodes.rows.dated import DATED, Sink


class Recorder(Role):  # type: ignore[misc]
    """A role that receives `Rows`, turns calendar steps into dates and writes them to a sink.

    Agents send their rows at the same instant; the rows of an instant are written together, as a
    batch per table. Writing the rows of each message would cost more than the simulation.

    :param sink: takes the rows
    :param calendar: converts steps to dates
    :param failures: takes exceptions of handlers
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
