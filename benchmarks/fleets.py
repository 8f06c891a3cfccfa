"""Scenarios of any number of learners, made from the one of ten and the national one."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

SCENARIOS = Path(__file__).parents[1] / "scenarios"
TEN, NATIONAL = SCENARIOS / "ten_learners", SCENARIOS / "national"
PLANTS = ("lignite", "hard coal", "combined cycle gas turbine", "open cycle gas turbine")
LADDER = "powerplant_energy_learning_ladder"


def learners(count: int, case: str = "base") -> Scenario:
    """The ten learners' scenario with `count` of them; demand and the other plants grow alike."""
    scenario = load_scenario(TEN, case)
    plants = scenario.of("power_plant")
    learning = [p for p in plants if p.bidding["EOM"].endswith("_learning")]
    fixed = [p for p in plants if p not in learning]
    copies = [
        plant.model_copy(update={"id": f"learner {i}", "unit_operator": f"operator {i}"})
        for i, plant in ((i, learning[i % len(learning)]) for i in range(count))
    ]
    share = count / len(learning)
    grown = [p.model_copy(update={"max_power": p.max_power * share}) for p in fixed]
    series = replace(scenario.series, demand=scenario.series.demand * share)
    return replace(scenario.with_units("power_plant", [*grown, *copies]), series=series)


def on_ladders(count: int, case: str, overrides: Mapping[str, object]) -> Scenario:
    """The national scenario, in which so many of `PLANTS` learn on ladders, all others do not.

    Where there are too few, all of its plants are copied: each has a part of the power, and costs
    a tenth of a cent more than the one before.
    """
    scenario = load_scenario(NATIONAL, case, overrides=overrides)
    plants = scenario.of("power_plant")
    copies = math.ceil(count / sum(plant.technology in PLANTS for plant in plants))
    copied = [
        plant.model_copy(
            update={
                "id": f"{plant.id} {k}",
                "max_power": plant.max_power / copies,
                "min_power": plant.min_power / copies,
                "additional_cost": plant.additional_cost + 0.001 * k,
                "bidding": {"EOM": "powerplant_energy_naive"},
            }
        )
        for k in range(copies)
        for plant in plants
    ]
    able = [plant.id for plant in copied if plant.technology in PLANTS]
    learning = {name: {"EOM": LADDER} for name in able[:count]}
    shares = scenario.series.availability
    series = replace(
        scenario.series,
        availability=pd.concat([shares.add_suffix(f" {k}") for k in range(copies)], axis=1),
    )
    return replace(scenario, series=series).with_units(
        "power_plant",
        [
            plant.model_copy(update={"bidding": learning.get(plant.id, plant.bidding)})
            for plant in copied
        ],
    )
