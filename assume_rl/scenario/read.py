"""Read a study case of a scenario folder as validated data; all problems are reported at once."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from assume_rl.errors import ConfigurationError, ScenarioError
from assume_rl.scenario.checks import check_scenario
from assume_rl.scenario.config.cases import CONFIG_FILE, read_cases
from assume_rl.scenario.config.overrides import is_setting, split
from assume_rl.scenario.config.read import (
    case_settings,
    named_plugins,
    study_case,
)
from assume_rl.scenario.config.schema import StudyCase, switched_off
from assume_rl.scenario.files import optional_file, required_file
from assume_rl.scenario.found_plugins import Plugin
from assume_rl.scenario.network import read_networks
from assume_rl.scenario.plugins import load_plugins, plugins_with
from assume_rl.scenario.problems import Problems
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import Series, Unit, UnitTable
from assume_rl.scenario.tables.formats import PLAIN, Formats, read_formats
from assume_rl.scenario.tables.operators import FILE as OPERATORS_FILE
from assume_rl.scenario.tables.operators import Operators, read_operators
from assume_rl.scenario.tables.overrides import with_overrides
from assume_rl.scenario.tables.read import read_units
from assume_rl.scenario.tables.series import read_all_series
from assume_rl.scenario.types import Scenario, usual_simulation

MOST_STEPS = 2_000_000
"""Steps of a calendar: 57 years of quarters of an hour, 23 days of seconds."""

NO_OVERRIDES: Mapping[str, Any] = MappingProxyType({})
UNSUPPORTED_FILES = {
    "industrial_dsm_units": "demand-side management",
    "residential_dsm_units": "demand-side management",
}
"""File keys of the format that are not read so far."""


def load_scenario(
    path: str | Path,
    case: str | None = None,
    *,
    overrides: Mapping[str, Any] = NO_OVERRIDES,
    strict: bool = False,
    plugins: Sequence[str | Path] = (),
) -> Scenario:
    """Return one study case of the folder `path`, read and validated.

    :param path: folder of the scenario
    :param case: study case; by default the first one of `config.yaml`
    :param overrides: changes by dotted key, e.g. ``{"learning_config.gamma": 0.9}`` or
        ``{"units.coal.max_power": 500}``, see `scenario.overrides`; text is read as YAML
    :param strict: whether an unknown column, which nothing reads, is an error instead of a warning
    :param plugins: files and entry points to load beside those that the study case names
    :raises ScenarioError: with every problem found
    :raises ConfigurationError: a plug-in is missing or broken
    """
    return Reader(strict=strict).load(path, case, overrides=overrides, plugins=plugins)


@dataclass(frozen=True)
class Tables:
    """Content of the files of a study case, apart from its settings."""

    units: Mapping[str, tuple[Unit, ...]]  # by kind
    series: Series
    operators: Operators
    problems: Problems  # of reading them


class Reader:
    """Reader of many study cases; a file that several of them need is read once.

    It does not notice when a file changes.

    :param strict: see `load_scenario`.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._cases: dict[Path, dict[str, Any]] = {}
        self._tables: dict[str, Tables] = {}
        self._plugins: dict[tuple[str, ...], tuple[Plugin, ...]] = {}

    def load(
        self,
        path: str | Path,
        case: str | None = None,
        *,
        overrides: Mapping[str, Any] = NO_OVERRIDES,
        plugins: Sequence[str | Path] = (),
    ) -> Scenario:
        """Return one study case, read and validated, see `load_scenario`.

        :param path: folder of the scenario
        :param case: study case; by default the first one of `config.yaml`
        :param overrides: changes by dotted key
        :param plugins: files and entry points to load beside those that the study case names
        :raises ScenarioError: with every problem found
        :raises ConfigurationError: a plug-in is missing or broken
        """
        try:
            scenario = self._load(Path(path), case, overrides, self._loaded(plugins))
        except ScenarioError as error:
            raise ScenarioError(_named(p, overrides) for p in error.problems) from None
        warnings = tuple(_named(warning, overrides) for warning in scenario.warnings)
        return dataclasses.replace(scenario, warnings=warnings)

    def _cases_of(self, folder: Path) -> dict[str, Any]:
        if folder not in self._cases:
            self._cases[folder] = read_cases(folder)
        return self._cases[folder]

    def _loaded(self, names: Sequence[str | Path]) -> tuple[Plugin, ...]:
        key = tuple(map(str, names))
        if key not in self._plugins:
            self._plugins[key] = load_plugins(names)
        return self._plugins[key]

    def _own_plugins(
        self, case: str, settings: Mapping[str, Any], problems: Problems
    ) -> tuple[Plugin, ...]:
        """Return the plug-ins that a study case names, loaded."""
        try:
            return self._loaded(named_plugins(settings))
        except ConfigurationError as error:
            problems.error(f"{CONFIG_FILE}, {case}.plugins", str(error))
            problems.check()
            raise

    def _load(
        self,
        folder: Path,
        case: str | None,
        overrides: Mapping[str, Any],
        plugins: tuple[Plugin, ...],
    ) -> Scenario:
        problems = Problems(strict=self._strict)
        settings, changes = split(overrides, problems)
        name, written = case_settings(self._cases_of(folder), folder, case, settings, problems)
        plugins = tuple(dict.fromkeys((*plugins, *self._own_plugins(name, written, problems))))
        config = study_case(written, name, problems)
        index = _calendar(name, config, problems)
        off = switched_off(written)
        tables = self._tables_of(folder, config, off, index, plugins)
        problems.errors += tables.problems.errors
        problems.warnings += tables.problems.warnings
        scenario = Scenario(
            folder=folder,
            name=folder.resolve().name,
            case=name,
            config=config,
            units_by_kind=tables.units,
            index=index,
            series=tables.series,
            operators=tables.operators,
            warnings=(),
            networks=read_networks(name, config, problems),
            changed=frozenset(settings),
            written=written,
        )
        if not problems.errors:  # else the units to be changed may be missing
            scenario = with_overrides(scenario, changes, problems)
        check_scenario(scenario, problems)
        problems.check()
        used = plugins_with(_parts(scenario))  # a program may have loaded them before
        return dataclasses.replace(
            scenario,
            warnings=tuple(problems.warnings),
            plugins=tuple(dict.fromkeys((*plugins, *used))),
        )

    def _tables_of(
        self,
        folder: Path,
        config: StudyCase,
        off: tuple[str, ...],
        index: pd.DatetimeIndex,
        plugins: tuple[Plugin, ...],
    ) -> Tables:
        # Of the sections on learning and markets, tables depend only on the names of the markets.
        rest = config.model_dump_json(exclude={"learning_config", "markets_config"})
        key = repr((folder, list(config.markets_config), off, rest, plugins))
        if key not in self._tables:
            problems = Problems(strict=self._strict)
            self._tables[key] = _read_tables(folder, config, off, index, problems)
        return self._tables[key]


def simulation_id(
    path: str | Path, case: str | None = None, *, overrides: Mapping[str, Any] = NO_OVERRIDES
) -> str:
    """Return `Scenario.simulation_id` of a study case that may need plug-ins to be read.

    :param path: folder of the scenario
    :param case: study case; by default the first one of `config.yaml`
    :param overrides: changes by dotted key
    :raises ScenarioError: there is no such study case
    """
    problems, folder = Problems(), Path(path)
    settings, _ = split(overrides, problems)
    name, written = case_settings(read_cases(folder), folder, case, settings, problems)
    return str(written.get("simulation_id") or usual_simulation(folder, name))


def _parts(scenario: Scenario) -> set[tuple[str, str]]:
    """Return the parts of a scenario that may come from a plug-in, by kind and name."""
    config, units = scenario.config, scenario.units
    forecasts = (config.forecast_algorithms, *(unit.forecast for unit in units))
    return {
        *(("unit kind", kind) for kind, members in scenario.units_by_kind.items() if members),
        *(("bidder", name) for unit in units for name in unit.bidding.values()),
        *(
            ("portfolio strategy", name)
            for own in scenario.operators.values()
            for name in own.values()
        ),
        *(("rule", market.market_mechanism) for market in config.markets_config.values()),
        *(("forecast", name) for chosen in forecasts for name in chosen.values()),
        ("algorithm", scenario.learning.algorithm),
        ("critic", scenario.learning.critic),
        ("actor", scenario.learning.actor_architecture),
        *(("schedule", name) for name in scenario.learning.schedules),
    }


def _read_tables(
    folder: Path,
    config: StudyCase,
    off: tuple[str, ...],
    index: pd.DatetimeIndex,
    problems: Problems,
) -> Tables:
    """Return all tables, as if nobody took part in the markets that are switched off.

    :param folder: of the scenario
    :param config: of the study case
    :param off: markets that are switched off
    :param index: of the calendar
    :param problems: takes what is wrong with the tables
    """
    markets = (*config.markets_config, *off)
    _refuse_unsupported_files(folder, config, problems)
    formats = read_formats(folder, config.files(), problems)
    units = {
        name: tuple(
            unit.model_copy(update={"bidding": _besides(off, unit.bidding)})
            for unit in _units_of(folder, config, markets, table, formats, problems)
        )
        for name, table in UNIT_TABLES.items()
    }
    series = read_all_series(folder, config, units, index, formats, problems)
    path = optional_file(folder, config, OPERATORS_FILE, problems)
    form = formats.of(path.name) if path else PLAIN
    operators = read_operators(path, markets, problems, form)
    kept = {name: rest for name, own in operators.items() if (rest := _besides(off, own))}
    return Tables(units, series, kept, problems)


def _besides(off: Collection[str], strategies: Mapping[str, str]) -> dict[str, str]:
    """Return strategies by market, without those for markets that are switched off."""
    return {market: name for market, name in strategies.items() if market not in off}


def _units_of(
    folder: Path,
    config: StudyCase,
    markets: Collection[str],
    table: UnitTable[Any],
    formats: Formats,
    problems: Problems,
) -> tuple[Unit, ...]:
    """Return the units of a kind; none where its file is optional and missing."""
    if table.required:
        path = required_file(folder, config, table.file)
    elif (found := optional_file(folder, config, table.file, problems)) is None:
        return ()
    else:
        path = found
    return read_units(path, table.row, markets, problems, formats.of(path.name))


def _refuse_unsupported_files(folder: Path, config: StudyCase, problems: Problems) -> None:
    supported = {table.file for table in UNIT_TABLES.values()}
    for key, what in ((k, w) for k, w in UNSUPPORTED_FILES.items() if k not in supported):
        path = optional_file(folder, config, key, problems)
        if path is not None:
            hint = f"`{key}: null` in {CONFIG_FILE} leaves the file out"
            problems.error(path.name, f"not supported yet: {what}; {hint}")


def _calendar(case: str, config: StudyCase, problems: Problems) -> pd.DatetimeIndex:
    """Return the steps from start to end date, both included."""
    steps = int((config.end_date - config.start_date).total_seconds()) // config.time_step + 1
    if steps > MOST_STEPS:
        what = f"makes a calendar of {steps:,} steps; {MOST_STEPS:,} are possible"
        problems.error(f"{CONFIG_FILE}, {case}.time_step", what)
        problems.check()
    step = pd.Timedelta(seconds=config.time_step)
    index = pd.date_range(config.start_date, config.end_date, freq=step)
    if len(index) < 2:
        problems.error(f"{CONFIG_FILE}, {case}.time_step", "is longer than the whole calendar")
        problems.check()
    return index


def _named(sentence: str, overrides: Mapping[str, Any]) -> str:
    """Return a problem, located at the override that caused it, or naming those it is about."""
    where, _, what = sentence.partition(": ")
    if where.startswith("override "):
        return sentence
    setting = where.removeprefix(f"{CONFIG_FILE}, ").partition(".")[2]
    if any(f"{setting}.".startswith(f"{key}.") for key in overrides):
        return f"override {setting}: {what}"
    cell = re.search(r", row '(.*?)'(?:, column '(.*)')?$", where)
    key = f"units.{cell[1]}.{cell[2] or ''}" if cell else ""
    if cell and any(given.startswith(key) for given in overrides):
        return f"override {key.removesuffix('.')}: {what}"
    words = re.findall(r"\w+", what)  # a problem of several settings names them and their values
    about = [
        key
        for key, value in overrides.items()
        if is_setting(key) and key.rpartition(".")[2] in words and str(value) in what
    ]
    return f"{sentence} (override {', '.join(about)})" if about else sentence
