"""Public example scenarios against their recorded runs (9 significant digits)."""

from pathlib import Path
from typing import Any

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

from assume_rl.episodes.teams import Policy
from assume_rl.learning.policies.folder import load_policies

pytestmark = pytest.mark.unchecked

DIGITS = 1e-6  # times max(1, |x|)
NETWORK = 5e-6  # a float32 forward of one row against a batched one
PRICE = 5e-4  # EUR/MWh, what that does to a price

LEARNING = [
    ("example_02a", "tiny"),
    ("example_02b", "base"),
    ("example_02d", "base"),
    ("example_02e", "tiny"),
    ("example_02a", "base_lstm"),
    ("example_02a", "base"),
    ("example_02e", "base"),
]
# As the tiny cases, for weeks.
WEEKS = (("example_02a", "base"), ("example_02e", "base"))


def slow(*cases: tuple[str, str]) -> list[Any]:
    """What learns, some of it in long tests only."""
    return [pytest.param(*own, marks=pytest.mark.slow) if own in cases else own for own in LEARNING]


def prices_and_volumes(ours: Tables, results: Path, price: float, volume: float) -> None:
    record = read(results / "market_meta.csv.gz", ("product_start",))
    a, b = aligned(ours["market_meta"], record, ["product_start"])
    assert_close(a.price, b.price, price, "price")
    assert_close(a.supply_volume, b.supply_volume, volume, "supply volume")
    assert_close(a.demand_volume, b.demand_volume, volume, "demand volume")


def tied_groups(ours: Tables, results: Path, tolerance: float) -> None:
    """Accepted volumes, summed over the orders of an hour that ask the same price."""
    record = read(results / "market_orders.csv.gz", ("start_time",))

    def sums(orders: pd.DataFrame) -> pd.DataFrame:
        # Neighbouring prices closer than a record's last digit are one group.
        key = orders.price.round(4)
        grouped = orders.assign(key=key).groupby(["start_time", "key"])["accepted_volume"]
        return grouped.sum().reset_index()

    a, b = aligned(sums(ours["market_orders"]), sums(record), ["start_time", "key"])
    assert_close(a.accepted_volume, b.accepted_volume, tolerance, "volume of a price")


def rule_based(reference: Path, case: str) -> tuple[Tables, Path]:
    """Our tables of a case of `example_01a`, prices and volumes as recorded, and the record."""
    examples = reference / "examples"
    ours = run(compiled(examples / "scenarios" / "example_01a", case))
    results = examples / "results" / "example_01a" / case
    prices_and_volumes(ours, results, DIGITS, DIGITS)
    return ours, results


@pytest.mark.reference
@pytest.mark.parametrize("case", ["base", "dam"])
def test_rule_based_example(reference: Path, case: str) -> None:
    ours, results = rule_based(reference, case)
    tied_groups(ours, results, DIGITS)


@pytest.mark.reference
@pytest.mark.parametrize("case", ["tiny", "base_with_exchanges"])
def test_example_with_exchanges(reference: Path, case: str) -> None:
    """No two orders ask the same price, so that each of them is compared."""
    ours, results = rule_based(reference, case)
    orders = read(results / "market_orders.csv.gz", ("start_time",))
    a, b = aligned(ours["market_orders"], orders, ["start_time", "bid_id"])
    for column in ("price", "volume", "accepted_price", "accepted_volume"):
        assert_close(a[column], b[column], DIGITS, column)
    dispatch = read(results / "unit_dispatch.csv.gz", ("time",))
    kept = ours["unit_dispatch"].merge(dispatch[["time", "unit"]])
    a, b = aligned(kept, dispatch, ["time", "unit"])
    for column in ("power", "energy_cashflow", "energy_generation_costs"):
        assert_close(a[column], b[column], DIGITS, column)


@pytest.mark.reference
@pytest.mark.parametrize("shell", [pytest.param(run, marks=pytest.mark.slow), run_batch])
def test_example_with_plants_that_count_starts(reference: Path, shell: Shell) -> None:
    """All orders are compared; of those of equal price, what is accepted of them together."""
    examples = reference / "examples"
    ours = shell(compiled(examples / "scenarios" / "example_01b", "base"))
    results = examples / "results" / "example_01b" / "base"
    prices_and_volumes(ours, results, DIGITS, DIGITS)
    tied_groups(ours, results, DIGITS)
    orders = read(results / "market_orders.csv.gz", ("start_time",))
    a, b = aligned(ours["market_orders"], orders, ["start_time", "bid_id"])
    for column in ("price", "volume"):
        assert_close(a[column], b[column], DIGITS, column)
    dispatch = read(results / "unit_dispatch.csv.gz", ("time",))
    kept = ours["unit_dispatch"].merge(dispatch[["time", "unit"]])
    a, b = aligned(kept, dispatch, ["time", "unit"])
    assert_close(a.power, b.power, DIGITS, "power")


def recorded_actions(results: Path) -> dict[str, Replay]:
    record = read(results / "actions.csv.gz", ("start",)).sort_values("start")
    columns = [c for c in record if c.startswith("act_")]
    return {str(unit): Replay(rows[columns].to_numpy()) for unit, rows in record.groupby("unit")}


def observations(policies: dict[str, Replay] | dict[str, Watched], results: Path) -> None:
    record = read(results / "observations.csv.gz", ("start",)).sort_values("start")
    columns = [c for c in record if c.startswith("obs_")]
    tolerance = DIGITS if isinstance(next(iter(policies.values())), Replay) else NETWORK
    for unit, rows in record.groupby("unit"):
        seen = torch.stack(policies[str(unit)].seen)
        assert_close(seen, rows[columns].to_numpy(), tolerance, f"observations of {unit}")


def rewards(ours: Tables, results: Path, tolerance: float) -> None:
    record = read(results / "rewards.csv.gz", ("start",)).rename(columns={"start": "datetime"})
    a, b = aligned(ours["rl_params"], record, ["datetime", "unit"])
    for name in ("reward", "regret", "profit"):
        assert_close(a[name], b[name], tolerance, name)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("scenario", "case"), slow(*WEEKS, ("example_02a", "base_lstm"), ("example_02b", "base"))
)
def test_recorded_actions(reference: Path, scenario: str, case: str) -> None:
    examples = reference / "examples"
    results = examples / "results" / scenario / case
    policies = recorded_actions(results)
    ours = run(compiled(examples / "scenarios" / scenario, case), policies)
    prices_and_volumes(ours, results, DIGITS, DIGITS)
    observations(policies, results)
    rewards(ours, results, DIGITS)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("scenario", "case"), slow(*WEEKS, ("example_02d", "base"), ("example_02a", "base_lstm"))
)
def test_recorded_policies(reference: Path, scenario: str, case: str) -> None:
    examples = reference / "examples"
    results = examples / "results" / scenario / case
    stacks = load_policies(results / "policies").actors
    actors: dict[str, Policy] = {u: s.select([u]) for s in stacks for u in s.unit_ids}
    policies = {unit: Watched(actor) for unit, actor in actors.items()}
    ours = run(compiled(examples / "scenarios" / scenario, case), policies)
    record = read(results / "market_meta.csv.gz", ("product_start",))
    a, b = aligned(ours["market_meta"], record, ["product_start"])
    assert np.abs(a.price - b.price).max() <= PRICE
    observations(policies, results)
    taken = read(results / "actions.csv.gz", ("start",)).rename(columns={"start": "datetime"})
    a, b = aligned(ours["rl_params"], taken, ["datetime", "unit"])
    for i in range(sum(column.startswith("act_") for column in taken)):
        assert_close(a[f"actions_{i}"], b[f"act_{i}"], NETWORK, f"action {i}")
    scaled = read(results / "rewards.csv.gz", ("start",)).rename(columns={"start": "datetime"})
    a, b = aligned(ours["rl_params"], scaled, ["datetime", "unit"])
    assert_close(a.reward, b.reward, NETWORK, "reward")
