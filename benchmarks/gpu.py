"""Update, experience and clearing on the CPU and on the GPU of the same machine.

`python -m benchmarks.gpu [--out FILE] [--seconds N] [--only NAME]`

Each row is one kind of work on one device in one way:

- plain: operation by operation
- compiled: `learning_config.compile`
- recorded: `learning_config.cuda_graphs`
- bfloat16: `learning_config.autocast`

FILE has all rows as JSON, and is written anew after each of them. Once N seconds are over no row is
begun, so that the rows that take longest, compiled ones, come last. Without a GPU there are rows of
the CPU only. Times of the CPU are those of the thread, if there is one, so that a busy machine
counts less.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from assume_rl.core.clearing import RULES, Slots
from assume_rl.core.orders import unit_major
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.rollout import Rollout
from assume_rl.learning.graphs import WARM_UP, graphs_on
from assume_rl.learning.learner import Learner
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.testing import toy_market
from benchmarks.experience import EXPLORATION
from benchmarks.fleets import learners
from benchmarks.timing import machine
from benchmarks.update import best_seconds, filled

WAYS: dict[str, dict[str, bool]] = {
    "plain": {},
    "bfloat16": {"autocast": True},
    "recorded": {"cuda_graphs": True},
    "recorded, bfloat16": {"cuda_graphs": True, "autocast": True},
    "compiled": {"compile": True},
    "compiled, recorded": {"compile": True, "cuda_graphs": True},
}
OFFERS = 150
WINDOW = 25  # steps: a day, and the one after it
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@dataclass(frozen=True)
class Row:
    """One measurement."""

    what: str
    device: str
    way: str
    value: float
    unit: str


@dataclass(frozen=True)
class Case:
    """A measurement that has not been made yet."""

    what: str
    device: torch.device
    way: str
    unit: str
    measure: Callable[[], float]

    def row(self) -> Row:
        """Return the measurement."""
        return Row(self.what, self.device.type, self.way, self.measure(), self.unit)


def update(agents: int, device: torch.device, way: str, *, iterations: int, repeats: int) -> float:
    """Return the milliseconds of a gradient step of MATD3 with exact critics.

    :param agents: how many
    :param device: of the learner
    :param way: key of `WAYS`
    :param iterations: gradient steps of an update
    :param repeats: updates, of which the fastest counts
    """
    learner = filled("concat", agents, device, **WAYS[way])
    for _ in range(WARM_UP + 1 if device.type == "cuda" else 1):
        learner.update(1.0, iterations)
    work = partial(learner.update, 1.0, iterations)
    return best_seconds(work, device, repeats) / iterations * 1e3


def experience(copies: int, device: torch.device, way: str) -> float:
    """Return agent-steps per second of ten learners, days of whose market are played.

    :param copies: of the market
    :param device: of market and learner
    :param way: key of `WAYS`
    """
    compiled = compile_scenario(learners(10), device)
    settings = {"replay_buffer_size": 24 * copies, **WAYS[way]}
    config = compiled.scenario.learning.model_copy(update=settings)
    env = MarketEnv(
        compiled,
        num_envs=copies,
        seeds=(1,),
        window=WINDOW,
        device=device,
        cuda_graphs=config.cuda_graphs,
    )
    learner = Learner(config, env.agents, seeds=(1,), device=device)
    rollout = Rollout(env, learner, exploration=EXPLORATION)
    rows = 0

    def play() -> None:
        nonlocal rows
        rows = 0
        for stretch in rollout.play(torch.arange(copies, device=device), ()):
            if stretch.joint is not None:
                learner.observe(stretch.joint)
                rows += stretch.joint.terminated.shape[1]

    for _ in range(WARM_UP + 1 if config.cuda_graphs else 1):
        play()
    return 10 * rows / best_seconds(play, device, 2)


def clearing(auctions: int, device: torch.device, way: str) -> float:
    """Return auctions that are cleared per second, of `OFFERS` offers and a demand each.

    :param auctions: cleared in one call
    :param device: of the orders
    :param way: plain or recorded
    """
    draw = torch.Generator().manual_seed(1)
    shape = (auctions, 1, OFFERS + 1)
    price = (torch.rand(shape, generator=draw, dtype=torch.float64) * 100).to(device)
    volume = (torch.rand(shape, generator=draw, dtype=torch.float64) * 10).to(device)
    tie = torch.rand(shape, generator=draw, dtype=torch.float64).to(device)
    price[..., -1], volume[..., -1] = 3000.0, -3.0 * OFFERS
    orders = unit_major(price, volume, OFFERS + 1)
    rule = RULES["pay_as_clear"]
    setup = rule.setup(toy_market(rule), Slots(node=orders.node))
    graphs = graphs_on(device, wanted=way == "recorded")

    def clear() -> object:
        if graphs is None:
            return rule.clear(orders, tie, setup)
        return graphs.run("clearing", lambda: rule.clear(orders, tie, setup))

    for _ in range(WARM_UP + 1):
        clear()
    return auctions / best_seconds(clear, device, 10)


def cases(devices: list[torch.device]) -> Iterator[Case]:
    """Yield all measurements, those that take long at the end."""
    for device in devices:
        cuda = device.type == "cuda"
        for auctions in (1, 1024, 16384) if cuda else (1, 1024):
            for way in ("plain", "recorded") if cuda else ("plain",):
                measure = partial(clearing, auctions, device, way)
                what = f"clearing, {auctions:,} at a time"
                yield Case(what, device, way, "auctions/s", measure)
        for copies in (16, 1024, 4096) if cuda else (16, 1024):
            for way in ("plain", "recorded") if cuda else ("plain",):
                measure = partial(experience, copies, device, way)
                what = f"experience, {copies:,} copies"
                yield Case(what, device, way, "agent-steps/s", measure)
    for agents in (10, 143):
        for device in devices:
            for way, settings in WAYS.items():
                cuda = device.type == "cuda"
                able = cuda or not settings or (agents == 10 and "cuda_graphs" not in settings)
                if able and "compile" not in settings:
                    yield _update_case(agents, device, way)
    for device in reversed(devices):
        for way in ("compiled, recorded", "compiled") if device.type == "cuda" else ("compiled",):
            yield _update_case(10, device, way)


def _update_case(agents: int, device: torch.device, way: str) -> Case:
    few = agents > 100 and device.type == "cpu"
    iterations, repeats = (2, 1) if few else (20, 5)
    measure = partial(update, agents, device, way, iterations=iterations, repeats=repeats)
    return Case(f"update, {agents} agents", device, way, "ms per step", measure)


def table(rows: list[Row]) -> str:
    """Return measurements as a table: a line for each kind of work, a column for each way."""
    columns = list(dict.fromkeys((row.device, row.way) for row in rows))
    lines = [
        "| | unit | " + " | ".join(f"{device}, {way}" for device, way in columns) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for what, unit in dict.fromkeys((row.what, row.unit) for row in rows):
        own = {(row.device, row.way): row.value for row in rows if row.what == what}
        values = (
            f"{own[at]:,.{2 if own[at] < 100 else 0}f}" if at in own else "" for at in columns
        )
        lines.append(f"| {what} | {unit} | {' | '.join(values)} |")
    return "\n".join(lines)


def measured(chosen: Iterator[Case], seconds: float, out: Path | None) -> list[Row]:
    """Return the rows that can be begun in time; they are written as they come.

    :param chosen: measurements
    :param seconds: after which no further one is begun
    :param out: JSON file; None: none is written
    """
    start, rows = time.perf_counter(), list[Row]()
    left: list[str] = []
    for case in chosen:
        if time.perf_counter() - start > seconds:
            left.append(f"{case.what}, {case.device.type}, {case.way}")
        else:
            rows.append(case.row())
        if out is not None:
            content = {
                "machine": machine(),
                "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
                "cuda": torch.version.cuda,
                "rows": [asdict(row) for row in rows],
                "left_out": left,
            }
            out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return rows


def main() -> None:
    """Print a table of all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file of all measurements")
    parser.add_argument("--seconds", type=float, default=150.0, help="begin no row after these")
    parser.add_argument("--only", default="", help="rows whose names begin so: update, 10")
    given = parser.parse_args()
    print(machine())
    devices = [CPU, GPU] if torch.cuda.is_available() else [CPU]
    chosen = (case for case in cases(devices) if case.what.startswith(given.only))
    print(table(measured(chosen, given.seconds, given.out)))


if __name__ == "__main__":
    main()
