"""The reference vectors: small scenarios with tables at full precision and no price ties."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recorded import Replay, Tables, aligned, assert_close, compiled, read, run

from assume_rl.learning.checkpoint import load_policies

EXACT = 1e-9


def compare_with_tables(ours: Tables, expected: Path, tolerance: float = EXACT) -> None:
    """Prices, orders and dispatch."""
    meta = read(expected / "market_meta.csv", ("product_start",))
    a, b = aligned(ours["market_meta"], meta, ["product_start"])
    for name in ("price", "max_price", "min_price", "supply_volume", "demand_volume"):
        assert_close(a[name], b[name], tolerance, name)
    orders = read(expected / "market_orders.csv", ("start_time", "end_time"))
    a, b = aligned(ours["market_orders"], orders, ["start_time", "unit_id", "bid_id"])
    for name in ("price", "volume", "accepted_price", "accepted_volume"):
        assert_close(a[name], b[name], tolerance, f"orders: {name}")
    power = read(expected / "unit_dispatch.csv", ("time",))
    a, b = aligned(ours["unit_dispatch"], power, ["time", "unit"])
    for name in ("power", "energy_cashflow", "energy_generation_costs"):
        assert_close(a[name], b[name], tolerance, f"dispatch: {name}")
    sold = read(expected / "market_dispatch.csv", ("datetime",))
    keys = ["datetime", "unit_id"]
    here = ours["market_dispatch"].merge(sold[keys], on=keys)  # the record lacks the last interval
    a, b = aligned(here, sold, keys)
    assert_close(a["power"], b["power"], tolerance, "sold")


@pytest.mark.parametrize("vector", ["v01_basic", "v02_pay_as_bid"])
def test_rule_based_vector(vectors: Path, vector: str) -> None:
    folder = vectors / vector
    compare_with_tables(run(compiled(folder / "inputs")), folder / "expected")


@pytest.mark.reference
@pytest.mark.parametrize("evaluation", [0, 1])
def test_recorded_actions_give_the_recorded_rewards(reference: Path, evaluation: int) -> None:
    folder = reference / "vectors" / "v10_rl_plants"
    record = read(folder / "expected" / "rl_params.csv", ("datetime",))
    record = record[record.evaluation_mode == evaluation]
    scenario = compiled(folder / "inputs")
    for _, episode in record.groupby("episode"):
        compare_rewards(run(scenario, replays(episode)), episode)


def replays(record: pd.DataFrame) -> dict[str, Replay]:
    return {
        str(unit): Replay(rows.sort_values("datetime")[["actions_0", "actions_1"]].to_numpy())
        for unit, rows in record.groupby("unit")
    }


def compare_rewards(ours: Tables, record: pd.DataFrame) -> None:
    keys = ["datetime", "unit"]
    here = ours["rl_params"].merge(record[keys], on=keys)
    a, b = aligned(here, record, keys)
    for name in ("reward", "regret", "profit"):
        assert_close(a[name], b[name], EXACT, name)


@pytest.mark.reference
def test_final_run_of_v10_from_its_checkpoint(reference: Path) -> None:
    folder = reference / "vectors" / "v10_rl_plants"
    stacks = load_policies(folder / "checkpoint" / "last_policies").actors
    policies = {unit: s.select([unit]) for s in stacks for unit in s.unit_ids}
    ours = run(compiled(folder / "inputs"), policies)["market_meta"]
    meta = read(folder / "expected" / "market_meta.csv", ("product_start",))
    a, b = aligned(ours, meta, ["product_start"])
    assert np.abs(a.price - b.price).max() <= 5e-4
