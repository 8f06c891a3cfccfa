"""Figures hold the numbers that they are given."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hand_made_run import (
    CHEAP,
    DEAR,
    DEMAND,
    GAP,
    PAYMENTS,
    PRICES,
    PROFITS,
    SIMULATION,
    SOLD,
    write_run,
)

from assume_rl.reports import thin
from assume_rl.reports.report import report_sections
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.style import PALETTE, line_looks, names_axis, text
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.best_response import best_response_items
from assume_rl.reports.topics.bids import BOXES, markups
from assume_rl.reports.topics.learning import learning_curves
from assume_rl.reports.topics.prices import PriceLine, price_duration, prices_through_time
from assume_rl.reports.topics.profits import BARS, REST, largest
from assume_rl.reports.types import Chart, Figure, Grid


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chart]:
    """All charts of the hand-made run, by name."""
    folder = write_run(tmp_path_factory.mktemp("figures") / "run")
    sections = report_sections(open_source(folder))
    items = [item for section in sections for item in section.items]
    return {item.name: item for item in items if isinstance(item, Chart)}


def trace(figure: Figure, name: str) -> Figure:
    return next(t for t in figure.data if t.name == text(name))


def test_prices_through_time_end_with_the_last_delivery(charts: dict[str, Chart]) -> None:
    (line,) = charts["prices"].figure.data
    assert list(line.y) == [*PRICES, PRICES[-1]]
    assert str(line.x[-1]) == "2030-01-01 03:00:00"


def test_a_price_duration_curve_starts_at_0_hours(charts: dict[str, Chart]) -> None:
    (line,) = charts["price-duration"].figure.data
    assert list(line.x) == [0, 1, 2, 3]
    assert list(line.y) == [90, 90, 70, 10]


def test_the_merit_order_is_as_wide_as_its_orders(charts: dict[str, Chart]) -> None:
    figure = charts["orders-EOM-20300101T0200"].figure  # the highest price
    hydro, gas = trace(figure, "hydro"), trace(figure, "gas")
    assert (list(hydro.x), list(hydro.width)) == ([40], [80])
    assert (list(gas.x), list(gas.width)) == ([100], [40])
    assert [b + y for bar in (hydro, gas) for b, y in zip(bar.base, bar.y, strict=True)] == [10, 90]
    costs = trace(figure, "marginal cost")
    assert (list(costs.x), list(costs.y)) == ([40, 100], [10, 50])
    demand = trace(figure, "demand")
    assert list(demand.x) == [0, 110, 110]
    assert list(demand.y)[:2] == [3000, 3000]
    assert figure.layout.yaxis.range[1] < 110  # the demand's price is no scale for the rest


def test_telling_hours_are_those_of_the_lowest_median_and_highest_price(
    charts: dict[str, Chart],
) -> None:
    titles = [c.title for name, c in charts.items() if name.startswith("orders")]
    assert titles == [
        "EOM, 2030-01-01 00:00 (lowest price)",
        "EOM, 2030-01-01 01:00 (median price)",
        "EOM, 2030-01-01 02:00 (highest price)",
    ]


def test_dispatch_is_stacked_and_demand_a_line(charts: dict[str, Chart]) -> None:
    figure = charts["dispatch"].figure
    assert list(trace(figure, "hydro").y) == list(SOLD[CHEAP])
    assert list(trace(figure, "gas").y) == list(SOLD[DEAR])
    assert list(trace(figure, "demand").y) == list(DEMAND)
    assert {t.stackgroup for t in figure.data} == {"delivered", None}


def test_profits_are_revenue_less_costs(charts: dict[str, Chart]) -> None:
    chart = charts["profit-units"]
    found = {str(y): x for t in chart.figure.data for x, y in zip(t.x, t.y, strict=True)}
    assert found == {text(unit): profit for unit, profit in PROFITS.items()}
    assert f"{PAYMENTS:,.0f} EUR" in chart.caption


def test_bids_stand_over_costs(charts: dict[str, Chart]) -> None:
    figure = charts["bid-cost"].figure
    learned = trace(figure, "learned bidders")
    assert sorted(zip(learned.x, learned.y, strict=True)) == [(50, 50), (50, 70), (50, 90)]
    boxes = charts["markups"].figure
    box = trace(boxes, "learned bidders")
    assert [box[k][0] for k in ("lowerfence", "q1", "median", "q3", "upperfence")] == [
        *(0, 10, 20, 30, 40)
    ]


def test_the_gap_is_what_is_missing_to_the_best_response(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path / f"seed_{seed}", simulation=f"toy_seed_{seed}", seed=seed)
    chart, grid = best_response_items(Scope(open_source(tmp_path), ()))
    assert isinstance(chart, Chart)
    (dots,) = chart.figure.data
    assert list(dots.x) == [25.0, 25.0]
    assert isinstance(grid, Grid)
    assert [row[4] for row in grid.rows] == ["75.00%", "75.00%"]


def test_a_share_without_meaning_is_a_dash_and_the_gap_stays(tmp_path: Path) -> None:
    """A best reward of -0.2 of which -0.647 was reached would be 323.5 %."""
    figures = {**GAP, "reward": -0.647, "share_of_best_response": None}
    source = open_source(write_run(tmp_path / "run", evaluation=figures))
    (grid,) = best_response_items(Scope(source, ()))
    assert isinstance(grid, Grid)
    assert grid.rows[0][2:5] == (1.0, 500.0, "-")
    assert "not above 1 %" in grid.caption


def test_evaluations_and_training_are_curves_of_their_own(charts: dict[str, Chart]) -> None:
    assert list(charts["reward-in evaluations"].figure.data[0].y) == [3.0, 4.0]
    # episodes that were trained before each
    assert list(charts["reward-in evaluations"].figure.data[0].x) == [2, 3]
    assert list(charts["reward-while training"].figure.data[0].y) == [1.0, 2.0, 2.5]


def test_every_chart_names_its_run(charts: dict[str, Chart]) -> None:
    assert {chart.run_ids for chart in charts.values()} == {(SIMULATION,)}
    hovers = [
        t.hovertemplate for c in charts.values() for t in c.figure.data if t.hoverinfo != "skip"
    ]
    assert all("run_id" in hover for hover in hovers)


def test_every_axis_has_a_name_or_names(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        layout = chart.figure.layout
        assert layout.xaxis.title.text
        assert layout.yaxis.title.text or layout.yaxis.ticktext


def test_a_band_spans_the_runs_of_a_design() -> None:
    rows = [(f"r{k}", "d", e, float(k + e)) for k in range(5) for e in range(3)]
    curves = pd.DataFrame(rows, columns=["run_id", "design", "episode", "value"])
    high, low, *single, mean = learning_curves(curves, "x", "y").data
    assert list(mean.y) == [2, 3, 4]
    assert (np.array(low.y) < mean.y).all()
    assert (mean.y < np.array(high.y)).all()
    assert [t.meta["run_id"] for t in single] == ["r0", "r1", "r2", "r3", "r4"]


def test_long_lines_are_thinned_but_keep_their_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 100_000
    price = np.zeros(count)
    price[[31_415, 92_653]] = 3_000.0, -500.0
    start = pd.date_range("2030", periods=count, freq="h")
    rows = pd.DataFrame({"start": start, "hours": 1.0, "price": price})
    (line,) = prices_through_time([PriceLine("EOM", "r", rows)]).data
    assert len(line.y) <= thin.LIMIT + 3
    assert (max(line.y), min(line.y)) == (3_000.0, -500.0)
    (ranked,) = price_duration([PriceLine("EOM", "r", rows)]).data
    assert len(ranked.y) <= thin.LIMIT + 1
    assert (ranked.x[-1], ranked.y[0], ranked.y[-1]) == (count, 3_000.0, -500.0)


def test_means_keep_the_energy() -> None:
    table = pd.DataFrame({"a": np.arange(10.0)}, index=pd.date_range("2030", periods=10, freq="h"))
    found, every = thin.means(table, 5)
    assert every == 2
    assert list(found["a"]) == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert list(found.index) == list(table.index[::2])


def test_units_beyond_a_chart_are_one_bar() -> None:
    count = BARS + 10
    names = [f"u{k}" for k in range(count)]
    table = pd.DataFrame({"unit": names, "operator": "o", "profit": np.arange(count, dtype=float)})
    found = largest(table)
    assert len(found) == BARS
    assert found["profit"].sum() == table["profit"].sum()
    assert found["unit"].iloc[-1] == REST


def test_equal_colours_differ_in_dash() -> None:
    names = [str(k) for k in range(3 * len(PALETTE))]
    assert len({(look["color"], look["dash"]) for look in line_looks(names).values()}) == len(names)


def test_long_names_are_cut_on_axes_only() -> None:
    axis = names_axis(["a" * 100, "<b>"])
    assert axis["tickvals"] == ["a" * 100, "&lt;b&gt;"]
    assert axis["ticktext"] == ["a" * 43 + "…", "&lt;b&gt;"]


def test_every_hour_of_the_week_stays_when_deliveries_are_thinned() -> None:
    for count in (1_000, 24_000, 25_000, 168_000):
        every = thin.stride(count, 1_000)
        assert every >= count / 1_000
        assert len({k * every % 168 for k in range(168)}) == 168


def test_a_sample_is_in_order_and_has_its_size() -> None:
    found = thin.sampled(10_000, 1_000)
    assert len(set(found)) == 1_000
    assert (np.diff(found) > 0).all()
    assert np.array_equal(found, thin.sampled(10_000, 1_000))
    assert abs((found % 10 == 0).sum() - 100) < 40  # a tenth, four standard deviations


def test_of_many_units_the_farthest_mark_ups_are_drawn() -> None:
    count = BOXES + 10
    units = [f"u{k}" for k in range(count)]
    bids = pd.DataFrame({"unit_id": units, "price": np.arange(count) - 10.0, "learned": False})
    (boxes,) = markups(bids.assign(marginal_cost=0.0), "r").data
    assert set(units) - set(boxes.y) == {f"u{k}" for k in range(5, 15)}  # from -5 to 4
