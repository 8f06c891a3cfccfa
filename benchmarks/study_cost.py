"""What a study costs here and in ASSUME: all seeds of its first design, on all cores.

`python -m benchmarks.study_cost STUDY.yaml --peer PYTHON` runs them with `assume-rl batch` and, one
process per core, in ASSUME. Where only some of the seeds are asked of the peer (`--peer-runs`), the
rest is taken to cost the same.
"""

import argparse
import math
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from assume_rl.studies.driver import run_study
from assume_rl.studies.file import read_study
from assume_rl.studies.types import Run, Study
from benchmarks.timing import ask_peer, machine


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--peer", type=Path, help="python of an environment with ASSUME")
    parser.add_argument("--peer-runs", type=int, help="how many seeds ASSUME trains; default all")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}")
    study = first_design(read_study(given.study, {}))
    ours = seconds_here(study, given.workers)
    runs = len(study.runs)
    print(f"here: {runs} runs of '{study.runs[0].design}', {given.workers} workers: {ours:.0f} s")
    if given.peer:
        asked = min(given.peer_runs or runs, runs)
        took = seconds_of_peer(given.peer, study.runs[:asked], given.workers)
        whole = took * math.ceil(runs / given.workers) / math.ceil(asked / given.workers)
        print(f"ASSUME: {asked} runs, {given.workers} processes: {took:.0f} s; all: {whole:.0f} s")
        print(f"{whole / ours:.1f} times as fast here")


def first_design(study: Study) -> Study:
    """The runs of a study's first design."""
    design = study.runs[0].design
    return replace(study, runs=tuple(run for run in study.runs if run.design == design))


def seconds_here(study: Study, workers: int) -> float:
    """Seconds until all runs are finished and in the study database."""
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        result = run_study(replace(study, folder=Path(place), database=None), workers=workers)
        assert result.complete, result.failures
        return time.perf_counter() - start


def seconds_of_peer(python: Path, runs: Sequence[Run], workers: int) -> float:
    """Seconds until ASSUME has trained these runs, so many at a time."""

    def train(run: Run) -> None:
        with tempfile.TemporaryDirectory() as place:
            folder = scenario_of(run, Path(place))
            ask_peer(python, "peer_training", folder, run.steps[0].case, Path(place) / "policies")

    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(train, runs))
    return time.perf_counter() - start


def scenario_of(run: Run, place: Path) -> Path:
    """A copy of a run's scenario, its settings written into the study case."""
    step = run.steps[0]
    folder = Path(shutil.copytree(step.scenario, place / step.scenario.name))
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))[step.case]
    for key, value in {**step.settings, "seed": run.seed}.items():
        put(config, key.split("."), value)
    text = yaml.safe_dump({step.case: config})
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return folder


def put(config: Mapping[str, Any], key: Sequence[str], value: Any) -> None:
    """Set a value by its dotted key; sections are dictionaries."""
    place: Any = config
    for part in key[:-1]:
        place = place.setdefault(part, {})
    place[key[-1]] = value


if __name__ == "__main__":
    main()
