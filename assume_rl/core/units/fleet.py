"""Fleets: all units of a scenario or some of them, with their series; choosing units of one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from assume_rl.core.forecasts import Forecasts
from assume_rl.core.units.base import AnyBlock, Block, S, rows_of, series_of


@dataclass(frozen=True)
class Fleet:
    """Units, ordered so that each technology is one block."""

    ids: tuple[str, ...]
    blocks: tuple[AnyBlock, ...]
    owner: Int[Tensor, " unit"]
    node: Int[Tensor, " unit"]


@dataclass(frozen=True)
class Profiles:
    """Exogenous series of a fleet over the whole calendar; shared by every copy of a market."""

    capacity: Float[Tensor, "step unit"]  # MW: available power of a plant, -|demand| of a demand
    marginal_cost: Float[Tensor, "step unit"]  # EUR/MWh (a demand's willingness to pay)
    forecasts: dict[str, Forecasts]  # by market


@dataclass(frozen=True)
class UnitSet:
    """Some units of a parent set: their ids, and where they stand in it."""

    ids: tuple[str, ...]
    index: Int[Tensor, " unit"]  # into the parent set
    whole: bool  # all of the parent set, in its order

    def of(self, table: Float[Tensor, "... parent"]) -> Float[Tensor, "... unit"]:
        """Return their columns of a table of the parent set."""
        return table if self.whole else table.index_select(-1, self.index)


def unit_set(parent: Sequence[str], units: Sequence[int], device: torch.device) -> UnitSet:
    """Return the units at some positions of a parent set.

    :param parent: ids of the parent set
    :param units: positions in it
    :param device: of the index
    """
    index = torch.tensor(list(units), dtype=torch.long, device=device)
    whole = tuple(units) == tuple(range(len(parent)))
    return UnitSet(tuple(parent[unit] for unit in units), index, whole)


@dataclass(frozen=True)
class Members:
    """Units of a fleet that are of one technology."""

    units: UnitSet  # of the fleet
    block: AnyBlock  # their technology and parameters, one row per unit
    place: int  # which block of the fleet they stand in
    rows: UnitSet  # of that block

    def own(self, states: Sequence[S]) -> S:
        """Return their part of the technology's state, of the states of all blocks."""
        return (
            states[self.place] if self.rows.whole else rows_of(states[self.place], self.rows.index)
        )


def side_by_side(parts: Sequence[Shaped[Tensor, "... _"]]) -> Shaped[Tensor, "... unit"]:
    """Return the columns (..., unit) of all blocks of a fleet together; of one, without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=-1)


def select(fleet: Fleet, units: Sequence[int]) -> Fleet:
    """Return the fleet of some units, in ascending order of their index.

    :raises ValueError: the indices are not ascending
    """
    _check_ascending(units)
    index = _index(fleet, units)
    blocks: list[AnyBlock] = []
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
    """Return the series of some units; forecasts are shared, only who reads which row is chosen."""
    index = torch.as_tensor(list(units), device=profiles.capacity.device, dtype=torch.long)
    return Profiles(
        capacity=profiles.capacity[:, index].contiguous(),
        marginal_cost=profiles.marginal_cost[:, index].contiguous(),
        forecasts={m: replace(f, series=f.series[index]) for m, f in profiles.forecasts.items()},
    )


def twins_of(fleet: Fleet, profiles: Profiles, unit: Members, count: int) -> tuple[Fleet, Profiles]:
    """Return a fleet of `count` units that are all alike, with their series, which take no memory.

    :param fleet: with the unit that they are like
    :param profiles: of that fleet
    :param unit: of that fleet, the only member
    :param count: how many
    """
    index = unit.units.index.expand(count)
    rows = torch.zeros(count, dtype=torch.long, device=index.device)
    block = unit.block
    alike = Block(block.technology, 0, count, block.technology.select(block.params, rows))
    place = int(unit.units.index)
    return (
        Fleet(unit.units.ids * count, (alike,), fleet.owner[index], fleet.node[index]),
        Profiles(
            capacity=profiles.capacity.narrow(-1, place, 1).expand(-1, count),
            marginal_cost=profiles.marginal_cost.narrow(-1, place, 1).expand(-1, count),
            forecasts={
                m: replace(f, series=f.series[index]) for m, f in profiles.forecasts.items()
            },
        ),
    )


def profiles_from(profiles: Profiles, step: int) -> Profiles:
    """Return the series from a step of the calendar on; forecasts stay those of the calendar."""
    return replace(
        profiles,
        capacity=profiles.capacity[step:],
        marginal_cost=profiles.marginal_cost[step:],
    )


def fleet_from(fleet: Fleet, step: int) -> Fleet:
    """Return a fleet whose parameters that are series begin at a step of the calendar."""
    return replace(fleet, blocks=tuple(_block_from(block, step) for block in fleet.blocks))


def _block_from(block: AnyBlock, step: int) -> AnyBlock:
    later = {name: getattr(block.params, name)[step:] for name in series_of(block.params)}
    return replace(block, params=replace(block.params, **later)) if later else block


def members(fleet: Fleet, units: Sequence[int]) -> Members:
    """Return units of one technology.

    :raises ValueError: the indices are not ascending, or not all of one technology
    """
    _check_ascending(units)
    device = fleet.owner.device
    for place, block in enumerate(fleet.blocks):
        if all(block.start <= u < block.stop for u in units):
            rows = [u - block.start for u in units]
            return Members(
                units=unit_set(fleet.ids, units, device),
                block=_part(block, rows, 0, device),
                place=place,
                rows=unit_set(fleet.ids[block.start : block.stop], rows, device),
            )
    raise ValueError(f"units {tuple(units)} are not all of one technology of the fleet")


def _part(block: AnyBlock, units: Sequence[int], start: int, device: torch.device) -> AnyBlock:
    index = torch.tensor(units, dtype=torch.long, device=device)
    params = block.technology.select(block.params, index)
    return Block(block.technology, start, start + len(units), params)


def _index(fleet: Fleet, units: Sequence[int]) -> Tensor:
    return torch.tensor(list(units), dtype=torch.long, device=fleet.owner.device)


def _check_ascending(units: Sequence[int]) -> None:
    if any(b <= a for a, b in pairwise(units)):
        raise ValueError(f"units must be in ascending order, got {tuple(units)}")
