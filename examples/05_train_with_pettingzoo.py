"""Ten bidders learn side by side, each with a PPO of its own, in a PettingZoo environment.

    python examples/05_train_with_pettingzoo.py [ITERATIONS]

Needs `pip install 'assume-rl[pettingzoo]'`. 80 iterations take about 40 seconds on one thread.
The learners know nothing of each other: to each of them, its rivals are part of the environment.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from assume_rl.envs.adapters.pettingzoo import ParallelMarket, parallel_env

SCENARIO = Path(__file__).resolve().parents[1] / "scenarios" / "ten_learners"
DAYS, EPOCHS, CLIP = 10, 10, 0.2  # days per iteration, passes over them, limit of the ratio
Bid = Callable[[Tensor], Tensor]  # observations (agent, obs) to actions (agent, act)


class Networks(nn.Module):
    """One network per agent; no weight is shared."""

    def __init__(self, agents: int, inputs: int, outputs: int, hidden: int = 64) -> None:
        super().__init__()
        sizes = [(inputs, hidden), (hidden, hidden), (hidden, outputs)]
        self.weights = nn.ParameterList(0.3 * torch.randn(agents, n, m) / n**0.5 for n, m in sizes)
        self.biases = nn.ParameterList(torch.zeros(agents, 1, m) for _, m in sizes)

    def forward(self, x: Tensor) -> Tensor:
        """(agent, row, in) to (agent, row, out)."""
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            x = torch.tanh(torch.baddbmm(bias, x, weight))
        return torch.baddbmm(last[1], x, last[0])


class Bidders(nn.Module):
    """Actors, critics and exploration of all agents."""

    def __init__(self, agents: int, observation: int, action: int) -> None:
        super().__init__()
        self.actors = Networks(agents, observation, action)
        self.critics = Networks(agents, observation, 1)
        self.log_std = nn.Parameter(torch.full((agents, 1, action), -0.7))

    def forward(self, observation: Tensor) -> Normal:
        """How actions are drawn, (agent, row, act)."""
        return Normal(self.actors(observation), self.log_std.exp())

    def best(self, seen: Tensor) -> Tensor:
        """(agent, obs) to (agent, act), without exploration."""
        return self.actors(seen[:, None])[:, 0]

    def explore(self, seen: Tensor) -> Tensor:
        """(agent, obs) to (agent, act)."""
        return self(seen[:, None]).sample()[:, 0]


def main(iterations: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    day = parallel_env(SCENARIO, window=26)  # 24 auctions, from any hour of the month on
    month = parallel_env(SCENARIO)
    one = day.possible_agents[0]  # all have spaces of equal shape
    (observation,), (action,) = day.observation_space(one).shape, day.action_space(one).shape
    bidders = Bidders(day.max_num_agents, observation, action)
    cost = month.layouts[one].where("marginal_cost")
    report("all bid marginal cost", month, lambda seen: seen[:, cost].expand(-1, action))
    report("before training", month, bidders.best)
    optimiser = torch.optim.Adam(bidders.parameters(), 3e-3)
    for _ in range(iterations):
        with torch.no_grad():
            days = [play(day, bidders.explore) for _ in range(DAYS)]
        seen, action, reward, _ = (torch.cat(part, 1) for part in zip(*days, strict=True))
        learn(bidders, optimiser, seen, action, reward)
    report("after training", month, bidders.best)


def play(env: ParallelMarket, bid: Bid) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One episode: observations, actions, rewards and profits, all (agent, row, ...)."""
    rows, agents = [], env.possible_agents
    observations, _ = env.reset()
    while env.agents:
        seen = torch.stack([torch.from_numpy(observations[a]) for a in agents])
        action = bid(seen)
        bids = dict(zip(agents, action.numpy(), strict=True))
        observations, rewards, _, _, infos = env.step(bids)
        reward = torch.tensor([rewards[a] for a in agents])
        profit = torch.tensor([infos[a]["profit"] for a in agents])
        rows.append((seen, action, reward, profit))
    return tuple(torch.stack(part, 1) for part in zip(*rows, strict=True))


def learn(
    bidders: Bidders,
    optimiser: torch.optim.Optimizer,
    seen: Tensor,
    action: Tensor,
    reward: Tensor,
) -> None:
    """PPO without a future: a bid does not change later hours."""
    with torch.no_grad():
        before = bidders(seen).log_prob(action).sum(-1)
        advantage = reward - bidders.critics(seen)[..., 0]
        spread = advantage.std(1, keepdim=True) + 1e-6
        advantage = (advantage - advantage.mean(1, keepdim=True)) / spread
    for _ in range(EPOCHS):
        ratio = (bidders(seen).log_prob(action).sum(-1) - before).exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
        error = (bidders.critics(seen)[..., 0] - reward).square()
        optimiser.zero_grad()
        (error - gain).mean(1).sum().backward()
        optimiser.step()


def report(name: str, env: ParallelMarket, bid: Bid) -> None:
    """Play the month without exploration."""
    with torch.no_grad():
        _, _, reward, profit = play(env, bid)
    print(
        f"{name}: reward {reward.sum(1).mean():.1f} each, "
        f"profit {profit.sum() / 1e6:.2f} million EUR in all"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 80)
