"""What a study costs beside its runs: time per run, and memory of the process that hands them out.

`python -m benchmarks.study [--runs N ...] [--workers N] [--executor local|ray]`

A run plays six hours of `scenarios/single_learner`, whose learner bids its marginal cost here. Each
study is done by a process of its own. "In runs" is the time that `run.json` records: reading the
scenario, playing it, writing its tables. "Beside" is the rest: locks, records, messages and the
study database. The last two columns are of the process that hands out the runs. Starting workers is
counted apart, as the time until the first run has ended.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from assume_rl.studies.driver import Unobserved, run_study
from assume_rl.studies.jobs import Report
from assume_rl.studies.records import read_record, run_folder
from assume_rl.studies.types import Run, Step, Study
from benchmarks.timing import machine

SCENARIO = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"
HOURS = {
    "end_date": "2019-03-04 06:00",
    "units.learner.bidding_EOM": "powerplant_energy_naive",
    "learning_config.learning_mode": False,
}


@dataclass(frozen=True)
class Timing:
    """One study."""

    runs: int
    workers: int
    seconds: float  # real time after the first run has ended
    starting: float  # until the first run has ended
    inside: float  # in all runs together
    parent: float  # processor seconds of the process that hands out the runs, meanwhile
    megabytes: float  # peak of that process

    def row(self) -> str:
        """As a row of a table."""
        wall, inside = self.seconds / self.runs, self.inside / self.runs / self.workers
        times = (wall, inside, wall - inside, self.parent / self.runs)
        milliseconds = " | ".join(f"{1e3 * t:.1f}" for t in times)
        return (
            f"| {self.runs:,} | {self.workers} | {self.seconds:.1f} | {self.starting:.1f} "
            f"| {milliseconds} | {self.megabytes:.0f} |"
        )


class Stopwatch(Unobserved):
    """Knows when the first report came, and how long this process had worked by then."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.worked = 0.0

    def ended(self, report: Report) -> None:
        """Look at the clocks."""
        if self.first is None:
            self.first, self.worked = time.perf_counter(), time.process_time()


def tiny_study(folder: Path, runs: int) -> Study:
    """So many seeds of a run that takes a fraction of a second."""
    step = Step("run", "run", SCENARIO, "tiny", HOURS)
    found = (Run(f"{seed:012x}", "tiny", {}, seed, (step,)) for seed in range(runs))
    return Study("tiny", folder / "tiny.yaml", tuple(found), folder / "study", None)


def measure(runs: int, workers: int, executor: str) -> Timing:
    """Do a study in this process."""
    with tempfile.TemporaryDirectory() as place:
        study, watch = tiny_study(Path(place), runs), Stopwatch()
        start = time.perf_counter()
        result = run_study(study, workers=workers, executor=executor, observer=watch)
        end, worked = time.perf_counter(), time.process_time()
        assert result.complete
        assert watch.first is not None
        records = [read_record(run_folder(study.folder, run.id)) for run in study.runs]
        inside = sum(record.seconds for record in records if record is not None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds, starting = end - watch.first, watch.first - start
    return Timing(runs, workers, seconds, starting, inside, worked - watch.worked, peak)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=(100, 1000))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(vars(measure(given.runs[0], given.workers, given.executor))))
        return
    print(machine())
    print(
        "| runs | workers | s | s to start | ms per run | in runs | beside | parent's processor ms "
        "| MB of parent |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for runs in given.runs:
        command = [sys.executable, "-m", "benchmarks.study", "--alone", "--runs", str(runs)]
        command += ["--workers", str(given.workers), "--executor", given.executor]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ)
        print(Timing(**json.loads(done.stdout.splitlines()[-1])).row(), flush=True)


if __name__ == "__main__":
    main()
