"""Sinks that experiments put in front of the database."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from assume_rl.results.sinks import DatabaseSink, MemorySink
from assume_rl.results.tracking import Tracker, track_updates


class Fingerprint:
    """A hash of everything that passes: equal runs have equal ones.

    :param digest: of what passed before; None: nothing.
    """

    def __init__(self, digest: str | None = None) -> None:
        self.digest = digest or hashlib.sha256().hexdigest()

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Take the rows into account: each batch is chained to those before it."""
        chained = hashlib.sha256(self.digest.encode())
        for name in sorted(columns):
            values = np.asarray(columns[name])
            raw = repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
            chained.update(f"{table}.{name}:".encode() + raw)
        self.digest = chained.hexdigest()


class Discard:
    """Keeps some tables in memory and forgets the rest."""

    def __init__(self, memory: MemorySink, keep: frozenset[str]) -> None:
        self._memory = memory
        self._keep = keep

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Keep the rows, or discard them."""
        if table in self._keep:
            self._memory.write(table, columns)


class Tee:
    """Writes rows to the database, if it stores them into the fingerprint, and some to memory.

    :param rows: that passed before.
    :param trackers: are shown what updates brought.
    """

    def __init__(
        self,
        database: DatabaseSink,
        fingerprint: Fingerprint,
        memory: MemorySink,
        keep: frozenset[str],
        rows: int = 0,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self._trackers = trackers
        self.rows = rows  # that have passed
        self._database = database
        self._fingerprint = fingerprint
        self._memory = memory
        self._keep = keep

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Pass the rows on."""
        if self._database.stores(table):
            self.rows += len(next(iter(columns.values()), ()))
            self._fingerprint.write(table, columns)
            self._database.write(table, columns)
        if table in self._keep:
            self._memory.write(table, columns)
        if table == "rl_grad_params":
            track_updates(self._trackers, columns)
