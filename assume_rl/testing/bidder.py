"""The contract of a bidder."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core.bidding.base import AnyBidder, AnyView, LearnedBidder
from assume_rl.core.money import Outcome
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, begin, look, moved_to, settle
from assume_rl.core.units.base import DOWN, ENERGY, ZERO_VOLUME, WithoutState
from assume_rl.core.units.fleet import members
from assume_rl.testing.contract import alone, check_tensor, pure, same
from assume_rl.testing.toys import TOYS

_COPIES, _PRODUCTS = 5, 2
_OPENS = Auction("EOM", 3, 3, 4, first=(4, 5), length=(1, 1))

Side = TypeVar("Side", AnyView, Outcome[Any])


def check_bidder(bidder: AnyBidder) -> None:
    """Check that a bidder keeps its contract, on random views of each of its technologies.

    :raises AssertionError: with the clause that is broken
    """
    _check_sizes(bidder)
    for technology in sorted(bidder.technologies):
        portfolio, team, position = _toy(technology, bidder)
        view = look(portfolio, position, _opens(bidder), team)
        if isinstance(bidder, LearnedBidder):
            action = _draw((_COPIES, len(team.ids), bidder.action.size), "action") * 2 - 1
            _check_observation(bidder, view, len(team.ids))
        else:
            action = None
        _check_orders(team, view, action)
        if isinstance(bidder, LearnedBidder):
            _check_reward(bidder, portfolio, position, team, team.orders(view, action))


def _check_sizes(bidder: AnyBidder) -> None:
    assert bidder.technologies, "`technologies` is empty: no unit may use the bidder"
    assert bidder.slots >= 1, "`slots` must be at least 1, or the bidder can never bid"
    if isinstance(bidder, LearnedBidder):
        unique = [f.unique for f in bidder.layout.features]
        assert unique == sorted(unique), (
            "features marked `unique` come last in the layout: critics are shown the end of other "
            "agents' observations"
        )
        assert bidder.action.size >= 1, "a learned bidder decides at least one number"


def _check_observation(bidder: LearnedBidder[Any], view: AnyView, units: int) -> None:
    observation = pure(lambda: bidder.observe(view), view, "observe")
    check_tensor(observation, (_COPIES, units, bidder.layout.size), "observe")
    centre = bidder.explore_around(observation)
    check_tensor(centre, (_COPIES, units, bidder.action.size), "explore_around")
    for i in range(_COPIES):
        same(bidder.observe(_copy(view, i)), observation[i], alone("observe"))


def _check_orders(team: Team, view: AnyView, action: Tensor | None) -> None:
    orders = pure(lambda: team.orders(view, action), (view, action), "orders")
    assert isinstance(orders, Orders), (
        f"`orders` returned a {type(orders).__name__}, expected `Orders`: see `unit_major`"
    )
    units, slots = len(team.ids), len(team.ids) * team.bidder.slots
    expected = torch.arange(units).repeat_interleave(team.bidder.slots)
    assert torch.equal(orders.unit.cpu(), expected), (
        f"`orders.unit` is {orders.unit.tolist()}, expected {expected.tolist()}: `slots` "
        "consecutive slots per unit; leave the volume of a slot 0 if it is not needed"
    )
    assert team.bidder.blocks or orders.terms is None, (
        "orders carry block terms, but `blocks` is False: a market whose rule does not read them "
        "would trade them like any others"
    )
    check_tensor(orders.price, (_COPIES, _PRODUCTS, slots), "orders().price")
    check_tensor(orders.volume, (_COPIES, _PRODUCTS, slots), "orders().volume")
    offered = orders.volume.reshape(_COPIES, _PRODUCTS, units, -1)
    sold, bought = offered.clamp(min=0).sum(-1), offered.clamp(max=0).sum(-1)
    # What units with a state can do in later products depends on what is accepted before.
    own = slice(None) if isinstance(team.members.block.technology, WithoutState) else slice(1)
    # What was traded before may be undone.
    most = (view.limits.sell.most - view.sold.clamp(max=0))[:, own]
    least = (view.limits.buy.most - view.sold.clamp(min=0))[:, own]
    # What is taken off is not limited by what can be added.
    assert (team.bidder.product_types <= DOWN) or (sold[:, own] <= most + ZERO_VOLUME).all(), (
        "a unit's sell orders of a product add up to more than `view.limits.sell.most`"
    )
    assert (bought[:, own] >= least - ZERO_VOLUME).all(), (
        "a unit's buy orders of a product add up to more than `view.limits.buy.most`"
    )
    for i in range(_COPIES):
        single = team.orders(_copy(view, i), None if action is None else action[i])
        same(single.price, orders.price[i], alone("orders().price"))
        same(single.volume, orders.volume[i], alone("orders().volume"))


def _check_reward(
    bidder: LearnedBidder[Any],
    portfolio: Portfolio,
    position: Position,
    team: Team,
    orders: Orders,
) -> None:
    result = _outcome(portfolio, position, team, orders)
    reward = pure(lambda: bidder.reward(result), result, "reward")
    for name, value in vars(reward).items():
        check_tensor(value, (_COPIES, len(team.ids)), f"reward().{name}")
    for i in range(_COPIES):
        single = vars(bidder.reward(_copy(result, i)))
        for name, value in vars(reward).items():
            same(single[name], value[i], alone(f"reward().{name}"))


def _opens(bidder: AnyBidder) -> Auction:
    """Return an auction of energy, or else of something that the bidder trades."""
    types = bidder.product_types
    return replace(_OPENS, product_type=ENERGY if ENERGY in types else min(types))


def _toy(technology: str, bidder: AnyBidder) -> tuple[Portfolio, Team, Position]:
    """Return units with every kind of limit that have bought and sold at random before."""
    assert technology in TOYS, f"no toy fleet for the technology '{technology}'"
    fleet, profiles = TOYS[technology]()
    units = range(len(fleet.ids))
    team = Team(bidder, members(fleet, units), fleet.ids, isinstance(bidder, LearnedBidder))
    lookback = max(bidder.foresight, 4) + 1
    portfolio = Portfolio(
        fleet,
        profiles,
        {"EOM": (team,)},
        step_hours=1.0,
        lookback=lookback,
        horizon=_PRODUCTS + 2,
        product_types=(ENERGY, _opens(bidder).product_type),
    )
    position = begin(portfolio, (_COPIES,), start=torch.arange(_COPIES) * 7)
    for hour in range(3):
        position = _traded(portfolio, moved_to(portfolio, position, hour + 1), team, hour)
    return portfolio, team, position


def _traded(portfolio: Portfolio, position: Position, team: Team, number: int) -> Position:
    """Return the position after an auction in which a random possible share was sold."""
    auction = Auction("EOM", number, number, number + 1, (position.elapsed,), (1,))
    limits = look(portfolio, position, auction, team).limits
    share = _draw(tuple(limits.sell.most.shape), f"share {number}")
    volume = torch.where(share > 0.5, limits.sell.most, limits.buy.most) * share
    price = _draw(tuple(volume.shape), f"price {number}") * 100
    unit = torch.arange(volume.shape[-1])
    result = Result(
        auction=auction,
        orders=unit_major(price, volume, len(unit)),
        accepted=volume,
        paid=price,
        price=price,
        asked=(),
        slots=(),
    )
    return settle(portfolio, position, [result])[0]


def _outcome(portfolio: Portfolio, position: Position, team: Team, orders: Orders) -> Outcome[Any]:
    """Return the outcome when a random share of each order is accepted, at random prices."""
    shape = tuple(orders.volume.shape)
    result = Result(
        auction=_opens(team.bidder),
        orders=orders,
        accepted=orders.volume * (_draw(shape, "accepted") * 2 - 1).clamp(min=0),
        paid=_draw(shape, "paid") * 100,
        price=(_draw(shape[:-1], "published") * 100)[..., None].expand(shape),
        asked=(team,),
        slots=(slice(0, shape[-1]),),
    )
    _, _, outcomes = settle(portfolio, moved_to(portfolio, position, 4), [result])
    return outcomes[0][0]


def _draw(shape: tuple[int, ...], purpose: str) -> Tensor:
    return keyed.array(shape, 0, "check_bidder", purpose)


def _copy(value: Side, i: int) -> Side:
    """Return copy `i` of a batched view or outcome; parameters have no batch axis."""
    copied: Side = _one(value, i)
    return copied


def _one(value: Any, i: int) -> Any:
    if isinstance(value, Tensor):
        batched = value.ndim > 1 and len(value) == _COPIES
        positions = value.ndim == 1 and not value.is_floating_point() and len(value) == _COPIES
        return value[i] if batched or positions else value
    if isinstance(value, dict):
        return {key: _one(own, i) for key, own in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        # Parameters and forecasts are shared by all copies.
        own = {f.name: getattr(value, f.name) for f in fields(value)}
        shared = ("params", "forecasts", "series")
        return replace(value, **{n: x if n in shared else _one(x, i) for n, x in own.items()})
    return value
