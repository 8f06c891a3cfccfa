"""Plays games whose answer is known with an algorithm, and says how near its policies come."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.outputs import versions
from assume_rl.learning.config import SETTINGS, WITH_MEMORY, LearningConfig
from assume_rl.testing.games import GAMES, Game, Judged, judged, judged_mixed
from assume_rl.testing.games.judging import POINTS
from assume_rl.testing.games.playing import Learned, Mix, play

STACK, PRIVATE_STACK = 25, 5
"""Seeds that are played together, and where costs are private, whose curves are of all plays; what
a seed learns does not depend on it."""
DRAWS = 1024
"""Cases that players who mix are judged in, at least."""
FEW = 81
"""Points of the grid over what a player could do, where an action has several entries."""
NEAR, FAIR = 0.01, 0.05  # shares of the price


@dataclass(frozen=True)
class Recipe:
    """How a game is learned: settings, and the rungs of ladders (0: actions are any numbers)."""

    rungs: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


MIRROR: Mapping[str, Any] = {
    "actor_hidden": (),
    "max_grad_norm": 0.0,
    "mirror_step": 200.0,
    "num_envs": 16,
    "optimizer": "sgd",
    "passes": 1,
    "pull": 0.005,
    "reference_share": 0.1,
    "training_episodes": 200,
}
"""Of mirror descent: one table of logits, of which a gradient step is a whole step of it."""

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
"""Of others on a ladder: logits without hidden layers, since what is seen is nothing, or ramps."""

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

ENTROPY = "entropy_weight"  # that not all algorithms on a ladder have

TENDER: Mapping[str, Any] = {
    "batch_size": 256,
    ENTROPY: 0.01,
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


PRIVATE: Mapping[str, Any] = {
    "learning_rate": 70.0,  # of hats, by which logits follow in several passes
    "mirror_step": 1000.0,
    "num_envs": 128,
    "passes": 10,
    "pull": 0.001,
    "training_episodes": 400,
}
"""Of mirror descent where costs are private."""

STEPS: Mapping[str, Any] = {"mirror_step": 100.0, "num_envs": 64, "training_episodes": 600}
"""Of mirror descent where supply has many prices."""

MIRROR_BY_GAME: Mapping[str, Recipe] = {
    "E1-3": Recipe(301),
    "E2": Recipe(301, {"mirror_step": 400.0, "pull": 0.002, "training_episodes": 300}),
    "E3": Recipe(103, {"mirror_step": 400.0, "num_envs": 64, "training_episodes": 1000}),
    "E4": Recipe(
        101,
        {"num_envs": 32, "pull": 0.02, "reference_share": 0.5, "training_episodes": 400},
    ),
    "E5": Recipe(
        401,
        {"mirror_step": 20.0, "num_envs": 128, "pull": 0.05, "training_episodes": 1000},
    ),
    "E7-8": Recipe(41, STEPS),
    "E7-32": Recipe(41, STEPS),
    "E8-2": Recipe(201, PRIVATE),
    "E8-3": Recipe(201, PRIVATE),
    "E8-5": Recipe(
        151,
        {
            **PRIVATE,
            "learning_rate": 53.0,
            "num_envs": 64,
            "passes": 4,
            "training_episodes": 300,
        },
    ),
    "E11": Recipe(101),
}
"""What differs of some games that mirror descent plays, by name."""

REGRETS: Mapping[str, Any] = {
    "actor_hidden": (),
    "max_grad_norm": 0.0,
    "num_envs": 16,
    "optimizer": "sgd",
    "passes": 1,
    "reward": {"scale": 100.0},
    "training_episodes": 2000,
}
"""Of regret matching: one table, of which a gradient step is a whole update; rewards so large that
initial weights are soon forgotten."""

PRIVATE_REGRETS: Mapping[str, Any] = {"learning_rate": 70.0, "num_envs": 64, "passes": 10}
"""Of regret matching where costs are private."""

REGRETS_BY_GAME: Mapping[str, Recipe] = {
    "E3": Recipe(103),
    "E5": Recipe(401, {"num_envs": 64}),
    "E7-8": Recipe(41, {"num_envs": 64}),
    "E7-32": Recipe(41, {"num_envs": 64}),
    "E8-2": Recipe(101, PRIVATE_REGRETS),
    "E8-3": Recipe(101, PRIVATE_REGRETS),
    "E8-5": Recipe(101, PRIVATE_REGRETS),
    "E11": Recipe(101),
}
"""What differs of some games that regret matching plays, by name."""


def check_playable(algorithm: str) -> None:
    """Check that an algorithm needs no memory, since players of games keep none.

    :param algorithm: its name
    :raises ConfigurationError: it needs one
    """
    if LearningConfig.from_mapping({"algorithm": algorithm}).actor_architecture in WITH_MEMORY:
        raise ConfigurationError(
            f"{algorithm} remembers earlier observations; a game is a single decision"
        )


def recipe(game: str, algorithm: str, ladder: bool) -> Recipe:
    """Return how an algorithm learns a game.

    :param game: its name
    :param algorithm: its name
    :param ladder: whether the algorithm chooses rungs of a ladder
    """
    if not ladder:
        return Recipe(0, NUMBERS)
    if algorithm == "mirror_descent":
        own = MIRROR_BY_GAME.get(game, Recipe(201))
        rate = at_once(game, own.rungs)
        return Recipe(own.rungs, {"learning_rate": rate, **MIRROR, **own.settings})
    if algorithm == "regret_matching":
        own = REGRETS_BY_GAME.get(game, Recipe(201))
        rate = 2 * at_once(game, own.rungs)  # two numbers of each rung
        return Recipe(own.rungs, {"learning_rate": rate, **REGRETS, **own.settings})
    own = BY_GAME.get(game, Recipe(201))
    known = SETTINGS[algorithm].model_fields
    settings = {k: v for k, v in own.settings.items() if k != ENTROPY or k in known}
    return Recipe(own.rungs, {**LADDER, **settings})


def at_once(game: str, rungs: int) -> float:
    """Return the learning rate by which a gradient step takes tables where they should be.

    What is seen is ones, up to signs: a constant, the bounds of each entry, and the bias.

    :param game: its name
    :param rungs: of the ladders
    """
    entries = GAMES[game]().entries
    return rungs * entries / (2 + 2 * entries)


def measure(name: str, algorithm: str, ladder: bool, seeds: int) -> list[dict[str, Any]]:
    """Return the rows of a game and an algorithm: one, or in mixed games one for each policy.

    :param name: of the game
    :param algorithm: its name
    :param ladder: whether it chooses rungs of a ladder
    :param seeds: how many, from 1 on
    """
    game, how = GAMES[name](), recipe(name, algorithm, ladder)
    config = LearningConfig.from_mapping({"algorithm": algorithm, **how.settings})
    stacks = _stacks(seeds, PRIVATE_STACK if game.private else STACK)
    start = time.process_time()
    played = [one for part in stacks for one in play(game, config, part, how.rungs)]
    seconds = (time.process_time() - start) / seeds
    common = {"game": name, "title": game.title, "algorithm": algorithm, "rungs": how.rungs}
    common |= {"seeds": seeds, "seconds": round(seconds, 3)}
    return [
        {**common, "policy": policy, **_figures(game, found)}
        for policy, found in _judged(game, played).items()
    ]


def _stacks(seeds: int, size: int) -> Iterator[Sequence[int]]:
    for first in range(1, seeds + 1, size):
        yield range(first, min(first + size, seeds + 1))


def _judged(game: Game, played: Sequence[Learned]) -> dict[str, list[Judged]]:
    """Return the figures of the policies of each seed, by kind of policy."""
    found = {"last": [_of_last(game, one) for one in played]}
    averaged = [_of_mix(game, one.averaged) for one in played if one.averaged is not None]
    return {**found, "averaged": averaged} if averaged else found


def _of_last(game: Game, one: Learned) -> Judged:
    """Return the figures of the last policy, of its mixed actions where known exactly."""
    if one.last is not None:
        return _of_mix(game, one.last)
    draws = -(-DRAWS // len(game.cases)) if one.draws else 1
    points = POINTS if game.entries == 1 else FEW
    return judged(game, one.policy, points, draws)


def _of_mix(game: Game, mix: Mix) -> Judged:
    return judged_mixed(game, mix.numbers, mix.weight)


def _figures(game: Game, found: Sequence[Judged]) -> dict[str, Any]:
    """Return the figures that seeds reach.

    Exploitability is a share of the profit of the equilibrium, mean over players, where there is
    one; else of what is at stake.
    """
    answer = game.equilibrium
    error = np.array([abs(one.price - answer.price) / answer.price for one in found])
    profit = float(np.mean(answer.profit)) or game.scale
    exploitability = np.array([one.exploitability for one in found])
    distances = [one.distance for one in found if one.distance is not None]
    return {
        "price": answer.price,
        "within_1": float((error <= NEAR).mean()),
        "within_5": float((error <= FAIR).mean()),
        "price_error": {"median": float(np.median(error)), "most": float(error.max())},
        "exploitability": {
            "median": float(np.median(exploitability)),
            "most": float(exploitability.max()),
        },
        "exploitability_share": float(np.median(exploitability)) / profit,
        "distance": float(np.median(distances)) if distances else None,
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a benchmark of games as plain data.

    :param rows: of `measure`
    """
    return {"versions": versions(), "rows": list(rows)}
