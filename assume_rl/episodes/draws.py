"""The random draws of an episode: tie-breaks of orders and exploration noise of actions.

Draws are keyed by unit, so that those of a unit do not depend on the other units, and by their
place in the episode, so that they can be computed for an auction, a day or an episode at a time.
"""

import secrets
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.scenario.types import Scenario
from assume_rl.seeds import check_seed

CPU = torch.device("cpu")


def draw_seed(scenario: Scenario, seed: int | None) -> int:
    """Return `seed` if it is given, else that of the study case; if that is null, a random one.

    :raises ConfigurationError: databases cannot hold it
    """
    chosen = scenario.config.seed if seed is None else seed
    if chosen is None:
        return secrets.randbelow(2**31)
    check_seed(chosen)
    return chosen


def tie_keys(
    seed: int, phase: str, market: str, unit_ids: Sequence[str], device: torch.device = CPU
) -> Int[Tensor, " unit"]:
    """Return the keys of units' tie-breaks, to be combined with an episode by `of_episode`.

    :param seed: of the run
    :param phase: see `EpisodeKey.phase`
    :param market: name of the market
    :param unit_ids: of the units
    :param device: of the result
    """
    return keyed.keys(seed, "tie", phase, market, ids=unit_ids, device=device)


def noise_keys(
    seed: int, phase: str, market: str, unit_ids: Sequence[str], device: torch.device = CPU
) -> Int[Tensor, " unit"]:
    """Return the keys of units' exploration noise, to be combined with an episode by `of_episode`.

    :param seed: of the run
    :param phase: see `EpisodeKey.phase`
    :param market: name of the market
    :param unit_ids: names of the agents
    :param device: of the result
    """
    return keyed.keys(seed, "exploration", phase, market, ids=unit_ids, device=device)


def ties(
    keys: Int[Tensor, "*unit"], first: int, auctions: int, products: int, slots: int
) -> Float[Tensor, "*unit auction product slot"]:
    """Return tie-breaks in [0, 1) of each unit's orders, float64.

    :param keys: of the units in one episode
    :param first: number of the first auction
    :param auctions: number of auctions
    :param products: of an auction
    :param slots: of a unit in the order book
    """
    size = products * slots
    drawn = keyed.uniform(keys, auctions * size, first * size)
    return drawn.view(*keys.shape, auctions, products, slots)


def noise(
    keys: Int[Tensor, "*unit"], first: int, auctions: int, act_size: int
) -> Float[Tensor, "*unit auction act"]:
    """Return standard normal draws for each unit's actions, float64.

    :param keys: of the units in one episode
    :param first: number of the first auction
    :param auctions: number of auctions
    :param act_size: length of an action
    """
    drawn = keyed.normal(keys, auctions * act_size, first * act_size)
    return drawn.view(*keys.shape, auctions, act_size)


def of_episode(keys: Int[Tensor, " unit"], key: EpisodeKey) -> Int[Tensor, " unit"]:
    """Return `keys` combined with the number of an episode."""
    return keyed.combine(keys, torch.tensor(key.episode, device=keys.device))
