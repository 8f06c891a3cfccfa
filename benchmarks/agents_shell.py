"""Simulated hours per second of the message shell, with reading, messages and writing apart."""

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mango import ExternalClock, Role, activate, agent_composed_of, create_ec_container

from assume_rl.agents.trading import market_operator, unit_operator
from assume_rl.agents.transport import Failures, post, settle
from assume_rl.agents.world import World
from assume_rl.results.sinks import DatabaseSink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from benchmarks.fleets import NATIONAL
from benchmarks.timing import TimedSink, machine, peer_seconds


@dataclass(frozen=True)
class Timing:
    """Seconds of one run."""

    hours: float
    messages: int
    rows: int
    reading: float
    messaging: float
    writing: float
    total: float  # simulation, messages and writing

    def report(self, name: str) -> str:
        simulating = self.total - self.messaging - self.writing
        return (
            f"{name}: {self.hours:.0f} simulated hours in {self.total:.2f} s "
            f"({self.hours / self.total:.0f} h/s): economics {simulating:.2f} s, "
            f"{self.messages} messages {self.messaging:.2f} s, "
            f"{self.rows} rows written {self.writing:.2f} s; reading {self.reading:.2f} s before"
        )


def measure(folder: Path, case: str) -> Timing:
    """Run a case without learning, all tables written to SQLite."""
    start = time.perf_counter()
    compiled = compile_scenario(load_scenario(folder, case))
    reading = time.perf_counter() - start
    counter = Counter()
    with (
        tempfile.TemporaryDirectory() as out,
        counter,
        DatabaseSink(f"sqlite:///{out}/results.db", "benchmark") as database,
    ):
        sink = TimedSink(database)
        start = time.perf_counter()
        flush_hours = compiled.scenario.config.save_frequency_hours or None
        asyncio.run(World(compiled, seed=1).run_episode(sink=sink, flush_hours=flush_hours))
        total = time.perf_counter() - start
    hours = (compiled.steps - 1) * compiled.step_seconds / 3600
    messaging = counter.sent * asyncio.run(seconds_per_message())
    return Timing(hours, counter.sent, sink.rows, reading, messaging, sink.seconds, total)


class Counter:
    """Counts the messages that markets and bidders send."""

    def __init__(self) -> None:
        self.sent = 0

    def __enter__(self) -> None:
        def counted(*arguments: Any) -> None:
            self.sent += 1
            post(*arguments)

        for module in (market_operator, unit_operator):
            module.post = counted  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        for module in (market_operator, unit_operator):
            module.post = post  # type: ignore[attr-defined]


async def seconds_per_message(count: int = 20_000) -> float:
    """What mango takes to carry a message that nobody does anything with."""
    container = create_ec_container(addr="here", clock=ExternalClock(0))
    agents = [container.register(agent_composed_of(Role())) for _ in range(60)]
    async with activate(container):
        start = time.perf_counter()
        context = agents[0].roles[0].context
        for k in range(count):
            post(context, k, agents[k % 60].addr)
            if k % 60 == 59:
                await settle(container, Failures())
        await settle(container, Failures())
        return (time.perf_counter() - start) / count


def main() -> None:
    """Print one line per scenario, and the ratio to the peer where one is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="python of an environment with ASSUME")
    parser.add_argument("--example-01a", type=Path, help="ASSUME's example_01a folder")
    parser.add_argument("--year", action="store_true", help="the whole national year too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    cases = [(NATIONAL, "week")]
    if arguments.example_01a:
        cases.insert(0, (arguments.example_01a, "base"))
    for folder, case in cases:
        ours = measure(folder, case)
        print(ours.report(f"{folder.name}/{case}"))
        if arguments.peer:
            theirs = peer_seconds(arguments.peer, folder, case)["run"]
            print(f"  peer: {theirs:.2f} s; {theirs / ours.total:.1f} times as fast here")
    if arguments.year:
        print(measure(NATIONAL, "base").report("national/base"))


if __name__ == "__main__":
    main()
