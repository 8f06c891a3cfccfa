"""Fixed policies for all units of a scenario that could learn."""

import torch

from assume_rl.envs.market_env import MarketEnv
from assume_rl.learning.nets.stack import ActorStack, initial_actors
from assume_rl.scenario.compile.compiled import Compiled


def fresh_policies(compiled: Compiled, dtype: torch.dtype = torch.float64) -> dict[str, ActorStack]:
    """Untrained actors, one per learning unit."""
    agents = MarketEnv(compiled, num_envs=1, seeds=(0,)).agents
    return {a.unit_id: initial_actors([a], 7).to(dtype=dtype) for a in agents}
