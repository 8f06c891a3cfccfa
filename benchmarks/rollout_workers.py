"""Transitions per second that are played by one and by two rollout workers, in one run.

`python -m benchmarks.rollout_workers [--copies N ...] [--waves N] [--updates] [--engine agents]`

Days of `scenarios/ten_learners` are played on a Ray cluster of this machine by the pool that
trainings use, in turn by this process, by one worker and by two; the trainer takes transitions, and
publishes policies after every six hours. With `--updates` it learns as well, with `--engine agents`
copies are played on the message shell. The first wave of each
is not timed. "At best" is what two workers could be, whatever else the machine does: processor time
of all copies over that of half of them.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from assume_rl.episodes.plan import Plan
from assume_rl.experiments.collection.collector import Collector, exploration_of
from assume_rl.experiments.collection.local import Local
from assume_rl.experiments.collection.orders import Order, Part, Pool, Stage
from assume_rl.experiments.collection.players import player_of
from assume_rl.experiments.collection.ray import ray_workers
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.train_task import training_task
from assume_rl.learning.learner import Learner
from assume_rl.scenario.read import load_scenario
from benchmarks.timing import machine

SCENARIO = Path(__file__).parents[1] / "scenarios" / "ten_learners"
SETTINGS = {"learning_config.train_freq": "6h", "learning_config.gradient_steps": 10}
COPIES = (4, 64)


@dataclass(frozen=True)
class Timing:
    """One pool's play of some waves."""

    seconds: float
    waited: float  # s in which the trainer had nothing to do but to wait for pieces
    transitions: int

    @property
    def rate(self) -> float:
        """Transitions per second."""
        return self.transitions / self.seconds


def stage_of(copies: int, engine: EngineName = "batch") -> Stage:
    """The training that is played."""
    settings = SETTINGS | {"learning_config.num_envs": copies}
    scenario = load_scenario(SCENARIO, "tiny", overrides=settings)
    task = training_task(scenario, None, "cpu", engine)
    return Stage(task, (1,), task.agents, ())


def play(stage: Stage, pool: Pool, waves: int, *, updates: bool) -> Timing:
    """Play some waves of all copies, after one that is not timed."""
    config, plan, learner = stage.task.config, plan_of(stage), learner_of(stage)
    width, last = config.num_envs, (waves + 1) * config.num_envs

    def following(first: int) -> range | None:
        return range(first, first + width) if first <= last else None

    collector, timing = Collector(pool, plan, following), Timing(0.0, 0.0, 0)
    for first in range(1, last, width):
        start, waited, rows = time.perf_counter(), 0.0, 0
        asked = start
        for segment in collector.wave(range(first, first + width), learner.light):
            waited += time.perf_counter() - asked
            if segment.joint is not None:
                rows += segment.joint.terminated.shape[1]
                learner.observe(segment.joint)
            if updates and segment.due is not None:
                learner.update(1.0)
            asked = time.perf_counter()
        if first > 1:
            timing = Timing(
                timing.seconds + time.perf_counter() - start,
                timing.waited + waited,
                timing.transitions + rows,
            )
    return timing


def at_best(stage: Stage, waves: int) -> float:
    """Return the processor time of playing all copies over that of half of them, of two workers."""
    config, learner = stage.task.config, learner_of(stage)
    plan, spent = plan_of(stage), {}
    for share in (1, 2):
        player = player_of(stage)
        for first in range(1, (waves + 1) * config.num_envs, config.num_envs):
            wave = range(first, first + config.num_envs)
            part = Part(wave[: len(wave) // share], wave, due_times(plan))
            start = time.process_time()
            for number in range(part.orders):
                law = exploration_of(plan, wave, number)
                player.play(Order(part, number, 0, law), learner.light())
            spent[share] = 0.0 if first == 1 else spent[share] + time.process_time() - start
        player.close()
    return spent[1] / spent[2]


def learner_of(stage: Stage) -> Learner:
    """Return a fresh learner."""
    device = torch.device("cpu")
    return Learner(stage.task.config, stage.agents, seeds=stage.seeds, device=device)


def plan_of(stage: Stage) -> Plan:
    """Return when updates are due."""
    scenario = stage.task.compiled.scenario
    return Plan.of(stage.task.config, scenario.start, scenario.index[-1].to_pydatetime())


def due_times(plan: Plan) -> tuple[int, ...]:
    """Return the same in seconds since the episodes begin."""
    return tuple(time - plan.start for time in plan.update_times)


@contextmanager
def pools() -> Iterator[dict[str, Callable[[Stage], Pool]]]:
    """Who plays, by name."""
    with ray_workers(2, None) as two, ray_workers(1, None) as one:
        yield {
            "this process": lambda stage: Local(player_of(stage)),
            "1 worker": one,
            "2 workers": two,
        }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, nargs="+", default=COPIES)
    parser.add_argument("--waves", type=int, default=2)
    parser.add_argument("--updates", action="store_true")
    parser.add_argument("--engine", choices=("batch", "agents"), default="batch")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    print("| copies | played by | transitions/s | of one worker | the trainer waits | at best |")
    print("|---|---|---|---|---|---|")
    with pools() as known:
        for copies in given.copies:
            stage, found = stage_of(copies, given.engine), {}
            for name, open_pool in known.items():
                pool = open_pool(stage)
                found[name] = play(stage, pool, given.waves, updates=given.updates)
                pool.close()
            for name, timing in found.items():
                ratio = timing.rate / found["1 worker"].rate
                share = timing.waited / timing.seconds
                best = f"{at_best(stage, given.waves):.2f}" if name == "2 workers" else ""
                row = copies, name, f"{timing.rate:,.0f}", f"{ratio:.2f}", f"{share:.0%}", best
                print(f"| {' | '.join(map(str, row))} |")


if __name__ == "__main__":
    main()
