"""Plays games whose answer is known with an algorithm, and says how near its policies come."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assume_rl.experiments.outputs import versions
from assume_rl.learning.config import LearningConfig
from assume_rl.testing.games import GAMES, Game, Judged, judged, judged_mixed
from assume_rl.testing.games.playing import Mix, Played, play

STACK = 25
"""Seeds that are played together; what a seed learns does not depend on it."""
NEAR, FAIR = 0.01, 0.05  # shares of the price


@dataclass(frozen=True)
class Recipe:
    """How a game is learned: settings, and the rungs of ladders (0: actions are any numbers)."""

    rungs: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


LADDER: Mapping[str, Any] = {
    "actor_hidden": (),
    "batch_size": 64,
    "gradient_steps": 60,
    "initial_actions": "uniform",
    "episodes_collecting_initial_experience": 1,
    "learning_rate": 0.1,
    "learning_rate_schedule": {"schedule": "linear", "end": 0.02},
    "num_envs": 4,
    "training_episodes": 50,
}
"""Of choices on a ladder: logits without hidden layers, since what is seen is nothing, or ramps."""

NUMBERS: Mapping[str, Any] = {
    "actor_hidden": (32, 32),
    "batch_size": 64,
    "episodes_collecting_initial_experience": 5,
    "gamma": 0.0,
    "gradient_steps": 20,
    "initial_actions": "uniform",
    "num_envs": 8,
    "training_episodes": 50,
}
"""Of actions that are any number."""

TENDER: Mapping[str, Any] = {
    "batch_size": 256,
    "entropy_weight": 0.01,
    "gradient_steps": 40,
    "learning_rate": 0.05,
    "num_envs": 128,
    "training_episodes": 40,
}
"""Where costs are private: many draws of these."""

BY_GAME: Mapping[str, Recipe] = {
    "E1-3": Recipe(301, {"num_envs": 2, "training_episodes": 100, "weight_decay": 0.2}),
    "E2": Recipe(151, {"gradient_steps": 20, "num_envs": 2, "training_episodes": 300}),
    "E3": Recipe(101, {"training_episodes": 150}),
    "E4": Recipe(101),
    "E7-8": Recipe(41, {"gradient_steps": 20}),
    "E7-32": Recipe(41, {"gradient_steps": 20}),
    "E8-2": Recipe(101, TENDER),
    "E8-3": Recipe(101, TENDER),
    "E8-5": Recipe(101, TENDER),
    "E11": Recipe(101, {"gradient_steps": 20}),
}
"""What differs of some games on a ladder, by name."""


def recipe(game: str, ladder: bool) -> Recipe:
    """Return how an algorithm learns a game.

    :param game: its name
    :param ladder: whether the algorithm chooses rungs of a ladder
    """
    if not ladder:
        return Recipe(0, NUMBERS)
    own = BY_GAME.get(game, Recipe(201))
    return Recipe(own.rungs, {**LADDER, **own.settings})


def measure(name: str, algorithm: str, ladder: bool, seeds: int) -> list[dict[str, Any]]:
    """Return the rows of a game and an algorithm: one, or in mixed games one for each policy.

    :param name: of the game
    :param algorithm: its name
    :param ladder: whether it chooses rungs of a ladder
    :param seeds: how many, from 1 on
    """
    game, how = GAMES[name](), recipe(name, ladder)
    config = LearningConfig.from_mapping({"algorithm": algorithm, **how.settings})
    start = time.process_time()
    played = [one for part in _stacks(seeds) for one in play(game, config, part, how.rungs)]
    seconds = (time.process_time() - start) / seeds
    common = {"game": name, "title": game.title, "algorithm": algorithm, "rungs": how.rungs}
    common |= {"seeds": seeds, "seconds": round(seconds, 3)}
    return [
        {**common, "policy": policy, **_figures(game, found)}
        for policy, found in _judged(game, played).items()
    ]


def _stacks(seeds: int) -> Iterator[Sequence[int]]:
    for first in range(1, seeds + 1, STACK):
        yield range(first, min(first + STACK, seeds + 1))


def _judged(game: Game, played: Sequence[Played]) -> dict[str, list[Judged]]:
    """Return the figures of the policies of each seed, by kind of policy."""
    if not game.mixed:
        return {"last": [judged(game, one.policy) for one in played]}
    return {
        "last": [_of_mix(game, one.last) for one in played],
        "averaged": [_of_mix(game, one.averaged) for one in played],
    }


def _of_mix(game: Game, mix: Mix | None) -> Judged:
    assert mix is not None  # players of mixed games see nothing
    return judged_mixed(game, mix.numbers, mix.weight)


def _figures(game: Game, found: Sequence[Judged]) -> dict[str, Any]:
    """Return what seeds reach.

    Exploitability is a share of the profit of the equilibrium, mean over players, where there is
    one; else of what is at stake.
    """
    answer = game.equilibrium
    error = np.array([abs(one.price - answer.price) / answer.price for one in found])
    profit = float(np.mean(answer.profit)) or game.scale
    regret = np.array([one.exploitability for one in found])
    distances = [one.distance for one in found if one.distance is not None]
    return {
        "price": answer.price,
        "within_1": float((error <= NEAR).mean()),
        "within_5": float((error <= FAIR).mean()),
        "price_error": {"median": float(np.median(error)), "most": float(error.max())},
        "exploitability": {"median": float(np.median(regret)), "most": float(regret.max())},
        "exploitability_share": float(np.median(regret)) / profit,
        "distance": float(np.median(distances)) if distances else None,
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a benchmark of games as plain data.

    :param rows: of `measure`
    """
    return {"versions": versions(), "rows": list(rows)}
