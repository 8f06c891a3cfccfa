"""A study folder of hand-made runs: designs `uniform` and `capped`, a few seeds each."""

import json
from collections.abc import Sequence
from pathlib import Path

from hand_made_run import GAP, write_run

from assume_rl.results.gather import gather
from assume_rl.results.study_database import StudyDatabase

DESIGNS = ("uniform", "capped </script>")
CAP = "learning_config.max_bid_price"
Cell = tuple[str, int]


def run_id(design: str, seed: int) -> str:
    return f"{design[0]}{seed:011d}"


def reward(design: str, seed: int) -> float:
    return seed + (10.0 if design == DESIGNS[0] else 0.0)


def write_study(
    folder: Path,
    cells: Sequence[Cell],
    *,
    stored: Sequence[Cell],
    failed: Sequence[Cell] = (),
    as_bid: str = "",
) -> Path:
    """Write a study that asks for `cells`, of which some are stored, and some of these failed.

    :param as_bid: a design that pays everybody what they ask for.
    """
    folder.mkdir()
    url = f"sqlite:///{folder / 'study.db'}"
    with StudyDatabase(url) as database:
        for cell in stored:
            database.collect(gather(_write(folder, *cell, state="finished", as_bid=as_bid)))
        for cell in failed:
            database.collect(gather(_write(folder, *cell, state="failed", as_bid=as_bid)))
    runs = [{"id": run_id(d, s), "design": d, "seed": s} for d, s in cells]
    content = {"name": folder.name, "database": url, "runs": runs}
    (folder / "study.json").write_text(json.dumps(content))
    return folder


def _write(folder: Path, design: str, seed: int, state: str, as_bid: str) -> Path:
    run = folder / "runs" / run_id(design, seed)
    step = {"name": "train", "kind": "train", "scenario": "toy", "case": "case"}
    evaluation = {"reward": reward(design, seed), **GAP}
    evaluation["profit"] = 1_000 * reward(design, seed)
    write_run(run / "train", as_bid=design == as_bid, seed=seed, evaluation=evaluation)
    record = {
        "id": run_id(design, seed),
        "study": folder.name,
        "design": design,
        "parameters": {CAP: 100 if design == DESIGNS[1] else 3000},
        "seed": seed,
        "steps": [step],
        "state": state,
        "error": "out of memory" if state == "failed" else None,
        "attempts": 1,
        "started": "2030-01-02T00:00:00+00:00",
        "finished": "2030-01-02T00:01:00+00:00",
        "seconds": 60.0,
        "host": "here",
        "engine": "batch",
        "device": "cpu",
        "versions": {"assume-rl": "9.9"},
    }
    (run / "run.json").write_text(json.dumps(record))
    return run
