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

from assume_rl.errors import PolicyError, ResultsError
from assume_rl.files import write_file
from assume_rl.learning.policies.files import write_set
from assume_rl.results import files
from assume_rl.results.database import create_engine, readable_errors
from assume_rl.results.destinations import check_table_files
from assume_rl.results.owner import LOCK, owned
from assume_rl.results.sinks import configuration_hash
from assume_rl.results.tables import metadata, table_of

MANIFEST, DATABASE, METRICS = files.MANIFEST, files.DATABASE, files.METRICS
POLICIES = "policies"
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


def check_policy_copy(folder: Path, *, overwrite: bool) -> None:
    """Raise `ResultsError` unless a training may copy its policies to `folder`."""
    key = f"learning_config.trained_policies_save_path '{folder}'"
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{key} is a file, not a folder")
    if folder.is_dir() and {file.name for file in folder.iterdir()} - {LOCK} and not overwrite:
        raise ResultsError(f"{key} is not empty; choose another one or add --overwrite")


def copy_policies(source: Path, folder: Path) -> None:
    """Copy a run's policies to a folder of the user's; other files there stay.

    :param source: holds a policy folder for each kind, which is copied whole or not at all
    :raises ResultsError: a policy folder cannot be copied; the earlier one is there still
    """
    try:
        for kind in sorted(source.iterdir()):
            files = {file.name: file.read_bytes() for file in kind.iterdir()}
            write_set(folder / kind.name, files, files.pop(MANIFEST))
    except PolicyError as error:
        raise ResultsError(f"policies cannot be copied: {error}") from None
    except OSError as error:
        raise ResultsError(f"policies cannot be copied to '{folder}': {error.strerror}") from None


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


def replace_text(path: Path, text: str) -> None:
    """Replace a file at once, so that it is never half written; folders are made.

    :raises ResultsError: it cannot be written
    """
    write_file(path, text.encode(), ResultsError)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of an output folder; empty if there is no readable one."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
