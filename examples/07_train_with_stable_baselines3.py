"""Train a bidder with SAC or DQN of stable-baselines3, and compare it with its best response.

    python examples/07_train_with_stable_baselines3.py [sac | dqn] [STEPS]

Needs `pip install 'assume-rl[sb3]'`. SAC asks two prices, numbers; DQN chooses one from a ladder.
"""

import sys
from pathlib import Path

import torch
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from assume_rl import load_scenario
from assume_rl.envs.adapters.gymnasium import SingleMarket
from assume_rl.envs.record import play_recorded
from assume_rl.experiments.bounds import single_plant_bounds
from assume_rl.experiments.policies import learned_bidders
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.types import Scenario

FOLDER = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"
LADDER = {  # one price, every 2.50 EUR/MWh
    "units.learner.bidding_EOM": "renewable_energy_learning_ladder",
    "bidding_strategy_params.rungs_at": [2.5 * k for k in range(41)],
}
COMMON = {
    "learning_rate": 1e-3,
    "batch_size": 128,
    "gamma": 0.0,  # a bid does not change later hours
    "learning_starts": 500,
    "policy_kwargs": {"net_arch": [128, 64]},
    "seed": 1,
}
STEPS = 5000  # a week has 167


def main(algorithm: str, steps: int) -> tuple[float, float]:
    """Return the profit before and after training, as shares of that of the best response."""
    torch.set_num_threads(1)
    scenario = load_scenario(FOLDER, "base", overrides=LADDER if algorithm == "dqn" else {})
    model = made(algorithm, SingleMarket(scenario))
    best = best_profit(scenario)
    print(f"best response in every hour: {best / 1000:.0f} thousand EUR")
    before = report("before training", scenario, model, best)
    model.learn(steps)
    return before, report(f"after {steps} steps", scenario, model, best)


def made(algorithm: str, env: SingleMarket) -> BaseAlgorithm:
    """A learner that has not learned anything."""
    if algorithm == "sac":
        return SAC("MlpPolicy", env, ent_coef=0.005, **COMMON)
    every = {"train_freq": 1, "exploration_fraction": 0.6, "exploration_final_eps": 0.02}
    return DQN("MlpPolicy", env, target_update_interval=500, **every, **COMMON)


def report(name: str, scenario: Scenario, model: BaseAlgorithm, best: float) -> float:
    """Play one week without exploration; return the profit as a share of the best."""
    profit = profit_of(SingleMarket(scenario), model)
    print(f"{name}: {profit / 1000:.0f} thousand EUR, {profit / best:.1%} of it")
    return profit / best


def profit_of(env: SingleMarket, model: BaseAlgorithm) -> float:
    """EUR in one week, without exploration."""
    total, over = 0.0, False
    observation, _ = env.reset()
    while not over:
        action, _ = model.predict(observation, deterministic=True)
        observation, _, over, _, info = env.step(action)
        total += info["profit"]
    return total


class AtTheCap:
    """A policy that asks for the most."""

    dtype = torch.float64

    def __init__(self, prices: int) -> None:
        self.prices = prices

    def __call__(self, observation: Tensor) -> Tensor:
        return observation.new_ones(*observation.shape[:-1], self.prices)


def best_profit(scenario: Scenario) -> float:
    """EUR that the best response earns in a week; rivals ask the same whatever the learner does."""
    compiled, week = compile_scenario(scenario), MemorySink()
    policy = AtTheCap(learned_bidders(compiled)["learner"].action.size)
    play_recorded(compiled, seed=1, policies={"learner": policy}, sink=week)
    return float(single_plant_bounds(compiled, week).best.profit.sum())


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else "sac",
        int(sys.argv[2]) if len(sys.argv) > 2 else STEPS,
    )
