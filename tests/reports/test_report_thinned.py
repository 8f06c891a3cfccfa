"""What is thinned out is said below the figure."""

from pathlib import Path

import pandas as pd
import pytest
from hand_made_run import write_run

from assume_rl.reports import thin
from assume_rl.reports.report import report_sections
from assume_rl.reports.source import order_queries
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.source import CURVE_COLUMNS, METRIC_COLUMNS, Source
from assume_rl.reports.topics import bids, dispatch, learning, market_power, prices
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.learning import DRAWN, learning_items
from assume_rl.reports.types import Chart, RunInfo

FEW = 2  # points of a chart


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    run = write_run(tmp_path_factory.mktemp("thinned") / "run")
    with pytest.MonkeyPatch.context() as patch:
        for module in (prices, dispatch, learning, bids):
            patch.setattr(module, "LIMIT", FEW)
        patch.setattr(bids, "DOTS", FEW)
        patch.setattr(market_power, "POINTS", 1)
        patch.setattr(order_queries, "ORDERS_READ", 5)
        patch.setattr(thin, "WEEK", 1)  # hours, so that any step will do
        sections = report_sections(open_source(run))
    items = [item for section in sections for item in section.items]
    return {item.name: item.caption for item in items if isinstance(item, Chart)}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("price-duration", "about 2 of up to 3 prices"),
        ("prices", "up to 3 prices"),
        ("dispatch", "means of 3 steps each"),
        ("reward-while training", "2 of 3 episodes are drawn"),
        ("bid-cost", "Thinned out to 2 of 4 orders"),
        ("bid-cost", "one delivery in 2 is read"),
        ("markups", "one delivery in 2 is read"),
        ("residual-supply-EOM", "Thinned out to 1 points"),
    ],
)
def test_it_is_said(captions: dict[str, str], name: str, said: str) -> None:
    assert said in captions[name]


def test_nothing_is_said_where_all_is_drawn(tmp_path: Path) -> None:
    sections = report_sections(open_source(write_run(tmp_path / "run")))
    items = [item for section in sections for item in section.items]
    charts = [item for item in items if isinstance(item, Chart)]
    assert not [c.title for c in charts if "hinned" in c.caption or "is read" in c.caption]


def test_only_so_many_designs_have_curves_as_can_be_told_apart() -> None:
    count = DRAWN + 5
    runs = tuple(RunInfo(f"r{k}", "finished", design=f"d{k}") for k in range(count))
    rows = [(f"r{k}", "", True, e, float(k), *[0.0] * 4) for k in range(count) for e in (1, 2)]
    curves = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
    metrics = pd.DataFrame(columns=list(METRIC_COLUMNS))
    source = Source("s", None, runs, (), (), curves, metrics)
    chart = next(i for i in learning_items(Scope(source, ())) if isinstance(i, Chart))
    assert len(chart.figure.data) == DRAWN
    assert f"The first {DRAWN} of {count} designs" in chart.caption
    assert chart.run_ids == tuple(run.run_id for run in runs[:DRAWN])
