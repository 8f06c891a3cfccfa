"""The page of capabilities answers every point once, and names all that the registries hold."""

import re
from collections import Counter
from pathlib import Path

import pytest

from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.nets.heads import HEADS
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.schedules import SCHEDULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "learning-capabilities.md"
TEXT = PAGE.read_text(encoding="utf-8")
POINTS = {1: 24, 2: 17, 3: 36, 4: 34, 5: 39}
"""Number of capabilities of each system."""

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| \d+\.\d+ \|", line)
]
REGISTRIES = {
    "[algorithms]": ALGORITHMS,
    "[critics]": CRITICS,
    "[heads]": HEADS,
    "[actors]": TRUNKS,
    "[schedules]": SCHEDULES,
}


def test_every_point_is_answered_once() -> None:
    expected = [f"{system}.{k}" for system, n in POINTS.items() for k in range(1, n + 1)]
    assert [row[0] for row in ROWS] == expected


def test_every_answer_is_one_of_three_and_says_how_or_where() -> None:
    for identity, capability, state, answer in ROWS:
        assert state in ("works", "partly", "no"), identity
        assert capability, identity
        assert answer, identity
    assert Counter(row[2] for row in ROWS)["works"] > len(ROWS) / 2


@pytest.mark.parametrize("sort", REGISTRIES)
def test_the_table_holds_what_the_registry_holds(sort: str) -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| {sort}")]
    names = line.split("|")[2].partition(";")[0]
    assert set(re.findall(r"`(\w+)`", names)) == set(REGISTRIES[sort])
