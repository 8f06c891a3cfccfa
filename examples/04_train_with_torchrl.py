"""Train a bidder with TorchRL's PPO, and compare it with bidding marginal cost.

    python examples/04_train_with_torchrl.py [ITERATIONS]

Needs `pip install 'assume-rl[torchrl]'`. 40 iterations take about half a minute on one thread.
"""

import sys
from pathlib import Path

import torch
from tensordict import TensorDictBase
from tensordict.nn import TensorDictModule
from tensordict.nn.distributions import NormalParamExtractor
from torch import nn
from torchrl.envs import ExplorationType, set_exploration_type
from torchrl.modules import MultiAgentMLP, ProbabilisticActor, TanhNormal
from torchrl.objectives import ClipPPOLoss, ValueEstimators

from assume_rl.envs.adapters.torchrl import TorchRLMarket

SCENARIO = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"
COPIES, EPOCHS, MINIBATCH = 32, 4, 512
GAMMA = 0.0  # a bid does not change later hours


def main(iterations: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    env = TorchRLMarket(SCENARIO, num_envs=COPIES)
    actor, critic = networks(env)
    report("bidding marginal cost", env, MarginalCost(env))
    report("before training", env, actor)
    train(env, actor, critic, iterations)
    report("after training", env, actor)


def networks(env: TorchRLMarket) -> tuple[ProbabilisticActor, TensorDictModule]:
    """An actor and a critic for the group of agents, which is one agent here."""
    agents, sizes = len(env.group_map["agents"]), env.full_action_spec["agents", "action"].shape
    observation = env.layouts["agents"].size
    common = {"n_agents": agents, "centralized": False, "share_params": True, "num_cells": [64, 64]}
    parameters = nn.Sequential(
        MultiAgentMLP(observation, 2 * sizes[-1], **common), NormalParamExtractor()
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
        MultiAgentMLP(observation, 1, **common),
        [("agents", "observation")],
        [("agents", "value")],
    )
    return actor, critic


def train(
    env: TorchRLMarket, actor: ProbabilisticActor, critic: TensorDictModule, iterations: int
) -> None:
    """PPO as in TorchRL's multi-agent tutorial."""
    loss = ClipPPOLoss(actor, critic, entropy_coeff=1e-3, normalize_advantage=True)
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


class MarginalCost(nn.Module):
    """Both prices are the marginal cost, which is part of the observation."""

    def __init__(self, env: TorchRLMarket) -> None:
        super().__init__()
        self.where = env.layouts["agents"].where("marginal_cost")

    def forward(self, step: TensorDictBase) -> TensorDictBase:
        cost = step["agents", "observation"][..., self.where]
        step["agents", "action"] = cost.expand(*cost.shape[:-1], 2)
        return step


def report(name: str, env: TorchRLMarket, policy: nn.Module) -> None:
    """Play one week without exploration."""
    with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
        week = env.rollout(1000, policy)["next", "agents"]
    reward = week["reward"].sum(1).mean()
    profit = week["info", "profit"].sum(1).mean()
    print(f"{name}: reward {reward:.2f}, profit {profit / 1000:.0f} thousand EUR")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
