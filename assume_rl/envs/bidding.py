"""Opening an auction: what bidders see, and the orders they make."""

from dataclasses import replace

import torch
from torch import Tensor

from assume_rl.core.orders import Orders, auction_of, repeated
from assume_rl.core.step import look
from assume_rl.core.types import Auction, Step, View
from assume_rl.envs.markets import Part
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Actions, Book, State


def offsets_of(auction: Auction, step: int) -> tuple[int, ...]:
    """First delivery step of each product minus the current step."""
    return tuple(first - step for first in auction.first)


def view_of(
    setting: Setting, state: State, part: Part, market: str, offsets: tuple[int, ...], now: Step
) -> View:
    """What a team knows at calendar step `now`."""
    cohort, units = setting.cohorts[part.cohort], state.units[part.cohort]
    assert units is not None
    return look(
        cohort.fleet,
        cohort.profiles,
        units,
        now,
        offsets,
        market,
        part.team.members,
        part.team.strategy,
        elapsed=state.step,
    )


def with_views(setting: Setting, state: State, offsets: tuple[int, ...], now: Step) -> State:
    """The state with what the learners see at calendar step `now` before their market opens."""
    market = setting.learners_market
    views = tuple(view_of(setting, state, part, market, offsets, now) for part in setting.learners)
    seen = zip(setting.learners, views, strict=True)
    return replace(
        state,
        views=views,
        observations=tuple(part.team.strategy.observe(view) for part, view in seen),
    )


def open_auction(setting: Setting, state: State, auction: Auction, actions: Actions) -> State:
    """Everybody's orders; `actions` are the learners', one per team."""
    market = setting.markets.get(auction.market)
    if market is None:
        return state
    decided = _decided(setting, state, actions) if auction.market == setting.learners_market else {}
    made = [_orders(setting, state, part, auction, decided.get(id(part))) for part in market.parts]
    book = Book(tuple(orders for orders, _ in made), tuple(action for _, action in made))
    return replace(state, books={**state.books, (auction.market, auction.number): book})


def _decided(setting: Setting, state: State, actions: Actions) -> dict[int, tuple[View, Tensor]]:
    """What each learning part sees and does, by its identity."""
    parts = zip(setting.learners, state.views, actions, strict=True)
    return {id(part): (view, action) for part, view, action in parts}


def _orders(
    setting: Setting,
    state: State,
    part: Part,
    auction: Auction,
    decided: tuple[View, Tensor] | None,
) -> tuple[Orders, Tensor]:
    """A team's orders, and what it did."""
    team, now, copies = part.team, state.now, len(state.episodes)
    if part.standing is not None:
        return _standing(part.standing, now, copies), torch.zeros(0)
    if decided is not None:
        view, action = decided
    else:
        offsets = offsets_of(auction, state.step)
        view = view_of(setting, state, part, auction.market, offsets, now)
        if team.policy is None:
            action = view.max_power.new_zeros((copies, len(team.unit_ids), 0))
        else:
            action = team.policy(team.strategy.observe(view).to(team.policy.dtype))
    return team.strategy.bids(view, action), action


def _standing(orders: Orders, now: Step, copies: int) -> Orders:
    """The orders of calendar step `now`; shared by all copies that are at the same one."""
    own = auction_of(orders, now)
    return repeated(own, copies) if isinstance(now, int) else own
