"""Paired comparisons against scipy, Holm's procedure against published and computed examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from libraries import Later

from assume_rl.errors import ConfigurationError
from assume_rl.evaluation.significance import (
    EXACT_UP_TO,
    SAMPLED,
    holm,
    paired_comparison,
    smallest_p,
)

stats: Any = Later("scipy.stats")

# Darwin 1876, "The effects of cross and self fertilisation in the vegetable kingdom": heights of
# 15 pairs of maize plants, difference in eighths of an inch. Fisher 1935, "The design of
# experiments", section 21, counts the assignments of signs: 863 of 32,768 have a sum of 314 or
# more (835 more, 28 as much), so that p = 1726 / 32768 two-sided.
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def sign_flips(difference: np.ndarray, resamples: int) -> float:
    """The p-value of scipy's permutation test of paired samples."""
    return stats.permutation_test(
        (difference, np.zeros_like(difference)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=0,
    ).pvalue


def test_fishers_count_of_darwins_maize() -> None:
    found = paired_comparison(DARWIN, np.zeros(15), seed=0)
    assert (found.pairs, found.method) == (15, "exact")
    assert found.p_value == 1726 / 32768
    assert found.mean.estimate == pytest.approx(314 / 15)
    assert found.median.estimate == 24


@pytest.mark.parametrize("runs", [2, 3, 5, 8, 12])
def test_the_exact_p_value_is_that_of_scipy(runs: int) -> None:
    draws = np.random.default_rng(runs)
    x, y = draws.normal(0.5, 1, runs), draws.normal(0, 1, runs)
    found = paired_comparison(x, y, seed=0)
    assert found.p_value == pytest.approx(sign_flips(x - y, 10_000))
    assert found.method == "exact"


def test_the_sampled_p_value_is_close_to_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).normal(0.4, 1, 18)
    exact = paired_comparison(x, np.zeros(18), seed=0)
    monkeypatch.setattr("assume_rl.evaluation.significance.EXACT_UP_TO", 10)
    sampled = paired_comparison(x, np.zeros(18), seed=0)
    assert (exact.method, sampled.method) == ("exact", "sampled")
    assert sampled.p_value == pytest.approx(exact.p_value, rel=0.05)
    assert sampled.p_value != exact.p_value


def test_many_pairs_are_sampled_and_never_certain() -> None:
    found = paired_comparison(np.full(EXACT_UP_TO + 20, 1.0), np.zeros(EXACT_UP_TO + 20), seed=0)
    assert found.method == "sampled"
    assert found.p_value == 1 / (1 + SAMPLED)


def test_equal_sums_count_despite_rounding() -> None:
    # GIVEN tenths, whose sums of equal size differ by rounding, and the same as whole numbers
    tenths = paired_comparison([0.5, -0.3, -0.5, 0.6], np.zeros(4), seed=0)
    assert tenths.p_value == paired_comparison([5, -3, -5, 6], np.zeros(4), seed=0).p_value == 0.875


def test_equal_designs_have_a_p_value_of_one() -> None:
    assert paired_comparison([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], seed=0).p_value == 1


def test_the_effect_size_is_the_t_statistic_over_the_root_of_the_pairs() -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 11))
    found = paired_comparison(x, y, seed=0)
    assert found.effect_size == pytest.approx(stats.ttest_rel(x, y).statistic / np.sqrt(11))


@pytest.mark.parametrize("difference", [[1.0], [1.0, 1.0], [0.1, 0.1, 0.1], [0.0, 0.0]])
def test_without_spread_there_is_no_effect_size(difference: list[float]) -> None:
    assert np.isnan(paired_comparison(difference, np.zeros(len(difference)), seed=0).effect_size)


def test_p_values_are_uniform_without_a_difference() -> None:
    # GIVEN 400 comparisons of equal designs on 10 seeds
    draws = np.random.default_rng(3).normal(size=(400, 10))
    p = [paired_comparison(d, np.zeros(10), seed=0, resamples=10).p_value for d in draws]
    # THEN one in twenty is at or below 0.05, within three standard errors
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.033)


@pytest.mark.parametrize("pairs", [1, 4, 8])
def test_the_smallest_p_value_is_reached_where_all_agree(pairs: int) -> None:
    found = paired_comparison(np.arange(1.0, pairs + 1), np.zeros(pairs), seed=0)
    assert found.p_value == smallest_p(pairs)


# By hand, after Holm 1979: 0.005 * 4 = 0.02, 0.01 * 3 = 0.03, 0.03 * 2 = 0.06, and 0.04 * 1 is
# raised to 0.06. The second one is of statsmodels 0.15.0, `multipletests(p, method="holm")[1]`.
@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        (
            [0.02, 0.001, 0.9, 0.02, 0.2, 0.013, 0.013],
            [0.08, 0.007, 0.9, 0.08, 0.4, 0.078, 0.078],
        ),
        ([0.6, 0.7], [1, 1]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_holms_procedure(raw: list[float], adjusted: list[float]) -> None:
    assert holm(raw).tolist() == pytest.approx(adjusted)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: holm([0.5, 1.5]), "0 to 1"),
        (lambda: holm([0.5, np.nan]), "0 to 1"),
        (lambda: paired_comparison([1, 2], [1], seed=0), "shapes"),
        (lambda: paired_comparison([], [], seed=0), "shape"),
        (lambda: paired_comparison([1.0, np.nan], [1, 2], seed=0), "finite"),
    ],
)
def test_bad_input_of_comparisons_is_told(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        call()
