"""The output folder of a run: what is in it, and when it may be written."""

import json
import platform
import shutil
import time
from collections.abc import Iterable, Mapping
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
from assume_rl.results.export import export_csv
from assume_rl.results.sinks import configuration_hash
from assume_rl.results.tables import METADATA, table_of

MANIFEST, DATABASE, METRICS = files.MANIFEST, files.DATABASE, files.METRICS
POLICIES = "policies"
CHECKPOINTS = "checkpoints"
LIBRARIES = ("assume-rl", "mango-agents", "numpy", "pandas", "torch")


def versions() -> dict[str, str]:
    """Versions of everything that results may depend on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


_version = cache(version)  # looking it up takes longer than a small episode


def check_folder(folder: Path, *, overwrite: bool, needed: Iterable[Path] = ()) -> None:
    """Raise `ResultsError` unless a run may be written to `folder`; change nothing.

    :param needed: policies that the run reads; `overwrite` would delete them in the folder.
    """
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"'{folder}' is a file, not an output folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / MANIFEST).is_file():
        raise ResultsError(f"'{folder}' is not empty and holds no run; choose another --out")
    if not overwrite:
        manifest = read_manifest(folder)
        if manifest.get("kind") == "train" and manifest.get("state") != "finished":
            raise ResultsError(
                f"'{folder}' holds a training that is not finished; --resume continues it, "
                "--overwrite starts afresh"
            )
        raise ResultsError(f"'{folder}' holds another run; choose another --out or add --overwrite")
    for path in needed:
        if path.resolve().is_relative_to(folder.resolve()):
            raise ResultsError(
                f"the policies in '{path}' would be deleted by --overwrite; choose another --out"
            )


def check_simulation(url: str, simulation: str, *, overwrite: bool) -> None:
    """Raise `ResultsError` unless `simulation` may be written to a database; change nothing."""
    engine, runs = create_engine(url), table_of("runs")
    found = sa.select(runs.c.simulation).where(runs.c.simulation == simulation)
    try:
        with readable_errors(engine.url), engine.connect() as connection:
            known = sa.inspect(connection).has_table("runs")
            taken = known and connection.execute(found).first() is not None
    finally:
        engine.dispose()
    if taken and not overwrite:
        raise ResultsError(
            f"the database of --db holds a run '{simulation}' already; set another simulation_id "
            "or add --overwrite"
        )


def check_export(folder: Path) -> None:
    """Raise `ResultsError` unless tables can be exported to `folder`."""
    if folder.is_file():
        raise ResultsError(f"'{folder}' is a file, not a folder for --csv")


def export(url: str, folder: Path, simulation: str) -> None:
    """Export one simulation's tables in place of those of an earlier export."""
    try:
        for name in METADATA.tables:
            (folder / f"{name}.csv").unlink(missing_ok=True)
    except OSError as error:
        raise ResultsError(f"'{folder}' cannot be written: {error.strerror}") from None
    export_csv(url, folder, simulation)


def check_policy_copy(folder: Path, *, overwrite: bool) -> None:
    """Raise `ResultsError` unless a training may copy its policies to `folder`."""
    key = f"learning_config.trained_policies_save_path '{folder}'"
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{key} is a file, not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise ResultsError(f"{key} is not empty; choose another one or add --overwrite")


def copy_policies(source: Path, folder: Path) -> None:
    """Copy a run's policies to a folder of the user's; other files there stay."""
    try:
        shutil.copytree(source, folder, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise ResultsError(f"policies cannot be copied to '{folder}': {error}") from None


def prepare_folder(folder: Path) -> None:
    """Make `folder` ready for a run; `ResultsError` if it cannot be written."""
    try:
        for name in (POLICIES, CHECKPOINTS):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
        for name in (MANIFEST, DATABASE, METRICS):
            (folder / name).unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"output folder '{folder}' cannot be written: {error}") from None


@dataclass
class Manifest:
    """What a run was, in `manifest.json`; rewritten whenever the run changes state."""

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
        """Say how the run ended."""
        seconds = round(time.perf_counter() - self._started, 3)
        self.content |= {"state": state, "seconds": seconds, **results}
        self.write()

    def write(self) -> None:
        """Replace the file, see `replace_text`."""
        replace_text(self.path, json.dumps(self.content, indent=2, default=str) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Replace a file at once, so that it is never half written.

    :raises ResultsError: it cannot be written
    """
    temporary = path.with_suffix(".tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be written: {error.strerror}") from None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an output folder; empty where there is none that can be read."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
