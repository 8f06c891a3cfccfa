"""What reports say of storages: against the tables of a run, and against markets made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from assume_rl.evaluation.sellers import market_power
from assume_rl.evaluation.surplus import surplus, welfare_rows
from assume_rl.experiments.run import run
from assume_rl.reports.report import report_sections
from assume_rl.reports.source import queries
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.topics.dispatch import dispatch_stack, through_time
from assume_rl.reports.types import Chart, Grid, Item, Omitted
from assume_rl.results.sinks import DatabaseSink

pytestmark = pytest.mark.unchecked

START = pd.Timestamp("2030-01-01")
HOUR = pd.Timedelta(hours=1)
STORE = "S1"


@pytest.fixture(scope="module")
def folder(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two days with a storage that follows its rule; its starts cost something."""
    out = tmp_path_factory.mktemp("storage") / "run"
    run(vectors / "v03_storage_flexable" / "inputs", engine="batch", out=out)
    with DatabaseSink(f"sqlite:///{out / 'results.db'}", "scratch") as sink:
        sink.simulation = "inputs_base"
        sink.write("start_costs", {"time": [START], "unit": [STORE], "start_cost": [7.0]})
    return out


@pytest.fixture(scope="module")
def dispatch(folder: Path) -> pd.DataFrame:
    """`unit_dispatch` of the run."""
    engine = sa.create_engine(f"sqlite:///{folder / 'results.db'}")
    with engine.connect() as connection:
        rows = pd.read_sql(sa.text("select * from unit_dispatch order by time"), connection)
    engine.dispose()
    return rows.assign(time=pd.to_datetime(rows["time"]))


@pytest.fixture(scope="module")
def orders(folder: Path) -> pd.DataFrame:
    """`market_orders` of the run, with `marginal_cost` (constant for each plant)."""
    engine = sa.create_engine(f"sqlite:///{folder / 'results.db'}")
    query = (
        "select o.*, c.marginal_cost from market_orders o left join "
        "(select unit, min(marginal_cost) marginal_cost from marginal_costs group by 1) c "
        "on c.unit = o.unit_id"
    )
    with engine.connect() as connection:
        rows = pd.read_sql(sa.text(query), connection)
    engine.dispose()
    return rows


@pytest.fixture(scope="module")
def recorded(folder: Path) -> Recorded:
    return open_source(folder).recorded[0]


@pytest.fixture(scope="module")
def items(folder: Path) -> dict[str, Item]:
    """Everything in the report, by title."""
    sections = report_sections(open_source(folder))
    return {item.title: item for section in sections for item in section.items}


def rows_of(item: Item) -> dict[object, object]:
    assert isinstance(item, Grid)
    return {row[0]: row[1] for row in item.rows}


def test_sales_less_purchases_are_the_gain_of_a_storage(
    items: dict[str, Item], dispatch: pd.DataFrame
) -> None:
    found = rows_of(items["Surplus, EOM"])
    revenue = dispatch.groupby("unit")["revenue"].sum()
    assert found["units that buy and sell, sales less purchases"] == pytest.approx(
        revenue[STORE], abs=0.01
    )
    assert found["what buyers pay"] == pytest.approx(-revenue.min(), abs=0.01)  # the only demand's
    assert found["deadweight loss"] == 0  # all plants bid their cost


def test_welfare_is_the_worth_of_demand_less_all_costs(
    items: dict[str, Item], dispatch: pd.DataFrame, orders: pd.DataFrame
) -> None:
    served = -orders.loc[orders["unit_id"] == "D1", "accepted_volume"].sum()
    cost = (orders["accepted_volume"] * orders["marginal_cost"]).sum()  # of plants
    running = dispatch.loc[dispatch["unit"] == STORE, "cost"].sum()
    assert running > 100
    rows = rows_of(items["Welfare"])
    assert rows["welfare"] == pytest.approx(3_000 * served - cost - running - 7, abs=0.02)
    assert rows["running costs of units that buy and sell"] == pytest.approx(running, abs=0.01)


def test_the_profit_of_a_storage_is_revenue_less_costs_and_starts(
    items: dict[str, Item], dispatch: pd.DataFrame
) -> None:
    chart = items["Profit per unit"]
    assert isinstance(chart, Chart)
    shown = {y: x for t in chart.figure.data for x, y in zip(t.x, t.y, strict=True)}
    own = dispatch[dispatch["unit"] == STORE]
    assert shown[STORE] == pytest.approx(own["revenue"].sum() - own["cost"].sum() - 7)
    assert len(shown) == dispatch["unit"].nunique() - 1  # without the demand


def test_discharging_lies_above_zero_and_charging_below(
    items: dict[str, Item], dispatch: pd.DataFrame
) -> None:
    chart = items["Dispatch by technology"]
    assert isinstance(chart, Chart)
    power = dispatch.loc[dispatch["unit"] == STORE, "power"].to_numpy()
    by_stack = {t.stackgroup: t for t in chart.figure.data if t.name == "PSPP"}
    assert np.allclose(by_stack["delivered"].y, power.clip(min=0))
    assert np.allclose(by_stack["taken"].y, power.clip(max=0))
    demand = next(t for t in chart.figure.data if t.name == "demand")
    every = dispatch[dispatch["power"] < 0].groupby(["time", "unit"])["power"].sum().unstack()
    assert np.nanmax(demand.y) == pytest.approx(-every.drop(columns=STORE).min().min())


def test_the_state_of_charge_is_drawn_in_per_cent(
    items: dict[str, Item], dispatch: pd.DataFrame
) -> None:
    chart = items["State of charge"]
    assert isinstance(chart, Chart)
    (line,) = chart.figure.data
    soc = dispatch.loc[dispatch["unit"] == STORE, "soc"]
    assert soc.max() > soc.min()
    assert list(line.y) == pytest.approx(list(100 * soc))
    assert line.name == STORE
    assert dispatch.loc[dispatch["unit"] != STORE, "soc"].isna().all()


def test_a_storage_that_only_charges_is_a_storage(recorded: Recorded) -> None:
    found = queries.two_way(recorded)
    assert set(found["unit"]) == {STORE}
    assert queries.buying_technologies(recorded) == {"inflex_demand"}
    rows = pd.DataFrame(
        {"time": [START] * 2, "technology": ["battery", "need"], "delivered": [0.0, 0.0]}
    ).assign(taken=[-5.0, -50.0])
    parts = [through_time(rows, "technology", name)[0] for name in ("delivered", "taken")]
    figure = dispatch_stack(*parts, "run", ["battery", "need"], {"need"})
    lines = {(t.name, t.stackgroup): list(t.y) for t in figure.data}
    assert lines[("battery", "taken")] == [-5]
    assert lines[("demand", None)] == [50]


def test_storages_of_one_technology_do_not_cancel_out(tmp_path: Path) -> None:
    """One charges what the other discharges: both are to be seen."""
    with DatabaseSink(f"sqlite:///{tmp_path / 'results.db'}", "two") as sink:
        units = {"index": ["a", "b"], "technology": ["battery"] * 2, "unit_operator": ["o"] * 2}
        sink.write("storage_meta", units)
        power = {"time": [START] * 2, "unit": ["a", "b"], "power": [8.0, -8.0], "soc": [0.5, 0.2]}
        sink.write("unit_dispatch", power)
        sink.start_run(seed=1, versions={}, configuration={})
    (tmp_path / "manifest.json").write_text(
        '{"kind": "run", "simulation": "two", "state": "finished"}'
    )
    (row,) = queries.dispatch(open_source(tmp_path).recorded[0]).to_dict("records")
    assert (row["technology"], row["delivered"], row["taken"]) == ("battery", 8, -8)


def test_runs_without_storages_say_that_there_are_none(vectors: Path, tmp_path: Path) -> None:
    run(vectors / "v01_basic" / "inputs", engine="batch", out=tmp_path / "run")
    sections = report_sections(open_source(tmp_path / "run"))
    found = {item.title: item for section in sections for item in section.items}
    missing = found["Units that buy and sell"]
    assert isinstance(missing, Omitted)
    assert missing.reason == "no unit can both take and deliver power"
    assert "units that buy and sell, sales less purchases" not in rows_of(found["Surplus, EOM"])
    assert "running costs of units that buy and sell" not in rows_of(found["Welfare"])


def moved() -> pd.DataFrame:
    """Orders of two hours: a storage buys 20 MW at 10 and sells 18 MW at 50 EUR/MWh.

    A plant of 100 MW costs 10, another one of 100 MW 50 EUR/MWh; demand of 60 and 150 MW.
    """
    names = ["unit_id", "volume", "price", "accepted_volume", "marginal_cost", "trades"]
    first = [
        ("cheap", 100.0, 10.0, 80.0, 10.0, False),
        ("dear", 100.0, 50.0, 0.0, 50.0, False),
        ("load", -60.0, 60.0, -60.0, np.nan, False),
        ("store", -20.0, 30.0, -20.0, np.nan, True),
    ]
    second = [
        ("cheap", 100.0, 10.0, 100.0, 10.0, False),
        ("dear", 100.0, 50.0, 32.0, 50.0, False),
        ("load", -150.0, 60.0, -150.0, np.nan, False),
        ("store", 18.0, 30.0, 18.0, np.nan, True),
    ]
    parts = [
        pd.DataFrame(rows, columns=names).assign(
            start_time=START + hour * HOUR,
            end_time=START + (hour + 1) * HOUR,
            accepted_price=price,
            operator="all",
        )
        for hour, (rows, price) in enumerate(((first, 10.0), (second, 50.0)))
    ]
    return pd.concat(parts, ignore_index=True)


def test_what_a_storage_buys_is_worth_what_it_sells() -> None:
    found = surplus(moved())
    assert found.traded == 18 * 50 - 20 * 10
    assert found.producer == 100 * 40
    assert found.consumer == 60 * 50 + 150 * 10
    assert found.paid == 60 * 10 + 150 * 50
    # 210 MW worth 60 EUR/MWh, less 180 MW at 10 and 32 MW at 50 EUR/MWh
    assert found.total == 210 * 60 - 180 * 10 - 32 * 50
    assert found.lost == 0
    rows = dict(welfare_rows({"EOM": found}, 5.0, 2.0))
    assert rows["welfare"] == found.total - 7


def test_the_deadweight_loss_takes_the_trades_of_storages_as_given() -> None:
    """In the second hour the dear plant runs in place of 10 MW of the cheap one."""
    orders = moved()
    second = orders["start_time"] > START
    orders.loc[second & (orders["unit_id"] == "cheap"), "accepted_volume"] = 90.0
    orders.loc[second & (orders["unit_id"] == "dear"), "accepted_volume"] = 42.0
    assert surplus(orders).lost == pytest.approx(10 * (50 - 10))


def test_charging_is_no_demand_that_has_to_be_met() -> None:
    found = market_power(moved())
    assert found is not None
    assert found.demanded.tolist() == [60, 150]
    assert found.offered.sum(1).tolist() == [200, 218]  # what it discharges is supply
    assert found.sold.sum(1).tolist() == [80, 150]
    # 100 MW of the cheap plant earn 40 EUR/MWh; a storage has no marginal cost
    assert found.mean_markup == pytest.approx(100 * 40 / (80 + 132))
