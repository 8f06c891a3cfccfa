"""The training loop: episodes, evaluations at intervals, the best policies kept, early stopping.

It drives an engine, which knows how episodes are played, and yields reports; nothing is written
here. Several seeds train side by side where the engine can; each is judged on its own.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from assume_rl.episodes.selection import Scores
from assume_rl.experiments.observer import EpisodeReport
from assume_rl.learning.config import LearningConfig

Advance = Callable[[float], None]  # takes the share of the running episodes that is done, 0 to 1
Doing = Callable[[str, float], None]  # takes the work beside episodes, and its share as above


class Engine(Protocol):
    """Plays the episodes of one or several trainings, one per seed, and holds their learners."""

    @property
    def seeds(self) -> int:
        """Return the number of trainings that run side by side."""
        ...

    @property
    def width(self) -> int:
        """Return the number of episodes of each training that can be played side by side."""
        ...

    def train(self, episodes: range, advance: Advance) -> Sequence[Sequence[Scores]]:
        """Play training episodes side by side and learn; scores (episode, seed)."""
        ...

    def evaluate(self, number: int, advance: Advance) -> Sequence[Scores]:
        """Play an evaluation of every seed's current policies."""
        ...

    def keep(self, seed: int, scores: Scores) -> bool:
        """Save the new best and the last policies; return whether this training is over."""
        ...

    def save(self, seed: int) -> None:
        """Save the last policies, if any episode has ended."""
        ...


@dataclass(frozen=True)
class Standing:
    """How far a training has come, between two episodes."""

    episodes: int = 0  # training episodes that have ended
    evaluations: int = 0
    best: float = -float("inf")  # the highest reward of an evaluation
    over: bool = False  # it has stopped early


Save = Callable[[int, Standing], None]  # takes a seed and how far it has come


def training(
    engine: Engine,
    config: LearningConfig,
    advance: Advance,
    standings: Sequence[Standing],
    save: Save,
    doing: Doing = lambda what, share: None,
) -> Generator[Mapping[int, EpisodeReport], None, None]:
    """Train all seeds; yield the reports of each episode, by seeds that still train.

    Whatever ends the loop, the policies of that moment are saved.

    :param standings: where each seed resumes; all after the same number of episodes.
    :param save: called with every moment that a training can resume from, its reports taken.
    :param doing: called during evaluations, as `advance` is during episodes
    """
    now = list(standings)
    try:
        for episodes in waves(config, engine.width, first=now[0].episodes + 1):
            running = [seed for seed, standing in enumerate(now) if not standing.over]
            if not running:
                return
            for number, scores, seconds in _timed(episodes, engine, advance):
                yield {seed: _report(number, scores[seed], seconds) for seed in running}
            for seed in running:
                now[seed] = replace(now[seed], episodes=episodes[-1])
            if _evaluated(episodes[-1], config):
                yield from _evaluate(engine, doing, now, running)
            for seed in running:
                save(seed, now[seed])
    finally:
        for seed in (seed for seed, standing in enumerate(now) if not standing.over):
            engine.save(seed)


def _evaluate(
    engine: Engine, doing: Doing, now: list[Standing], running: Sequence[int]
) -> Iterator[Mapping[int, EpisodeReport]]:
    """Play an evaluation, keep the new best policies, and note which trainings are over."""
    number, start = now[running[0]].evaluations + 1, time.perf_counter()
    advance = partial(doing, f"evaluation {number}")
    advance(0.0)
    scores = engine.evaluate(number, advance)
    seconds, found = time.perf_counter() - start, {}
    for seed in running:
        better, best = (
            scores[seed].reward > now[seed].best,
            max(scores[seed].reward, now[seed].best),
        )
        found[seed] = _report(number, scores[seed], seconds, evaluation=True, best=better)
        over = engine.keep(seed, scores[seed])
        now[seed] = replace(now[seed], evaluations=number, best=best, over=over)
    yield found


def waves(config: LearningConfig, width: int, *, first: int = 1) -> Iterator[range]:
    """Yield ranges of episodes from `first` on that are played side by side, at most `width`.

    None crosses an evaluation or the end of the initial experience, so that both come after the
    same number of episodes however many are played at once.
    """
    last = config.training_episodes
    interval, initial = config.validation_interval, config.initial_episodes
    while first <= last:
        ends = [last, first + width - 1, -(-first // interval) * interval]
        if first <= initial:
            ends.append(initial)
        yield range(first, min(ends) + 1)
        first = min(ends) + 1


def first_evaluation(config: LearningConfig) -> int:
    """Return the first multiple of the interval that leaves an interval of learning before it."""
    interval = config.validation_interval
    earliest = config.initial_episodes + interval
    return -(-earliest // interval) * interval


def _evaluated(episode: int, config: LearningConfig) -> bool:
    return episode % config.validation_interval == 0 and episode >= first_evaluation(config)


def _timed(
    episodes: range, engine: Engine, advance: Advance
) -> Iterator[tuple[int, Sequence[Scores], float]]:
    """Yield number, scores and seconds of each episode; those of a wave share its time."""
    start = time.perf_counter()
    played = engine.train(episodes, advance)
    seconds = (time.perf_counter() - start) / len(episodes)
    for number, scores in zip(episodes, played, strict=True):
        yield number, scores, seconds


def _report(
    number: int, scores: Scores, seconds: float, *, evaluation: bool = False, best: bool = False
) -> EpisodeReport:
    return EpisodeReport(
        number,
        evaluation,
        scores.reward,
        scores.profit,
        scores.regret,
        round(seconds, 3),
        best,
        scores.exploitability,
        scores.movement,
        scores.version,
        scores.staleness,
    )
