"""What a study costs here and in ASSUME: all seeds of its first design, on all cores.

`python -m benchmarks.study_cost STUDY.yaml --peer PYTHON` runs them with `assume-rl batch` and, one
process per core, in ASSUME. Where only some of the seeds are asked of the peer (`--peer-runs`), the
rest is taken to cost the same. Processor seconds hardly depend on what else the machine does.
"""

import argparse
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="processes; two at least"
    )
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}")
    study = first_design(read_study(given.study, {}))
    runs = len(study.runs)
    ours = cost(lambda: here(study, given.workers))
    print(f"here, {runs} runs of '{study.runs[0].design}', {given.workers} workers: {ours}")
    if given.peer:
        asked = min(given.peer_runs or runs, runs)
        theirs = cost(lambda: in_peer(given.peer, study.runs[:asked], given.workers))
        print(f"ASSUME, {asked} runs, {given.workers} processes: {theirs}")
        print(f"a run costs {theirs.processor / asked / (ours.processor / runs):.1f} times as much")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock and of all processors."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.0f} s, {self.processor:.0f} processor seconds"


def cost(work: Callable[[], None]) -> Cost:
    """What `work` takes in processes of its own."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - start, used)


def first_design(study: Study) -> Study:
    """The runs of a study's first design."""
    design = study.runs[0].design
    return replace(study, runs=tuple(run for run in study.runs if run.design == design))


def here(study: Study, workers: int) -> None:
    """Do all runs, and put them into a study database."""
    with tempfile.TemporaryDirectory() as place:
        result = run_study(replace(study, folder=Path(place), database=None), workers=workers)
        assert result.complete, result.failures


def in_peer(python: Path, runs: Sequence[Run], workers: int) -> None:
    """Let ASSUME train these runs, some at a time."""

    def train(run: Run) -> None:
        with tempfile.TemporaryDirectory() as place:
            folder = scenario_of(run, Path(place))
            ask_peer(python, "peer_training", folder, run.steps[0].case, Path(place) / "policies")

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(train, runs))


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
