"""Train two bidders with TorchRL's MAPPO: actors see their own, one critic sees both.

    python examples/08_train_mappo_with_torchrl.py [ITERATIONS]

Needs `pip install 'assume-rl[torchrl]'`. Then each is compared with its best response to the other.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from tensordict import TensorDictBase
from tensordict.nn import TensorDictModule
from tensordict.nn.distributions import NormalParamExtractor
from torch import Tensor, nn
from torchrl.envs import ExplorationType, set_exploration_type
from torchrl.modules import MultiAgentMLP, ProbabilisticActor, TanhNormal
from torchrl.objectives import ClipPPOLoss, ValueEstimators

from assume_rl import load_scenario
from assume_rl.envs.adapters.torchrl import TorchRLMarket
from assume_rl.envs.record import play_recorded
from assume_rl.evaluation.exploitability import Response
from assume_rl.experiments.bounds import responses
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.types import Scenario

FOLDER = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"
SECOND = {"units.coal_new.bidding_EOM": "powerplant_energy_learning"}  # a plant that learns too
COPIES, EPOCHS, MINIBATCH = 16, 4, 512
GAMMA = 0.0  # a bid does not change later hours


def main(iterations: int) -> tuple[float, float]:
    """Return the sum of both profits before and after training, EUR."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    scenario = load_scenario(FOLDER, "base", overrides=SECOND)
    env = TorchRLMarket(scenario, num_envs=COPIES)
    actor, critic = networks(env)
    before = report("before training", scenario, actor)
    train(env, actor, critic, iterations)
    return before, report(f"after {iterations} iterations", scenario, actor)


def networks(env: TorchRLMarket) -> tuple[ProbabilisticActor, TensorDictModule]:
    """An actor for each agent, and a critic that sees all of them."""
    agents, sizes = len(env.group_map["agents"]), env.full_action_spec["agents", "action"].shape
    observation = env.layouts["agents"].size
    common = {"n_agents": agents, "share_params": False, "num_cells": [64, 64]}
    parameters = nn.Sequential(
        MultiAgentMLP(observation, 2 * sizes[-1], centralized=False, **common),
        NormalParamExtractor(),
    )
    actor = ProbabilisticActor(
        TensorDictModule(
            parameters, [("agents", "observation")], [("agents", "loc"), ("agents", "scale")]
        ),
        in_keys=[("agents", "loc"), ("agents", "scale")],
        out_keys=[("agents", "action")],
        spec=env.full_action_spec["agents", "action"],
        distribution_class=TanhNormal,
        return_log_prob=True,
        log_prob_key=("agents", "log_prob"),
    )
    critic = TensorDictModule(
        MultiAgentMLP(observation, 1, centralized=True, **common),
        [("agents", "observation")],
        [("agents", "value")],
    )
    return actor, critic


def train(
    env: TorchRLMarket, actor: ProbabilisticActor, critic: TensorDictModule, iterations: int
) -> None:
    """MAPPO as in TorchRL's multi-agent tutorial; each agent has a reward of its own."""
    loss = ClipPPOLoss(actor, critic, entropy_coeff=1e-3, normalize_advantage=True)
    loss.normalize_advantage_exclude_dims = (-2,)  # agents earn unlike amounts
    loss.set_keys(
        reward=("agents", "reward"),
        action=("agents", "action"),
        sample_log_prob=("agents", "log_prob"),
        value=("agents", "value"),
        done=("agents", "done"),
        terminated=("agents", "terminated"),
    )
    loss.make_value_estimator(ValueEstimators.GAE, gamma=GAMMA, lmbda=0.9)
    optimiser = torch.optim.Adam(loss.parameters(), 1e-3)
    for _ in range(iterations):
        with torch.no_grad(), set_exploration_type(ExplorationType.RANDOM):
            weeks = env.rollout(1000, actor)  # ends with the calendar, after 167 auctions
            share_flags(weeks)
            loss.value_estimator(weeks)
        rows = weeks.reshape(-1)
        for _ in range(EPOCHS):
            for chosen in torch.randperm(len(rows)).split(MINIBATCH):
                improve(loss, optimiser, rows[chosen])


def share_flags(weeks: TensorDictBase) -> None:
    """Give each agent the flags of its copy, as TorchRL's value estimators expect."""
    shape = weeks["next", "agents", "reward"].shape
    for flag in ("done", "terminated"):
        weeks["next", "agents", flag] = weeks["next", flag].unsqueeze(-1).expand(shape)


def improve(loss: ClipPPOLoss, optimiser: torch.optim.Optimizer, rows: TensorDictBase) -> None:
    """One gradient step."""
    terms = loss(rows)
    total = terms["loss_objective"] + terms["loss_critic"] + terms["loss_entropy"]
    optimiser.zero_grad()
    total.backward()
    nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
    optimiser.step()


class Again:
    """A policy that asks, auction by auction, what an agent asked before."""

    dtype = torch.float64

    def __init__(self, actions: Iterable[Tensor]) -> None:
        self.actions = iter(actions)

    def __call__(self, observation: Tensor) -> Tensor:
        asked = next(self.actions).to(observation.dtype)
        return asked.expand(*observation.shape[:-1], len(asked))


def report(name: str, scenario: Scenario, actor: ProbabilisticActor) -> float:
    """Play a week without exploration; print what each earns, and could have; return the sum."""
    found = scored(scenario, actor)
    for own in found:
        profit, share = f"{own.profit / 1000:.0f} thousand EUR", f"{own.share:.1%}"
        print(f"{name}: {own.agent} {profit}, {share} of its best response")
    return sum(own.profit for own in found)


def scored(scenario: Scenario, actor: ProbabilisticActor) -> tuple[Response, ...]:
    """What each agent earns in a week without exploration, and what its best response would."""
    env = TorchRLMarket(scenario, num_envs=1)
    with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
        asked = env.rollout(1000, actor)["agents", "action"][0]
    agents = enumerate(env.group_map["agents"])
    policies = {agent: Again(asked[:, place]) for place, agent in agents}
    compiled, week = compile_scenario(scenario), MemorySink()
    play_recorded(compiled, seed=1, policies=policies, sink=week)
    return responses(compiled, week)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
