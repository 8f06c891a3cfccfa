"""Scenarios of any number of learners, made from the one of ten."""

from dataclasses import replace
from pathlib import Path

from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

TEN = Path(__file__).parents[1] / "scenarios" / "ten_learners"


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
