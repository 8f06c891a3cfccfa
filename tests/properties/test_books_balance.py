"""Over random fleets, horizons and auctions: energy, deliveries and money balance, in both shells.

Prices and volumes are judged elsewhere; here it is only what must hold whatever they are.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.experiments.meta import pay_as_bid_markets
from assume_rl.results.metrics import write_kpis
from assume_rl.results.sinks import DatabaseSink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing.episodes import KEYS, Frames

pytestmark = pytest.mark.unchecked

SECONDS = 3600
PLANT, STORE = "powerplant_energy_naive", "storage_energy_heuristic_flexable"
FLEXIBLE = "powerplant_energy_heuristic_flexable"
ELASTIC = "demand_energy_heuristic_elastic"
BORDER, WAYS = "exchange_energy_naive", ("import", "export")


@dataclass(frozen=True)
class Drawn:
    """What a scenario is made of; the tables are as in its files."""

    step: str
    hours: int
    markets: Mapping[str, dict[str, Any]]
    plants: pd.DataFrame
    storages: pd.DataFrame
    demands: pd.DataFrame
    exchanges: pd.DataFrame
    series: int  # seed of load, availability and exchange


def shares(low: float = 0.0, high: float = 1.0) -> st.SearchStrategy[float]:
    """Numbers that do not make rounding the topic."""
    return st.integers(round(low * 20), round(high * 20)).map(lambda n: n / 20)


@st.composite
def markets(draw: st.DrawFn) -> dict[str, Any]:
    """A market of any shape, as in config.yaml; it may clear after its delivery has begun."""
    length = draw(st.sampled_from([1, 1, 1, 2, 4]))
    count = draw(st.sampled_from([1, 1, 2, 3, 6, 12, 24]))
    count = min(count, 24 // length)
    first = draw(st.one_of(st.integers(0, 3), st.integers(4, 30)))
    return {
        "operator": "exchange",
        "products": [
            {"duration": f"{length}h", "count": count, "first_delivery": f"{first}h"},
        ],
        "opening_frequency": f"{draw(st.sampled_from([length, length * count, 24]))}h",
        "opening_duration": f"{draw(st.integers(1, first + 2))}h",
        "maximum_bid_volume": draw(st.sampled_from([25, 60, 10_000])),
        "market_mechanism": draw(
            st.sampled_from(["pay_as_clear", "pay_as_bid", "complex_clearing"])
        ),
    }


@st.composite
def plants(draw: st.DrawFn, name: str, free: bool) -> dict[str, Any]:
    """A plant; `free`: without ramps, minimum power and minimum times."""
    power = draw(st.integers(2, 12)) * 10
    row = {
        "name": name,
        "technology": "hard coal",
        "unit_operator": draw(st.sampled_from(["O1", "O2"])),
        "max_power": power,
        "additional_cost": draw(st.integers(0, 60)),
    }
    if free:
        return row
    limits = {"ramp_up": 0.2 + draw(shares()), "ramp_down": 0.2 + draw(shares())}
    ramped = draw(st.booleans())
    return row | {
        "min_power": power * draw(shares(0, 0.5)),
        **{key: power * share if ramped else None for key, share in limits.items()},
        "min_operating_time": draw(st.integers(0, 4)),
        "min_down_time": draw(st.integers(0, 4)),
        "hot_start_cost": draw(st.sampled_from([0, 1, 40])),
    }


@st.composite
def storages(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A storage that starts within its bounds."""
    low, high = sorted((draw(shares(0, 0.4)), draw(shares(0.5, 1))))
    charge, discharge = (draw(st.integers(1, 6)) * 10 for _ in range(2))
    return {
        "name": name,
        "technology": "battery",
        "unit_operator": draw(st.sampled_from(["O1", "O3"])),
        "capacity": draw(st.integers(1, 20)) * 10,
        "max_power_charge": charge,
        "max_power_discharge": discharge,
        "min_power_charge": charge * draw(st.sampled_from([0, 0, 0.2])),
        "min_power_discharge": discharge * draw(st.sampled_from([0, 0, 0.2])),
        "min_soc": low,
        "max_soc": high,
        "initial_soc": draw(shares(low, high)),
        "efficiency_charge": draw(shares(0.6, 1)),
        "efficiency_discharge": draw(shares(0.6, 1)),
        "ramp_up_discharge": draw(st.sampled_from([None, 10])),
        "ramp_up_charge": draw(st.sampled_from([None, -10])),
    }


def reach(market: Mapping[str, Any]) -> int:
    """Return the hours from an opening to the end of its furthest delivery, or to its clearing."""
    (product,) = market["products"]
    first, length = (int(product[k][:-1]) for k in ("first_delivery", "duration"))
    return max(first + length * product["count"], int(market["opening_duration"][:-1]))


@st.composite
def worlds(draw: st.DrawFn) -> Drawn:
    """Some days, one to three markets, and units that bid in some of them."""
    names = ["A", "B", "C"][: draw(st.integers(1, 3))]
    chosen = {name: draw(markets()) for name in names}

    def bidding(rows: list[dict[str, Any]], *bidders: str) -> pd.DataFrame:
        # The first of each kind bids everywhere, so that every market has two sides.
        for i, row in enumerate(rows):
            own = ELASTIC if row.get("elasticity_model") else draw(st.sampled_from(bidders))
            row |= {
                f"bidding_{name}": own if i == 0 or draw(st.booleans()) else "" for name in names
            }
        return pd.DataFrame(rows)

    frees = [True, *draw(st.lists(st.booleans(), min_size=1, max_size=3))]
    fleet = [draw(plants(f"plant {i}", free)) for i, free in enumerate(frees)]
    stores = [draw(storages(f"storage {i}")) for i in range(draw(st.integers(0, 2)))]
    common = {"technology": "demand", "unit_operator": "O4", "max_power": 300, "min_power": 0}
    common["price"] = 3000
    borders = [
        {
            "name": f"border {i}",
            "unit_operator": draw(st.sampled_from(["O1", "O5"])),
            "price_import": draw(st.integers(-10, 60)),
            "price_export": draw(st.integers(0, 100)),
        }
        for i in range(draw(st.integers(0, 2)))
    ]
    loads = [{"name": f"load {i}"} | common for i in range(draw(st.integers(1, 2)))]
    curves = [
        common
        | {
            "name": f"curve {i}",
            "max_power": draw(st.integers(1, 12)) * 10,
            "price": draw(st.sampled_from([70, 3000])),
            "elasticity_model": draw(st.sampled_from(["linear", "isoelastic"])),
            "elasticity": draw(st.sampled_from([-0.1, -0.7])),
            "num_bids": draw(st.integers(2, 6)),
        }
        for i in range(draw(st.integers(0, 2)))
    ]
    return Drawn(
        step=draw(st.sampled_from(["1h", "1h", "30min"])),
        hours=max(draw(st.integers(30, 54)), *(reach(market) for market in chosen.values())),
        markets=chosen,
        plants=bidding(fleet, PLANT, FLEXIBLE),
        storages=bidding(stores, STORE),
        demands=bidding([*loads, *curves], "demand_energy_naive"),
        exchanges=bidding(borders, BORDER),
        series=draw(st.integers(0, 99)),
    )


def compiled(world: Drawn, folder: Path, names: list[str]) -> Compiled:
    """Return the scenario, with its markets in the given order."""
    folder.mkdir()
    start = pd.Timestamp("2019-01-01")
    case = {
        "start_date": str(start),
        "end_date": str(start + pd.Timedelta(hours=world.hours)),
        "time_step": world.step,
        "seed": 1,
        "markets_config": {name: world.markets[name] for name in names},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": case}, sort_keys=False))
    world.plants.to_csv(folder / "powerplant_units.csv", index=False)
    world.demands.to_csv(folder / "demand_units.csv", index=False)
    if len(world.storages):
        world.storages.to_csv(folder / "storage_units.csv", index=False)
    times = pd.date_range(start, start + pd.Timedelta(hours=world.hours), freq=world.step)
    draws = np.random.default_rng(world.series)
    loads = {name: draws.integers(0, 20, len(times)) * 10 for name in world.demands["name"]}
    pd.DataFrame({"datetime": times, **loads}).to_csv(folder / "demand_df.csv", index=False)
    if len(world.exchanges):
        world.exchanges.to_csv(folder / "exchange_units.csv", index=False)
        flows = [f"{name}_{way}" for name in world.exchanges["name"] for way in WAYS]
        powers = {name: draws.integers(0, 9, len(times)) * 10 for name in flows}
        table = pd.DataFrame({"datetime": times, **powers})
        table.to_csv(folder / "exchanges_df.csv", index=False)
    some = world.plants["name"][::2]
    part = {name: draws.integers(0, 11, len(times)) / 10 for name in some}
    pd.DataFrame({"datetime": times, **part}).to_csv(folder / "availability_df.csv", index=False)
    return compile_scenario(load_scenario(folder))


def played(scenario: Compiled, shell: str) -> Frames:
    """Return all tables of an episode."""
    sink = Frames()
    if shell == "batch":
        play_recorded(scenario, seed=1, policies={}, sink=sink)
    else:
        asyncio.run(World(scenario, seed=1).run_episode(0, sink=sink))
    return sink


def assert_alike(ours: Frames, theirs: Frames) -> None:
    """All tables are equal but for the order of their rows."""
    for table, keys in KEYS.items():
        a, b = (tables.table(table) for tables in (ours, theirs))
        assert len(a) == len(b), table
        if len(a):
            a, b = (frame.sort_values(keys).reset_index(drop=True) for frame in (a, b))
            pd.testing.assert_frame_equal(a, b[list(a)], rtol=0, atol=1e-9)


def assert_energy_is_conserved(world: Drawn, rows: pd.DataFrame, hours: float) -> None:
    """What a storage holds changes by what it charged and discharged, within its bounds."""
    for _, store in world.storages.iterrows():
        own = rows[rows["unit"] == store["name"]].sort_values("time")
        soc, power = own["soc"].to_numpy(), own["power"].to_numpy()
        if not len(own):
            continue
        assert soc[0] == store["initial_soc"]
        assert soc.min() >= store["min_soc"] - 1e-9
        assert soc.max() <= store["max_soc"] + 1e-9
        assert power.max() <= store["max_power_discharge"] + 1e-9
        assert power.min() >= -store["max_power_charge"] - 1e-9
        gained = -power.clip(max=0) * store["efficiency_charge"]
        lost = power.clip(min=0) / store["efficiency_discharge"]
        change = (gained - lost) * hours / store["capacity"]
        np.testing.assert_allclose(np.diff(soc), change[:-1], rtol=0, atol=1e-9)


def assert_sold_is_delivered(scenario: Compiled, world: Drawn, tables: Frames) -> None:
    """Units deliver what they sold in all markets, as far as they can."""
    sold = tables.table("market_dispatch").rename(columns={"unit_id": "unit", "datetime": "time"})
    sold = sold.groupby(["time", "unit"], as_index=False)["power"].sum()
    rows = tables.table("unit_dispatch")
    assert not rows.duplicated(["time", "unit"]).any()
    both = rows.merge(sold, on=["time", "unit"], how="outer", suffixes=("", "_sold"))
    assert not both["power"].isna().any(), "a sold step has no row"
    both["power_sold"] = both["power_sold"].fillna(0.0)
    step = ((both["time"] - pd.Timestamp("2019-01-01")) / pd.Timedelta(world.step)).astype(int)
    unit = both["unit"].map({name: i for i, name in enumerate(scenario.fleet.ids)})
    both["most"] = scenario.profiles.capacity.numpy()[step, unit]
    loads = both[both["unit"].isin(world.demands["name"])]
    np.testing.assert_allclose(loads["power"], loads["power_sold"], rtol=0, atol=1e-9)
    flows = scenario.scenario.series.own.get("exchanges_df")
    for name in world.exchanges.get("name", ()):
        own = both[both["unit"] == name]
        most, least = (flows[f"{name}_{way}"].to_numpy()[step[own.index]] for way in WAYS)
        within = own["power_sold"].clip(-least, most)
        np.testing.assert_allclose(own["power"], within, rtol=0, atol=1e-9)
    for _, plant in world.plants.iterrows():
        own = both[both["unit"] == plant["name"]]
        least = np.nan_to_num(plant.get("min_power", 0.0))
        ramped = not np.isnan(plant.get("ramp_up", np.nan))
        expected = np.minimum(own["power_sold"], own["most"])
        if not ramped:
            runs = own["power_sold"] > 1e-9
            expected = np.where(runs, np.maximum(expected, least), expected)
            np.testing.assert_allclose(own["power"], expected, rtol=0, atol=1e-9)
        assert (own["power"] >= -1e-9).all()
        assert (own["power"] <= np.maximum(own["most"], least) + 1e-9).all()


def surplus(tables: Frames, scenario: Compiled, folder: Path) -> float:
    """Return the sum of the key figure `pay_as_bid_surplus` over the markets, EUR."""
    file = folder / "results.db"
    with DatabaseSink(f"sqlite:///{file}", "toy") as sink:
        orders, meta = tables.table("market_orders"), tables.table("market_meta")
        for name, frame in {"market_orders": orders, "market_meta": meta}.items():
            if len(frame):
                sink.write(name, {column: frame[column].to_numpy() for column in frame})
        write_kpis(sink, pay_as_bid_markets(scenario))
    with closing(sqlite3.connect(file)) as connection:
        query = "select sum(value) from kpis where variable = 'pay_as_bid_surplus'"
        (found,) = connection.execute(query).fetchone()
    return found or 0.0


def assert_money_balances(tables: Frames, scenario: Compiled, folder: Path) -> None:
    """What buyers pay is what sellers earn, but for the named surplus of paying as bid."""
    revenue = tables.table("unit_dispatch")["revenue"]
    scale = revenue.abs().sum() + 1
    assert abs(revenue.sum() + surplus(tables, scenario, folder)) <= 1e-9 * scale


@pytest.mark.slow
@given(world=worlds(), shuffled=st.randoms(use_true_random=False), other=st.booleans())
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    # A scenario takes a second: a failing one is shown as it was drawn.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_books_balance(world: Drawn, shuffled: Any, other: bool) -> None:
    names = list(world.markets)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        scenario = compiled(world, folder / "toy", names)
        tables = played(scenario, "batch")
        assert len(tables.table("market_meta"))
        assert_energy_is_conserved(
            world, tables.table("unit_dispatch"), scenario.step_seconds / SECONDS
        )
        assert_sold_is_delivered(scenario, world, tables)
        assert_money_balances(tables, scenario, folder)
        assert_alike(tables, played(scenario, "agents"))
        if len(names) > 1:
            while names == list(world.markets):
                shuffled.shuffle(names)
            reordered = compiled(world, folder / "reordered", names)
            assert_alike(tables, played(reordered, "agents" if other else "batch"))
