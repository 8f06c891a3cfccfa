"""A training loop of your own: PPO as functions, on copies of a market that step as one tensor.

    python examples/06_algorithm_as_functions.py [UPDATES]

40 updates take about twelve seconds on one thread. Each function takes a state and returns the next
one, and writes to nothing. So any state that a training went through can be kept and gone back to:
the last line names the one that bid best.
"""

import sys
from pathlib import Path
from typing import Any

import torch

from assume_rl import LearningConfig, load_scenario
from assume_rl.envs.market_env import MarketEnv
from assume_rl.learning.functional import Functional, Params, PolicyState
from assume_rl.scenario.compile.compiled import compile_scenario

SCENARIO = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"
COPIES, KEY = 32, 1
CONFIG = LearningConfig(
    algorithm="ippo",
    gamma=0.0,  # a bid does not change later hours
    learning_rate=0.001,
    actor_hidden=[64, 64],
    critic_hidden=[64, 64],
    replay_buffer_size=COPIES * 24,  # every update copies what is kept: one day will do
)


def main(updates: int) -> None:
    torch.set_num_threads(1)
    market = compile_scenario(load_scenario(SCENARIO))
    days = MarketEnv(market, num_envs=COPIES, seeds=(KEY,), window=26)  # 24 auctions each
    week = MarketEnv(market, num_envs=1, seeds=(KEY,))
    agent = Functional(CONFIG, days.agents)
    state, policy = agent.init(KEY), agent.init_policy()
    still = agent.init_policy(explore=False)
    best, most = state, report("before training", agent, week, state.params, still)
    for number in range(updates):
        batch, _, policy = play(agent, days, state.params, policy, first=number * COPIES)
        state, _ = agent.update(state, batch, KEY, progress=1.0 - number / updates)
        if (number + 1) % 10 == 0:
            name = f"after {number + 1} updates"
            profit = report(name, agent, week, state.params, still)
            if profit > most:
                best, most = state, profit
    print(f"the best policy, after {best.updates} updates, earns {most / 1000:.0f} thousand EUR")


def play(
    agent: Functional, env: MarketEnv, params: Params, policy: PolicyState, first: int = 0
) -> tuple[dict[str, Any], float, PolicyState]:
    """An episode of each copy: its transitions, profit of the first copy (EUR), next state."""
    (unit,) = (spec.unit_id for spec in env.agents)
    state = env.reset(torch.arange(first, first + env.copies))
    rows, profit = [], 0.0
    while not env.done(state):
        obs = env.observe(state)[0][:, 0].float()  # of the only team (copy, agent, obs)
        decisions, policy = agent.predict(params, policy, {unit: obs}, KEY)
        decision = decisions[unit]
        state, happened = env.step(state, (decision.action[:, None],))
        (earned,) = happened.learners  # the auction has cleared before the next one opens
        reward, after = earned.reward.reward[:, 0].float(), env.observe(state)[0][:, 0].float()
        own = {"obs": obs, "action": decision.action, "reward": reward, "next_obs": after}
        over = torch.full((env.copies,), env.done(state))
        ended = env.terminated(state) & over
        rows.append(own | decision.extras | {"terminated": ended, "truncated": over & ~ended})
        profit += float(earned.reward.profit[0, 0])
    # In order of time, at each time copy by copy.
    parts = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    flags = {name: parts.pop(name) for name in ("terminated", "truncated")}
    return {"units": {unit: parts}, **flags, "copies": env.copies}, profit, policy


def report(
    name: str, agent: Functional, week: MarketEnv, params: Params, policy: PolicyState
) -> float:
    """Play the week without exploration; the profit in EUR."""
    _, profit, _ = play(agent, week, params, policy)
    print(f"{name}: profit {profit / 1000:.0f} thousand EUR")
    return profit


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
