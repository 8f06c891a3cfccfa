"""The output folder of a run: its content, and when it may be written."""

import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.results import files
from assume_rl.results.database import create_engine, readable_errors
from assume_rl.results.destinations import check_table_files
from assume_rl.results.files import replace_text
from assume_rl.results.owner import owned
from assume_rl.results.sinks import configuration_hash
from assume_rl.results.tables import metadata, table_of

MANIFEST, DATABASE, METRICS = files.MANIFEST, files.DATABASE, files.METRICS
CHECKPOINTS = "checkpoints"
LIBRARIES = ("assume-rl", "mango-agents", "numpy", "pandas", "torch")


def versions() -> dict[str, str]:
    """Return the versions of Python and of all libraries that results may depend on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


_version = cache(version)  # looking it up takes longer than a small episode


def check_simulation(url: str, simulation: str, *, overwrite: bool) -> None:
    """Raise `ResultsError` unless `simulation` may be written to a database; change nothing."""
    if simulation in simulations(url) and not overwrite:
        raise ResultsError(
            f"the database of --db holds a run '{simulation}' already; set another simulation_id "
            "or add --overwrite"
        )


def simulations(url: str) -> list[str]:
    """Return the names of the runs that a database holds; none where it has no such table."""
    engine, runs = create_engine(url), table_of("runs")
    try:
        with readable_errors(engine.url), engine.connect() as connection:
            if not sa.inspect(connection).has_table("runs"):
                return []
            return list(connection.execute(sa.select(runs.c.simulation)).scalars())
    finally:
        engine.dispose()


@contextmanager
def export_folder(folder: Path, output: Path, overwrite: bool) -> Iterator[None]:
    """Hold `folder` as the only process that exports tables to it; it must be free for them.

    :param folder: for a CSV file per table
    :param output: folder of the run, which this process holds already
    :param overwrite: whether files may be replaced that no export wrote
    :raises ResultsError: it cannot be written, or holds something that would be lost
    """
    check_table_files(folder, "csv", metadata().tables, overwrite=overwrite)
    with nullcontext() if folder.resolve() == output.resolve() else owned(folder):
        yield


@dataclass
class Manifest:
    """The description of a run, in `manifest.json`; rewritten whenever the run changes state."""

    path: Path
    content: dict[str, Any]
    _started: float = field(default_factory=time.perf_counter)

    @classmethod
    def start(cls, folder: Path, content: Mapping[str, Any]) -> "Manifest":
        """Write the manifest of a run that begins."""
        manifest = cls(
            folder / MANIFEST,
            {
                **content,
                "configuration_hash": configuration_hash(content["configuration"]),
                "versions": versions(),
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "state": "running",
            },
        )
        manifest.write()
        return manifest

    def close(self, state: str, **results: Any) -> None:
        """Record how the run ended."""
        seconds = round(time.perf_counter() - self._started, 3)
        self.content |= {"state": state, "seconds": seconds, **results}
        self.write()

    def write(self) -> None:
        """Replace the file, see `replace_text`."""
        replace_text(self.path, json.dumps(self.content, indent=2, default=str) + "\n")
