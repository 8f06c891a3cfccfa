"""Market power and welfare of an episode are what the report says of it, and known by hand."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from test_responses import HOURS, duopoly, play
from trained_runs import Trained

from assume_rl.cli.judgement import print_by_seed, print_figures
from assume_rl.evaluation.exploitability import Kind, Response
from assume_rl.experiments.evaluate import Evaluation
from assume_rl.experiments.market_figures import (
    MarketFigures,
    Markets,
    market_figures,
    market_kpis,
)
from assume_rl.experiments.scores import UnitScore
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.topics.base import Market
from assume_rl.reports.topics.market_power import power_items

pytestmark = pytest.mark.unchecked


def test_figures_of_a_duopoly(tmp_path: Path) -> None:
    """50 MW at the price of 100 and 20 MW, at a cost of 20 each; both plants have 50 MW."""
    compiled = duopoly(tmp_path / "market")
    found = market_figures(compiled, play(compiled, high=100, low=50))
    (own,) = found.each
    assert own.markup == pytest.approx(80)
    assert own.consumer_payment == pytest.approx(100 * 70 * HOURS)
    # Each has an operator of its own, and no 70 MW can be served without it.
    assert own.hhi == pytest.approx((100 * 50 / 70) ** 2 + (100 * 20 / 70) ** 2)
    assert own.lowest_rsi == pytest.approx(50 / 70)
    assert own.pivotal_share == 1
    # Demand is worth 3,000 EUR/MWh to buyers.
    assert found.welfare == pytest.approx((3000 - 20) * 70 * HOURS)
    assert ("consumer_payment", "EOM", own.consumer_payment) in market_kpis(found)


def test_figures_are_those_of_the_report(ten: Trained) -> None:
    (own,), welfare = ten.result.last.markets.each, ten.result.last.markets.welfare
    (recorded,) = open_source(ten.folder).recorded
    grids = {item.title: item for item in power_items(Market(recorded)) if hasattr(item, "rows")}
    surplus, whole = (dict(grids[name].rows) for name in ("Surplus, EOM", "Welfare"))
    assert own.consumer_payment == pytest.approx(surplus["what buyers pay"], abs=0.01)
    assert welfare == pytest.approx(whole["welfare"], abs=0.01)
    *each, every = grids["Operators, EOM"].rows
    assert own.markup == pytest.approx(every[2])
    assert own.lowest_rsi == pytest.approx(min(row[3] for row in each))
    assert own.hhi == pytest.approx(sum(row[1] ** 2 for row in each))
    assert own.pivotal_share == pytest.approx(max(row[4] for row in each) / 100)


def test_markets_are_put_side_by_side_by_their_names() -> None:
    """Where nobody sells in a market, its figures are not there."""
    early, late = (MarketFigures(name, own, None, None, 0.0, 1.0) for name, own in MARKUPS.items())
    unit = UnitScore("one", 0.0, 0.0, 0.0, None)
    first, second = (
        Evaluation((unit,), (), *[None] * 5, markets=Markets(each, None))
        for each in ((late,), (early, late))
    )
    text = io.StringIO()
    print_figures(Console(file=text, width=100), {"last": first, "best": second})
    shown = text.getvalue()
    cells = [line.split("│")[1:4] for line in shown.splitlines() if "mark-up" in line]
    assert [[cell.strip() for cell in row] for row in cells] == [
        ["mark-up (EUR/MWh), A", "-", "1.00"],
        ["mark-up (EUR/MWh), B", "2.00", "2.00"],
    ]


MARKUPS = {"A": 1.0, "B": 2.0}


def test_seeds_have_a_row_for_each_of_their_policies() -> None:
    def evaluation(gap: float | None, kind: Kind = "exact", error: float = 0.0) -> Evaluation:
        both = (
            Response("a", 100.0, gap=gap, kind=kind, error=error),
            Response("b", 300.0, gap=None if gap is None else 2 * gap),
        )
        return Evaluation((UnitScore("a", 0.0, 0.0, 0.0, None),), (), *[None] * 5, responses=both)

    text = io.StringIO()
    found = {
        ("1", "last"): evaluation(10.0),
        ("1", "best_reward"): evaluation(5.0, "sampled", error=2.0),
        ("2", "last"): evaluation(None),
    }
    print_by_seed(Console(file=text, width=200), found)
    rows = [line.split("│")[1:-1] for line in text.getvalue().splitlines() if "│" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["1", "last", "30", "7.50%", "20", "6.67%"],
        ["1", "best_reward", "15 ± 2", "3.75%", "10", "3.33%"],
        ["2", "last", "-", "-", "-", "-"],
    ]
    # AND where nothing is known there is no table
    text = io.StringIO()
    print_by_seed(Console(file=text), {("2", "last"): evaluation(None)})
    assert not text.getvalue()
