"""Reward curves of learners on a ladder: what each of its rungs would have brought.

They are worked out long after the auctions, for many auctions of all copies at a time: one clearing
of all of them takes little longer than one of a few. Auctions of a team that are alike but for
their time are put one behind the other on the axis of copies, as if all were at the same step. So
how long units have been on, which counts steps since the episode began, is not known then: it
matters to units with ramps only, which have no curves (`scenario.compile.capabilities`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.orders import Orders
from assume_rl.core.reward_curve import AT_ONCE, OwnBook, ladder_curve
from assume_rl.core.trade import Position, offsets_of
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
    found: dict[int, Tensor] = {}
    for some in _alike(setting, team, earned):
        curves = _curves(setting, team, [earned[place] for place in some])
        found |= zip(some, curves, strict=True)
    return [found[place] for place in range(len(earned))]


def _alike(setting: Setting, team: int, earned: Sequence[Earned]) -> Iterator[list[int]]:
    """Yield the positions of auctions that are alike but for their time, and fit into memory."""
    kinds: dict[tuple[Any, ...], list[int]] = {}
    for place, one in enumerate(earned):
        kinds.setdefault(_kind(one), []).append(place)
    action = setting.learners[team].bidder.action
    for places in kinds.values():
        window = _played(earned[places[0]]).opened.state.energy
        each = action.rungs * action.size * window.shape[0] * window.shape[-2]
        size = max(1, AT_ONCE // max(1, each))
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


def _curves(
    setting: Setting, team: int, earned: Sequence[Earned]
) -> Sequence[Float[Tensor, "copy agent _"]]:
    """Return `curves_of` auctions that are alike but for their time."""
    part = setting.learners[team]
    market, portfolio = setting.markets[part.market], setting.cohorts[part.cohort].portfolio
    played = [_played(one) for one in earned]
    action = torch.cat([one.action for one in earned])
    opened = _together([one.opened for one in played])
    closed = _together([one.closed for one in played])
    orders = Orders(
        price=torch.cat([one.cleared.price for one in played]),
        volume=torch.cat([one.cleared.volume for one in played]),
        unit=market.unit,
        node=market.node,
    )
    slots = torch.arange(part.slots.start, part.slots.stop, device=market.unit.device)
    found = []
    for unit, own in enumerate(slots.view(len(part.team.ids), -1)):
        curve = ladder_curve(
            portfolio,
            part.team,
            unit,
            earned[0].auction,
            opened=opened,
            closed=closed,
            action=action[:, unit],
            book=OwnBook(market.spec, market.setup, orders, own),
        )
        found.append(curve.reward)
    return torch.stack(found, dim=1).chunk(len(earned))


def _together(positions: Sequence[Position]) -> Position:
    """Return one position of all copies at several steps, counted as those since the first one."""
    first = positions[0]
    energy = first.state.energy
    steps = [
        torch.as_tensor(one.step, device=energy.device).expand(energy.shape[0]) for one in positions
    ]
    state = _joined([one.state for one in positions])
    return Position(state, torch.cat(steps), first.elapsed, first.executed)


def _joined(values: Sequence[Any]) -> Any:
    """Return states as one, whose copies are those of all, one after the other."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    if isinstance(first, dict):
        return {key: _joined([value[key] for value in values]) for key in first}
    if isinstance(first, tuple):
        return tuple(_joined(own) for own in zip(*values, strict=True))
    if not is_dataclass(first) or isinstance(first, type) or not fields(first):
        return first
    own = {f.name: _joined([getattr(value, f.name) for value in values]) for f in fields(first)}
    return replace(first, **own)


def _played(one: Earned) -> Played:
    if one.played is None:
        raise ValueError("the environment keeps nothing to work out curves from: curves=True does")
    return one.played
