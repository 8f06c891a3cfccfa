"""The composition of each market's order book, and the orders that are known beforehand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.core.clearing import MarketSpec, Slots
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.envs.cohorts import Cohort
from assume_rl.envs.draws_ahead import Ahead, stacked_keys
from assume_rl.episodes.draws import noise, noise_keys, tie_keys, ties
from assume_rl.episodes.routines import standing_orders
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.compile.plan import auctions_of


@dataclass(frozen=True)
class Part:
    """One team's part of a market's order book."""

    market: str
    cohort: int
    team: Team
    slots: slice
    standing: Orders | None  # (step product slot): orders by the calendar step they are made at

    @property
    def bidder(self) -> LearnedBidder[Any]:
        """Return the bidder of a team that acts on a policy.

        :raises ValueError: it follows a rule
        """
        if self.team.learned is None:
            raise ValueError(f"{self.team.bidder.name} follows a rule")
        return self.team.learned


@dataclass(frozen=True)
class Share:
    """One cohort's share of a market's order book."""

    cohort: int
    parts: tuple[int, ...]  # positions of its parts
    slots: slice
    unit: Int[Tensor, " slot"]  # of each of its slots, index into the cohort's units
    node: Int[Tensor, " slot"]  # likewise, index into the scenario's nodes


@dataclass(frozen=True)
class Market:
    """A market and its order book: the parts side by side, those of a cohort together."""

    spec: MarketSpec[Any]
    parts: tuple[Part, ...]
    shares: tuple[Share, ...]
    unit_ids: tuple[str, ...]  # of each slot
    unit: Int[Tensor, " slot"]  # index into the fleet
    node: Int[Tensor, " slot"]  # index into the scenario's nodes
    setup: Any  # of its rule


def build_markets(compiled: Compiled, cohorts: Sequence[Cohort]) -> dict[str, Market]:
    """Return the markets that units take part in, by name, in the order of the configuration."""
    parts = [_parts(compiled, spec, cohorts) for spec in compiled.markets]
    found = zip(compiled.markets, parts, strict=True)
    return {spec.name: _market(compiled, spec, cohorts, own) for spec, own in found if own}


def tie_breaks(
    market: Market, seeds: Sequence[int], num_envs: int, phase: str, auctions: Sequence[Auction]
) -> Ahead:
    """Return draws (copy, product, slot) that order equal prices, for all auctions of an episode.

    :param market: of the draws
    :param seeds: of the environment
    :param num_envs: copies per seed
    :param phase: see `EpisodeKey`
    :param auctions: all auctions of the market in an episode
    """
    units = [unit for part in market.parts for unit in part.team.ids]
    device = market.unit.device
    keys = stacked_keys(lambda seed: tie_keys(seed, phase, market.spec.name, units, device), seeds)
    sizes = [(len(part.team.ids), part.team.bidder.slots) for part in market.parts]
    products = len(auctions[0].first)
    size = products * len(market.unit_ids)
    draw = partial(_draw_ties, sizes=sizes, products=products)
    return Ahead(keys, num_envs, draw, auctions=len(auctions), size=size)


def exploration_noise(
    part: Part, seeds: Sequence[int], num_envs: int, phase: str, auctions: Sequence[Auction]
) -> Ahead:
    """Return standard normal draws (copy, agent, act) of a team, for all auctions of an episode.

    :param part: of the team
    :param seeds: of the environment
    :param num_envs: copies per seed
    :param phase: see `EpisodeKey`
    :param auctions: all auctions of the part's market in an episode
    """
    act, team = part.bidder.action.size, part.team
    device = team.members.units.index.device
    keys = stacked_keys(
        lambda seed: noise_keys(seed, phase, part.market, team.agents, device), seeds
    )

    draw = partial(_draw_noise, entries=act)
    return Ahead(keys, num_envs, draw, auctions=len(auctions), size=len(team.agents) * act)


def _draw_noise(keys: Tensor, first: int, count: int, *, entries: int) -> Tensor:
    """Return draws of `count` auctions from `first` on, (auction, copy, agent, entry)."""
    return noise(keys, first, count, entries).permute(2, 0, 1, 3)


def _draw_ties(
    keys: Tensor, first: int, count: int, *, sizes: Sequence[tuple[int, int]], products: int
) -> Tensor:
    """Return tie-breaks of `count` auctions from `first` on, (auction, copy, product, slot)."""
    shares = torch.split_with_sizes(keys, [units for units, _ in sizes], dim=1)
    drawn = [
        ties(share, first, count, products, slots).permute(2, 0, 3, 1, 4).flatten(-2)
        for share, (_, slots) in zip(shares, sizes, strict=True)
    ]
    return torch.cat(drawn, dim=-1)


def _parts(
    compiled: Compiled, spec: MarketSpec[Any], cohorts: Sequence[Cohort]
) -> tuple[Part, ...]:
    """Return the teams that bid in a market, with their places in its order book."""
    auctions = auctions_of(compiled.plan, spec.name)
    parts: list[Part] = []
    stop = 0
    for index, cohort in enumerate(cohorts):
        for team in cohort.portfolio.teams.get(spec.name, ()):
            start, stop = stop, stop + len(team.ids) * team.bidder.slots
            standing = _standing(compiled, spec, cohort, team, auctions[0])
            parts.append(Part(spec.name, index, team, slice(start, stop), standing))
    return tuple(parts)


def _market(
    compiled: Compiled, spec: MarketSpec[Any], cohorts: Sequence[Cohort], parts: tuple[Part, ...]
) -> Market:
    units = [unit for p in parts for unit in p.team.ids for _ in range(p.team.bidder.slots)]
    places = {unit: i for i, unit in enumerate(compiled.fleet.ids)}
    rows = [places[unit] for unit in units]
    unit = torch.tensor(rows, dtype=torch.int64, device=compiled.fleet.node.device)
    node = compiled.fleet.node[unit]
    return Market(
        spec=spec,
        parts=parts,
        shares=tuple(_shares(parts, cohorts)),
        unit_ids=tuple(units),
        unit=unit,
        node=node,
        setup=spec.rule.setup(spec, Slots(node=node)),
    )


def _shares(parts: Sequence[Part], cohorts: Sequence[Cohort]) -> Iterator[Share]:
    for cohort, own in groupby(enumerate(parts), lambda numbered: numbered[1].cohort):
        positions, members = zip(*own, strict=True)
        slots = slice(members[0].slots.start, members[-1].slots.stop)
        units = [p.team.members.units.index.repeat_interleave(p.team.bidder.slots) for p in members]
        unit = torch.cat(units)
        node = cohorts[cohort].portfolio.fleet.node[unit]
        yield Share(cohort, positions, slots, unit, node)


def _standing(
    compiled: Compiled, spec: MarketSpec[Any], cohort: Cohort, team: Team, auction: Auction
) -> Orders | None:
    """Return orders of a memoryless team for the whole calendar, within the market's limits."""
    if not cohort.routine:
        return None
    offset = auction.first[0] - auction.opens // compiled.step_seconds
    opened = torch.arange(compiled.steps - offset, device=team.members.units.index.device)
    orders = standing_orders(cohort.portfolio, team, auction, opened)
    return spec.limited(orders)
