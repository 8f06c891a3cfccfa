"""The training loop: episodes, evaluations at intervals, the best policies kept, early stopping.

It drives an engine, which knows how episodes are played, and yields reports; nothing is written
here. Several seeds train side by side where the engine can; each is judged on its own.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from assume_rl.episodes.learning_plan import Scores
from assume_rl.experiments.observer import EpisodeReport
from assume_rl.learning.config import LearningConfig

Advance = Callable[[float], None]  # told the share of the running episodes that is done, 0 to 1


class Engine(Protocol):
    """Plays the episodes of one or several trainings, one per seed, and holds their learners."""

    @property
    def seeds(self) -> int:
        """How many trainings run side by side."""
        ...

    @property
    def width(self) -> int:
        """Episodes of each training that can be played side by side."""
        ...

    def train(self, episodes: range, advance: Advance) -> Sequence[Sequence[Scores]]:
        """Play training episodes side by side and learn; scores (episode, seed)."""
        ...

    def evaluate(self, number: int, advance: Advance) -> Sequence[Scores]:
        """Play an evaluation of every seed's current policies."""
        ...

    def keep(self, seed: int, scores: Scores) -> bool:
        """Save what is better than ever, and the last policies; whether this training is over."""
        ...

    def save(self, seed: int) -> None:
        """Save the last policies, if any episode has ended."""
        ...


def training(
    engine: Engine, config: LearningConfig, advance: Advance
) -> Iterator[Mapping[int, EpisodeReport]]:
    """Train all seeds; yields what each episode brought those that still train.

    Whatever ends the loop, the policies of that moment are saved.
    """
    running, evaluations = list(range(engine.seeds)), 0
    best = [-float("inf")] * engine.seeds
    try:
        for episodes in waves(config, engine.width):
            for number, scores, seconds in _timed(episodes, engine, advance):
                yield {seed: _report(number, scores[seed], seconds) for seed in running}
            if not _evaluated(episodes[-1], config):
                continue
            evaluations += 1
            start = time.perf_counter()
            scores = engine.evaluate(evaluations, advance)
            seconds = time.perf_counter() - start
            found = {}
            for seed in running:
                better, best[seed] = (
                    scores[seed].reward > best[seed],
                    max(best[seed], scores[seed].reward),
                )
                found[seed] = _report(
                    evaluations, scores[seed], seconds, evaluation=True, best=better
                )
            running = [seed for seed in running if not engine.keep(seed, scores[seed])]
            yield found
            if not running:
                return
    finally:
        for seed in running:
            engine.save(seed)


def waves(config: LearningConfig, width: int) -> Iterator[range]:
    """Episodes that are played side by side, at most `width`.

    None crosses an evaluation or the end of the initial experience, so that both come after the
    same number of episodes however many are played at once.
    """
    first, last = 1, config.training_episodes
    interval, initial = config.validation_interval, config.episodes_collecting_initial_experience
    while first <= last:
        ends = [last, first + width - 1, -(-first // interval) * interval]
        if first <= initial:
            ends.append(initial)
        yield range(first, min(ends) + 1)
        first = min(ends) + 1


def first_evaluation(config: LearningConfig) -> int:
    """The first multiple of the interval that leaves a whole interval of learning before it."""
    interval = config.validation_interval
    earliest = config.episodes_collecting_initial_experience + interval
    return -(-earliest // interval) * interval


def _evaluated(episode: int, config: LearningConfig) -> bool:
    return episode % config.validation_interval == 0 and episode >= first_evaluation(config)


def _timed(
    episodes: range, engine: Engine, advance: Advance
) -> Iterator[tuple[int, Sequence[Scores], float]]:
    """Number, scores and seconds of each episode; those of a wave share its time."""
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
    )
