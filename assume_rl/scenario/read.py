"""A scenario folder and a study case to validated data; every problem is told at once."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from assume_rl.scenario.checks import check_scenario
from assume_rl.scenario.config import CONFIG_FILE, read_case
from assume_rl.scenario.files import optional_file, required_file
from assume_rl.scenario.problems import Problems
from assume_rl.scenario.schema import StudyCase
from assume_rl.scenario.series import read_all_series
from assume_rl.scenario.types import Scenario
from assume_rl.scenario.units import Demand, Plant, read_units

UNSUPPORTED_FILES = {
    "storage_units": "storage units",
    "exchange_units": "exchange units",
    "unit_operators": "portfolio strategies of unit operators",
    "industrial_dsm_units": "demand-side management",
    "residential_dsm_units": "demand-side management",
}
"""File keys of the format that are not read so far."""


def load_scenario(
    path: str | Path,
    case: str | None = None,
    *,
    overrides: Mapping[str, Any] = MappingProxyType({}),
    strict: bool = False,
) -> Scenario:
    """Read and validate one study case of the folder `path`.

    :param case: study case; by default the first one of `config.yaml`
    :param overrides: settings by dotted key, e.g. ``{"learning_config.gamma": 0.9}``; text is read
        as YAML
    :param strict: whether what nothing reads (an unknown column) is an error instead of a warning
    :raises ScenarioError: with every problem found
    """
    problems = Problems(strict=strict)
    folder = Path(path)
    name, config = read_case(folder, case, overrides, problems)
    _refuse_unsupported_files(folder, config, problems)
    markets = config.markets_config
    plants = read_units(required_file(folder, config, "powerplant_units"), Plant, markets, problems)
    demands = read_units(required_file(folder, config, "demand_units"), Demand, markets, problems)
    index = _calendar(name, config, problems)
    series = read_all_series(folder, config, plants, demands, index, problems)
    scenario = Scenario(
        folder=folder,
        name=folder.resolve().name,
        case=name,
        config=config,
        plants=plants,
        demands=demands,
        index=index,
        series=series,
        warnings=(),
    )
    check_scenario(scenario, problems)
    problems.check()
    return dataclasses.replace(scenario, warnings=tuple(problems.warnings))


def _refuse_unsupported_files(folder: Path, config: StudyCase, problems: Problems) -> None:
    for key, what in UNSUPPORTED_FILES.items():
        path = optional_file(folder, config, key, problems)
        if path is not None:
            hint = f"`{key}: null` in {CONFIG_FILE} leaves the file out"
            problems.error(path.name, f"not supported yet: {what}; {hint}")


def _calendar(case: str, config: StudyCase, problems: Problems) -> pd.DatetimeIndex:
    """Steps from start to end date, both included."""
    step = pd.Timedelta(seconds=config.time_step)
    index = pd.date_range(config.start_date, config.end_date, freq=step)
    if len(index) < 2:
        problems.error(f"{CONFIG_FILE}, {case}.time_step", "is longer than the whole calendar")
        problems.check()
    return index
