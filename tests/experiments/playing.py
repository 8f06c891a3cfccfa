"""Trainings on pools of workers in this process that are slow, die or answer with the past."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from trained_runs import tiny

from assume_rl.episodes.plan import Plan
from assume_rl.experiments.collection.collector import Collector
from assume_rl.experiments.collection.orders import Order, Part, Piece, Pool, Stage, WorkerLost
from assume_rl.experiments.collection.players import player_of
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.train_task import training_task
from assume_rl.experiments.training import waves
from assume_rl.learning.acting import Acting, Policies
from assume_rl.learning.learner import Learner

CPU = torch.device("cpu")
SETTINGS = {
    "training_episodes": 6,
    "episodes_collecting_initial_experience": 1,
    "validation_episodes_interval": 3,
    "train_freq": "3h",
    "gradient_steps": 1,
    "batch_size": 4,
    "action_noise_schedule": "linear",
}


def stage_of(
    name: str = "single_learner",
    seeds: Sequence[int] = (5,),
    engine: EngineName = "batch",
    **settings: Any,
) -> Stage:
    """A training on half a day."""
    overrides = {f"learning_config.{k}": v for k, v in (SETTINGS | settings).items()}
    overrides |= {"end_date": "2019-03-01 12:00" if name == "ten_learners" else "2019-03-04 12:00"}
    task = training_task(tiny(name, **overrides), None, None, engine)
    return Stage(task, tuple(seeds), task.agents, ())


@dataclass
class Workers:
    """Workers in this process, and what befalls them.

    `dies`: results, by worker and count, that never come. `stale`: likewise, that are of the
    policies before. `slow`: a worker who begins with nothing before it is waited for.
    """

    stage: Stage
    workers: int
    dies: set[tuple[int, int]] = field(default_factory=set)
    stale: set[tuple[int, int]] = field(default_factory=set)
    slow: int | None = None
    reliable: bool = False
    sent: list[tuple[int, Part, int]] = field(default_factory=list)
    taken: list[tuple[Part, int]] = field(default_factory=list)
    renewed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._players = [player_of(self.stage) for _ in range(self.workers)]
        self._asked = [0] * self.workers
        self._waiting: dict[int, list[tuple[Order, Policies]]] = {
            k: [] for k in range(self.workers)
        }
        self._done: dict[int, Piece] = {}

    def publish(self, policies: Policies) -> Policies:
        return policies

    def send(self, worker: int, order: Order, policies: Policies) -> tuple[Order, Policies]:
        self.sent.append((worker, order.part, order.number))
        ticket = (order, policies)
        self._waiting[worker].append(ticket)
        if worker != self.slow:
            self._catch_up(worker)
        return ticket

    def result(self, worker: int, ticket: tuple[Order, Policies]) -> Piece:
        self._catch_up(worker)
        here = worker, self._asked[worker]
        self._asked[worker] += 1
        if here in self.dies:
            raise WorkerLost("killed")
        piece = self._done[id(ticket)]
        if here in self.stale:
            return replace(piece, version=piece.version - 1)
        self.taken.append((piece.part, piece.number))
        return piece

    def renew(self, worker: int) -> None:
        self.renewed.append(worker)
        self._players[worker].close()
        self._players[worker], self._waiting[worker] = player_of(self.stage), []

    def close(self) -> None:
        for player in self._players:
            player.close()

    def _catch_up(self, worker: int) -> None:
        for ticket in self._waiting[worker]:
            self._done[id(ticket)] = self._players[worker].play(*ticket)
        self._waiting[worker].clear()


class Training:
    """What `TrainingEngine` does with transitions, without anything around it."""

    def __init__(self, stage: Stage, pool: Pool) -> None:
        self.stage, config = stage, stage.task.config
        scenario = stage.task.compiled.scenario
        self.plan = Plan.of(config, scenario.start, scenario.index[-1].to_pydatetime())
        self.learner = Learner(config, stage.agents, seeds=stage.seeds, device=CPU)
        self.collector = Collector(
            pool, self.plan, lambda first: next(waves(config, config.num_envs, first=first), None)
        )
        self.stale: list[int] = []

    def go(self, first: int = 1, last: int = 99) -> "Training":
        """Play and learn from the waves that begin in these episodes."""
        config = self.stage.task.config
        for wave in waves(config, config.num_envs, first=first):
            if wave.start > last:
                break
            for segment in self.collector.wave(wave, self.learner.light):
                if segment.joint is not None:
                    assert segment.joint.version == segment.version
                    self.stale.append(self.learner.updates - segment.version)
                    self.learner.observe(segment.joint)
                if segment.due is not None and wave.start > config.initial_episodes:
                    self.learner.update(1.0, len(wave))
        return self

    def scratch(self) -> Acting:
        """Actors to be overwritten."""
        stage = self.stage
        return Acting(stage.task.config, stage.agents, seeds=stage.seeds, device=CPU)


def same(one: Any, other: Any) -> bool:
    """Return whether two nested states are equal, bit by bit."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


def trained(stage: Stage, pool: Pool | None = None, **befalls: Any) -> Training:
    """Train on a pool; None: on workers that something befalls."""
    with closing(pool or Workers(stage, **befalls)) as own:
        return Training(stage, own).go()


PoolOf = Callable[[Stage], Pool]
