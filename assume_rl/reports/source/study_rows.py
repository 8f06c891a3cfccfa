"""What reports read from a study database."""

import json
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Engine

from assume_rl.errors import ResultsError
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.source.source import CURVE_COLUMNS
from assume_rl.reports.types import RunInfo
from assume_rl.results.database import readable_errors
from assume_rl.results.secrets import shown_url
from assume_rl.results.study_engine import reading
from assume_rl.results.study_reading import existing_study, read
from assume_rl.results.study_schema import columns_of
from assume_rl.results.study_tables import EPISODES, study_metadata
from assume_rl.studies.place import Asked
from assume_rl.studies.records import read_record, run_folder

SHOWN = 8  # designs whose markets are drawn: one colour each
EPISODES_READ = 200_000  # rows of learning curves; beyond, episodes are thinned out


def open_study(url: str) -> Engine:
    """Return an engine for a study database that is there; `ResultsError` if it is none."""
    engine = existing_study(url)
    with readable_errors(engine.url), reading(engine) as connection:
        if "runs" not in columns_of(connection, study_metadata()):
            shown = shown_url(engine.url)
            raise ResultsError(f"database {shown} holds no study: it has no table 'runs'")
    return engine


def stored_runs(url: str) -> tuple[str, tuple[RunInfo, ...]]:
    """Return the name of the study and its runs, by design and seed."""
    rows = read(url, "runs").sort_values(["study", "design", "seed", "run_id"])
    plain = rows.astype(object).where(rows.notna(), None)
    names = ", ".join(dict.fromkeys(rows["study"]))
    return names, tuple(_run_info(row) for row in plain.to_dict("records"))


def stored_curves(engine: Engine, runs: Sequence[RunInfo]) -> tuple[pd.DataFrame, int]:
    """Return learning curves, CURVE_COLUMNS, and n: one training episode in n is there."""
    kept = {run.run_id for run in runs}
    with readable_errors(engine.url), reading(engine) as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(EPISODES)).scalar_one()
        step = max(1, ceil(count / EPISODES_READ))
        kept_rows = sa.or_(EPISODES.c.evaluation, EPISODES.c.episode % step == 0)
        query = sa.select(*(EPISODES.c[name] for name in CURVE_COLUMNS))
        found = pd.read_sql_query(query.where(kept_rows), connection)
    return found[found["run_id"].isin(kept)], step


def shown_runs(engine: Engine, runs: Sequence[RunInfo]) -> list[Recorded]:
    """Return the last step with a market of the first finished run of the first designs."""
    firsts: dict[str, RunInfo] = {}
    for run in runs:
        if run.state == "finished":
            firsts.setdefault(run.design, run)
    shown = list(firsts.values())[:SHOWN]
    found = (_last_market(engine, run) for run in shown)
    return [recorded for recorded in found if recorded is not None]


def unstored_run(folder: Path, asked: Asked) -> RunInfo:
    """Return a run as its folder has it; `waiting` is one that nobody has begun."""
    record = read_record(run_folder(folder, asked.id))
    if record is None:
        return RunInfo(asked.id, "waiting", design=asked.design, seed=asked.seed)
    return RunInfo(
        run_id=record.id,
        state=record.state,
        steps=tuple(step["name"] for step in record.steps),
        design=record.design,
        kind=_kinds(record.steps),
        scenario=record.steps[0]["scenario"],
        case=record.steps[0]["case"],
        seed=record.seed,
        engine=record.engine,
        device=record.device,
        started=record.started,
        seconds=record.seconds,
        error=record.error,
        parameters=record.parameters,
        versions=record.versions,
    )


def _last_market(engine: Engine, run: RunInfo) -> Recorded | None:
    for step in reversed(run.steps):
        keys = {"run_id": run.run_id, "step": step}
        label = f"{run.design}, seed {run.seed}"
        recorded = Recorded(run.run_id, step, label, engine, study_metadata().tables, keys)
        if recorded.has("market_meta"):
            return recorded
    return None


def _run_info(row: Mapping[Any, Any]) -> RunInfo:
    steps = json.loads(row["steps"])
    started = row["started"]
    return RunInfo(
        run_id=row["run_id"],
        state=row["state"],
        steps=tuple(step["name"] for step in steps),
        design=row["design"],
        kind=_kinds(steps),
        scenario=row["scenario"],
        case=row["case"],
        seed=row["seed"],
        engine=row["engine"],
        device=row["device"],
        started="" if started is None else started.isoformat(" ", "seconds"),
        seconds=row["seconds"],
        final_hash=row["final_hash"],
        configuration_hash=row["configuration_hash"],
        error=row["error"],
        parameters=json.loads(row["parameters"]),
        versions=json.loads(row["versions"]),
    )


def _kinds(steps: Sequence[Mapping[str, str]]) -> str:
    return ", ".join(dict.fromkeys(step["kind"] for step in steps))
