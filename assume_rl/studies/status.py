"""How far a study has come, seen from its folders alone."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assume_rl.experiments.train_places import is_finished
from assume_rl.results.files import METRICS, read_manifest
from assume_rl.results.metrics import read_episodes
from assume_rl.results.owner import owner_of
from assume_rl.studies.records import Record, read_record, run_folder
from assume_rl.studies.storing import is_stored
from assume_rl.studies.types import Run, Study

Stage = Literal["waiting", "running", "interrupted", "pruned", "failed", "finished"]


@dataclass(frozen=True)
class RunStatus:
    """How far one run has come."""

    run: Run
    stage: Stage
    detail: str  # progress of a running one, reason of a failed or a pruned one
    stored: bool  # in the study database


@dataclass(frozen=True)
class Status:
    """How far a study has come."""

    rows: tuple[RunStatus, ...]  # in the order of the study's runs

    @property
    def counts(self) -> Mapping[Stage, int]:
        """Return the number of runs by stage."""
        return Counter(row.stage for row in self.rows)

    @property
    def designs(self) -> Mapping[str, Mapping[Stage, int]]:
        """Return the number of runs by design and stage."""
        found: dict[str, Counter[Stage]] = {}
        for row in self.rows:
            found.setdefault(row.run.design, Counter())[row.stage] += 1
        return found


def status(study: Study) -> Status:
    """Return the state of every run; `ResultsError` if a record is damaged."""
    return Status(tuple(_status(study.folder, run) for run in study.runs))


def _status(study_folder: Path, run: Run) -> RunStatus:
    folder = run_folder(study_folder, run.id)
    record = read_record(folder)
    if record is None:
        return RunStatus(run, "waiting", "", False)
    stage: Stage = record.state
    # Whoever executes a run holds its lock; without it, there were no sign that it had stopped.
    if stage == "running" and owner_of(folder) is None:
        stage = "interrupted"
    detail = record.error or (progress(folder, record) if stage != "finished" else "")
    return RunStatus(run, stage, detail, is_stored(study_folder, run.id))


def progress(folder: Path, record: Record) -> str:
    """Return the step that a run is at and, of a training, the episode."""
    names = [step["name"] for step in record.steps]
    name = next((n for n in names if not is_finished(folder / n)), names[-1])
    done = _episodes(folder / name / METRICS)
    manifest = read_manifest(folder / name)
    total = _total_episodes(manifest)
    return f"{name}, episode {done} of {total}" if total and done else name


def _total_episodes(manifest: Mapping[str, object]) -> int | None:
    """Return the number of training episodes asked for; None if it is no training."""
    configuration = manifest.get("configuration")
    learning = configuration.get("learning_config") if isinstance(configuration, dict) else None
    if manifest.get("kind") != "train" or not isinstance(learning, dict):
        return None
    return int(learning["training_episodes"])


def _episodes(path: Path) -> int:
    """Return the number of training episodes that have ended."""
    return sum(not line["evaluation"] for line in read_episodes(path))
