"""Estimates and intervals against scipy and against the package of the paper, rliable."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from libraries import Later

from assume_rl.errors import ConfigurationError
from assume_rl.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    curve_band,
    iqm,
    performance_profile,
    probability_of_improvement,
)

stats: Any = Later("scipy.stats")

# Scores that anyone can write down again: (run, task).
X = np.array([[(7 * run + 3 * task) % 11 / 10 for task in range(3)] for run in range(10)])
Y = np.array([[(5 * run + 2 * task) % 13 / 13 for task in range(3)] for run in range(8)])

# Of rliable 1.2.0 (with pandas < 3): `metrics.aggregate_iqm`, `library.get_interval_estimates`
# (reps=50000), `library.create_performance_profile({"x": X}, np.array([0, .25, .5, .75]))` and
# `metrics.probability_of_improvement(X, Y)` with its interval of 10,000 resamples.
RLIABLE_IQM = {"x": (0.475, 0.31875, 0.63125), "y": (0.46153846, 0.29487179, 0.61538462)}
RLIABLE_PROFILE = (
    [0.9, 0.7, 0.43333333, 0.26666667],
    [0.76666667, 0.53333333, 0.26666667, 0.13333333],
    [1.0, 0.86666667, 0.6, 0.43333333],
)
RLIABLE_IMPROVEMENT = (0.5166666666666667, 0.35625, 0.675)


def normal(runs: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, runs)


def numbers(interval: Interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high


@pytest.mark.parametrize("runs", [1, 2, 3, 4, 5, 7, 8, 10, 101])
def test_iqm_is_the_mean_trimmed_by_a_quarter(runs: int) -> None:
    scores = normal(runs, seed=runs)
    assert float(iqm(scores)) == pytest.approx(stats.trim_mean(scores, 0.25), rel=1e-12)


def test_iqm_pools_runs_and_tasks_and_takes_many_at_once() -> None:
    many = np.stack([X, X + 1])
    assert iqm(many).tolist() == pytest.approx([RLIABLE_IQM["x"][0], RLIABLE_IQM["x"][0] + 1])


@pytest.mark.parametrize(("name", "scores"), [("x", X), ("y", Y)])
def test_the_interval_of_the_iqm_is_that_of_rliable(name: str, scores: np.ndarray) -> None:
    found = numbers(bootstrap_interval(scores, seed=0, resamples=50_000))
    assert found[0] == pytest.approx(RLIABLE_IQM[name][0])
    assert found == pytest.approx(RLIABLE_IQM[name], abs=0.01)  # two bootstraps, other draws


def test_the_interval_of_the_mean_is_that_of_scipy() -> None:
    scores = normal(25, seed=1)
    ours = bootstrap_interval(scores, lambda s: s.mean((-2, -1)), seed=0, level=0.9)
    theirs = stats.bootstrap(
        (scores,), np.mean, confidence_level=0.9, method="percentile", n_resamples=50_000, rng=0
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)


def test_runs_are_resampled_within_their_task() -> None:
    # GIVEN tasks that differ, and runs that do not
    scores = np.tile([0.0, 10.0, 20.0], (5, 1))
    # THEN nothing is unsure: a bootstrap over the pooled scores would mix the tasks
    assert numbers(bootstrap_interval(scores, seed=0)) == (10, 10, 10)


def test_draws_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = bootstrap_interval(X, seed=3)
    assert bootstrap_interval(X, seed=3) == first
    assert bootstrap_interval(X, seed=4) != first
    monkeypatch.setattr("assume_rl.evaluation.resampling._AT_ONCE", 1_000)
    assert bootstrap_interval(X, seed=3) == first


def test_one_run_has_no_interval() -> None:
    for found in (
        bootstrap_interval([3.0], seed=0),
        probability_of_improvement([3.0], [1.0, 3.0], seed=0),
    ):
        assert np.isnan([found.low, found.high]).all()
    assert bootstrap_interval([3.0], seed=0).estimate == 3
    assert probability_of_improvement([3.0], [1.0, 3.0], seed=0).estimate == 0.75


def test_the_profile_is_that_of_rliable() -> None:
    profile = performance_profile(X, [0, 0.25, 0.5, 0.75], seed=0, resamples=20_000)
    assert profile.estimate.tolist() == pytest.approx(RLIABLE_PROFILE[0])
    assert profile.low.tolist() == pytest.approx(RLIABLE_PROFILE[1], abs=0.034)  # a step is 1/30
    assert profile.high.tolist() == pytest.approx(RLIABLE_PROFILE[2], abs=0.034)


def test_probability_of_improvement_is_that_of_rliable() -> None:
    found = numbers(probability_of_improvement(X, Y, seed=0))
    assert found[0] == pytest.approx(RLIABLE_IMPROVEMENT[0])
    assert found == pytest.approx(RLIABLE_IMPROVEMENT, abs=0.015)


def test_probability_of_improvement_is_mann_whitneys_u_with_ties() -> None:
    x, y = [1, 2, 2, 3, 5], [2, 2, 4, 0]
    u = stats.mannwhitneyu(x, y).statistic
    assert probability_of_improvement(x, y, seed=0).estimate == u / 20
    assert probability_of_improvement(y, x, seed=0).estimate == 1 - u / 20
    assert probability_of_improvement(x, x, seed=0).estimate == 0.5


def test_both_samples_are_resampled_on_their_own() -> None:
    # GIVEN a design against itself: from the same draws it would always come out even
    found = probability_of_improvement(X, X, seed=0)
    assert found.low < 0.45
    assert found.high > 0.55


def test_a_curve_band_is_the_interval_at_each_point() -> None:
    curves = np.stack([normal(9, seed=k, mean=k) for k in range(4)], axis=1)
    band = curve_band(curves, seed=5, resamples=2_000)
    for point in range(4):
        alone = bootstrap_interval(curves[:, point], seed=5, resamples=2_000)
        assert numbers(alone) == (band.estimate[point], band.low[point], band.high[point])
    assert band.runs.tolist() == [9, 9, 9, 9]


def test_curves_that_end_early_count_as_far_as_they_go() -> None:
    # GIVEN three runs of which one ends after two points, one after three, and a point without any
    gone = np.nan
    curves = np.array([[1, 2, gone, gone, gone], [3, 4, 5, gone, gone], [5, 6, 7, 8, gone]])
    band = curve_band(curves, seed=0)
    # THEN each point is the mean of those that reached it, and a single one has no interval
    assert band.runs.tolist() == [3, 3, 2, 1, 0]
    assert band.estimate[:4].tolist() == [3, 4, 6, 8]
    assert np.isnan(band.estimate[4])
    assert np.isnan(band.low).tolist() == [False, False, False, True, True]
    assert (band.low[2], band.high[2]) == (5, 7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bootstrap_interval([], seed=0), "shape"),
        (lambda: bootstrap_interval([1.0, np.nan], seed=0), "finite"),
        (lambda: bootstrap_interval(np.zeros((2, 2, 2)), seed=0), "shape"),
        (lambda: bootstrap_interval([1.0, 2.0], seed=0, level=95), "level=95"),
        (lambda: bootstrap_interval([1.0], seed=0, level=0), "level=0"),
        (lambda: bootstrap_interval([1.0, 2.0], seed=0, resamples=0), "resamples=0"),
        (lambda: bootstrap_interval([1.0, 2.0], np.mean, seed=0), "statistic must"),
        (lambda: probability_of_improvement(X, Y[:, :2], seed=0), "3 tasks, y has 2"),
        (lambda: curve_band([1.0, 2.0], seed=0), "shape"),
        (lambda: curve_band([[1.0, np.inf]], seed=0), "infinite"),
    ],
)
def test_bad_input_is_told_in_one_sentence(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        call()


@pytest.mark.parametrize("statistic", ["iqm", "mean"])
def test_intervals_cover_the_truth_as_often_as_they_say(statistic: str) -> None:
    # GIVEN 400 samples of 30 runs around a true mean, which is the true IQM too, of 2
    means = {"iqm": iqm, "mean": lambda s: s.mean((-2, -1))}
    intervals = [
        bootstrap_interval(normal(30, seed, mean=2), means[statistic], seed=seed, resamples=1_000)
        for seed in range(400)
    ]
    covered = np.mean([one.low <= 2 <= one.high for one in intervals])
    assert 0.90 <= covered <= 0.98
