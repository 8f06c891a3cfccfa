"""Plays parts of waves on the message shell, by the policies that come with each order.

The copies of a part are episodes of agents, one after the other up to each update. An episode that
waits for its next order is a task of an event loop that stands still.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from assume_rl.agents.learning.deputy import Deputy
from assume_rl.agents.world import World
from assume_rl.envs.rollout import CopyScores
from assume_rl.episodes.calendar import Calendar
from assume_rl.episodes.selection import Scores
from assume_rl.experiments.collection.orders import Order, Part, Piece, Stage, check_turn
from assume_rl.experiments.loop import StandingLoop
from assume_rl.experiments.train_task import openings
from assume_rl.learning.acting import Acting, Policies
from assume_rl.learning.exploration import OFF
from assume_rl.learning.nets.stack import ActorStack, merge
from assume_rl.learning.types import beside

CPU = torch.device("cpu")

Rows = tuple[dict[str, Any], ...]


class _Episode:
    """An episode of agents that stops before each update.

    :param world: in which it is played
    :param number: of the episode
    :param deputy: of the learner
    :param on_time: called with the simulation time before each instant
    """

    def __init__(
        self, world: World, number: int, deputy: Deputy, on_time: Callable[[float], None]
    ) -> None:
        self.deputy = deputy
        self._whole = partial(
            world.run_episode,
            number,
            deputy=deputy,
            on_time=on_time,
            before_update=self._stop,
        )
        self._task: asyncio.Task[None] | None = None
        self._stopped, self._resumed = asyncio.Event(), asyncio.Event()

    async def resume(self) -> None:
        """Play up to the next update, or to the end; raise errors of the episode."""
        if self._task is None:
            self._task = asyncio.create_task(self._whole())
        self._stopped.clear()
        self._resumed.set()
        stop = asyncio.create_task(self._stopped.wait())
        await asyncio.wait((self._task, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._task.done():
            self._task.result()

    async def _stop(self, now: float) -> None:
        """Wait until the episode is resumed."""
        self._resumed.clear()
        self._stopped.set()
        await self._resumed.wait()


@dataclass
class _Play:
    """Episodes that have begun."""

    episodes: tuple[_Episode, ...]
    done: int = 0  # orders


class MessagePlayer:
    """A `Player` on the message shell, which plays evaluations, too.

    :param stage: of the training of one seed
    :param opening: called before each decision, with the seconds since the episodes began
    """

    def __init__(self, stage: Stage, opening: Callable[[int], None] | None = None) -> None:
        self._stage, self._opening, task = stage, opening, stage.task
        (seed,) = stage.seeds
        like = torch.device(task.device)
        self._acting = Acting(task.config, stage.agents, seeds=stage.seeds, device=CPU, like=like)
        self._world = World(task.compiled, seed=seed, policies=task.fixed)
        self._start = Calendar.of(task.compiled).start
        self._openings = frozenset(openings(task.compiled, task.learners))
        self._plays: dict[Part, _Play] = {}
        self._loop = StandingLoop()

    def play(self, order: Order, policies: Policies) -> Piece:
        """See `Player.play`."""
        part = order.part
        if order.number == 0:
            self._plays[part] = _Play(tuple(self._episode(n, part) for n in part.episodes))
        play = self._plays[part]
        check_turn(order, play.done)
        actors = self._actors(policies, noisy=order.exploration.mode != "off")
        for episode in play.episodes:
            episode.deputy.adopt(actors, order.exploration)
            self._loop.run(episode.resume())
        play.done += 1
        over = play.done == part.orders
        if over:
            del self._plays[part]
        taken = [episode.deputy.take(final=over) for episode in play.episodes]
        joints = [own.joint for own in taken if own.joint is not None]
        version = self._acting.version
        return Piece(
            part,
            order.number,
            version,
            replace(beside(joints), version=version) if joints else None,
            _scores([e.deputy.scores() for e in play.episodes]) if over else None,
            tuple(columns for own in taken for columns in own.rows),
            any(own.cut for own in taken),
        )

    def validate(self, number: int, policies: Policies) -> tuple[Scores, Rows]:
        """Play an evaluation; return its scores, and its rows of rl_params as columns.

        :param number: of the evaluation
        :param policies: to play by
        """
        deputy = self._deputy(number)
        deputy.adopt(self._actors(policies, noisy=False), OFF)
        whole = self._world.run_episode(
            number, evaluation=True, deputy=deputy, on_time=self._on_time
        )
        self._loop.run(whole)
        rows = deputy.take(final=True).rows
        return deputy.scores(), rows

    def close(self) -> None:
        """Leave all episodes."""
        self._loop.close()

    def _actors(self, policies: Policies, *, noisy: bool) -> tuple[ActorStack, ...]:
        self._acting.adopt(policies)
        return merge(self._acting.actors(noisy=noisy))

    def _episode(self, number: int, part: Part) -> _Episode:
        """Return an episode that has not begun."""
        return _Episode(self._world, number, self._deputy(number, part.updates), self._on_time)

    def _deputy(self, number: int, updates: Sequence[int] | None = None) -> Deputy:
        """Return who stands in for the learner in an episode; None: in an evaluation."""
        stage, acting = self._stage, self._acting
        names = [agent.unit_id for agent in stage.agents]
        return Deputy(
            stage.agents,
            [tuple(names[p] for p in group.positions) for group in acting.groups],
            tuple(acting.extras),
            stage.experienced,
            number=number,
            evaluation=updates is None,
            update_times=[self._start + time for time in updates or ()],
        )

    def _on_time(self, now: float) -> None:
        """Report an instant, POSIX seconds, whose auctions have not opened yet."""
        time = round(now) - self._start
        if self._opening is not None and time in self._openings:
            self._opening(time)


def _scores(episodes: Sequence[Scores]) -> CopyScores:
    """Return the scores of all copies of a part."""
    columns = zip(*((own.reward, own.profit, own.regret) for own in episodes), strict=True)
    return CopyScores(*(torch.tensor(column, dtype=torch.float64) for column in columns))
