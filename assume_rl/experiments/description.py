"""A manifest's description of everything that a run's results depend on."""

import hashlib
from typing import Any

from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.types import Scenario


def description(
    compiled: Compiled, kind: str, simulation: str, *, seed: int, engine: str, device: str
) -> dict[str, Any]:
    """Return study case, settings, data, seed and shell, as a manifest has them."""
    scenario = compiled.scenario
    return {
        "kind": kind,
        "scenario": scenario.name,
        "case": scenario.case,
        "simulation": simulation,
        "seed": seed,
        "engine": engine,
        "device": device,
        "data": data_digest(scenario),
        "plugins": {plugin.name: plugin.sha256 for plugin in scenario.plugins},
        "overrides": dict(scenario.overrides),  # of tables; those of settings are in them
        "configuration": scenario.config.model_dump(mode="json"),
    }


def data_digest(scenario: Scenario) -> str:
    """Hash of units, operators, networks and time series: what a configuration lacks."""
    digest = hashlib.sha256(repr(_units(scenario)).encode())
    if scenario.operators:
        digest.update(repr(scenario.operators).encode())
    if scenario.networks:
        digest.update(repr(sorted(scenario.networks.items())).encode())
    series = scenario.series
    always = (series.demand, series.availability, series.fuel_prices, series.forecasts)
    for frame in (*always, *series.own.values()):
        digest.update(repr(list(frame.columns)).encode() + frame.to_numpy(float).tobytes())
    return digest.hexdigest()


def _units(scenario: Scenario) -> tuple[object, ...]:
    """Return the required kinds of units, then the other kinds by name where there are any.

    A kind that a scenario does not have leaves its hash as it is.
    """
    always = (scenario.of(name) for name, table in UNIT_TABLES.items() if table.required)
    others = ((n, scenario.of(n)) for n, table in UNIT_TABLES.items() if not table.required)
    return (*always, *((name, units) for name, units in others if units))
