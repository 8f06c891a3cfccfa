"""What readers of the documentation have, and a test must make first.

Each is given the names of the page's Python blocks, and a folder that all pages share.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from assume_rl import Learning, PolicyUpdate, train
from assume_rl.core.bidding.base import Feature, Layout
from assume_rl.experiments.observer import EpisodeReport, Silent
from assume_rl.scenario.read import load_scenario

Names = dict[str, Any]
LAYOUT = Layout((Feature("price_forecast", 12, "by price cap"), Feature("cost", 1, "by price cap")))
TRAINED = Path("runs/single_learner_base")


def a_training(names: Names, shared: Path) -> None:
    _trained("single_learner", TRAINED, shared)


def ten_trained_learners(names: Names, shared: Path) -> None:
    _trained("ten_learners", Path("runs/ten_learners_tiny"), shared)


def an_interrupted_training(names: Names, shared: Path) -> None:
    scenario = load_scenario("scenarios/single_learner", "tiny")
    with suppress(KeyboardInterrupt):
        train(scenario, out="runs/interrupted", observer=Impatient())


class Impatient(Silent):
    """Presses Ctrl-C after the second episode."""

    def episode(self, report: EpisodeReport) -> None:
        if report.episode == 2:
            raise KeyboardInterrupt


def _trained(scenario: str, out: Path, shared: Path) -> None:
    place = shared / scenario
    if not place.exists():
        short = {
            "learning_config.gradient_steps": 1,
            "learning_config.training_episodes": 2,
            "learning_config.validation_episodes_interval": 1,
        }
        train(load_scenario(Path("scenarios") / scenario, "tiny", overrides=short), out=place)
    if not out.exists():
        shutil.copytree(place, out)


def policies_that_assume_trained(names: Names, shared: Path) -> None:
    """A scenario with an actor in ASSUME's layout: a file of torch."""
    a_training(names, shared)
    shutil.copytree("scenarios/single_learner", "my_scenario")
    actors = Path("my_scenario/learned_strategies/base/last_policies/actors")
    actors.mkdir(parents=True)
    weights = load_file(TRAINED / "policies" / "last" / "learner.safetensors")
    torch.save({"actor": weights}, actors / "actor_learner.pt")


def a_learning_role(names: Names, shared: Path) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    role = Learning({"train_freq": "12h"}, start, start + timedelta(days=1), seed=1)
    role.register("plant", LAYOUT, act_size=1)
    role.create_actors_and_critics()
    names["role"] = role


def a_policy_update(names: Names, shared: Path) -> None:
    """The actors of one unit, and what it sees."""
    a_learning_role(names, shared)
    role = names["role"]
    names["update"] = PolicyUpdate(1, role.create_actors(), role.plan.exploration(0))
    names["observations"] = torch.zeros(1, LAYOUT.size)
    names["centre"], names["z"] = torch.zeros(1, 1), torch.zeros(1, 1)


GIVEN: dict[str, Callable[[Names, Path], None]] = {
    "a Learning role": a_learning_role,
    "a policy update": a_policy_update,
    "a training": a_training,
    "an interrupted training": an_interrupted_training,
    "policies that ASSUME trained": policies_that_assume_trained,
    "ten trained learners": ten_trained_learners,
}
