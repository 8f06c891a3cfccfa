"""What it takes to work out reward curves: by inserting own orders into a sorted book, and anew.

Plants of the national week learn on a ladder, two prices each; their curves are worked out in both
ways in one run, of the same auctions, anew with up to 100 learners only. More learners than there
are plants are copies of these, each with a part of the power. Seconds are those of one thread of
the process.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import pandas as pd
import torch

from assume_rl import keyed
from assume_rl.core import reward_curve
from assume_rl.envs.curves import curves_of
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.state import Earned
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from benchmarks.agents_shell import NATIONAL
from benchmarks.timing import machine

PLANTS = ("lignite", "hard coal", "combined cycle gas turbine", "open cycle gas turbine")
LADDER = "powerplant_energy_learning_ladder"
MOST_ANEW = 100  # learners


def week(count: int, rungs: int) -> Scenario:
    """Return the national week, the first of whose plants that may learn do."""
    overrides: dict[str, object] = {"bidding_strategy_params.rungs": rungs}
    scenario = load_scenario(NATIONAL, "week", overrides=overrides)
    plants = scenario.of("power_plant")
    able = sum(plant.technology in PLANTS for plant in plants)
    copies = math.ceil(count / able)
    copied = [
        plant.model_copy(
            update={
                "id": f"{plant.id} {k}",
                "max_power": plant.max_power / copies,
                "min_power": plant.min_power / copies,
                "additional_cost": plant.additional_cost + 0.001 * k,  # no ties
            }
        )
        for k in range(copies)
        for plant in plants
    ]
    chosen = [plant.id for plant in copied if plant.technology in PLANTS][:count]
    learning = {name: {"EOM": LADDER} for name in chosen}
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


def market(count: int, rungs: int, hours: int) -> MarketEnv:
    """Return the first hours of the national week, with learners."""
    compiled = compile_scenario(week(count, rungs))
    return MarketEnv(compiled, num_envs=1, seeds=(1,), window=hours, curves=True)


def played(env: MarketEnv) -> list[Earned]:
    """Return what random rungs earned in an episode."""
    state, found = env.reset(torch.zeros(1, dtype=torch.long)), []
    while not env.done(state):
        shapes = [(1, len(team.ids), team.bidder.action.size) for team in env.teams]
        drawn = [
            keyed.array(shape, 0, "benchmark", k, state.step) for k, shape in enumerate(shapes)
        ]
        state, happened = env.step(state, [2 * action - 1 for action in drawn])
        found += happened.learners
    return found


def curve_seconds(env: MarketEnv, earned: Sequence[Earned]) -> tuple[float, list[torch.Tensor]]:
    """Return how long the curves of all learners take, and the curves."""
    start, found = time.process_time(), []
    for team in range(len(env.teams)):
        found += curves_of(env.setting, team, [one for one in earned if one.team == team])
    return time.process_time() - start, found


@torch.inference_mode()
def compare(count: int, rungs: int, hours: int) -> str:
    """Return a row of the table."""
    env = market(count, rungs, hours)
    earned = played(env)
    fast, curves = curve_seconds(env, earned)
    if count > MOST_ANEW:
        return f"| {count} | {rungs} | {hours} | {fast:.2f} | – | – | – |"
    with patch.object(reward_curve, "can_insert", lambda rule: False):
        anew, expected = curve_seconds(env, earned)
    apart = max(
        float((one - other).abs().max()) for one, other in zip(curves, expected, strict=True)
    )
    return (
        f"| {count} | {rungs} | {hours} | {fast:.2f} | {anew:.2f} | {anew / fast:.1f} | "
        f"{apart:.0e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, nargs="+", default=[1, 10, 30, 100, 300, 1000])
    parser.add_argument("--rungs", type=int, default=156)
    parser.add_argument("--hours", type=int, default=24)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    print("| learners | rungs | hours | inserted s | anew s | ratio | largest difference |")
    print("|---|---|---|---|---|---|---|")
    for count in given.learners:
        print(compare(count, given.rungs, given.hours))


if __name__ == "__main__":
    main()
