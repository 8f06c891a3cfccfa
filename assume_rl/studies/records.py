"""The record of a run of a study: `runs/<run id>/run.json` and the files beside it."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from assume_rl.errors import ResultsError
from assume_rl.results.files import RECORD, replace_text
from assume_rl.studies.types import Run, Step

STUDY = "study.json"  # of a study folder: what was asked for last
RUNS = "runs"  # the same: a folder per run
TRACE = "error.txt"  # the same: traceback of an unexpected error
STORED = "stored"  # the same: an empty file, there once the run is in the study database
DATABASE = "study.db"  # of a study folder, unless results go to another database

State = Literal["running", "finished", "failed", "pruned", "interrupted"]


@dataclass(frozen=True)
class Record:
    """A run as `run.json` has it.

    `seconds` is real time over all attempts, a share of it where seeds trained side by side.
    `engine` and `device` are those asked for and, once it has ended, those of its first step.
    """

    id: str
    study: str
    design: str
    parameters: Mapping[str, str | int | float | bool | None]
    seed: int
    steps: tuple[Mapping[str, Any], ...]  # name, kind, scenario, case; plugins, where it has any
    state: State
    error: str | None  # one line
    attempts: int
    started: str  # ISO, UTC: the first attempt
    finished: str | None  # the same: the end of the latest attempt
    seconds: float
    host: str
    engine: str
    device: str
    versions: Mapping[str, str]  # of the latest attempt

    @classmethod
    def of(cls, run: Run, study: str) -> "Record":
        """Return the record of a run that has not begun."""
        return cls(
            id=run.id,
            **_labels(run, study),
            seed=run.seed,
            state="running",
            error=None,
            attempts=0,
            started=now(),
            finished=None,
            seconds=0.0,
            host=platform.node(),
            engine=run.engine,
            device=run.device,
            versions={},
        )

    def labelled(self, run: Run, study: str) -> "Record":
        """Return the same record with the run's present labels in a study."""
        return replace(self, **_labels(run, study))


class _Labels(TypedDict):
    """The labels of a run, which may change without the run being another one."""

    study: str
    design: str
    parameters: Mapping[str, str | int | float | bool | None]
    steps: tuple[Mapping[str, Any], ...]


def _labels(run: Run, study: str) -> _Labels:
    return {
        "study": study,
        "design": run.design,
        "parameters": dict(run.parameters),
        "steps": tuple(map(_step, run.steps)),
    }


def _step(step: Step) -> dict[str, Any]:
    """Return the record of a step; without plug-ins it has no key for them."""
    plugins = {plugin.name: plugin.sha256 for plugin in step.plugins}
    return {
        "name": step.name,
        "kind": step.kind,
        "scenario": step.scenario.name,
        "case": step.case,
        **({"plugins": plugins} if plugins else {}),
    }


def now() -> str:
    """Return the present time, ISO, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_folder(study_folder: Path, run_id: str) -> Path:
    """Return the folder of a run's files; a step's are in the subfolder of its name."""
    return study_folder / RUNS / run_id


def write_record(folder: Path, record: Record) -> None:
    """Write `run.json` of a run folder at once; `ResultsError` if that cannot be done."""
    write_json(folder / RECORD, asdict(record))


def read_record(folder: Path) -> Record | None:
    """Return the record in a run folder; None if the run has not begun.

    :raises ResultsError: it is damaged, or cannot be read.
    """
    path = folder / RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        steps = tuple(content["steps"])
        names = {f.name for f in fields(Record)}
        return Record(**{k: v for k, v in content.items() if k in names} | {"steps": steps})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise ResultsError(
            f"'{path}' is damaged; without the folder '{folder}' the run is done again"
        ) from None


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Replace a file, whole or not at all; folders are made. `ResultsError` if that fails."""
    replace_text(path, f"{json.dumps(content, indent=2)}\n")
