from collections.abc import Sequence

import pytest

from assume_rl.episodes.selection import Scores
from assume_rl.experiments.training import Advance, Standing, training, waves
from assume_rl.learning.config import LearningConfig

pytestmark = pytest.mark.unchecked


def settings(**changes: object) -> LearningConfig:
    base = {
        "training_episodes": 20,
        "episodes_collecting_initial_experience": 3,
        "validation_episodes_interval": 5,
    }
    return LearningConfig.from_mapping(base | changes)


class Notebook:
    """An engine that notes what it is asked to do; rewards of its evaluations are given."""

    def __init__(self, rewards: Sequence[Sequence[float]], width: int = 1, patience: int = 99):
        self.seeds, self.width = len(rewards), width
        self.rewards, self.patience = rewards, patience
        self.played: list[range] = []
        self.kept: list[tuple[int, float]] = []
        self.saved: list[int] = []

    def train(self, episodes: range, advance: Advance) -> list[list[Scores]]:
        self.played.append(episodes)
        return [[Scores(float(n + seed), 0.0, 0.0) for seed in range(self.seeds)] for n in episodes]

    def evaluate(self, number: int, advance: Advance) -> list[Scores]:
        return [Scores(own[number - 1], 0.0, 0.0) for own in self.rewards]

    def keep(self, seed: int, scores: Scores) -> bool:
        self.kept.append((seed, scores.reward))
        return sum(s == seed for s, _ in self.kept) >= self.patience and seed == 0

    def save(self, seed: int) -> None:
        self.saved.append(seed)


def play(engine: Notebook, *, standings=None, save=None, **changes: object):
    """The training loop, from its beginning unless `standings` say otherwise."""
    begun = standings or [Standing()] * engine.seeds
    return training(engine, settings(**changes), ignore, begun, save or (lambda seed, now: None))


def ignore(share: float) -> None:
    """Progress is of no interest here."""


@pytest.mark.parametrize("width", [1, 2, 4, 64])
def test_waves_cover_all_episodes_once_and_in_order(width):
    played = [number for wave in waves(settings(), width) for number in wave]
    assert played == list(range(1, 21))


def test_no_wave_crosses_an_evaluation_or_the_end_of_the_initial_experience():
    assert [(w[0], w[-1]) for w in waves(settings(), 64)] == [
        (1, 3), (4, 5), (6, 10), (11, 15), (16, 20)]  # fmt: skip


def test_waves_are_no_wider_than_asked():
    assert max(len(wave) for wave in waves(settings(), 3)) == 3


@pytest.mark.parametrize("width", [1, 4])
def test_evaluations_follow_the_same_episodes_however_many_are_played_at_once(width):
    engine = Notebook([[1.0, 3.0, 2.0]], width)
    reports = [found[0] for found in play(engine)]
    order = [(r.episode, r.evaluation) for r in reports]
    evaluated = [order[i - 1][0] for i, (_, evaluation) in enumerate(order) if evaluation]
    assert evaluated == [10, 15, 20]
    assert [r.best for r in reports if r.evaluation] == [True, True, False]


def test_a_seed_that_has_settled_is_neither_reported_nor_saved_again():
    engine = Notebook([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]], width=5, patience=2)
    reports = list(play(engine))
    assert [sorted(found) for found in reports if found[1].evaluation] == [[0, 1], [0, 1], [1]]
    assert all(sorted(found) == [1] for found in reports[-6:])
    assert engine.saved == [1]


def test_training_ends_when_all_seeds_have_settled():
    engine = Notebook([[1.0, 1.0, 1.0]], patience=1)
    list(play(engine))
    assert engine.played[-1][-1] == 10
    assert engine.saved == []


def test_whatever_stops_the_loop_the_policies_are_saved():
    engine = Notebook([[1.0] * 3, [1.0] * 3])
    loop = play(engine)
    next(iter(loop))
    loop.close()
    assert engine.saved == [0, 1]


def test_a_training_can_resume_from_every_moment_that_is_saved():
    moments: list[Standing] = []
    engine = Notebook([[1.0, 3.0, 2.0]], width=4)
    whole = [found[0] for found in play(engine, save=lambda _, now: moments.append(now))]
    assert [m.episodes for m in moments] == [3, 5, 9, 10, 14, 15, 19, 20]
    for moment in moments:
        again = Notebook([[1.0, 3.0, 2.0]], width=4)
        rest = [found[0] for found in play(again, standings=[moment])]
        found = [(r.episode, r.evaluation, r.reward, r.best) for r in rest]
        first = moment.episodes + moment.evaluations
        assert found == [(r.episode, r.evaluation, r.reward, r.best) for r in whole[first:]]


def test_a_seed_that_has_settled_is_saved_as_over_once():
    moments: list[tuple[int, Standing]] = []
    engine = Notebook([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]], width=5, patience=2)
    list(play(engine, save=lambda seed, now: moments.append((seed, now))))
    own = [now for seed, now in moments if seed == 0]
    assert [now.over for now in own] == [False] * (len(own) - 1) + [True]
    assert own[-1].episodes == 15
