"""Broken folders: each has one fault, and the message must name its place and what is wrong."""

from pathlib import Path
from typing import Any

import bad_config
import bad_tables
import pytest

from assume_rl.errors import ScenarioError
from assume_rl.scenario.read import load_scenario

CONFIG, PLANTS, DEMANDS = "config.yaml", "powerplant_units.csv", "demand_units.csv"
DEMAND, SHARES, FUELS = "demand_df.csv", "availability_df.csv", "fuel_prices_df.csv"
ROW_5, TAIL = "2019-01-01 05:00,105.0\n", "2019-01-02 00:00,124.0\n"

FAULTS = bad_config.FAULTS | bad_tables.FAULTS

# One fault, reported for every file or row that it concerns.
SEVERAL = {
    "window outside the data",
    "data coarser than the step",
    "unknown forecast algorithm",
    "unknown market key",
    "unknown product key",
}


def problem(path: Path, **kwargs: Any) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path, **kwargs)
    return str(raised.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(folder: Any, fault: str) -> None:
    file, old, new, parts = FAULTS[fault]
    folder.change(file, old, new)
    message = problem(folder.path)
    assert all(part in message for part in parts), message
    assert fault in SEVERAL or "\n" not in message, "one fault, one sentence"


@pytest.mark.parametrize("file", [CONFIG, PLANTS, DEMANDS, DEMAND])
def test_missing_file(folder: Any, file: str) -> None:
    folder.remove(file)
    message = problem(folder.path)
    assert message.startswith(file)
    assert "missing" in message or "no such file" in message


@pytest.mark.parametrize("file", [CONFIG, PLANTS, DEMANDS, DEMAND, SHARES, FUELS])
def test_empty_file(folder: Any, file: str) -> None:
    folder.write(file, "")
    assert problem(folder.path).startswith(file)


@pytest.mark.parametrize("file", [PLANTS, DEMAND])
def test_header_only(folder: Any, file: str) -> None:
    folder.write(file, (folder.path / file).read_text().splitlines()[0] + "\n")
    assert f"{file}: has no rows" in problem(folder.path)


@pytest.mark.parametrize("file", [CONFIG, PLANTS, DEMAND])
def test_not_utf8(folder: Any, file: str) -> None:
    (folder.path / file).write_bytes("name,Größe\nx,1\n".encode("latin-1"))
    assert f"{file}: is not UTF-8 text" in problem(folder.path)


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("industrial_dsm_units.csv", "demand-side management"),
        ("residential_dsm_units.csv", "demand-side management"),
    ],
)
def test_files_of_later_versions(folder: Any, file: str, what: str) -> None:
    folder.write(file, "name,technology\nx,y\n")
    assert f"{file}: not supported yet: {what}" in problem(folder.path)
    folder.change(CONFIG, "seed: 7", f"{file.removesuffix('.csv')}: null")
    assert load_scenario(folder.path).warnings == ()


def test_not_a_folder(tmp_path: Path) -> None:
    assert "is not a folder" in problem(tmp_path / "nowhere")


def test_no_markets(folder: Any) -> None:
    text: str = (folder.path / CONFIG).read_text()
    folder.write(CONFIG, text[: text.index("  markets_config:")] + "  markets_config: {}\n")
    assert problem(folder.path) == "config.yaml, base.markets_config: there is no market"


def test_unknown_case(folder: Any) -> None:
    message = problem(folder.path, case="bse")
    assert message == "config.yaml: unknown study case 'bse'; did you mean 'base'?"


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("learning_config.gama", "0.9", "learning_config.gama: unknown key; did you mean 'gamma'?"),
        (
            "learning_config.gamma",
            "high",
            "override learning_config.gamma: should be a valid number",
        ),
        ("lerning_config.gamma", "0.9", "'lerning_config'; did you mean 'learning_config'?"),
        ("markets_config.EM.operator", "x", "unknown key 'EM'; did you mean 'EOM'?"),
        ("markets_config.eom.operator", "x", "unknown key 'eom'; did you mean 'EOM'?"),
        ("co2", "30", "unknown key; did you mean 'fuel_prices.co2'?"),
        ("CO2", "30", "unknown key; did you mean 'fuel_prices.co2'?"),
        ("LEARNING_CONFIG.gamma", "0", "did you mean 'learning_config'?"),
        ("max_power", "30", "unknown key; did you mean 'units.<UNIT>.max_power'?"),
        ("coal.max_power", "30", "unknown key 'coal'; did you mean 'units.coal.max_power'?"),
        ("zzz", "30", "fuel_prices.<FUEL>, demand.<UNIT>, availability.<UNIT>"),
        ("seed", "[", "override seed: '[' is not valid YAML"),
    ],
)
def test_bad_override(folder: Any, key: str, value: str, part: str) -> None:
    assert part in problem(folder.path, overrides={key: value})


def test_every_problem_is_reported_at_once(folder: Any) -> None:
    folder.change(CONFIG, "seed: 7", "sed: 7")
    folder.change(CONFIG, "      operator: exchange\n", "")
    folder.change(PLANTS, ",0.4,North", ",0,North")
    folder.change(PLANTS, ",0.5,South", ",4,South")
    folder.change(DEMANDS, ",200,", ",x,")
    folder.change(DEMAND, ROW_5, "")
    found = problem(folder.path).splitlines()
    assert [line.split(":")[0].split(",")[0] for line in found] == [
        CONFIG, CONFIG, PLANTS, PLANTS, DEMANDS, DEMAND,
    ]  # fmt: skip
