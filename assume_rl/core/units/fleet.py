"""Choosing units out of a fleet."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from assume_rl.core.types import Block, Fleet, Members, Profiles
from assume_rl.core.units import TECHNOLOGIES


def select(fleet: Fleet, units: Sequence[int]) -> Fleet:
    """The fleet of some units, in ascending order of their index.

    :raises ValueError: the indices are not ascending
    """
    _check_ascending(units)
    index = _index(fleet, units)
    blocks: list[Block] = []
    for block in fleet.blocks:
        chosen = [u - block.start for u in units if block.start <= u < block.stop]
        if chosen:
            start = blocks[-1].stop if blocks else 0
            blocks.append(_part(block, chosen, start, index.device))
    return Fleet(
        ids=tuple(fleet.ids[u] for u in units),
        blocks=tuple(blocks),
        owner=fleet.owner[index],
        node=fleet.node[index],
    )


def select_profiles(profiles: Profiles, units: Sequence[int]) -> Profiles:
    """The series of some units; forecasts are shared, only who reads which row is chosen."""
    index = torch.as_tensor(list(units), device=profiles.capacity.device, dtype=torch.long)
    return Profiles(
        capacity=profiles.capacity[:, index].contiguous(),
        marginal_cost=profiles.marginal_cost[:, index].contiguous(),
        forecasts={m: replace(f, series=f.series[index]) for m, f in profiles.forecasts.items()},
    )


def members(fleet: Fleet, units: Sequence[int]) -> Members:
    """Units of one technology, as the functions of `core.step` take them.

    :raises ValueError: the indices are not ascending, or not all of one technology
    """
    _check_ascending(units)
    for block in fleet.blocks:
        if all(block.start <= u < block.stop for u in units):
            whole = len(units) == len(fleet.ids)
            index = _index(fleet, units)
            part = _part(block, [u - block.start for u in units], 0, index.device)
            return Members(units=None if whole else index, block=part)
    raise ValueError(f"units {tuple(units)} are not all of one technology of the fleet")


def _part(block: Block, units: Sequence[int], start: int, device: torch.device) -> Block:
    index = torch.tensor(units, dtype=torch.long, device=device)
    params = TECHNOLOGIES[block.technology].select(block.params, index)
    return Block(block.technology, start, start + len(units), params)


def _index(fleet: Fleet, units: Sequence[int]) -> Tensor:
    return torch.tensor(list(units), dtype=torch.long, device=fleet.owner.device)


def _check_ascending(units: Sequence[int]) -> None:
    if any(b <= a for a, b in pairwise(units)):
        raise ValueError(f"units must be in ascending order, got {tuple(units)}")
