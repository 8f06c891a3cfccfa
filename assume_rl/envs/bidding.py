"""Open an auction: the views of bidders, and the orders they make."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from assume_rl.core.bidding.base import AnyView
from assume_rl.core.orders import Orders, auction_of, repeated
from assume_rl.core.time import Auction, Step
from assume_rl.core.trade import look
from assume_rl.envs.markets import Market, Part
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Actions, Book, State


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
    """Return the state with views and observations of the learners, made before their markets open.

    :param setting: of the environment
    :param state: of all copies
    :param auctions: those of the learners' markets, one each
    :param now: calendar step of the views; None: that of `state`
    """
    by_market = {auction.market: auction for auction in auctions}
    views = tuple(
        view_of(setting, state, part, by_market[part.market], now) for part in setting.learners
    )
    seen = zip(setting.learners, views, strict=True)
    return replace(
        state,
        views=views,
        observations=tuple(part.team.observe(view) for part, view in seen),
    )


def open_auctions(
    setting: Setting, state: State, auctions: Sequence[Auction], actions: Actions
) -> dict[tuple[str, int], Book]:
    """Return the order books of auctions that open at one instant, by market and number.

    :param setting: of the environment
    :param state: of all copies
    :param auctions: that open
    :param actions: of the learners, (copy agent act), one per team; empty where none acts
    """
    decided = _decided(setting, state, actions)
    return {
        (auction.market, auction.number): _book(setting, state, market, auction, decided)
        for auction in auctions
        for market in [setting.markets.get(auction.market)]
        if market is not None
    }


def _book(
    setting: Setting,
    state: State,
    market: Market,
    auction: Auction,
    decided: Mapping[int, tuple[AnyView, Tensor]],
) -> Book:
    """Return the order book of one auction.

    :param market: of the auction
    :param decided: view and action of each learning part, by `id(part)`
    """
    made = [_orders(setting, state, part, auction, decided.get(id(part))) for part in market.parts]
    return Book(tuple(orders for orders, _ in made), tuple(action for _, action in made))


def _decided(setting: Setting, state: State, actions: Actions) -> dict[int, tuple[AnyView, Tensor]]:
    """Return view and action of each learning part, by `id(part)`."""
    if not actions:
        return {}
    parts = zip(setting.learners, state.views, actions, strict=True)
    return {id(part): (view, action) for part, view, action in parts}


def _orders(
    setting: Setting,
    state: State,
    part: Part,
    auction: Auction,
    decided: tuple[AnyView, Tensor] | None,
) -> tuple[Orders, Tensor | None]:
    """Return a team's orders, and its action (None for a rule)."""
    team = part.team
    if part.standing is not None:
        return _standing(part.standing, state.now, len(state.episodes)), None
    if decided is not None:
        view, action = decided
        return team.orders(view, action), action
    view = view_of(setting, state, part, auction)
    if team.policy is None or team.learned is None:
        return team.orders(view, None), None
    action = team.policy(team.observe(view).to(team.policy.dtype))
    return team.orders(view, action), action


def _standing(orders: Orders, now: Step, copies: int) -> Orders:
    """Return the orders made at calendar step `now`; copies at the same step share them."""
    own = auction_of(orders, now)
    return repeated(own, copies) if isinstance(now, int) else own
