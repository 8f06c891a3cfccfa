"""Shared pieces: the machine, timed sinks, the peer."""

import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import torch


def machine() -> str:
    """One line about where this ran."""
    return (
        f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, {torch.get_num_threads()} torch thread(s)"
    )


class TimedSink:
    """Passes rows on and adds up the seconds that takes."""

    def __init__(self, sink: Any) -> None:
        self.sink = sink
        self.seconds = 0.0
        self.rows = 0

    def write(self, table: str, columns: dict[str, Any]) -> None:
        start = time.perf_counter()
        self.sink.write(table, columns)
        self.seconds += time.perf_counter() - start
        self.rows += len(next(iter(columns.values())))


def peer_seconds(
    python: Path, scenario: Path, case: str, database: str = "sqlite:///peer.db"
) -> dict[str, float]:
    """Seconds that ASSUME, in the environment of `python`, takes to load and to run a case.

    :param database: where it writes its tables; a temporary folder by default
    """
    found: dict[str, float] = ask_peer(python, "peer", scenario, case, database)
    return found


def ask_peer(python: Path, module: str, *arguments: object, threads: int = 1) -> Any:
    """What `benchmarks.<module>`, executed by the `python` of ASSUME's environment, prints."""
    done = subprocess.run(
        [str(python), "-m", f"benchmarks.{module}", *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "OMP_NUM_THREADS": str(threads),
            "TZ": "UTC",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
    )
    return json.loads(done.stdout.splitlines()[-1])
