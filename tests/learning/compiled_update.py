"""Prints the largest difference between networks after compiled and after plain steps."""

import torch
from toys import fleet, learner, random_joint


def trained(*, compiled: bool) -> torch.Tensor:
    """All networks after a short update, side by side."""
    ours = learner(
        fleet((5, 2, 2), (5, 2, 2)),
        dtype=torch.float32,
        batch_size=16,
        gradient_steps=2,
        policy_delay=1,
        compile=compiled,
    )
    ours.observe(random_joint(ours, 30))
    ours.update(1.0)
    return torch.cat([net.online.buffer for net in ours.all_nets()])


if __name__ == "__main__":
    print(float((trained(compiled=True) - trained(compiled=False)).abs().max()))
