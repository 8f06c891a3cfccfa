"""Every algorithm has a page that names its papers, settings with defaults, and metrics."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo
from test_algorithms import SHAPES
from toys import fleet, learner, random_joint

from assume_rl.learning.algorithms import ALGORITHMS, able
from assume_rl.learning.config import SETTINGS, LearningConfig, Reward
from assume_rl.learning.nets.heads import HEADS, Stochastic, head_of
from assume_rl.learning.types import AgentSpec

pytestmark = pytest.mark.unchecked

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "algorithms"
INDEX = (FOLDER / "index.md").read_text(encoding="utf-8")
REPLAY = INDEX.partition("## Drawing from a replay")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of tables."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def entry(name: str) -> list[str]:
    """The row of an algorithm in the table of all."""
    found = [row for row in rows(INDEX) if row[0].split()[0] == f"`{name}`" and len(row) == 6]
    assert len(found) == 1, f"one row of {name} in docs/algorithms/index.md"
    return found[0]


def page(name: str) -> str:
    """The text of an algorithm's page."""
    link = re.search(r"\((\w[\w-]*\.md)\)", entry(name)[-1])
    assert link is not None
    return (FOLDER / link[1]).read_text(encoding="utf-8")


def default(field: FieldInfo) -> str:
    value: Any = field.default
    if isinstance(value, Reward):
        return str(value.type)
    if isinstance(value, tuple) and value:
        return ", ".join(map(str, value))
    return "none" if value in (None, {}, ()) else str(value)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_its_row_and_page_name_status_and_papers(name: str) -> None:
    own = ALGORITHMS[name]
    _, status, policy, _, learns, _ = entry(name)
    assert status == own.status
    assert (learns == "replay") != own.on_policy
    actor = own.networks()["actor"]
    head = head_of(actor.head or f"{actor.ladder}_2")
    assert (policy == "stochastic") == isinstance(head, Stochastic)
    text = page(name)
    assert f"Status:\n{own.status}" in text or f"Status: {own.status}" in text
    for paper in own.paper.split("; "):
        number = paper.rpartition(", ")[2]
        assert number in text, paper


@pytest.mark.parametrize("name", ALGORITHMS)
def test_its_page_has_its_settings_with_their_defaults(name: str) -> None:
    written = [row[:2] for row in rows(page(name) + REPLAY)]
    for key, field in SETTINGS[name].model_fields.items():
        assert [f"`{key}`", default(field)] in written, key


def test_the_common_page_has_the_common_settings_with_their_defaults() -> None:
    written = {row[0].strip("`"): row[1] for row in rows(INDEX) if len(row) == 3}
    fields = LearningConfig.model_fields
    found = {key: default(fields[key]) for key in written if key in fields}
    assert len(found) > 20
    assert found == {key: written[key] for key in found}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_its_page_defines_what_its_update_logs(name: str) -> None:
    agents = fleet(*SHAPES["mlp"]) if name in able("box") else [AgentSpec("a", 3, 1, 2, rungs=4)]
    ours = learner(agents, algorithm=name, batch_size=8, gradient_steps=2)
    ours.observe(random_joint(ours, 24))
    section = page(name).partition("## Logged metrics")[2].partition("\n## ")[0]
    defined = {cell for row in rows(section) for cell in row[0].split(", ")}
    assert {f"`{metric}`" for metric in ours.update(1.0).values} <= defined


@pytest.mark.parametrize("name", HEADS)
def test_the_common_page_has_every_head(name: str) -> None:
    (row,) = [row for row in rows(INDEX) if row[0] == f"`{name}`"]
    heads = {own: algorithm.networks()["actor"].head for own, algorithm in ALGORITHMS.items()}
    named = set(re.findall(r"`(\w+)`", row[-1]))
    assert row[-1] == "all others" or named == {own for own, head in heads.items() if head == name}
