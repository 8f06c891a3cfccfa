"""What it takes to work out reward curves: by inserting own orders into a sorted book, and anew.

Inserted are those of rungs that make a difference, anew the book is cleared on all of them.
Plants of the national week learn on a ladder, two prices each; their curves are worked out in both
ways in one run, of the same auctions, anew with up to 100 learners only. More learners than there
are plants are copies of these, each with a part of the power. Seconds are those of one thread of
the process.
"""

import argparse
import time
from collections.abc import Sequence
from unittest.mock import patch

import torch

from assume_rl import keyed
from assume_rl.core import reward_curve
from assume_rl.envs import curves
from assume_rl.envs.curves import curves_of
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.state import Earned
from assume_rl.scenario.compile.compiled import compile_scenario
from benchmarks.fleets import on_ladders
from benchmarks.timing import machine

MOST_ANEW = 100  # learners


def market(count: int, rungs: int, hours: int) -> MarketEnv:
    """Return the first hours of the national week, with learners."""
    overrides: dict[str, object] = {"bidding_strategy_params.rungs": rungs}
    compiled = compile_scenario(on_ladders(count, "week", overrides))
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
    fast, found = curve_seconds(env, earned)
    if count > MOST_ANEW:
        return f"| {count} | {rungs} | {hours} | {fast:.2f} | – | – | – |"
    with (
        patch.object(curves, "can_tell", lambda market, team: False),
        patch.object(reward_curve, "can_insert", lambda rule: False),
    ):
        anew, expected = curve_seconds(env, earned)
    apart = max(
        float((one - other).abs().max()) for one, other in zip(found, expected, strict=True)
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
