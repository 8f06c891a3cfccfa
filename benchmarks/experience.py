"""Agent-steps per second of the batch shell: learners act, explore, earn and fill the replay.

`python -m benchmarks.experience [--peer PYTHON] [--copies N ...] [--device DEVICE]`

An agent-step is one learner's bid in one auction of one copy. All parts of the step are included:
observations, actors in float32, exploration, clearing, dispatch, rewards, replay. Weeks of
`scenarios/ten_learners` are played; the replay is filled once before anything is timed.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from assume_rl.envs import settling
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.memory import copy_bytes
from assume_rl.envs.rollout import Rollout
from assume_rl.learning.exploration import Exploration
from assume_rl.learning.learner import Learner
from assume_rl.scenario.compile.compiled import compile_scenario
from benchmarks.fleets import TEN, learners
from benchmarks.peer import timed_calls
from benchmarks.timing import ask_peer, machine

COPIES = (1, 16, 256, 1024, 4096)
WINDOW = 7 * 24 + 1
UPDATES = range(24 * 3600, 7 * 24 * 3600 + 1, 24 * 3600)
EXPLORATION = Exploration("noise", scale=0.1)


@dataclass(frozen=True)
class Timing:
    """One episode of several copies."""

    copies: int
    agent_steps: int
    decisions: int
    seconds: float
    acting: float  # seconds in the actors
    clearing: float  # seconds in clearing
    bytes_per_copy: int

    @property
    def rate(self) -> float:
        """Agent-steps per second."""
        return self.agent_steps / self.seconds

    def row(self) -> str:
        """As a row of a table."""
        rest = self.seconds - self.acting - self.clearing
        shares = (f"{part / self.seconds:.0%}" for part in (self.acting, self.clearing, rest))
        step = self.seconds / self.decisions * 1e3
        return (
            f"| {self.copies:,} | {self.rate:,.0f} | {step:.2f} | {' | '.join(shares)} "
            f"| {self.bytes_per_copy / 1024:.0f} |"
        )


def measure(copies: int, *, count: int = 10, device: str = "cpu") -> Timing:
    """Play a week of some copies twice and time the second one."""
    compiled = compile_scenario(learners(count), device)
    env = MarketEnv(compiled, num_envs=copies, seeds=(1,), window=WINDOW, device=device)
    config = compiled.scenario.learning.model_copy(
        update={"replay_buffer_size": max(2_000, 24 * copies)}
    )
    learner = Learner(config, env.agents, seeds=(1,), device=torch.device(device))
    rollout = Rollout(env, learner, exploration=EXPLORATION)
    _play(rollout, learner, 0)
    plain = settling._clear
    acting, clearing = timed_calls(learner, "step"), timed_calls(settling, "_clear")
    start = time.perf_counter()
    rows = _play(rollout, learner, copies)
    seconds = time.perf_counter() - start
    settling._clear = plain
    return Timing(
        copies,
        rows * count,
        rows // copies,
        seconds,
        sum(acting),
        sum(clearing),
        copy_bytes(env.setting),
    )


def _play(rollout: Rollout, learner: Learner, first: int) -> int:
    """One episode of each copy; joint transitions that were stored."""
    episodes = torch.arange(rollout.env.copies, device=rollout.env.device) + first
    rows = 0
    for stretch in rollout.play(episodes, UPDATES):
        if stretch.joint is not None:
            learner.observe(stretch.joint)
            rows += stretch.joint.terminated.shape[1]
    if rollout.env.device.type == "cuda":
        torch.cuda.synchronize()
    return rows


def main() -> None:
    """Print a table, and the ratio to the peer where one is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="python of an environment with ASSUME")
    parser.add_argument("--copies", type=int, nargs="+", default=COPIES)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    print("| copies | agent-steps/s | ms per step | acting | clearing | rest | KiB per copy |")
    print("|---|---|---|---|---|---|---|")
    best = 0.0
    for copies in arguments.copies:
        timing = measure(copies, device=arguments.device)
        best = max(best, timing.rate)
        print(timing.row())
    if arguments.peer:
        theirs = ask_peer(arguments.peer, "peer_experience", TEN, "base")["acting"]
        print(f"peer: {theirs:,.0f} agent-steps/s; {best / theirs:,.0f} times as many here")


if __name__ == "__main__":
    main()
