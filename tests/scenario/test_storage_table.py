"""Tables of storages: how they are read, what is refused, and the parameters they become."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assume_rl.errors import ScenarioError
from assume_rl.scenario.problems import Problems
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.tables.base import Basis, Series
from assume_rl.scenario.tables.read import read_units
from assume_rl.scenario.tables.storages import STORAGES, Storage

FILE = "storage_units.csv"
COLUMNS = "name,technology,bidding_EOM,unit_operator,capacity,max_power_charge,max_power_discharge"
BATTERY = "battery,Li-ion,storage_energy_optimization_dmas,Grid,60,25,20"
INF = float("inf")


def series() -> Series:
    """Two hours, in one of which half of the battery is available."""
    index = pd.date_range("2019-01-01", periods=2, freq="h")
    nothing = pd.DataFrame(index=index)
    shares = pd.DataFrame({"battery": [1.0, 0.5]}, index=index)
    return Series(nothing, shares, nothing, nothing)


def write(path: Path, more: dict[str, object] | None = None) -> Path:
    """A table of one storage, with more columns."""
    more = more or {}
    header = ",".join([COLUMNS, *more])
    row = ",".join([BATTERY, *map(str, more.values())])
    (path / FILE).write_text(f"{header}\n{row}\n")
    return path / FILE


def read(path: Path, **more: object) -> Storage:
    problems = Problems()
    (storage,) = read_units(write(path, more), Storage, ["EOM"], problems)
    assert not problems.errors
    return storage


def test_absent_columns_have_their_defaults_and_charging_is_negative(tmp_path: Path) -> None:
    storage = read(tmp_path)
    assert (storage.max_power_charge, storage.max_power_discharge) == (-25, 20)
    assert (storage.min_power_charge, storage.min_power_discharge) == (0, 0)
    assert (storage.min_soc, storage.max_soc, storage.initial_soc) == (0, 1, 0)
    assert (storage.efficiency_charge, storage.efficiency_discharge) == (1, 1)
    assert storage.ramp_up_charge is storage.ramp_down_discharge is None
    assert (storage.downtime_hot_start, storage.downtime_warm_start) == (8, 48)
    assert storage.concerns() == {}


def test_either_sign_of_charging_power_is_understood(tmp_path: Path) -> None:
    storage = read(tmp_path, min_power_charge=-5)
    assert (storage.max_power_charge, storage.min_power_charge) == (-25, -5)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("max_soc", 1.1, "column 'max_soc': should be less than or equal to 1"),
        ("max_soc", "", "row 'battery': min_soc 0.1 is above max_soc 0"),
        ("initial_soc", 50, "column 'initial_soc': should be less than or equal to 1"),
        ("efficiency_charge", 0, "column 'efficiency_charge': should be greater than 0"),
        ("ramp_up_charge", 10, "column 'ramp_up_charge': should be less than or equal to 0"),
        ("ramp_up_discharge", -1, "column 'ramp_up_discharge': should be greater than or equal"),
        ("min_power_charge", 30, "max_power_charge -25 is above min_power_charge -30"),
        ("min_power_discharge", 30, "min_power_discharge 30 is above max_power_discharge 20"),
        ("min_power_charge", "inf", "column 'min_power_charge': should be a finite number"),
        ("min_power_charge", "some", "column 'min_power_charge': 'some' is not a number"),
    ],
)
def test_what_cannot_be_is_an_error(folder: Any, column: str, value: object, sentence: str) -> None:
    more = {"min_soc": 0.1, "initial_soc": 0.1, column: value}
    write(folder.path, more)
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path)
    (problem,) = raised.value.problems
    assert problem.startswith(FILE)
    assert sentence in problem


def test_a_storage_of_no_capacity_is_an_error(folder: Any) -> None:
    write(folder.path)
    folder.change(FILE, "Grid,60", "Grid,0")
    with pytest.raises(ScenarioError, match="column 'capacity': should be greater than 0"):
        load_scenario(folder.path)


@pytest.mark.parametrize("ramp", ["ramp_up_charge", "ramp_down_charge", "ramp_up_discharge"])
def test_an_empty_ramp_is_a_ramp_of_0_and_says_what_it_does(tmp_path: Path, ramp: str) -> None:
    (concern,) = read(tmp_path, **{ramp: ""}).concerns().items()
    assert concern[0] == ramp
    assert concern[1].startswith("is 0, as an empty cell is: ")


@pytest.mark.parametrize("soc", [0.05, 0.95])
def test_a_start_out_of_bounds_is_a_warning(tmp_path: Path, soc: float) -> None:
    storage = read(tmp_path, min_soc=0.1, max_soc=0.9, initial_soc=soc)
    expected = f"{soc} does not lie between min_soc 0.1 and max_soc 0.9"
    assert storage.concerns() == {"initial_soc": expected}


def test_columns_that_nothing_reads_say_so(tmp_path: Path) -> None:
    problems = Problems()
    more = {"soc_tick": 0.1, "min_down_time": 2, "natural_inflow": 0}
    read_units(write(tmp_path, more), Storage, ["EOM"], problems)
    assert [w.split("'")[1] for w in problems.warnings] == list(more)


def test_parameters(tmp_path: Path) -> None:
    more = {
        "min_soc": 0.1,
        "efficiency_charge": 0.8,
        "additional_cost_charge": 0.3,
        "ramp_up_charge": -4,
        "ramp_up_discharge": 5,
        "hot_start_cost": 2,
        "downtime_hot_start": 3,
    }
    params: Any = STORAGES.to_params(
        [read(tmp_path, **more)], Basis(step_hours=0.25, max_bid_price=80.0, series=series())
    )
    found = {k: v if isinstance(v, float) else v.tolist() for k, v in vars(params).items()}
    assert found == {
        "capacity": [60], "max_power_charge": [-25], "min_power_charge": [0],
        "max_power_discharge": [20], "min_power_discharge": [0],
        "min_soc": [0.1], "max_soc": [1], "initial_soc": [0],
        "efficiency_charge": [0.8], "efficiency_discharge": [1],
        "additional_cost_charge": [0.3], "additional_cost_discharge": [0],
        "ramp_up_charge": [-4], "ramp_down_charge": [-INF],
        "ramp_up_discharge": [5], "ramp_down_discharge": [INF],
        "hot_start_cost": [40], "warm_start_cost": [0], "cold_start_cost": [0],
        "downtime_hot_start": [12], "downtime_warm_start": [192],
        "step_hours": 0.25, "cost_limit": 80.0,
    }  # fmt: skip


def test_capacity_and_marginal_cost(tmp_path: Path) -> None:
    storage = read(tmp_path, additional_cost_discharge=0.4)
    assert STORAGES.capacity(storage, series()).tolist() == [20, 20]  # availability limits none
    assert STORAGES.marginal_cost(storage, series()).tolist() == [0.4, 0.4]


def test_the_meta_table_does_not_swap_the_efficiencies(tmp_path: Path) -> None:
    storage = read(tmp_path, efficiency_charge=0.8, efficiency_discharge=0.9)
    row = {c.name: c.of(storage) for c in STORAGES.meta_columns}
    assert (row["efficiency_charge"], row["efficiency_discharge"]) == (0.8, 0.9)
    assert (row["max_power_charge"], row["unit_operator"]) == (-25, "Grid")


def test_a_strategy_that_is_not_there_yet_refuses_the_folder_and_nothing_else(folder: Any) -> None:
    write(folder.path)
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path)
    name = "storage_energy_optimization_dmas"
    expected = (
        f"{FILE}, row 'battery', column 'bidding_EOM': not supported yet: the strategy '{name}'"
    )
    assert str(raised.value) == expected


def test_the_availability_of_a_storage_or_a_demand_is_read_by_nothing(folder: Any) -> None:
    table = folder.path / "availability_df.csv"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{header},town", *(f"{row},0.5" for row in rows)]) + "\n")
    warning = "nothing reads the availability of a demand unit"
    assert any(warning in found for found in load_scenario(folder.path).warnings)


@pytest.mark.parametrize("sign", [1, -1])
def test_charging_power_can_be_overridden_by_either_sign(folder: Any, sign: int) -> None:
    write(folder.path)
    overrides = {"units.battery.max_power_charge": 7 * sign, "units.battery.min_power_charge": 8}
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, overrides=overrides)
    expected = "override units.battery: max_power_charge -7 is above min_power_charge -8"
    assert expected in raised.value.problems


@pytest.mark.reference
@pytest.mark.parametrize(
    "folder_of",
    [
        "vectors/v03_storage_flexable/inputs", "vectors/v08_eom_crm/inputs",
        "vectors/v11_rl_storage/inputs", "examples/scenarios/example_01c",
        "examples/scenarios/example_02e",
    ],
)  # fmt: skip
def test_recorded_tables_are_read(reference: Path, folder_of: str) -> None:
    path = reference / folder_of / FILE
    problems = Problems()
    found = read_units(path, Storage, ["EOM", "CRM_pos", "CRM_neg"], problems)
    assert problems.errors == []
    table = pd.read_csv(path, index_col=0)
    assert [s.capacity for s in found] == table["capacity"].tolist()
    assert [-s.max_power_charge for s in found] == table["max_power_charge"].tolist()
    assert [s.concerns() for s in found] == [{}] * len(table)
