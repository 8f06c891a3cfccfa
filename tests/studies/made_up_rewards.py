"""Study databases with made-up rewards."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from assume_rl.results.study_tables import METRICS, RUNS, study_metadata

Row = tuple[str, int, float | None]  # design, seed, value


def rewards(seeds: int = 10, designs: tuple[str, ...] = ("uniform", "bid", "cap")) -> list[Row]:
    """Values that share a draw per seed, so that pairs tell more than their scatter."""
    draws = np.random.default_rng(0)
    luck, own = draws.normal(0, 5, seeds), draws.normal(0, 0.5, (len(designs), seeds))
    return [
        (design, seed, 10 + 2 * k + luck[seed] + own[k, seed])
        for k, design in enumerate(designs)
        for seed in range(seeds)
    ]


def write_rewards(
    file: Path,
    rows: list[Row],
    *,
    steps: tuple[str, ...] = ("train",),
    states: Mapping[tuple[str, int], str] | None = None,
    study: str = "s",
    metric: str = "reward",
    parameters: Mapping[str, Mapping[str, object]] | None = None,
) -> str:
    """Adds runs with a reward each to a study database; returns its URL."""
    runs, metrics = [], []
    for design, seed, value in rows:
        run, state = f"{study}-{design}-{seed}", (states or {}).get((design, seed), "finished")
        text = json.dumps((parameters or {}).get(design, {}))
        names = {"run_id": run, "study": study, "design": design, "parameters": text}
        runs.append(names | {"seed": seed, "state": state})
        known = enumerate(steps) if value is not None else ()
        metrics += [
            {"run_id": run, "step": step, "name": metric, "value": value + k} for k, step in known
        ]
    url = f"sqlite:///{file}"
    add_rows(url, RUNS, runs)
    add_rows(url, METRICS, metrics)
    return url


def add_rows(url: str, table: sa.Table, rows: list[dict[str, object]]) -> None:
    """Add rows to a table of a study database, which is made if it is not there."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        study_metadata().create_all(connection, tables=[RUNS, METRICS])
        if rows:
            connection.execute(table.insert(), rows)
    engine.dispose()
