"""Prints the largest difference between networks after compiled and after plain steps.

The arguments are further settings, `key=value`.
"""

import sys
from dataclasses import replace
from typing import Any

import torch
import yaml
from toys import fleet, learner, random_joint

SEEN = (("residual_load", 2, ""), ("price_forecast", 2, ""), ("own", 4, ""))  # for ramps


def trained(settings: dict[str, Any], *, compiled: bool) -> torch.Tensor:
    """All networks after a short update, side by side."""
    delay = {} if settings.get("algorithm") else {"policy_delay": 1}
    ours = learner(
        [replace(agent, features=SEEN) for agent in fleet((8, 2, 2), (8, 2, 2))],
        dtype=torch.float32,
        batch_size=16,
        gradient_steps=2,
        compile=compiled,
        **delay,
        **settings,
    )
    ours.observe(random_joint(ours, 30))
    ours.update(1.0)
    return torch.cat([net.online.buffer for net in ours.all_nets()])


if __name__ == "__main__":
    given = {
        key: yaml.safe_load(value) for key, _, value in (a.partition("=") for a in sys.argv[1:])
    }
    both = (trained(given, compiled=compiled) for compiled in (True, False))
    print(float(torch.sub(*both).abs().max()))
