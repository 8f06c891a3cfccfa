"""What is drawn in an episode: tie-breaks of orders and exploration noise of actions.

Draws are keyed by unit, so that nobody's depend on who else takes part, and by their place in the
episode, so that they can be worked out an auction, a day or an episode at a time.
"""

import secrets
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.scenario.types import Scenario

CPU = torch.device("cpu")


def draw_seed(scenario: Scenario, seed: int | None) -> int:
    """The seed asked for, else the study case's; where that is null, one is drawn."""
    chosen = scenario.config.seed if seed is None else seed
    return secrets.randbelow(2**31) if chosen is None else chosen


def tie_keys(
    seed: int, phase: str, market: str, unit_ids: Sequence[str], device: torch.device = CPU
) -> Int[Tensor, " unit"]:
    """Keys of the tie-breaks of units; `keyed.combine` them with an episode."""
    return keyed.keys(seed, "tie", phase, market, ids=unit_ids, device=device)


def noise_keys(
    seed: int, phase: str, market: str, unit_ids: Sequence[str], device: torch.device = CPU
) -> Int[Tensor, " unit"]:
    """Keys of the exploration noise of units; `keyed.combine` them with an episode."""
    return keyed.keys(seed, "exploration", phase, market, ids=unit_ids, device=device)


def ties(
    keys: Int[Tensor, "*unit"], first: int, auctions: int, products: int, slots: int
) -> Float[Tensor, "*unit auction product slot"]:
    """Tie-breaks in [0, 1) of each unit's orders in `auctions` auctions from `first` on."""
    size = products * slots
    drawn = keyed.uniform(keys, auctions * size, first * size)
    return drawn.view(*keys.shape, auctions, products, slots)


def noise(
    keys: Int[Tensor, "*unit"], first: int, auctions: int, act_size: int
) -> Float[Tensor, "*unit auction act"]:
    """Standard normal draws for each unit's actions in `auctions` auctions from `first` on."""
    drawn = keyed.normal(keys, auctions * act_size, first * act_size)
    return drawn.view(*keys.shape, auctions, act_size)


def of_episode(keys: Int[Tensor, " unit"], key: EpisodeKey) -> Int[Tensor, " unit"]:
    """The keys of one episode."""
    return keyed.combine(keys, torch.tensor(key.episode, device=keys.device))
