"""Reserve beside energy in tables, key figures and reports: other units, and no cost to compare."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from assume_rl.reports.report import open_source, report_sections
from assume_rl.reports.types import Chart

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]
FOLDER = Path(__file__).parents[1] / "fixtures" / "vectors" / "v08_eom_crm" / "inputs"


@pytest.fixture
def run(assume_rl_command: Command, tmp_path: Path) -> tuple[Path, str]:
    """Folder of a run with energy and reserve, and what it printed."""
    code, out, _ = assume_rl_command("run", FOLDER, "--out", tmp_path / "run")
    assert code == 0
    return tmp_path / "run", out


def table(folder: Path, name: str) -> pd.DataFrame:
    engine = sa.create_engine(f"sqlite:///{folder / 'results.db'}")
    with engine.connect() as connection:
        found = pd.read_sql(sa.text(f"SELECT * FROM {name}"), connection)
    engine.dispose()
    return found


def test_reserve_has_units_of_its_own_and_balances(run: tuple[Path, str]) -> None:
    folder, out = run
    energy, reserve = re.split(r"mean price \(EUR/MW and h\)", out)
    assert "mean price (EUR/MWh)" in energy
    assert "25.31" in reserve
    assert "bought (MWh)" in energy
    assert re.search(r"held \(MW times h\)\W+300\W+600\W", reserve)

    charts = {
        item.name: item.figure
        for section in report_sections(open_source(folder))
        for item in section.items
        if isinstance(item, Chart)
    }
    assert charts["prices"].layout.yaxis.title.text == "price (EUR/MWh)"
    assert len(charts["prices"].data) == 1
    assert charts["prices-held"].layout.yaxis.title.text == "price (EUR/MW and h)"
    assert [line.name for line in charts["prices-held"].data] == ["CRM_neg", "CRM_pos"]
    assert not any(re.search(r"CRM.*\d", name) for name in charts)  # no merit orders at cost

    orders = table(folder, "market_orders")
    traded = orders.groupby(["market_id", "start_time"]).accepted_volume.sum()
    assert traded.abs().max() < 1e-9
    assert (orders[orders.accepted_volume > 0].groupby("market_id").size() > 0).all()
    dispatch, kpis = table(folder, "unit_dispatch"), table(folder, "kpis")
    surplus = kpis[kpis.variable == "pay_as_bid_surplus"].value.sum()
    assert dispatch.revenue.sum() == pytest.approx(-surplus, abs=1e-6)
    held = orders[orders.market_id == "CRM_pos"]
    paid = 4 * (held.accepted_price * held.accepted_volume)[held.accepted_volume > 0].sum()
    seller = dispatch[dispatch.unit.isin(held[held.accepted_volume > 0].unit_id)]
    assert seller.capacity_pos_cashflow.sum() == pytest.approx(4 * paid)
    assert paid == pytest.approx(15185.7142857)
