"""Files that never end, names that no file system takes, and calendars that no memory holds."""

import os
from typing import Any

import pytest

from assume_rl.errors import ScenarioError
from assume_rl.scenario.read import load_scenario


def problem(folder: Any, **overrides: object) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, overrides=overrides)
    return str(raised.value)


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("pipe", "is a pipe or a device, not a file"),
        ("/dev/zero", "is a pipe or a device, not a file"),
        ("/proc/self/mem", "cannot be read: input/output error"),
        (".", "is a folder, not a file"),
        ("loop", "is missing"),
        ("n" * 300, "is missing"),
    ],
)
@pytest.mark.parametrize("key", ["powerplant_units", "demand_df", "fuel_prices_df"])
def test_tables_are_files(folder: Any, key: str, file: str, what: str) -> None:
    os.mkfifo(folder.path / "pipe")
    (folder.path / "loop").symlink_to(folder.path / "loop")
    assert what in problem(folder, **{key: file})


@pytest.mark.parametrize("file", ["pipe", "/dev/zero", "loop", "n" * 300])
def test_policies_are_files_or_folders(folder: Any, file: str) -> None:
    os.mkfifo(folder.path / "pipe")
    (folder.path / "loop").symlink_to(folder.path / "loop")
    assert "there is no file or folder" in problem(folder, **{"policies.gas": file})


def test_a_learner_has_a_name_that_its_policy_file_can_have(folder: Any) -> None:
    folder.change("powerplant_units.csv", "gas,gas", f"{'電' * 30},gas")
    assert "is too long for a policy file, which would have 282 signs" in problem(folder)


def test_a_simulation_has_a_name_that_its_folder_can_have(folder: Any) -> None:
    message = problem(folder, simulation_id="n" * 300)
    assert "simulation_id: is too long for the name of a folder" in message


def test_seconds_to_2199_are_refused_before_they_are_counted_out(folder: Any) -> None:
    message = problem(folder, time_step="1s", end_date="2199-01-01")
    assert "makes a calendar of 5,680,281,601 steps; 2,000,000 are possible" in message
