"""Milliseconds of a gradient step of all agents, against what the arithmetic alone would take.

A step: batch 128, observations of 38, two actions, two private entries; every second one moves the
actors. The limit is the arithmetic of a step at the rate of a large matrix product, measured in the
same run. Times are those of the thread (CPU) or of the device, so that a busy machine counts less;
several threads, and ASSUME's step, are timed by the clock.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from assume_rl.learning.bytes import estimate
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.net import Net
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.types import AgentSpec, Joint, Transitions
from benchmarks.timing import ask_peer, machine

ROWS = 1024  # in the replay
CASES = [("concat", 1), ("concat", 10), ("concat", 50), ("concat", 143)]
CASES += [(critic, n) for critic in ("shared", "pooled") for n in (143, 1000)]
COLUMNS = ("agents", "ms", "aim", "GFLOP", "GFLOP/s", "limit ms", "share", "GB peak", "GB replay")
AIMS = {1: 1.5, 10: 12.0, 50: 220.0, 143: 2600.0}  # ms, concat
AIMS_LINEAR = {143: 200.0, 1000: 3000.0}  # ms, shared and pooled


def fleet(n: int) -> list[AgentSpec]:
    """So many agents of the sizes that ASSUME's thermal plants have."""
    return [AgentSpec(f"unit_{k}", 38, 2, 2) for k in range(n)]


def filled(critic: str, n: int, device: torch.device, **settings: Any) -> Learner:
    """A learner whose replay is full of random numbers."""
    config = LearningConfig(critic=critic, replay_buffer_size=ROWS, **settings)
    learner = Learner(config, fleet(n), seeds=(1,), device=device)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(1, ROWS, *shape, device=device)

    groups = [
        Transitions(normal(k, 38), normal(k, 2).clamp_(-1, 1), normal(k), normal(k, 38))
        for k in (len(group.specs) for group in learner.groups)
    ]
    never = torch.zeros(1, ROWS, dtype=torch.bool, device=device)
    learner.observe(Joint(tuple(groups), never, never))
    return learner


def best_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The fastest of some calls."""
    found = []
    for _ in range(repeats):
        start = _clock(device)
        work()
        found.append(_clock(device) - start)
    return min(found)


def milliseconds(learner: Learner, n: int, device: torch.device) -> float:
    """Of one iteration, actor steps included at their share."""
    iterations = 2 if n > 40 else 200 // (n + 9) * 2
    learner.update(1.0, iterations)
    seconds = best_seconds(
        lambda: learner.update(1.0, iterations), device, repeats=3 if n > 100 else 8
    )
    return seconds / iterations * 1e3


def gigaflops_per_second(device: torch.device) -> float:
    """Of a product of two square matrices."""
    a = torch.randn(1024, 1024, device=device)
    a @ a
    return 2 * 1024**3 / best_seconds(lambda: a @ a, device, repeats=20) / 1e9


def gigaflop(learner: Learner) -> float:
    """Products of one iteration: forward, targets, gradients of weights and of inputs.

    A weight used on some rows costs two operations per row and entry, in each direction. The first
    layer of a critic needs no gradient at its input but for the own action, which is left aside.
    """
    rows = learner.config.batch_size
    wide, narrow = TRUNKS["mlp"].hidden
    actor = 38 * wide + wide * narrow + narrow * 2
    actors = len(learner.agents) * actor * (1 + (3 - 38 * wide / actor) / 2)
    first, rest = map(sum, zip(*(_critic_products(c) for c in learner.nets["critic"]), strict=True))
    # Targets and values of all critics, their gradients; every other time the first critic's.
    critics = 3 * first + 4 * rest + (first + 2 * rest) / 4
    return 2 * rows * (actors + critics) / 1e9


def _critic_products(critic: Net[Any]) -> tuple[float, float]:
    """Multiplications of a row in the first and in the later layers, of all Q-functions."""
    first = rest = 0.0
    for name, view in critic.online.views.items():
        if not name.endswith("weight"):
            continue
        agents = sum(map(len, getattr(critic.form, "unit_ids", [])))
        shared = view.ndim == 4
        per_agent = agents if shared and not _once(name, critic.form) else 1
        if name.startswith("layers"):
            rest += view.numel() * per_agent
        elif name != "embedding.weight":  # not on every row
            first += view.numel() * per_agent
    return first, rest


def _once(name: str, form: object) -> bool:
    """Whether a weight is met once for all agents."""
    rivals = type(getattr(form, "rivals", None)).__name__
    return name == "first.weight" and rivals == "SideBySide"


def measure(critic: str, n: int, device: torch.device) -> str:
    """A line of the table."""
    learner = filled(critic, n, device)
    ms, work = milliseconds(learner, n, device), gigaflop(learner)
    rate = gigaflops_per_second(device)
    limit = work / rate * 1e3
    needed = estimate(LearningConfig(critic=critic), learner.agents, device=device)
    aim = (AIMS if critic == "concat" else AIMS_LINEAR)[n]
    return (
        f"| {critic} | {n} | {ms:,.2f} | {aim:,.1f} | {work:,.2f} | {rate:,.0f} | {limit:,.2f} | "
        f"{limit / ms:.0%} | {peak_bytes(device) / 1e9:,.2f} | {needed.replay / 1e9:,.2f} |"
    )


def peak_bytes(device: torch.device) -> int:
    """Of this process, or on the device."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.thread_time() if torch.get_num_threads() == 1 else time.perf_counter()


def _in_process(critic: str, n: int, device: str, threads: int) -> str:
    torch.set_num_threads(threads)
    return measure(critic, n, torch.device(device))


def main() -> None:
    """Print the table, each line from a process of its own: peak memory is a process's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="python of an environment with ASSUME")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--most", type=int, default=1000, help="leave larger fleets out")
    parser.add_argument("--threads", type=int, default=1, help="of torch, here and in ASSUME")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(machine())
    print(" | ".join(("| critic", *COLUMNS)) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    spawn = multiprocessing.get_context("spawn")
    for critic, n in [case for case in CASES if case[1] <= arguments.most]:
        with spawn.Pool(1) as pool:
            print(
                pool.apply(_in_process, (critic, n, arguments.device, arguments.threads)),
                flush=True,
            )
    if arguments.peer:
        found = ask_peer(arguments.peer, "peer_update", 1, 10, 50, threads=arguments.threads)
        for n, ms in found.items():
            print(f"peer, {n} agents: {ms:.1f} ms")


if __name__ == "__main__":
    main()
