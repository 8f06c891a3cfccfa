"""How cost grows with agents, copies and the horizon; draws docs/images/growth.png.

Times are those of the processor, so that a busy machine counts less.

`python -m benchmarks.growth [--out FILE] [--quick]`
"""

import argparse
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import matplotlib
import torch

from assume_rl.envs.market_env import MarketEnv
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from benchmarks.fleets import NATIONAL, learners
from benchmarks.timing import machine
from benchmarks.update import filled

matplotlib.use("Agg")  # draws to a file; no window is needed
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs" / "images" / "growth.png"
Points = dict[int, float]  # ms by number of agents, copies or hours
CPU = torch.device("cpu")


def market_ms(compiled: Compiled, copies: int, steps: int = 12) -> float:
    """ms of one step of several copies, random bids."""
    env = MarketEnv(compiled, num_envs=copies, seeds=(1,))
    state = env.reset(torch.arange(copies))
    actions = [
        torch.rand(copies, len(p.team.ids), p.bidder.action.size) for p in env.setting.learners
    ]
    for _ in range(3):
        state, _ = env.step(state, actions)
    start = time.process_time()
    for _ in range(steps):
        state, _ = env.step(state, actions)
    return (time.process_time() - start) / steps * 1e3


def episode_ms(compiled: Compiled, copies: int) -> float:
    """ms of a whole episode of several copies, random bids."""
    env = MarketEnv(compiled, num_envs=copies, seeds=(1,))
    start = time.process_time()
    state = env.reset(torch.arange(copies))
    actions = [
        torch.rand(copies, len(p.team.ids), p.bidder.action.size) for p in env.setting.learners
    ]
    while not env.done(state):
        state, _ = env.step(state, actions)
    return (time.process_time() - start) * 1e3


def update_ms(count: int, critic: str, iterations: int) -> float:
    """ms of one iteration of the update of some agents, batch 128."""
    learner = filled(critic, count, CPU)
    learner.update(1.0, 2)
    start = time.process_time()
    learner.update(1.0, iterations)
    return (time.process_time() - start) / iterations * 1e3


def measure(*, quick: bool) -> dict[str, dict[str, Points]]:
    """Everything that is drawn: panel, line, points."""
    sizes = [1, 10, 100] if quick else [1, 3, 10, 30, 100, 300, 1000]
    concat = [n for n in sizes if n <= (10 if quick else 143)]
    copies = [1, 64] if quick else [4**k for k in range(8)]
    days = [1, 7] if quick else [1, 7, 30, 90, 365]
    ten = compile_scenario(learners(10))
    fleets = {n: compile_scenario(learners(n)) for n in sizes}
    return {
        "agents": {
            "market step, 16 copies": {n: market_ms(fleets[n], 16) for n in sizes},
            "update, concat": {n: update_ms(n, "concat", 4 if n < 50 else 2) for n in concat},
            "update, shared": {n: update_ms(n, "shared", 4 if n < 300 else 2) for n in sizes},
            "update, pooled": {n: update_ms(n, "pooled", 4 if n < 300 else 2) for n in sizes},
        },
        "copies of the market": {
            "market step, 10 learners": {n: market_ms(ten, n) for n in copies},
        },
        "days of an episode": {
            "episode, 164 units, 4 copies": {d: episode_ms(national(d), 4) for d in days},
        },
    }


def national(days: int) -> Compiled:
    """So many days of the national scenario, ten of whose plants learn."""
    end = datetime(2019, 1, 1) + timedelta(days=days)
    dates = {"start_date": "2019-01-01 00:00", "end_date": f"{end:%Y-%m-%d %H:%M}"}
    return compile_scenario(load_scenario(NATIONAL, "learning", overrides=dates))


def draw(panels: Mapping[str, Mapping[str, Points]], file: Path) -> None:
    """One panel each, both axes logarithmic."""
    figure, axes = plt.subplots(1, len(panels), figsize=(13, 4.2), dpi=110, layout="constrained")
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for label, points in lines.items():
            axis.plot(list(points), list(points.values()), "o-", label=label, markersize=4)
        axis.set(xscale="log", yscale="log", xlabel=title, ylabel="ms")
        axis.grid(which="major", alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
    figure.savefig(file)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGE)
    parser.add_argument("--quick", action="store_true", help="few points, for tests")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    panels = measure(quick=asked.quick)
    for title, lines in panels.items():
        for label, points in lines.items():
            print(
                f"{label}, by {title}:", ", ".join(f"{n}: {ms:.3g} ms" for n, ms in points.items())
            )
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    draw(panels, asked.out)


if __name__ == "__main__":
    main()
