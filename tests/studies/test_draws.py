"""Draws follow their laws, steps and whole numbers by orders of magnitude included."""

from collections import Counter
from typing import Any

import pytest

from assume_rl.studies.draws import draw
from assume_rl.studies.sections import Draws, Law


def drawn(count: int = 4000, **law: Any) -> list[Any]:
    draws = Draws(count=count, keys={"a": Law(**law)})
    return [row["a"] for row in draw(draws)]


def shares(values: list[Any]) -> dict[Any, float]:
    return {value: n / len(values) for value, n in sorted(Counter(values).items())}


def test_steps_of_numbers_are_equally_likely() -> None:
    found = shares(drawn(uniform=(0.5, 1.0), step=0.25))
    assert found == {value: pytest.approx(1 / 3, abs=0.03) for value in (0.5, 0.75, 1.0)}


def test_steps_of_whole_numbers_stay_whole_numbers() -> None:
    found = shares(drawn(integer=(16, 64), step=16))
    assert found == {value: pytest.approx(0.25, abs=0.03) for value in (16, 32, 48, 64)}
    assert all(isinstance(value, int) for value in found)


def test_orders_of_magnitude_of_whole_numbers_are_equally_likely() -> None:
    found = drawn(log_integer=(1, 1000))
    assert min(found) == 1
    assert max(found) <= 1000
    assert all(isinstance(value, int) for value in found)
    tens = Counter(len(str(value)) for value in found)
    # 0.5 to 9.5, 9.5 to 99.5 and 99.5 to 999.5 on a scale of logarithms, of 0.5 to 1000.5
    assert [tens[k] / len(found) for k in (1, 2, 3)] == pytest.approx(
        [0.387, 0.309, 0.303], abs=0.03
    )
