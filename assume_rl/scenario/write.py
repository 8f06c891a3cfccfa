"""Write a study case as the files of a folder that reads as the same one.

Overrides are in it: those of settings in its `config.yaml`, those of tables in its tables.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from assume_rl.scenario.config.cases import CONFIG_FILE
from assume_rl.scenario.config.read import with_paths
from assume_rl.scenario.found_plugins import is_file
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import Unit
from assume_rl.scenario.tables.operators import FILE as OPERATORS
from assume_rl.scenario.tables.read import BIDDING, FORECAST, columns_of
from assume_rl.scenario.types import Scenario

PLUGINS = "plugins"
"""Folder of the files of plug-ins."""
NOT_WRITTEN = ("industrial_dsm_units", "residential_dsm_units", "trained_policies_save_path")
"""Keys of files that nothing reads, and of where a training copies its policies to."""
WORDS = re.compile(r"[A-Za-z][A-Za-z_ ./-]*")
"""Text that is no number, date or duration in any version of YAML."""


class _Dumper(yaml.SafeDumper):
    """A YAML writer that quotes text which could be read as something else."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if WORDS.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def scenario_files(scenario: Scenario, seed: int) -> dict[str, bytes]:
    """Return the files of a folder that holds a study case alone, by name.

    Paths of policies in `config.yaml` are absolute.

    :param scenario: that was read from a folder
    :param seed: that the study case gets
    """
    plugins = _plugins(scenario)
    files = {name: Path(path).read_bytes() for path, name in plugins.items() if is_file(path)}
    settings = _settings(scenario) | {"seed": seed, "simulation_id": scenario.simulation_id}
    if plugins:
        settings["plugins"] = list(plugins.values())
    files[CONFIG_FILE] = as_yaml({scenario.case: settings})
    for name, table in UNIT_TABLES.items():
        if units := scenario.of(name):
            files[f"{table.file}.csv"] = _unit_table(units)
    if scenario.operators:
        files[f"{OPERATORS}.csv"] = _operator_table(scenario.operators)
    series = scenario.series
    tables = {
        "demand_df": series.demand.abs(),
        "availability_df": series.availability,
        "fuel_prices_df": _shortest(series.fuel_prices),
        "forecasts_df": series.forecasts,
        **series.own,
    }
    written = {key: frame for key, frame in tables.items() if len(frame.columns)}
    return files | {f"{key}.csv": _series_table(frame) for key, frame in written.items()}


def as_yaml(content: Mapping[str, Any]) -> bytes:
    """Return plain data as the text of a YAML file."""
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return str(text).encode()


def _settings(scenario: Scenario) -> dict[str, Any]:
    """Return the settings as they were written; files have their usual names."""
    files = {key for table in UNIT_TABLES.values() for key in table.files}
    files |= {"demand_df", "availability_df", "fuel_prices_df", "forecasts_df", OPERATORS}
    dropped = {*files, *NOT_WRITTEN, "plugins"}
    kept = {k: v for k, v in scenario.written.items() if k not in dropped}
    found: dict[str, Any] = _plain(with_paths(kept, Path.absolute))
    learning = found.get("learning_config")
    if isinstance(learning, dict):
        found["learning_config"] = {k: v for k, v in learning.items() if k not in dropped}
    return found


def _plain(value: Any) -> Any:
    """Return settings as YAML has them."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    if hasattr(value, "item"):  # a number of numpy's
        return value.item()
    return value if value is None or isinstance(value, int | float | str | date) else str(value)


def _plugins(scenario: Scenario) -> dict[str, str]:
    """Return the settings' name of each plug-in: its file in the folder, or its entry point."""
    return {
        own.name: f"{PLUGINS}/{k}_{Path(own.name).name}" if is_file(own.name) else own.name
        for k, own in enumerate(scenario.plugins)
    }


def _unit_table(units: Sequence[Unit]) -> bytes:
    """Return the table of a kind's units; a column that no unit has a value of is left out."""
    rows = [_cells(unit) for unit in units]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return _csv(
        [["name", *names], *([u.id, *map(r.get, names)] for u, r in zip(units, rows, strict=True))]
    )


def _cells(unit: Unit) -> dict[str, Any]:
    """Return the cells of a unit's row by column, those that have something in them."""
    row = {name: getattr(unit, name) for name in columns_of(type(unit))}
    row |= {name: abs(row[name]) for name in unit.unsigned if row[name] is not None}
    row |= {f"{BIDDING}{market}": name for market, name in unit.bidding.items()}
    row |= {f"{FORECAST}{key}": name for key, name in unit.forecast.items()}
    return {name: value for name, value in row.items() if value is not None}


def _operator_table(operators: Mapping[str, Mapping[str, str]]) -> bytes:
    markets = list(dict.fromkeys(market for own in operators.values() for market in own))
    rows = ([name, *map(own.get, markets)] for name, own in operators.items())
    return _csv([["name", *(f"{BIDDING}{market}" for market in markets)], *rows])


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def _shortest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return prices as one row if they are the same at all times."""
    return frame.iloc[:1] if (frame == frame.iloc[0]).to_numpy().all() else frame


def _series_table(frame: pd.DataFrame) -> bytes:
    """Return a table of time series, with every digit."""
    return frame.to_csv(index_label="datetime", lineterminator="\n").encode()
