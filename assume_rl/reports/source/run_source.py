"""Output folders as a source: one experiment, the seeds of a training, the steps of a run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.source.source import CURVE_COLUMNS, METRIC_COLUMNS, Source
from assume_rl.reports.types import RunInfo
from assume_rl.results.files import DATABASE, MANIFEST, METRICS, read_manifest
from assume_rl.results.gather import step_figures
from assume_rl.results.metrics import read_episodes
from assume_rl.results.study_reading import existing_study
from assume_rl.results.tables import metadata, table_of
from assume_rl.studies.records import read_record

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class _Experiment:
    """One output folder."""

    folder: Path
    manifest: Manifest
    run: RunInfo

    @property
    def key(self) -> tuple[str, str]:
        return self.run.run_id, self.run.steps[0]


def run_source(home: Path, folders: Sequence[Path]) -> Source:
    """Return the experiments in `folders`: one, or several side by side in `home`.

    :raises ResultsError: a manifest, a database or a `metrics.jsonl` cannot be read.
    """
    experiments = [_experiment(folder) for folder in folders]
    recorded = {e.folder: _recorded(e, len(experiments)) for e in experiments}
    found = [r for r in recorded.values() if r is not None]
    curves = [(*e.key, *line) for e in experiments for line in _lines(e.folder / METRICS)]
    metrics = [(*e.key, *figure) for e in experiments for figure in _figures(e)]
    first = experiments[0].run
    return Source(
        title=f"{first.scenario}, case {first.case}",
        home=home,
        runs=tuple(e.run for e in experiments),
        notes=tuple(note for e in experiments for note in _notes(e, recorded[e.folder])),
        recorded=tuple(found),
        curves=pd.DataFrame(curves, columns=list(CURVE_COLUMNS)),
        metrics=pd.DataFrame(metrics, columns=list(METRIC_COLUMNS)),
    )


def _experiment(folder: Path) -> _Experiment:
    manifest = read_manifest(folder)
    if not manifest:
        raise ResultsError(f"'{folder / MANIFEST}' is damaged")
    record = read_record(folder.parent)
    found = {name: manifest.get(name) or "" for name in ("kind", "scenario", "case", "device")}
    run = RunInfo(
        run_id=record.id if record else manifest["simulation"],
        steps=(folder.name if record else "",),
        design=record.design if record else "",
        parameters=record.parameters if record else {},
        state=manifest["state"],
        seed=manifest.get("seed"),
        engine=manifest.get("engine", ""),
        started=manifest.get("started", ""),
        seconds=manifest.get("seconds"),
        final_hash=manifest.get("final_hash"),
        configuration_hash=manifest.get("configuration_hash"),
        error=manifest.get("error"),
        versions=manifest.get("versions", {}),
        warnings=tuple(manifest.get("warnings", ())),
        **found,
    )
    return _Experiment(folder, manifest, run)


def _recorded(experiment: _Experiment, others: int) -> Recorded | None:
    """Return its tables; None where they went to another database."""
    file, simulation = experiment.folder / DATABASE, experiment.manifest["simulation"]
    if not file.is_file():
        return None
    run, step = experiment.run, experiment.run.steps[0]
    label = step or (f"seed {run.seed}" if others > 1 else run.run_id)
    found = Recorded(
        run_id=run.run_id,
        step=step,
        label=label,
        engine=existing_study(f"sqlite:///{file}"),
        tables=metadata().tables,
        keys={"simulation": simulation},
    )
    if not found.has("runs"):
        runs = table_of("runs")
        known = found.frame(sa.select(runs.c.simulation)) if "runs" in found.present else None
        names = ", ".join(known["simulation"]) if known is not None else ""
        raise ResultsError(
            f"'{file}' holds no run '{simulation}', which '{experiment.folder / MANIFEST}' names; "
            f"it holds: {names or 'none'}"
        )
    return found


def _notes(experiment: _Experiment, recorded: Recorded | None) -> Iterator[str]:
    run, where = experiment.run, experiment.folder.name
    if run.state != "finished":
        why = f": {run.error}" if run.error else ""
        yield (
            f"Run {run.run_id} in '{where}' has not finished, its state is {run.state}{why}. What "
            "follows is what it had written by then."
        )
    if recorded is None:
        yield (
            f"Figures of the market of '{where}' are left out: it has no {DATABASE}, its tables "
            "went to another database."
        )


def _lines(path: Path) -> Iterator[tuple[object, ...]]:
    """Return what `metrics.jsonl` says of each episode."""
    for line in read_episodes(path):
        yield tuple(line.get(name) for name in CURVE_COLUMNS[2:])


def _figures(experiment: _Experiment) -> Iterable[tuple[str, float]]:
    """Return figures, named as in a study's `metrics`."""
    file = experiment.folder / DATABASE
    return step_figures(experiment.manifest, file if file.is_file() else None).items()
