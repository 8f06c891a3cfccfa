"""Reports in a real browser: they draw, offline, what the database holds."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from browser import browser, drawn
from hand_made_run import DEAR, PROFITS, write_run

from assume_rl.experiments.train import train
from assume_rl.reports.report import report

pytestmark = pytest.mark.unchecked

SCENARIO = Path(__file__).parents[2] / "scenarios" / "single_learner"
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of a real training of half a day."""
    browser()  # without one, nothing is trained
    from assume_rl.scenario.read import load_scenario

    folder = tmp_path_factory.mktemp("browser") / "run"
    half = {"end_date": "2019-03-04 12:00", "learning_config.train_freq": "6h"}  # of a day
    train(load_scenario(SCENARIO, "tiny", overrides=half), out=folder, seed=1)
    return folder


@pytest.fixture(scope="module")
def seen(trained: Path) -> Seen:
    return drawn(report(trained), trained.parent)


def query(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "results.db")) as connection:
        return connection.execute(statement).fetchall()


def traces(seen: Seen, title: str) -> list[Seen]:
    found: list[Seen] = next(c["traces"] for c in seen["charts"] if c["title"].startswith(title))
    return found


def test_it_draws_without_a_complaint_or_a_request(seen: Seen) -> None:
    assert (seen["errors"], seen["console"]) == ([], [])
    assert (seen["requests"], seen["refused"]) == ([], [])
    assert min(seen["heights"]) > 150
    assert seen["beyond"] == 0  # nothing sticks out of the page
    titles = " ".join(chart["title"] for chart in seen["charts"])
    for part in (
        "Reward",
        "Profit",
        "duration",
        "lowest price",
        "Dispatch",
        "operator",
        "cost of the unit that sets it",
    ):
        assert part in titles


def test_no_button_sends_a_chart_away(seen: Seen) -> None:
    assert sorted(seen["buttons"]) == ["Download plot as a PNG", "Pan", "Reset axes", "Zoom"]


def test_prices_are_those_of_the_database(seen: Seen, trained: Path) -> None:
    prices = [p for (p,) in query(trained, "SELECT price FROM market_meta ORDER BY product_start")]
    (line,) = traces(seen, "Prices through time")
    assert line["y"][:-1] == prices
    (ranked,) = traces(seen, "Price duration curve")
    assert ranked["y"][1:] == sorted(prices, reverse=True)
    assert ranked["x"] == list(range(len(prices) + 1))


def test_profits_are_those_of_the_database(seen: Seen, trained: Path) -> None:
    rows = query(
        trained,
        "SELECT unit, SUM(revenue) - SUM(cost) FROM unit_dispatch "
        'WHERE unit IN (SELECT "index" FROM power_plant_meta) GROUP BY unit',
    )
    bars = traces(seen, "Profit per unit")
    found = {y: x for bar in bars for x, y in zip(bar["x"], bar["y"], strict=True)}
    assert found == pytest.approx(dict(rows))


def test_bids_are_those_of_the_database(seen: Seen, trained: Path) -> None:
    rows = query(trained, "SELECT unit_id, price FROM market_orders WHERE volume > 0")
    dots = traces(seen, "Bid against marginal cost")[1:]
    found = [pair for d in dots for pair in zip(d["text"], d["y"], strict=True)]
    assert sorted(found) == sorted(rows)


def test_dispatch_is_that_of_the_database(seen: Seen, trained: Path) -> None:
    rows = query(
        trained,
        "SELECT technology, SUM(power) FROM unit_dispatch JOIN power_plant_meta "
        'ON unit = "index" GROUP BY technology, time ORDER BY time',
    )
    areas = {t["name"]: t["y"] for t in traces(seen, "Dispatch") if t["name"] != "demand"}
    assert set(areas) == {technology for technology, _ in rows}
    for name, powers in areas.items():
        assert powers == pytest.approx([power for technology, power in rows if technology == name])


def test_the_learning_curve_is_that_of_the_metrics(seen: Seen, trained: Path) -> None:
    lines = map(json.loads, (trained / "metrics.jsonl").read_text().splitlines())
    rewards = [line["reward"] for line in lines if not line["evaluation"]]
    (curve,) = traces(seen, "Reward while training")
    assert curve["y"] == rewards


@pytest.mark.slow
def test_names_are_shown_and_not_run(tmp_path: Path, only_topics: Callable[..., None]) -> None:
    only_topics("profits")
    seen = drawn(report(write_run(tmp_path / "run")), tmp_path)
    assert (seen["errors"], seen["console"], seen["title"]) == ([], [], "toy, case case")
    profits = next(k for k, c in enumerate(seen["charts"]) if c["title"] == "Profit per unit")
    assert DEAR[:40] in seen["shown"][profits]
    (first, second) = seen["charts"][profits]["traces"]
    assert [first["x"], second["x"]] == [[profit] for profit in PROFITS.values()]
