"""Sinks that experiments put in front of the database."""

import hashlib
from typing import Any

import numpy as np

from assume_rl.results.sinks import DatabaseSink, MemorySink


class Fingerprint:
    """A hash of everything that passes: equal runs have equal ones."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Take the rows into account."""
        for name in sorted(columns):
            values = np.asarray(columns[name])
            raw = repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
            self._hash.update(f"{table}.{name}:".encode() + raw)

    @property
    def digest(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()


class Discard:
    """Keeps some tables in memory and forgets the rest."""

    def __init__(self, memory: MemorySink, keep: frozenset[str]) -> None:
        self._memory = memory
        self._keep = keep

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Keep the rows, or do not."""
        if table in self._keep:
            self._memory.write(table, columns)


class Tee:
    """Writes rows to the database, into the fingerprint and, some tables, to memory."""

    def __init__(
        self,
        database: DatabaseSink,
        fingerprint: Fingerprint,
        memory: MemorySink,
        keep: frozenset[str],
    ) -> None:
        self._database = database
        self._fingerprint = fingerprint
        self._memory = memory
        self._keep = keep

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Pass the rows on."""
        self._fingerprint.write(table, columns)
        self._database.write(table, columns)
        if table in self._keep:
            self._memory.write(table, columns)
