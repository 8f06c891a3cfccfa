"""Cells of a benchmark of algorithms, the measurements in each, and the files that keep them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.learning.config import SETTINGS
from assume_rl.results.files import replace_text
from assume_rl.scenario.read import NO_OVERRIDES, load_scenario
from assume_rl.scenario.types import Scenario
from assume_rl.studies.identity import Digests, fingerprint, scenario_identity

ENDLESS = 10**6  # episodes; a trial never plays them all
SIDE_BY_SIDE = 16
"""Copies of the market for algorithms that learn from each transition once."""
MEMORY = "gru"
"""Actors for algorithms that need a memory."""
OWN_KEYS = (
    "algorithm",
    "training_episodes",
    "validation_episodes_interval",
    "early_stopping_steps",
)
"""Keys of `learning_config` that the benchmark sets, whatever the study case says."""


@dataclass(frozen=True)
class Cell:
    """One training: a study case, an algorithm, a seed, and how long it may take."""

    scenario: str  # FOLDER or FOLDER:CASE
    algorithm: str
    seed: int
    budget: float  # seconds of processor time
    overrides: Mapping[str, str] = field(default_factory=dict)  # of the study case, by dotted key
    fingerprint: str = ""  # of the study case without overrides; empty: not known

    @property
    def file(self) -> str:
        """Return the name of the file that keeps the measurement."""
        folder = re.sub(r"[^A-Za-z0-9_]+", "-", self.scenario).strip("-")
        return f"{folder}-{self.algorithm}-{self.seed}.json"

    def settings(self, episodes: int, interval: int = 1) -> dict[str, Any]:
        """Return the changes of the study case's settings; nothing stops its training early.

        :param episodes: of the training
        :param interval: episodes between evaluations; 1 goes with any number, see `measure`
        """
        values = (self.algorithm, episodes, interval, None)
        own = dict(zip(OWN_KEYS, values, strict=True))
        kind = SETTINGS[self.algorithm]
        fitting: dict[str, Any] = {"num_envs": SIDE_BY_SIDE} if kind.on_policy else {}
        if kind.learns_sequences:
            fitting["actor_architecture"] = MEMORY
        return {**_learning(fitting), **self.overrides, **_learning(own)}

    def load(self, episodes: int) -> Scenario:
        """Read the study case for a training of a number of episodes."""
        return study_case(self.scenario, self.settings(episodes))

    def trial(self) -> Scenario:
        """Read the study case for a training that never ends, with all its copies side by side."""
        return study_case(self.scenario, self.settings(ENDLESS, ENDLESS // 2))


@dataclass(frozen=True)
class Measured:
    """The results of a training, judged on its last policies without exploration."""

    cell: Cell
    episodes: int
    seconds: float  # of processor time, training only
    reward: float  # sum over the calendar, mean over the agents
    profit: float  # EUR, all agents
    best_response: float | None  # share of its reward, of a single learner where it is known
    perfect_foresight: float | None  # share of its profit, of a single storage
    nash_conv_share: float | None  # of profit, of several learners, where it is known


def _learning(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"learning_config.{key}": value for key, value in values.items()}


def study_case(name: str, overrides: Mapping[str, Any] = NO_OVERRIDES) -> Scenario:
    """Read FOLDER or FOLDER:CASE.

    :param overrides: changes by dotted key
    """
    folder, _, case = name.partition(":")
    return load_scenario(folder, case or None, overrides=overrides)


def fingerprint_of(name: str) -> str:
    """Return the fingerprint of FOLDER or FOLDER:CASE: its settings, tables and plug-ins.

    Settings that the benchmark replaces do not count.
    """
    replaced = _learning(dict(zip(OWN_KEYS, ("matd3", 1, 1, None), strict=True)))
    return fingerprint(scenario_identity(study_case(name, replaced), Digests()))


def grid(
    scenarios: Sequence[str],
    algorithms: Sequence[str],
    seeds: int,
    budget: float,
    overrides: Mapping[str, str] = NO_OVERRIDES,
) -> list[Cell]:
    """Return all cells, seed after seed, so that an interrupted benchmark has some of everything.

    :param scenarios: FOLDER or FOLDER:CASE each
    :param algorithms: their names
    :param seeds: how many, from 1 on
    :param budget: seconds of processor time of each training
    :param overrides: changes of every study case by dotted key
    :raises ConfigurationError: one of these is for the benchmark to set
    """
    for key in _learning(dict.fromkeys(OWN_KEYS)):
        if key in overrides:
            raise ConfigurationError(f"--set {key}: the benchmark sets it itself")
    every = product(range(1, seeds + 1), scenarios, algorithms)
    own, cases = dict(overrides), {scenario: fingerprint_of(scenario) for scenario in scenarios}
    return [Cell(case, name, seed, budget, own, cases[case]) for seed, case, name in every]


def write(folder: Path, measured: Measured) -> None:
    """Write a measurement; `ResultsError` if it cannot be written."""
    replace_text(folder / measured.cell.file, json.dumps(asdict(measured), indent=2) + "\n")


def read(folder: Path, cell: Cell) -> Measured | None:
    """Return an earlier measurement of a cell; None if there is none.

    :raises ConfigurationError: it had another budget, other overrides or another study case
    :raises ResultsError: the file cannot be read
    """
    path = folder / cell.file
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values = {f.name: content[f.name] for f in fields(Measured)}
        found = Measured(**{**values, "cell": Cell(**content["cell"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"'{path}' is no cell of a benchmark ({error}); remove it") from None
    _check_same(path, found.cell, cell)
    return found


def _check_same(path: Path, kept: Cell, asked: Cell) -> None:
    """Raise `ConfigurationError` if a cell was measured under other conditions."""
    if replace(kept, fingerprint=asked.fingerprint) != asked:
        raise ConfigurationError(
            f"'{path}' was measured with {_conditions(kept)}, not with {_conditions(asked)}; "
            "choose another --out"
        )
    if kept.fingerprint != asked.fingerprint:
        raise ConfigurationError(
            f"'{path}' was measured in another {asked.scenario}: its fingerprint was "
            f"{kept.fingerprint or 'not kept'} and is {asked.fingerprint} now; choose another --out"
        )


def _conditions(cell: Cell) -> str:
    """Return a measurement's conditions beside those in the name of its file."""
    return ", ".join(
        [f"a budget of {cell.budget:g} s", *(f"{k}={v}" for k, v in cell.overrides.items())]
    )
