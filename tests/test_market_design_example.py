"""The numbers in the README of the example study are those of its runs."""

import re
from pathlib import Path

import pandas as pd
import pytest

from assume_rl.evaluation.significance import holm, paired_comparison
from assume_rl.evaluation.statistics import bootstrap_interval
from assume_rl.studies.file import read_study

EXAMPLE = Path(__file__).parents[1] / "examples" / "market_design"
DESIGNS = ["uniform price", "pay as bid", "lower cap"]
ROWS = {"what plants are paid": "train.total_cost[EOM]", "profit of the ten": "train.profit"}


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return pd.read_csv(EXAMPLE / "runs.csv").sort_values("seed")


def numbers(row: str) -> list[list[float]]:
    """The numbers in each cell of the table row that begins with `row`, or of the one below."""
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8").replace("−", "-")
    lines = text.splitlines()
    at = next(k for k, line in enumerate(lines) if line.startswith(f"| {row}"))
    cells = [line.split("|")[2:-1] for line in lines[at : at + 2]]
    return [[float(x) for x in re.findall(r"-?\d+\.\d+", cell)] for own in cells for cell in own]


def test_the_runs_are_those_of_the_study_file(runs: pd.DataFrame) -> None:
    asked = {(run.design, run.seed) for run in read_study(EXAMPLE / "study.yaml").runs}
    assert set(zip(runs["design"], runs["seed"], strict=True)) == asked
    assert set(runs["state"]) == {"finished"}


@pytest.mark.parametrize(("row", "column"), ROWS.items())
def test_the_table_holds_what_the_statistics_say(runs: pd.DataFrame, row: str, column: str) -> None:
    values = {d: runs[runs["design"] == d][column].to_numpy() / 1e6 for d in DESIGNS}
    cells = numbers(row)
    for design, shown in zip(DESIGNS, cells[:3], strict=True):
        found = bootstrap_interval(values[design], seed=0)
        assert shown == pytest.approx([found.estimate, found.low, found.high], abs=0.06), design
    pairs = [paired_comparison(values[d], values[DESIGNS[0]], seed=0) for d in DESIGNS[1:]]
    adjusted = holm([pair.p_value for pair in pairs])
    for design, pair, p, shown in zip(DESIGNS[1:], pairs, adjusted, cells[4:], strict=True):
        mean = [pair.mean.estimate, pair.mean.low, pair.mean.high]
        assert shown[:3] == pytest.approx(mean, abs=0.06)
        assert shown[3] == pytest.approx(p, abs=0.0006)
        assert (p < 0.05) == (design == "pay as bid"), "what the conclusion says"
