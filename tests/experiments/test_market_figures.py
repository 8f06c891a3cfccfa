"""Market power and welfare of an episode are what the report says of it, and known by hand."""

from pathlib import Path

import pytest
from test_responses import HOURS, duopoly, play
from trained_runs import Trained

from assume_rl.experiments.market_figures import market_figures, market_kpis
from assume_rl.reports.opening import open_source
from assume_rl.reports.sections.bids import bid_items

pytestmark = pytest.mark.unchecked


def test_figures_of_a_duopoly(tmp_path: Path) -> None:
    """50 MW at the price of 100 and 20 MW, at a cost of 20 each; both plants have 50 MW."""
    compiled = duopoly(tmp_path / "market")
    found = market_figures(compiled, play(compiled, high=100, low=50))
    (own,) = found.each
    assert own.markup == pytest.approx(80)
    # Both are of one operator in the scenario.
    assert own.consumer_payment == pytest.approx(100 * 70 * HOURS)
    assert own.lowest_rsi is not None
    assert found.welfare is not None
    assert ("consumer_payment", "EOM", own.consumer_payment) in market_kpis(found)


def test_figures_are_those_of_the_report(ten: Trained) -> None:
    (own,), welfare = ten.result.last.markets.each, ten.result.last.markets.welfare
    (recorded,) = open_source(ten.folder).recorded
    grids = {item.title: item for item in bid_items(recorded) if hasattr(item, "rows")}
    surplus, whole = (dict(grids[name].rows) for name in ("Surplus, EOM", "Welfare"))
    assert own.consumer_payment == pytest.approx(surplus["what buyers pay"], abs=0.01)
    assert welfare == pytest.approx(whole["welfare"], abs=0.01)
    *each, every = grids["Market power by operator, EOM"].rows
    assert own.markup == pytest.approx(every[3])
    assert own.lowest_rsi == pytest.approx(min(row[4] for row in each))
    assert own.hhi == pytest.approx(sum(row[1] ** 2 for row in each))
    assert own.pivotal_share == pytest.approx(max(row[5] for row in each) / 100)
