"""Seconds of a whole training, how good it gets and when, against the same training in ASSUME."""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.evaluate import Evaluation, evaluate
from assume_rl.experiments.observer import EpisodeReport
from assume_rl.experiments.train import train
from assume_rl.learning.learner import Learner
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from benchmarks.timing import ask_peer, machine

SHARES = (0.8, 0.9, 0.95)  # of the exact best response


@dataclass(frozen=True)
class Training:
    """What one training took and brought."""

    seconds: float  # compiling, training, evaluations and the recorded run in the end
    transitions: int
    gradient_steps: int
    last: Evaluation
    best: Evaluation
    reached: dict[float, float | None]  # share of the best response: seconds of training

    def report(self) -> str:
        times = ", ".join(
            f"{share:.0%} " + ("never" if seconds is None else f"after {seconds:.1f} s")
            for share, seconds in self.reached.items()
        )
        return (
            f"{self.seconds:.1f} s, {self.transitions} transitions, "
            f"{self.gradient_steps} gradient steps; {quality(self.last, self.best)}; {times}"
        )


def measure(scenario: Scenario, seed: int, engine: EngineName = "batch") -> Training:
    """Train, all tables written to SQLite."""
    with tempfile.TemporaryDirectory() as folder, work_counted() as work:
        start = time.perf_counter()
        result = train(scenario, seed=seed, engine=engine, out=Path(folder) / "out")
        seconds = time.perf_counter() - start
    best = None if result.last.share is None else result.last.best_reward
    reached = {share: time_to(share, result.episodes, best) for share in SHARES}
    return Training(
        seconds, work.transitions, work.gradient_steps, result.last, result.best, reached
    )


def time_to(
    share: float, reports: Sequence[EpisodeReport], best_reward: float | None
) -> float | None:
    """Seconds of training until an evaluation reaches a share of the best response; None: never."""
    elapsed = 0.0
    for report in reports:
        elapsed += report.seconds
        if best_reward and report.evaluation and report.reward >= share * best_reward:
            return elapsed
    return None


@dataclass
class Work:
    """What one learner was given and did."""

    transitions: int = 0
    gradient_steps: int = 0


@contextlib.contextmanager
def work_counted() -> Iterator[Work]:
    """Count what a learner observes, and read off its iterations."""
    work, plain = Work(), (Learner.observe, Learner.update)

    def observe(self: Learner, joint: Any) -> Any:
        work.transitions += joint.terminated.shape[-1]
        return plain[0](self, joint)

    def update(self: Learner, *arguments: Any, **keywords: Any) -> Any:
        metrics = plain[1](self, *arguments, **keywords)
        work.gradient_steps = self.iterations
        return metrics

    Learner.observe, Learner.update = observe, update  # type: ignore[method-assign]
    try:
        yield work
    finally:
        Learner.observe, Learner.update = plain  # type: ignore[method-assign]


def quality(last: Evaluation, best: Evaluation) -> str:
    """Share of the exact best response where it is known, else the reward."""
    if last.share is None or best.share is None:
        return f"reward {last.reward:.2f} (last), {best.reward:.2f} (best)"
    return f"{last.share:.1%} of the best response (last), {best.share:.1%} (best)"


def report_peer(python: Path, scenario: Scenario, folder: Path, ours: float) -> str:
    """Train in ASSUME; its policies are judged by the same evaluation as ours."""
    with tempfile.TemporaryDirectory() as place:
        policies = Path(place) / "policies"
        took = ask_peer(python, "peer_training", folder, scenario.case, policies)
        found = [
            evaluate(scenario, policies=policies / name, out=Path(place) / name).evaluation
            for name in ("last_policies", "avg_reward_eval_policies")
        ]
    return (
        f"peer: {took['seconds']:.1f} s, {took['updating']:.1f} s of them in "
        f"{took['gradient_steps']} gradient steps; {quality(*found)}; "
        f"{took['seconds'] / ours:.1f} times as fast here"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line per seed, and the peer's where one is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", type=Path, required=True, help="scenario folder")
    parser.add_argument("--case", default="base")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--engine", choices=["batch", "agents"], default="batch")
    parser.add_argument("--peer", type=Path, help="python of an environment with ASSUME")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another setting for ours, e.g. learning_config.num_envs=5; the peer has the case's",
    )
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{machine()}; load {os.getloadavg()[0]:.1f}")
    trainings = []
    overrides = dict(setting.split("=", 1) for setting in given.set)
    scenario = load_scenario(given.scenario, given.case, overrides=overrides)
    for seed in given.seeds:
        trainings.append(measure(scenario, seed, given.engine))
        print(f"{scenario.simulation_id}, {given.engine}, seed {seed}: {trainings[-1].report()}")
    if given.peer:
        ours = statistics.median(training.seconds for training in trainings)
        print(report_peer(given.peer, scenario, given.scenario, ours))


if __name__ == "__main__":
    main()
