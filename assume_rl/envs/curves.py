"""Reward curves of learners on a ladder: the reward that each of its rungs would have given.

They are worked out long after the auctions, for many auctions of all copies at a time: one clearing
of all of them takes little longer than one of a few. Auctions of a team that are alike but for
their time are put one behind the other on the axis of copies, as if all were at the same step. So
how long units have been on, which counts steps since the episode began, would not be known then: of
units with ramps, to which alone it matters, auctions of different steps are not alike.

With what an auction would have brought goes, where that is wanted, what the agents would have
observed next of themselves: nothing they trade in is cleared before their next auction opens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.decisive import can_tell, copies_at_once, rewards_of_team
from assume_rl.core.nested import mapped
from assume_rl.core.orders import Orders
from assume_rl.core.reward_curve import (
    AT_ONCE,
    Tried,
    books_of,
    ladder_curve,
    observed_next,
    rungs_tried,
)
from assume_rl.core.time import Auction
from assume_rl.core.trade import Position, offsets_of
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.envs.ends import next_auctions, reach
from assume_rl.envs.markets import Part
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Earned, Played


def curves_of(
    setting: Setting, team: int, earned: Sequence[Earned]
) -> list[Float[Tensor, "copy agent _"]]:
    """Return the rewards of a team on every rung of its ladder, auction by auction.

    Entry by entry of its action, see `core.reward_curve.on_each_rung`: the other entries, and the
    other agents, are as they were played.

    :param setting: of the environment, which keeps what curves need
    :param team: position among the learner teams
    :param earned: what the team earned in some auctions of one market
    """
    return [curve for curve, _ in curves_ahead(setting, team, earned, 0)]


def curves_ahead(
    setting: Setting, team: int, earned: Sequence[Earned], own: int
) -> list[tuple[Float[Tensor, "copy agent _"], Float[Tensor, "copy agent _ own"]]]:
    """Return `curves_of`, and the next observation after every rung.

    :param setting: of the environment, which keeps what curves need
    :param team: position among the learner teams
    :param earned: what the team earned in some auctions of one market
    :param own: how many of the last entries of an observation are wanted; zeros at the end of the
        calendar
    """
    found: dict[int, tuple[Tensor, Tensor]] = {}
    part = setting.learners[team]
    following = next_auctions(setting, part.market)
    together = own == 0 and can_tell(setting.markets[part.market].spec, part.team)
    for some in _alike(setting, team, earned, following if own else (), together):
        chosen = [earned[place] for place in some]
        after = following[chosen[0].auction.number] if own else None
        found |= zip(some, _curves(setting, team, chosen, after, own, together), strict=True)
    return [found[place] for place in range(len(earned))]


def _alike(
    setting: Setting,
    team: int,
    earned: Sequence[Earned],
    following: Sequence[Auction | None],
    together: bool,
) -> Iterator[list[int]]:
    """Yield the positions of auctions that are alike but for their time, and fit into memory.

    :param following: the next auctions by number, if what is observed then is wanted
    :param together: whether the units of the team are worked on together
    """
    kinds: dict[tuple[Any, ...], list[int]] = {}
    params = setting.learners[team].team.members.block.params
    ramped = isinstance(params, ThermalParams) and params.ramped
    for place, one in enumerate(earned):
        after = following[one.auction.number] if following else None
        kind = (_kind(one), None if after is None else _ahead(one.auction, after))
        alone = _played(one).opened.elapsed if ramped else None
        kinds.setdefault((*kind, alone), []).append(place)
    for places in kinds.values():
        one = earned[places[0]]
        opened = _played(one).opened
        room = _copies_at_once(setting, team, one.auction, opened, together)
        size = max(1, room // _copies(opened))
        for start in range(0, len(places), size):
            yield places[start : start + size]


def _kind(one: Earned) -> tuple[Any, ...]:
    """Return all that an auction has of time, counted from its opening and its closing."""
    played = _played(one)
    ends = [
        (offsets_of(one.auction, at.elapsed), at.executed - at.elapsed)
        for at in (played.opened, played.closed)
    ]
    return (*ends, one.auction.length)


def _ahead(auction: Auction, after: Auction) -> tuple[Any, ...]:
    """Return all that the next auction has of time, counted from the opening of one."""
    offsets = tuple(first - auction.first[0] for first in after.first)
    return (after.opens - auction.opens, offsets, after.length)


def _copies(position: Position) -> int:
    return position.state.energy.shape[0]


def _copies_at_once(
    setting: Setting, team: int, auction: Auction, position: Position, together: bool
) -> int:
    """Return how many copies have room in memory at a time, those of several auctions counted."""
    if together:
        part = setting.learners[team]
        slots = len(setting.markets[part.market].unit)
        return copies_at_once(part.team, slots, len(auction.first))
    each = rungs_tried(setting.learners[team].team) * position.state.energy.shape[-2]
    return max(1, AT_ONCE // each)


def _curves(
    setting: Setting,
    team: int,
    earned: Sequence[Earned],
    after: Auction | None,
    own: int,
    together: bool,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield `curves_ahead` of auctions that are alike but for their time.

    :param after: the auction that follows the first of them; None: none does
    :param together: whether the units of the team are worked on together
    """
    part = setting.learners[team]
    market = setting.markets[part.market]
    played = [_played(one) for one in earned]
    known = Known(
        auction=earned[0].auction,
        after=after,
        own=own,
        action=torch.cat([one.action for one in earned]),
        opened=_together([one.opened for one in played]),
        closed=_together([one.closed for one in played]),
        orders=Orders(
            price=torch.cat([one.cleared.orders.price for one in played]),
            volume=torch.cat([one.cleared.orders.volume for one in played]),
            unit=market.unit,
            node=market.node,
        ),
    )
    size = _copies_at_once(setting, team, known.auction, known.opened, together)
    copies = _copies(known.opened)
    work_out = _curves_together if together else _curves_by_unit
    starts = range(0, copies, size)
    found = [work_out(setting, team, known.of(start, start + size)) for start in starts]
    curve, seen = (torch.cat(parts).chunk(len(earned)) for parts in zip(*found, strict=True))
    return zip(curve, seen, strict=True)


@dataclass(frozen=True)
class Known:
    """The inputs of the reward curves of an auction, in copies of the market."""

    auction: Auction
    after: Auction | None  # that follows; None: none does
    own: int  # entries of the observation then
    action: Float[Tensor, "copy agent act"]
    opened: Position
    closed: Position
    orders: Orders

    def of(self, start: int, stop: int) -> "Known":
        """Return some of the copies."""
        if start == 0 and stop >= len(self.action):
            return self

        def some(tables: Sequence[Tensor]) -> Tensor:
            return tables[0][start:stop]

        orders = self.orders
        return replace(
            self,
            action=self.action[start:stop],
            opened=mapped([self.opened], some),
            closed=mapped([self.closed], some),
            orders=replace(
                orders, price=orders.price[start:stop], volume=orders.volume[start:stop]
            ),
        )


def _curves_together(
    setting: Setting, team: int, known: Known
) -> tuple[Float[Tensor, "copy agent _"], Float[Tensor, "copy agent 0"]]:
    part = setting.learners[team]
    curve = rewards_of_team(
        setting.cohorts[part.cohort].portfolio,
        part.team,
        setting.markets[part.market].spec,
        known.auction,
        opened=known.opened,
        closed=known.closed,
        action=known.action,
        orders=known.orders,
        own=_own_slots(part),
    )
    return curve, curve.new_zeros(*curve.shape, 0)


def _curves_by_unit(
    setting: Setting, team: int, known: Known
) -> tuple[Float[Tensor, "copy agent _"], Float[Tensor, "copy agent _ own"]]:
    part = setting.learners[team]
    market, portfolio = setting.markets[part.market], setting.cohorts[part.cohort].portfolio
    books = books_of(market.spec, market.setup, known.orders, _own_slots(part))
    curves, seen = [], []
    for unit, book in enumerate(books):
        tried = ladder_curve(
            portfolio,
            part.team,
            unit,
            known.auction,
            opened=known.opened,
            closed=known.closed,
            action=known.action[:, unit],
            book=book,
        )
        curves.append(tried.reward.reward)
        seen.append(_seen_next(setting, tried, known))
    return torch.stack(curves, dim=1), torch.stack(seen, dim=1)


def _own_slots(part: Part) -> Int[Tensor, "unit own"]:
    """Return the slots of each unit of a team in the book of its market."""
    device = part.team.members.units.index.device
    slots = torch.arange(part.slots.start, part.slots.stop, device=device)
    return slots.view(len(part.team.ids), -1)


def _seen_next(setting: Setting, tried: Tried, known: Known) -> Float[Tensor, "copy _ own"]:
    """Return a unit's next own observation after each rung."""
    reward, after = tried.reward.reward, known.after
    if after is None:
        return reward.new_zeros(*reward.shape, known.own)
    opens, position = after.opens // setting.compiled.step_seconds, tried.position
    # After the last auction of the calendar, series may end before the next deliveries.
    last = reach(setting, after) - (opens - position.elapsed)
    position = replace(position, step=torch.as_tensor(position.step).clamp(max=last))
    seen = observed_next(replace(tried, position=position), after, opens)
    return seen[..., seen.shape[-1] - known.own :]


def _together(positions: Sequence[Position]) -> Position:
    """Return one position of all copies at several steps, counted as those since the first one."""
    first, copies = positions[0], _copies(positions[0])
    steps = [
        torch.as_tensor(one.step, device=first.state.energy.device).expand(copies)
        for one in positions
    ]
    state = mapped([one.state for one in positions], torch.cat)
    return Position(state, torch.cat(steps), first.elapsed, first.executed)


def _played(one: Earned) -> Played:
    if one.played is None:
        raise ValueError("the environment keeps nothing to work out curves from: curves=True does")
    return one.played
