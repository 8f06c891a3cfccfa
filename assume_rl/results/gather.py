"""The results of a study's run from its folder, ready for the study database."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assume_rl.errors import ResultsError
from assume_rl.results.files import DATABASE, MANIFEST, METRICS, RECORD
from assume_rl.results.metrics import read_episodes
from assume_rl.results.step_rows import Row, open_results, step_columns
from assume_rl.results.unit_tables import tables_of_buyers

ENDED = ("finished", "failed", "pruned")
"""States of runs that have ended."""
CURVE_COLUMNS = (
    *("episode", "evaluation", "reward", "profit", "regret"),
    *("exploitability", "movement"),
)


@dataclass(frozen=True)
class Gathered:
    """One run; the rows of its tables stay in the databases of its steps until they are taken."""

    run: Mapping[str, Any]  # a row of `runs`
    metrics: tuple[Row, ...]  # rows of `metrics`
    episodes: tuple[Row, ...]  # rows of `episodes`
    databases: Mapping[str, Path]  # by step, SQLite files

    @property
    def run_id(self) -> str:
        """Return the id that distinguishes runs."""
        return str(self.run["run_id"])


def gather(folder: Path) -> Gathered:
    """Return all that a run holds that has ended; unless it is finished, it may lack steps.

    :param folder: `runs/<run id>` of a study.
    :raises ResultsError: there is no run, it has not ended, or a file of it is damaged.
    """
    record = _mapping(folder / RECORD)
    if record is None:
        raise ResultsError(f"'{folder}' holds no run of a study: it has no {RECORD}")
    try:
        return _gather(folder, record)
    except KeyError as error:
        raise ResultsError(f"'{folder / RECORD}' has no key {error}") from None


def _gather(folder: Path, record: Mapping[str, Any]) -> Gathered:
    if record["state"] not in ENDED:
        raise ResultsError(f"the run in '{folder}' has not ended: it is {record['state']}")
    names = [step["name"] for step in record["steps"]]
    manifests = {name: _mapping(folder / name / MANIFEST) or {} for name in names}
    databases = {n: folder / n / DATABASE for n in names if (folder / n / DATABASE).is_file()}
    finished = [n for n in names if manifests[n].get("state") == "finished"]
    run = _run_row(record) | {
        key: _common_hash(manifests[n].get(key) if n in finished else None for n in names)
        for key in ("final_hash", "configuration_hash")
    }
    metrics = [
        (record["id"], name, figure, value)
        for name in names
        for figure, value in step_figures(manifests[name], databases.get(name)).items()
    ]
    episodes = [
        (record["id"], name, *(line.get(key) for key in CURVE_COLUMNS))
        for name in names
        for line in read_episodes(folder / name / METRICS)
    ]
    return Gathered(run, tuple(metrics), tuple(episodes), databases)


def _run_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of `runs` without its hashes."""
    same = ("study", "design", "seed", "engine", "device", "state", "error", "attempts")
    first = record["steps"][0]
    return {
        "run_id": record["id"],
        **{key: record[key] for key in (*same, "seconds", "host")},
        "scenario": Path(first["scenario"]).name,
        "case": first["case"],
        "started": _moment(record["started"]),
        "finished": _moment(record["finished"]),
        "steps": json.dumps(record["steps"], sort_keys=True),
        "parameters": json.dumps(record["parameters"], sort_keys=True),
        "versions": json.dumps(record["versions"], sort_keys=True),
    }


def _moment(text: str | None) -> datetime | None:
    """Return a time as databases hold it: naive, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) if text else None


def _common_hash(hashes: Iterable[str | None]) -> str | None:
    """Return the sha256 over the steps' hashes, each on a line; None if one is missing."""
    known = list(hashes)
    text = "".join(f"{digest}\n" for digest in known)
    return None if None in known or not known else hashlib.sha256(text.encode()).hexdigest()


def step_figures(manifest: Mapping[str, Any], database: Path | None) -> dict[str, float]:
    """Return the finite figures of an experiment by name.

    Only of a finished one: those of half a calendar would mislead.

    :param manifest: of its output folder.
    :param database: of its output folder, an SQLite file; None: its tables are elsewhere.
    :raises ResultsError: the database cannot be read.
    """
    if manifest.get("state") != "finished":
        return {}
    figures: dict[str, float | None] = dict(manifest.get("evaluation", {}))
    for policies, scores in manifest.get("scores", {}).items():
        figures |= {f"{policies}.{name}": value for name, value in scores.items()}
    if database is not None:
        figures |= _key_figures(database)
    return {n: float(v) for n, v in figures.items() if v is not None and math.isfinite(v)}


def _key_figures(database: Path) -> dict[str, float | None]:
    """Return `avg_price[EOM]` and so on from `kpis`, and `total_profit` in EUR."""
    tables = step_columns(database)
    with open_results(database) as connection:
        figures: dict[str, float | None] = {}
        if "kpis" in tables:
            found = connection.execute("SELECT variable, ident, value FROM kpis")
            figures |= {f"{variable}[{ident}]": value for variable, ident, value in found}
        if {"unit_dispatch", "start_costs"} <= tables.keys():
            query = _total_profit([name for name in tables_of_buyers() if name in tables])
            (figures["total_profit"],) = connection.execute(query).fetchone()
    return figures


def _total_profit(buyers: Iterable[str]) -> str:
    """Return the query for the profit of all units that can sell: plants, storages and the like.

    What units pay that only buy would cancel it out.

    :param buyers: tables of units that only buy
    """
    own = " UNION ALL ".join(f'SELECT "index" FROM {name}' for name in buyers)
    counted = f"unit NOT IN ({own})" if own else "TRUE"
    earned = f"SELECT SUM(revenue) - SUM(cost) FROM unit_dispatch WHERE {counted}"
    starts = f"SELECT COALESCE(SUM(start_cost), 0) FROM start_costs WHERE {counted}"
    return f"SELECT ({earned}) - ({starts})"


def _mapping(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file; None if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ResultsError(f"'{path}' cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ResultsError(f"'{path}' cannot be read: it holds no mapping")
    return content
