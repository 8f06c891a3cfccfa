"""Prints the largest difference between networks after compiled and after plain steps.

The argument is the architecture of the actors.
"""

import sys
from typing import Any

import torch
from toys import fleet, learner, random_joint


def trained(architecture: Any, *, compiled: bool) -> torch.Tensor:
    """All networks after a short update, side by side."""
    ours = learner(
        fleet((8, 2, 2), (8, 2, 2)),
        dtype=torch.float32,
        batch_size=16,
        gradient_steps=2,
        policy_delay=1,
        actor_architecture=architecture,
        compile=compiled,
    )
    ours.observe(random_joint(ours, 30))
    ours.update(1.0)
    return torch.cat([net.online.buffer for net in ours.all_nets()])


if __name__ == "__main__":
    both = (trained(sys.argv[1], compiled=compiled) for compiled in (True, False))
    print(float(torch.sub(*both).abs().max()))
