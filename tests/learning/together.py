"""Trains as one of several processes: RANK COUNT FILE SETTINGS, which are JSON.

They meet beside FILE, to which the first one writes its numbers.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from test_q_learning import AGENTS, random_choices
from toys import CPU, fleet, random_joint

from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.processes import Processes, joined

SMALL = {"batch_size": 8, "gradient_steps": 4, "actor_hidden": (8, 8), "critic_hidden": (8,)}
BOXES = fleet((5, 2, 2), (5, 2, 2), (4, 1, 1))


def trained(settings: dict[str, Any], processes: Processes) -> dict[str, torch.Tensor]:
    """All networks, targets, optimisers and priorities after two updates, and metrics."""
    config = LearningConfig.from_mapping(SMALL | settings)
    ladders = "dqn" in config.algorithm
    agents, joint = (AGENTS, random_choices) if ladders else (BOXES, random_joint)
    ours = Learner(
        config, agents, seeds=(1, 2), device=CPU, dtype=torch.float64, processes=processes
    )
    for number in range(2):
        ours.observe(joint(ours, 20, seed=number))
        metrics = ours.update(1.0 - number / 2)
    found = dict(metrics.values)
    for kind, nets in ours.nets.items():
        for k, net in enumerate(nets):
            found[f"{kind} {k}"] = net.online.buffer
            if net.target is not None:
                found[f"{kind} {k} target"] = net.target.buffer
            found |= {f"{kind} {k} {n}": m.buffer for n, m in net.optimizer.moments.items()}
    priorities = ours._batches.priorities
    if priorities is not None:
        found["priorities"] = torch.stack([priorities.state_of(k)["leaves"] for k in range(2)])
    return found


if __name__ == "__main__":
    rank, count, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    meeting = f"file://{path.with_suffix('.meeting')}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count)
    found = [trained(settings, joined()) for settings in json.loads(sys.argv[4])]
    if rank == 0:
        torch.save(found, path)
    dist.destroy_process_group()
