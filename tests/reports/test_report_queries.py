"""What is read from the tables of one step of one run."""

from pathlib import Path

import numpy as np
import pytest
from hand_made_run import CHEAP, COSTS, DEAR, DEMAND, HOUR, PRICES, SOLD, START, TIMES, write_run

from assume_rl.reports import thin
from assume_rl.reports.source import order_queries, queries
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.rows import Recorded
from assume_rl.results.sinks import DatabaseSink


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return open_source(write_run(tmp_path / "run")).recorded[0]


def add(recorded: Recorded, table: str, simulation: str | None = None, **columns: object) -> None:
    """Add rows, of the same run or of another one."""
    url, (own,) = str(recorded.engine.url), recorded.keys.values()
    with DatabaseSink(url, "scratch") as sink:
        sink.simulation = simulation or own
        sink.write(table, columns)


def test_prices_have_the_length_of_their_products(recorded: Recorded) -> None:
    end = START + 4 * HOUR
    late = {"product_start": [start := START + 3 * HOUR + HOUR // 2], "product_end": [end]}
    add(recorded, "market_meta", market_id=["EOM"], price=[5.0], **late)
    found = queries.prices(recorded)
    assert list(found["hours"]) == [1.0, 1.0, 1.0, 0.5]
    assert list(found["price"]) == [*PRICES, 5.0]
    assert found["start"].iloc[-1] == start


def test_rows_of_other_runs_are_left_out(recorded: Recorded) -> None:
    times = {"product_start": [START], "product_end": [START + HOUR]}
    add(recorded, "market_meta", "another", market_id=["EOM"], price=[5.0], **times)
    assert len(queries.prices(recorded)) == 3


def test_dispatch_is_summed_by_technology(recorded: Recorded) -> None:
    add(recorded, "unit_dispatch", time=[START], unit=["nobody knows"], power=[3.0])
    rows = queries.dispatch(recorded)
    found = rows.pivot(index="time", columns="technology", values="delivered")
    taken = rows.pivot(index="time", columns="technology", values="taken")
    assert list(found["hydro"]) == list(SOLD[CHEAP])
    assert list(taken["need"]) == [-d for d in DEMAND]
    assert not found["need"].any()
    assert found[queries.UNKNOWN].iloc[0] == 3.0


def test_earnings_are_summed_by_unit(recorded: Recorded) -> None:
    add(recorded, "start_costs", time=TIMES[:2], unit=[DEAR] * 2, start_cost=[300.0, 50.0])
    add(recorded, "start_costs", "another", time=TIMES[:1], unit=[CHEAP], start_cost=[7.0])
    found = queries.earnings(recorded).set_index("unit")
    assert found.loc[DEAR].to_dict() == {"revenue": 4_100, "cost": 2_500, "start_cost": 350}
    assert found["start_cost"].drop(DEAR).tolist() == [0, 0]


def test_units_that_only_deliver_or_only_take_are_no_storages(recorded: Recorded) -> None:
    assert queries.two_way(recorded).empty
    battery = {"index": ["battery"], "technology": ["Li-ion"], "unit_operator": ["other"]}
    add(recorded, "storage_meta", **battery)
    soc = [0.5, 0.4, 0.6]
    add(recorded, "unit_dispatch", time=TIMES, unit=["battery"] * 3, power=[4.0, -5.0, 0], soc=soc)
    found = queries.two_way(recorded)
    assert list(found["power"]) == [4.0, -5.0, 0.0]
    assert set(found["unit"]) == {"battery"}
    charged = queries.states_of_charge(recorded)
    assert (list(charged["soc"]), set(charged["unit"])) == (soc, {"battery"})


def test_an_order_costs_what_holds_at_its_start(recorded: Recorded) -> None:
    add(recorded, "marginal_costs", time=[TIMES[1]], unit=[DEAR], marginal_cost=[55.0])
    found, every = order_queries.orders(recorded)
    dear = found[found["unit_id"] == DEAR].sort_values("start_time")
    assert list(dear["marginal_cost"]) == [COSTS[DEAR], 55.0, 55.0]
    assert np.isnan(found.loc[found["unit_id"] == "load", "marginal_cost"]).all()
    assert every == 1


def test_of_many_orders_whole_deliveries_are_read(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_queries, "ORDERS_READ", 5)
    monkeypatch.setattr(thin, "WEEK", 1)  # hours, so that any step will do
    found, every = order_queries.orders(recorded)
    assert every == 2
    assert list(found["start_time"].drop_duplicates()) == [TIMES[0], TIMES[2]]
    assert len(found) == 6


def test_learned_bidders_are_known(recorded: Recorded) -> None:
    assert queries.learners(recorded) == {DEAR}
