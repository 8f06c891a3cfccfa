"""The section on best responses, from key figures that were made up."""

from pathlib import Path

import pandas as pd
import pytest
from hand_made_run import SIMULATION, write_run

from assume_rl.reports.report import report_sections
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.source import METRIC_COLUMNS
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.equilibrium import TITLE, equilibrium_items
from assume_rl.reports.types import Grid, Item, Omitted

pytestmark = pytest.mark.unchecked

FIGURES = {
    "nash_conv[EOM]": 300.0,
    "nash_conv_share[EOM]": 0.03,
    "nash_conv_error[EOM]": 7.0,
    "exploitability[EOM]": 250.0,
    "exploitability_share[EOM]": 0.25,
    "markup[EOM]": 12.0,
    "hhi[EOM]": 5_000.0,
    "consumer_payment[EOM]": 17_500.0,
    "welfare[all]": 90_000.0,
    "best_reward.nash_conv": 200.0,
    "best_reward.nash_conv_share": 0.02,
    "last.nash_conv": 300.0,
    **{f"learner_profit[{name}]": value for name, value in (("a", 750.0), ("b", 9_000.0))},
    **{f"best_response_profit[{name}]": value for name, value in (("a", 1_000.0), ("b", 9_050.0))},
    **{f"best_response_gap[{name}]": value for name, value in (("a", 250.0), ("b", 50.0))},
    "best_response_error[a]": 7.0,
    "best_constant_bid[a]": 41.0,
    "best_constant_profit[a]": 900.0,
    "planned_profit[b]": 10_000.0,
}


def items(folder: Path) -> tuple[Item, ...]:
    source = open_source(write_run(folder))
    rows = [(SIMULATION, "", name, value) for name, value in FIGURES.items()]
    object.__setattr__(source, "metrics", pd.DataFrame(rows, columns=list(METRIC_COLUMNS)))
    return tuple(equilibrium_items(Scope(source, ())))


def test_markets_and_kept_policies_have_a_row_each(tmp_path: Path) -> None:
    grid = items(tmp_path / "run")[0]
    assert isinstance(grid, Grid)
    played, kept = grid.rows
    assert played == (
        SIMULATION,
        "",
        "played, EOM",
        300,
        7,
        3,
        250,
        25,
        12,
        5_000,
        "",
        17_500,
        90_000,
    )
    assert kept == (SIMULATION, "", "best_reward", 200, "", 2, "", "", "", "", "", "", "")


def test_a_profit_next_to_nothing_is_an_amount_and_no_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FIGURES, "nash_conv_share[EOM]", 30.0)
    grid = items(tmp_path / "run")[0]
    assert isinstance(grid, Grid)
    assert grid.rows[0][grid.columns.index("of profit (%)")] == "earned only 10 EUR"


def test_learners_have_shares_beside_that_of_the_best_constant_bid(tmp_path: Path) -> None:
    grid = items(tmp_path / "run")[1]
    assert isinstance(grid, Grid)
    first, second = grid.rows
    assert first == (SIMULATION, "", "a", 750, 1_000, 75, 250, 7, 41, 900, 90, "", "")
    assert second[2] == "b"
    assert second[-6:] == ("", "", "", "", 10_000, 90)
    assert len(grid.columns) == len(first)
    assert "bove 100 %" not in grid.caption


def test_shares_above_all_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIGURES, "planned_profit[b]", 8_000.0)
    grid = items(tmp_path / "run")[1]
    assert isinstance(grid, Grid)
    assert grid.rows[1][-1] == 112.5
    assert "Above 100 %: best bids maximise the reward" in grid.caption


def test_a_run_without_such_figures_has_none_of_it(tmp_path: Path) -> None:
    sections = report_sections(open_source(write_run(tmp_path / "run")))
    (only,) = (i for section in sections for i in section.items if i.title == TITLE)
    assert isinstance(only, Omitted)
