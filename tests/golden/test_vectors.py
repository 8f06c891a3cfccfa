"""The reference vectors: small scenarios with tables at full precision and no price ties."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from recorded import (
    Replay,
    Shell,
    Tables,
    Watched,
    aligned,
    assert_close,
    compiled,
    read,
    run,
    run_batch,
)

from assume_rl.core.units.base import ZERO_VOLUME
from assume_rl.learning.policies.folder import load_policies

pytestmark = pytest.mark.unchecked

STORED = ("v11_rl_storage",)  # among the vectors with learners, those that come with the tests
EXACT = 1e-9
ACTION = 5e-6  # a float32 forward of one row against a batched one
PRICE = 5e-4  # EUR/MWh, what that does to a price


def compare_with_tables(ours: Tables, expected: Path, tolerance: float = EXACT) -> None:
    """Prices, orders and dispatch."""
    meta = read(expected / "market_meta.csv", ("product_start",))
    a, b = aligned(ours["market_meta"], meta, ["market_id", "product_start"])
    for name in ("price", "max_price", "min_price", "supply_volume", "demand_volume"):
        assert_close(a[name], b[name], tolerance, name)
    orders = read(expected / "market_orders.csv", ("start_time", "end_time"))
    keys = ["market_id", "start_time", "unit_id", "bid_id"]
    a, b = aligned(ours["market_orders"], orders, keys)
    # Rounding left the storages of v03 and v08 1e-14 MW to sell in one hour; here that counts as
    # nothing, so that they offer to buy; neither trades.
    real = b.volume.abs() > ZERO_VOLUME
    assert (~real).sum() == any(name in str(expected) for name in ("v03", "v08"))
    assert not a.accepted_volume[~real].any()
    a, b = a[real], b[real]
    for name in ("price", "volume", "accepted_price", "accepted_volume"):
        assert_close(a[name], b[name], tolerance, f"orders: {name}")
    # The record has a row for each product type, not all of them whole.
    power = read(expected / "unit_dispatch.csv", ("time",))
    power = power.groupby(["time", "unit"], as_index=False).last()
    delivered = ours["unit_dispatch"]
    if any(name in str(expected) for name in ("v06", "v08")):
        # Steps after the last clearing of a day-ahead auction, or of reserve, are delivered too.
        delivered = recorded_rows(delivered, power)
    a, b = aligned(delivered, power, ["time", "unit"])
    money = [name for name in b if name.endswith("_cashflow")]
    for name in ("power", "energy_generation_costs", *money):
        assert_close(a[name], b[name], tolerance, f"dispatch: {name}")
    sold = read(expected / "market_dispatch.csv", ("datetime",))
    keys = ["market_id", "datetime", "unit_id"]
    here = ours["market_dispatch"].merge(sold[keys], on=keys)  # the record lacks the last interval
    a, b = aligned(here, sold, keys)
    assert_close(a["power"], b["power"], tolerance, "sold")


def recorded_rows(ours: pd.DataFrame, record: pd.DataFrame) -> pd.DataFrame:
    """Our rows of the unit dispatch up to the last one recorded of each unit."""
    last = record.groupby("unit").time.max()
    return ours[ours.time <= ours.unit.map(last)]


RULES = (
    "v01_basic",
    "v02_pay_as_bid",
    "v03_storage_flexable",
    "v04_flexable_ramps",
    "v05_elastic",
    "v08_eom_crm",
)


@pytest.mark.parametrize("shell", [run, run_batch])
@pytest.mark.parametrize("vector", RULES)
def test_rule_based_vector(vectors: Path, vector: str, shell: Shell) -> None:
    folder = vectors / vector
    compare_with_tables(shell(compiled(folder / "inputs")), folder / "expected")


def test_elastic_demand_gives_the_recorded_forecasts(vectors: Path) -> None:
    folder = vectors / "v05_elastic"
    scenario = compiled(folder / "inputs")
    record = read(folder / "expected" / "forecasts.csv")
    ours = scenario.profiles.forecasts["EOM"]
    assert_close(ours.price[0], record.price_EOM, EXACT, "price forecast")
    assert_close(ours.residual_load[0], record.residual_load_EOM, EXACT, "residual load")
    assert scenario.scenario.warnings == ()


@pytest.mark.reference
@pytest.mark.parametrize("vector", ["v06_dam24_ramps"])
def test_vector_beside_the_package(reference: Path, vector: str) -> None:
    folder = reference / "vectors" / vector
    compare_with_tables(run(compiled(folder / "inputs")), folder / "expected")


@pytest.mark.parametrize("vector", ["v03_storage_flexable", "v08_eom_crm"])
def test_state_of_charge_of_a_storage(vectors: Path, vector: str) -> None:
    folder = vectors / vector
    ours = run(compiled(folder / "inputs"))["unit_dispatch"].query("unit == 'S1'")
    record = np.load(folder / "expected" / "unit_outputs.npz")["S1|soc"]
    assert_close(ours.sort_values("time").soc, record[: len(ours)], EXACT, "state of charge")


@pytest.mark.reference
def test_steps_of_v06_after_the_last_clearing_are_executed(reference: Path) -> None:
    """The record leaves what was planned; here ramps and minimum power hold in these steps too."""
    folder = reference / "vectors" / "v06_dam24_ramps"
    ours = run(compiled(folder / "inputs"))
    record = read(folder / "expected" / "unit_dispatch.csv", ("time",))
    last = record.time.max()
    power = ours["unit_dispatch"].pivot(index="time", columns="unit", values="power")
    assert power.index.max() == pd.Timestamp("2019-01-03")
    assert power.index.max() > last
    sold = ours["market_dispatch"].pivot(index="datetime", columns="unit_id", values="power")
    limits = {"N": (25.0, 20.0), "L": (35.0, 20.0), "H": (50.0, 20.0)}
    for unit, (ramp, least) in limits.items():
        steps = power.loc[last:, unit].to_numpy()
        for before, now in itertools.pairwise(steps):
            if before > 0 and now > 0:
                assert abs(now - before) <= ramp + EXACT
            assert now == 0 or now >= least - EXACT
    free = power["G"].loc[last:].iloc[1:]
    expected = sold["G"].reindex(free.index).to_numpy()
    lifted = np.where(expected > 0, np.maximum(expected, 20.0), 0.0)
    assert_close(free, lifted, EXACT, "a plant without ramps")


LEARNING = {"v10_rl_plants": 2, "v11_rl_storage": 1}  # numbers in an action


@pytest.fixture(params=[pytest.param("v10_rl_plants", marks=pytest.mark.reference), *STORED])
def learning(request: pytest.FixtureRequest, vectors: Path) -> Path:
    """Folder of a vector with learners; those that are too large are beside the package."""
    if request.param in STORED:
        return vectors / str(request.param)
    reference: Path = request.getfixturevalue("reference")
    return reference / "vectors" / str(request.param)


@pytest.mark.parametrize("evaluation", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_recorded_actions_give_the_recorded_rewards(learning: Path, evaluation: int) -> None:
    folder = learning
    record = read(folder / "expected" / "rl_params.csv", ("datetime",))
    record = record[record.evaluation_mode == evaluation]
    scenario = compiled(folder / "inputs")
    for _, episode in record.groupby("episode"):
        compare_rewards(run(scenario, replays(episode, LEARNING[folder.name])), episode)


def replays(record: pd.DataFrame, size: int) -> dict[str, Replay]:
    columns = [f"actions_{i}" for i in range(size)]
    return {
        str(unit): Replay(rows.sort_values("datetime")[columns].to_numpy())
        for unit, rows in record.groupby("unit")
    }


def compare_rewards(ours: Tables, record: pd.DataFrame) -> None:
    keys = ["datetime", "unit"]
    here = ours["rl_params"].merge(record[keys], on=keys)
    a, b = aligned(here, record, keys)
    for name in ("reward", "regret", "profit"):
        assert_close(a[name], b[name], EXACT, name)


def test_final_run_from_its_checkpoint(learning: Path) -> None:
    folder = learning
    stacks = load_policies(folder / "checkpoint" / "last_policies").actors
    policies = {unit: Watched(s.select([unit])) for s in stacks for unit in s.unit_ids}
    ours = run(compiled(folder / "inputs"), policies)
    meta = read(folder / "expected" / "market_meta.csv", ("product_start",))
    a, b = aligned(ours["market_meta"], meta, ["product_start"])
    assert np.abs(a.price - b.price).max() <= PRICE
    record = json.loads((folder / "expected" / "observations_final_run.json").read_text())
    for unit, policy in policies.items():
        seen = [obs for name, _, obs in sorted(record, key=lambda row: row[1]) if name == unit]
        assert_close(torch.stack(policy.seen), np.array(seen), ACTION, f"observations of {unit}")
        prices = (
            ours["market_orders"].query("unit_id == @unit").sort_values(["start_time", "bid_id"])
        )
        orders = read(folder / "expected" / "market_orders.csv", ("start_time",))
        theirs = orders.query("unit_id == @unit").sort_values(["start_time", "bid_id"])
        keys = ["start_time", "bid_id"]
        here, there = prices.merge(theirs[keys], on=keys), theirs.merge(prices[keys], on=keys)
        # A bid is an action times 100 EUR/MWh.
        assert_close(here.price / 100, there.price / 100, ACTION, f"actions of {unit}")
