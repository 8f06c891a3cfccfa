"""Small studies for the tests of how they are executed, and what is compared of their results."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from assume_rl.studies.types import Run, Step, Study

SCENARIOS = Path(__file__).parents[2] / "scenarios"
RULES = Path(__file__).parents[1] / "fixtures" / "vectors" / "v01_basic" / "inputs"  # no learner
SHORT: dict[str, Any] = {
    "end_date": "2019-03-04 06:00",
    "learning_config.train_freq": "3h",
    "learning_config.gradient_steps": 1,
    "learning_config.training_episodes": 2,
    "learning_config.validation_episodes_interval": 1,
}
TIMES = {"host", "seconds", "started", "finished", "attempts"}  # of `runs`: may differ


def training(name: str = "train", **settings: Any) -> Step:
    """A training of six hours, well below a second."""
    return Step(name, "train", SCENARIOS / "single_learner", "tiny", {**SHORT, **settings})


def evaluation(policies: str | None = "train", which: str = "best_reward", **settings: Any) -> Step:
    """An evaluation of what was trained."""
    folder = SCENARIOS / "single_learner"
    return Step("evaluate", "evaluate", folder, "tiny", {**SHORT, **settings}, policies, which)


def plain(name: str = "run", **settings: Any) -> Step:
    """A run on rules, a tenth of a second."""
    return Step(name, "run", RULES, "base", settings)


def broken(name: str = "run") -> Step:
    """A run that has no policies."""
    return Step(name, "run", SCENARIOS / "single_learner", "tiny", SHORT)


def cell(design: str, seeds: Iterable[int], *steps: Step, **fields: Any) -> list[Run]:
    """Runs that differ in their seeds."""
    described = json.dumps([[vars(step) for step in steps], fields], default=str, sort_keys=True)
    runs = []
    for seed in seeds:
        digest = hashlib.sha256(f"{described}{seed}".encode()).hexdigest()[:12]
        runs.append(Run(digest, design, {"design": design}, seed, steps, **fields))
    return runs


def study_of(folder: Path, runs: Sequence[Run], database: str | None = None) -> Study:
    """A study in a folder."""
    return Study("toys", folder / "toys.yaml", tuple(runs), folder / "study", database)


def manifest(study: Study, run: Run, step: str) -> dict[str, Any]:
    """What the manifest of a step says."""
    path = study.folder / "runs" / run.id / step / "manifest.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def tables(database: Path, leave_out: Iterable[str] = ()) -> dict[str, list[str]]:
    """All rows of all tables of an SQLite file as sorted texts with all digits."""
    found = {}
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for name in sorted(row["name"] for row in names):
            rows = [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
            hidden = set(leave_out) if name == "runs" else set()
            kept = [{k: v for k, v in row.items() if k not in hidden} for row in rows]
            found[name] = sorted(json.dumps(row, sort_keys=True) for row in kept)
    return found


def study_tables(study: Study) -> dict[str, list[str]]:
    """Those of the study database, without what differs from time to time."""
    return tables(study.folder / "study.db", TIMES)
