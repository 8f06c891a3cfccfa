"""Untrained policies of every kind, for the tests of their exports."""

from dataclasses import replace

import torch
from torch import Tensor

from assume_rl.experiments.policies_on_disk.saved import SavedPolicy
from assume_rl.learning.nets.heads import head_of
from assume_rl.learning.nets.stack import initial_actors
from assume_rl.learning.types import AgentSpec

SERIES = (("residual_load", 4, "a"), ("price_forecast", 4, "b"), ("price_history", 4, "c"))
ENTRIES = 2  # of an action


def untrained(
    head: str,
    architecture: str = "mlp",
    *,
    normalised: bool = False,
    activation: str = "relu",
    name: str = "gas 1",
    seed: int = 1,
) -> SavedPolicy:
    """Return a policy in single precision that sees 14 numbers, and the bounds of rungs."""
    rungs = head_of(head).rungs
    bounds = ("lowest_rung", "highest_rung") if rungs else ()
    features = (*SERIES, ("own", 2, "d"), *((bound, ENTRIES, "e") for bound in bounds))
    unique = 2 + len(bounds) * ENTRIES
    spec = AgentSpec(name, 12 + unique, ENTRIES, unique, features, rungs)
    actor = initial_actors([spec], seed, head, architecture).to(dtype=torch.float32)
    weights = dict(actor.weights)
    if normalised:
        mean, spread = torch.rand(2, 1, spec.obs_size, generator=generator(seed)).double()
        count = torch.full((1, 1), 9.0, dtype=torch.float64)
        weights |= dict(zip(STATISTICS, (count, mean, spread + 0.1), strict=True))
    return SavedPolicy(name, replace(actor, weights=weights, activation=activation))


STATISTICS = ("observation.count", "observation.mean", "observation.variance")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def observations(policy: SavedPolicy, count: int, seed: int = 7) -> Tensor:
    """Return what a policy may see; of a ladder the bounds of the rungs leave a random stretch."""
    obs = 2.0 * torch.rand(count, policy.sizes[0], generator=generator(seed)) - 1.0
    if policy.rungs:
        bounds = torch.randint(policy.rungs, (count, 2, ENTRIES), generator=generator(seed))
        places = bounds.sort(dim=1).values * (2.0 / (policy.rungs - 1)) - 1.0
        obs[:, -2 * ENTRIES :] = places.flatten(1)
    return obs
