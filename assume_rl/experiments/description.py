"""What a manifest says of everything that a run's results depend on."""

import hashlib
from typing import Any

from assume_rl.scenario.compile import Compiled
from assume_rl.scenario.types import Scenario


def description(
    compiled: Compiled, kind: str, simulation: str, *, seed: int, engine: str, device: str
) -> dict[str, Any]:
    """Study case, settings, data, seed and shell, as a manifest has them."""
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
        "overrides": dict(scenario.overrides),  # of tables; those of settings are in them
        "configuration": scenario.config.model_dump(mode="json"),
    }


def data_digest(scenario: Scenario) -> str:
    """Hash of a study case's units and time series: what its configuration does not tell."""
    digest = hashlib.sha256(repr((scenario.plants, scenario.demands)).encode())
    series = scenario.series
    for frame in (series.demand, series.availability, series.fuel_prices, series.forecasts):
        digest.update(repr(list(frame.columns)).encode() + frame.to_numpy(float).tobytes())
    return digest.hexdigest()
