"""Plays the evaluations of a training, on the shell that it trains on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch

from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.record import copy_of
from assume_rl.envs.rollout import CopyScores, Rollout
from assume_rl.envs.state import Happened
from assume_rl.envs.support import unsupported
from assume_rl.episodes.calendar import Calendar, EpisodeKey
from assume_rl.episodes.rows.dated import DATED
from assume_rl.episodes.rows.policies import PolicyLog
from assume_rl.episodes.selection import Scores
from assume_rl.experiments.collection.message_player import MessagePlayer
from assume_rl.experiments.collection.orders import Stage
from assume_rl.experiments.judge import Probe, Watch, by_agent, probes, replayed
from assume_rl.learning.learner import Learner
from assume_rl.results.sinks import MemorySink

Opening = Callable[[int], None]

_NAMES = ("reward", "profit", "regret")  # in the order of `Scores`


@dataclass(frozen=True)
class Validated:
    """One seed's evaluation."""

    scores: Scores
    rows: tuple[tuple[str, dict[str, Any]], ...]  # of result tables, as columns
    memory: Callable[[], MemorySink] | None  # returns `judge.READ` and rl_params; None: not kept


class Validation(Protocol):
    """Plays evaluations of all seeds of a training."""

    def play(self, number: int, learner: Learner, watched: Sequence[int]) -> list[Validated]:
        """Play an evaluation of every seed.

        :param number: of the evaluation
        :param learner: whose policies are evaluated
        :param watched: positions of the seeds whose orders are kept
        """
        ...

    def probes(self) -> tuple[Probe, ...]:
        """Return the observations to compare policies on, by seed; empty if not known."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


def validation_of(stage: Stage, opening: Opening) -> Validation:
    """Return who plays the evaluations of a training.

    :param stage: of the training
    :param opening: called before each decision, with the seconds since the episode began
    :raises ConfigurationError: it cannot be played
    """
    own = _OnBatch if stage.task.engine == "batch" else _OnMessages
    return own(stage, opening)


class _OnBatch:
    """All seeds side by side, on the batch shell."""

    def __init__(self, stage: Stage, opening: Opening) -> None:
        task = stage.task
        self._seeds, self._opening = stage.seeds, opening
        self._calendar = Calendar.of(task.compiled)
        self._env = _evaluation_of(stage, task.device)

    def play(self, number: int, learner: Learner, watched: Sequence[int]) -> list[Validated]:
        """See `Validation.play`."""
        keys = [EpisodeKey(seed, number, True) for seed in self._seeds]
        logs = [PolicyLog(key) for key in keys]
        watches = {k: Watch(self._env, keys[k], k) for k in watched}
        listener = partial(self._log, logs, list(watches.values()))
        rollout = Rollout(self._env, learner, store=False, opening=self._opening, listener=listener)
        for _ in rollout.play(torch.full((len(keys),), number), ()):
            pass
        (scores,) = scores_of((rollout.scores(),), len(keys))
        found = []
        for k, (own, log) in enumerate(zip(scores, logs, strict=True)):
            rows = tuple((name, DATED[name](c, self._calendar)) for name, c in log.drain())
            watch = watches.get(k)
            if watch is not None:
                for table, columns in rows:
                    watch.write(table, columns)
            found.append(Validated(own, rows, None if watch is None else watch.memory))
        return found

    def probes(self) -> tuple[Probe, ...]:
        """See `Validation.probes`."""
        return probes(self._env)

    def close(self) -> None:
        """Do nothing."""

    def _log(self, logs: Sequence[PolicyLog], watched: Sequence[Watch], happened: Happened) -> None:
        """Keep each seed's actions and earnings, and orders if watched."""
        for watch in watched:
            watch.add(happened)
        for earned in happened.learners:
            team = self._env.teams[earned.team]
            for seed, log in enumerate(logs):
                own = copy_of(earned, seed)
                log.add(team.agents, own.auction.first[0], own.action, own.reward)


class _OnMessages:
    """One seed, on the message shell; the batch shell, where it can, replays evaluated policies."""

    def __init__(self, stage: Stage, opening: Opening) -> None:
        self._stage = stage
        self._player = MessagePlayer(stage, opening)
        self._again = unsupported(stage.task.compiled) is None

    def play(self, number: int, learner: Learner, watched: Sequence[int]) -> list[Validated]:
        """See `Validation.play`."""
        scores, rows = self._player.validate(number, learner.light())
        again = partial(self._played_again, number, learner) if watched and self._again else None
        return [Validated(scores, tuple(("rl_params", columns) for columns in rows), again)]

    def probes(self) -> tuple[Probe, ...]:
        """See `Validation.probes`."""
        return probes(_evaluation_of(self._stage, "cpu")) if self._again else ()

    def close(self) -> None:
        """Stop the player."""
        self._player.close()

    def _played_again(self, number: int, learner: Learner) -> MemorySink:
        """Return the tables of the batch shell."""
        task, (seed,) = self._stage.task, self._stage.seeds
        played = task.fixed | by_agent(learner.actors())
        return replayed(task.compiled, EpisodeKey(seed, number, True), played)


def _evaluation_of(stage: Stage, device: str) -> MarketEnv:
    """Return one copy of the market for each seed, in which evaluations are played."""
    return MarketEnv(
        stage.task.compiled,
        num_envs=1,
        seeds=stage.seeds,
        policies=stage.task.fixed,
        evaluation=True,
        device=device,
    )


def scores_of(parts: Sequence[CopyScores], seeds: int) -> list[list[Scores]]:
    """Return the scores of the episodes of all parts of a wave, (episode, seed)."""
    columns = [
        torch.cat([getattr(part, name).view(seeds, -1) for part in parts], dim=1).T.tolist()
        for name in _NAMES
    ]
    return [
        [Scores(*one) for one in zip(*rows, strict=True)] for rows in zip(*columns, strict=True)
    ]
