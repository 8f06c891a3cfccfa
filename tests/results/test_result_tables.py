"""Our tables have the columns that users of the field know."""

import csv
import gzip
from pathlib import Path

import pytest

from assume_rl.results.tables import FAMILIES, metadata

# Money that can be summed up, what a market trades, and what else binds orders together.
OURS = {"revenue", "cost", "product_type", "exclusive_group", "complex_order"}

# Nothing recorded calls energy from reserve.
CALLED = {"energy_pos_cashflow", "energy_neg_cashflow"}

# Left out of the recordings: the same everywhere, or meaningless.
UNRECORDED = {"simulation", "index"}


def header(file: Path) -> set[str]:
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt") as lines:
        return set(next(csv.reader(lines)))


@pytest.mark.reference
@pytest.mark.parametrize(
    "table",
    ["kpis", "market_dispatch", "market_meta", "market_orders", "rl_params", "unit_dispatch"],
)
def test_columns_are_those_recorded(reference: Path, table: str) -> None:
    places = (
        "vectors/v10_rl_plants",
        "vectors/v03_storage_flexable",
        "vectors/v08_eom_crm",
        "examples/results/example_02b",
        "examples/results/example_01c",
    )
    folders = [reference / place for place in places]
    files = [file for folder in folders for file in folder.rglob(f"{table}.csv*")]
    recorded = set.union(*(header(file) for file in files))
    family = FAMILIES.get(table)
    recorded = {name for name in recorded if family is None or not family.fullmatch(name)}

    ours = {column.name for column in metadata().tables[table].columns}

    assert ours - OURS - CALLED - UNRECORDED == recorded - UNRECORDED


def test_every_table_tells_the_simulation() -> None:
    assert metadata().tables
    assert all("simulation" in table.columns for table in metadata().tables.values())
