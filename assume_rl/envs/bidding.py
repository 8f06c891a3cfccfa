"""Open an auction: the views of bidders, and the orders they make."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from assume_rl.core.bidding.base import AnyView
from assume_rl.core.orders import Orders, auction_of, repeated
from assume_rl.core.time import Auction, Step
from assume_rl.core.trade import look
from assume_rl.envs.markets import Part
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Actions, Book, Observations, State


def view_of(
    setting: Setting, state: State, part: Part, auction: Auction, now: Step | None = None
) -> AnyView:
    """Return the view of a team when an auction opens.

    :param setting: of the environment
    :param state: of all copies
    :param part: of the team
    :param auction: that opens; deliveries in steps since the episodes began
    :param now: calendar step of the view; None: that of `state`
    """
    position = state.positions[part.cohort]
    assert position is not None
    if now is not None:
        position = replace(position, step=now)
    return look(setting.cohorts[part.cohort].portfolio, position, auction, part.team)


def with_views(
    setting: Setting, state: State, auctions: tuple[Auction, ...], now: Step | None = None
) -> State:
    """Return the state with views and observations of the learners whose markets open now.

    Those of the others stay.

    :param setting: of the environment
    :param state: of all copies
    :param auctions: of learners' markets
    :param now: calendar step of the views; None: that of `state`
    """
    by_market = {auction.market: auction for auction in auctions}
    views, seen = list(state.views), list(state.observations)
    for k, part in enumerate(setting.learners):
        if part.market in by_market:
            views[k] = view = view_of(setting, state, part, by_market[part.market], now)
            seen[k] = part.team.observe(view)
    return replace(state, views=tuple(views), observations=tuple(seen))


def no_observations(setting: Setting, copies: int) -> Observations:
    """Return observations of all learners before they make any: zeros.

    :param setting: of the environment
    :param copies: of the market
    """
    return tuple(
        torch.zeros(
            (copies, len(part.team.agents), part.bidder.layout.size),
            dtype=torch.float64,
            device=setting.device,
        )
        for part in setting.learners
    )


class Made(NamedTuple):
    """A team's orders and decisions in an auction."""

    orders: Orders
    action: Tensor | None = None  # None: it follows a rule
    memory: Tensor | None = None  # of its fixed policy; None: nothing is remembered


Mixing = Mapping[tuple[str, int, tuple[str, ...]], Tensor]
"""Standard normal draws (copy, agent, act) of fixed policies: market, auction, agents -> draws."""


def open_auctions(
    setting: Setting,
    state: State,
    auctions: Sequence[Auction],
    actions: Actions,
    drawn: Mixing,
) -> State:
    """Return the state with the order books of auctions that open at one instant.

    :param setting: of the environment
    :param state: of all copies
    :param auctions: that open
    :param actions: of the learners, (copy agent act), one per team; empty where none acts
    :param drawn: for the fixed policies that draw their actions
    """
    decided = _decided(setting, state, actions)
    books, memories = dict(state.books), dict(state.memories)
    for auction in auctions:
        market = setting.markets.get(auction.market)
        if market is None:
            continue
        made = [
            _made(setting, state, part, auction, decided.get(id(part)), drawn)
            for part in market.parts
        ]
        books[auction.market, auction.number] = Book(
            tuple(own.orders for own in made),
            tuple(own.action for own in made),
            state.positions if setting.curves else (),
        )
        for part, own in zip(market.parts, made, strict=True):
            if own.memory is not None:
                memories[part.team.agents] = own.memory
    return replace(state, books=books, memories=memories)


def _decided(setting: Setting, state: State, actions: Actions) -> dict[int, tuple[AnyView, Tensor]]:
    """Return view and action of each learning part, by `id(part)`."""
    if not actions:
        return {}
    parts = zip(setting.learners, state.views, actions, strict=True)
    return {id(part): (view, action) for part, view, action in parts if view is not None}


def _made(
    setting: Setting,
    state: State,
    part: Part,
    auction: Auction,
    decided: tuple[AnyView, Tensor] | None,
    drawn: Mixing,
) -> Made:
    """Return a team's orders and decisions in an auction.

    :param decided: view and action of a learning part
    :param drawn: for the fixed policies that draw their actions
    """
    team = part.team
    if part.standing is not None:
        return Made(_standing(part.standing, state.now, len(state.episodes)))
    if decided is not None:
        view, action = decided
        return Made(team.orders(view, action), action)
    view = view_of(setting, state, part, auction)
    if team.policy is None or team.learned is None:
        return Made(team.orders(view, None))
    z = drawn.get((auction.market, auction.number, team.agents))
    action, memory = team.decide(team.observe(view), state.memories.get(team.agents), z)
    return Made(team.orders(view, action), action, memory)


def _standing(orders: Orders, now: Step, copies: int) -> Orders:
    """Return the orders made at calendar step `now`; copies at the same step share them."""
    own = auction_of(orders, now)
    return repeated(own, copies) if isinstance(now, int) else own
