"""Run folders as studies leave them, without running anything."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from assume_rl.results.sinks import DatabaseSink

HOUR = np.datetime64("2019-01-01T00:00:00")
STEP = {"scenario": "toy", "case": "base"}


def run_folder(study: Path, run_id: str = "a", **changes: Any) -> Path:
    """A finished run with one step `run`."""
    folder = study / "runs" / run_id
    write_record(folder, **changes)
    write_step(folder, "run")
    return folder


def write_record(folder: Path, steps: tuple[str, ...] = ("run",), **changes: Any) -> None:
    record = {
        "id": folder.name,
        "study": "toys",
        "design": "low",
        "parameters": {"learning_config.gamma": 0.5},
        "seed": 7,
        "steps": [{"name": name, "kind": "run", **STEP} for name in steps],
        "state": "finished",
        "error": None,
        "attempts": 1,
        "started": "2026-01-01T01:00:00+01:00",
        "finished": "2026-01-01T00:00:02+00:00",
        "seconds": 2.0,
        "host": "here",
        "engine": "agents",
        "device": "cpu",
        "versions": {"torch": "2"},
    }
    write_json(folder / "run.json", record | changes)


def write_step(
    folder: Path, step: str, *, rows: int = 3, mark: float = 1.0, actions: int = 0, **manifest: Any
) -> None:
    """A finished step: `rows` rows of dispatch with a power of `mark` each, and some more."""
    (folder / step).mkdir(parents=True, exist_ok=True)
    content = {"state": "finished", "final_hash": "f" * 64, "configuration_hash": "c" * 64}
    write_json(folder / step / "manifest.json", content | manifest)
    coal = np.full(rows, "coal", dtype=object)
    figures = {"revenue": 10.0, "cost": 4.0, "power": mark}
    figures |= {"energy_cashflow": 40.0, "energy_generation_costs": 1.0}  # as of products of 4 h
    money = {name: np.full(rows, value) for name, value in figures.items()}
    times = HOUR + np.arange(rows) * np.timedelta64(1, "h")
    learning = {"datetime": [HOUR], "unit": ["coal"], "evaluation_mode": [np.True_]}
    learning |= {f"actions_{k}": [0.5 * k] for k in range(actions)}
    url = f"sqlite:///{folder / step / 'results.db'}"
    with DatabaseSink(url, "toy_base", clear_learning=True) as sink:
        sink.write("unit_dispatch", {"time": times, "unit": coal, **money})
        sink.write("unit_dispatch", {"time": [HOUR], "unit": ["town"], "revenue": [-99.0]})
        sink.write("demand_meta", {"index": ["town"], "max_power": [-50.0]})
        sink.write("kpis", {"variable": ["avg_price"], "ident": ["EOM"], "value": [mark]})
        sink.write("rl_params", learning)
        sink.write("rl_grad_params", {"step": [5], "unit": ["coal"], "learning_rate": [1 / 3]})
        sink.start_run(seed=7, versions={}, configuration={})


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
