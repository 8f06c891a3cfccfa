"""Output folders as a source: one experiment, the seeds of a training, the steps of a run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.experiments.outputs import DATABASE, MANIFEST, METRICS, read_manifest
from assume_rl.reports.rows import Recorded
from assume_rl.reports.source import CURVE_COLUMNS, METRIC_COLUMNS, Source
from assume_rl.reports.types import RunInfo
from assume_rl.results.study_reading import existing_study
from assume_rl.results.tables import METADATA, table_of
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
    """The experiments in `folders`: one, or several that stand side by side in `home`.

    :raises ResultsError: a manifest, a database or a `metrics.jsonl` cannot be read.
    """
    experiments = [_experiment(folder) for folder in folders]
    recorded = {e.folder: _recorded(e, len(experiments)) for e in experiments}
    found = [r for r in recorded.values() if r is not None]
    curves = [(*e.key, *line) for e in experiments for line in _lines(e.folder / METRICS)]
    metrics = [(*e.key, *figure) for e in experiments for figure in _scores(e.manifest)]
    metrics += [(r.run_id, r.step, *figure) for r in found for figure in _kpis(r)]
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
    told = {name: manifest.get(name) or "" for name in ("kind", "scenario", "case", "device")}
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
        **told,
    )
    return _Experiment(folder, manifest, run)


def _recorded(experiment: _Experiment, others: int) -> Recorded | None:
    """Its tables; None where they went to another database."""
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
        tables=METADATA.tables,
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
    """What `metrics.jsonl` says of each episode; half a line at the end is none."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return
            try:
                content = json.loads(line)
                yield tuple(content[name] for name in CURVE_COLUMNS[2:])
            except (ValueError, KeyError, TypeError):
                raise ResultsError(f"'{path}', line {number}: not a line of metrics") from None


def _scores(manifest: Manifest) -> Iterator[tuple[str, float]]:
    """Figures of a manifest, named as in a study's `metrics`."""
    groups = {"": manifest.get("evaluation", {})}
    groups |= {f"{name}.": scores for name, scores in manifest.get("scores", {}).items()}
    for prefix, scores in groups.items():
        for name, value in scores.items():
            if value is not None:
                yield f"{prefix}{name}", float(value)


def _kpis(recorded: Recorded) -> Iterator[tuple[str, float]]:
    """`avg_price[EOM]` and so on."""
    if recorded.has("kpis"):
        rows = recorded.frame(sa.select(recorded.rows("kpis", "variable", "ident", "value")))
        for variable, ident, value in rows.itertuples(index=False):
            yield f"{variable}[{ident}]", float(value)
