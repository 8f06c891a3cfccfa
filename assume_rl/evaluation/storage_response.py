"""The best response of a learning storage, given all other orders, on a grid of contents.

What a storage can sell depends on what it bought before. Dynamic programming works out what each
state of charge of a grid is worth before each auction; then a storage, which is at no point of the
grid, bids from auction to auction what brings most now and by the grid later. So the bids and what
they bring are real. What is not certain is that no others are better. The error estimates by how
much, and is no bound: the larger of two differences, that to what the grid promised, and that to
what half as many points lead to.

It buys or sells all that it can at one price, as `core.bidding.storage.LearnedStorage` has it. Its
own orders change prices: each alternative is cleared against the book. Of the prices next to those
of others, some are never better and are left out: of those at which it sells, or buys, its whole
power, all but the highest, and of those at which it trades nothing, all but one.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.core.bidding.base import View
from assume_rl.core.bidding.storage import LearnedStorage
from assume_rl.core.forecasts import Outlook
from assume_rl.core.money import Outcome
from assume_rl.core.reward_curve import OwnBook, clear_rungs
from assume_rl.core.units.base import ENERGY, ZERO_VOLUME, rows_of
from assume_rl.core.units.storage import Storage, StorageParams, StorageState
from assume_rl.evaluation.best_response import Sale, break_points, sale
from assume_rl.evaluation.dynamic_programming import worth_at, worth_of_states

POINTS = 201
"""States of charge of the grid."""

ABOUT_RUNGS = 16 * POINTS
"""About how many rungs of each auction are cleared: alternatives, in every state."""

AUCTIONS_AT_ONCE = 64
"""Auctions whose alternatives are worked out together, which bounds the memory that it takes."""


@dataclass(frozen=True)
class Store:
    """A storage in auctions of one product, a step each, which follow each other."""

    params: StorageParams  # of one storage
    bidder: LearnedStorage
    book: OwnBook  # (auction product slot), of which one slot is its own
    hours: float  # length of a product
    limit: float  # EUR/MWh, highest price that it may offer


@dataclass(frozen=True)
class Trades:
    """Bids of a storage and their results."""

    bid: Float[Tensor, " auction"]  # EUR/MWh; its sign is that of the volume, < 0: it buys
    profit: Float[Tensor, " auction"]  # EUR
    error: float  # EUR, estimate of how much more other bids may bring; no bound


@dataclass(frozen=True)
class Alternatives:
    """Bids worth trying in each auction."""

    price: Float[Tensor, "auction choice"]  # EUR/MWh
    sells: Bool[Tensor, " choice"]  # else it buys


@dataclass(frozen=True)
class Grid:
    """States of charge at equal distances, from the lowest to the highest of a storage."""

    low: Float[Tensor, " unit"]  # of one storage
    width: Float[Tensor, " unit"]
    points: int

    @property
    def soc(self) -> Float[Tensor, " state"]:
        """Return the states of charge."""
        return self.low + self.width * torch.linspace(0, 1, self.points, dtype=torch.float64)

    def place(self, soc: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return where states of charge are among those of the grid, in [0, points - 1]."""
        last = self.points - 1
        return ((soc - self.low) / self.width * last).clamp(0, last)


def grid_of(params: StorageParams, points: int) -> Grid:
    """Return a grid of all that one storage can hold."""
    low = torch.minimum(params.min_soc, params.initial_soc)
    width = (torch.maximum(params.max_soc, params.initial_soc) - low).clamp(min=ZERO_VOLUME)
    return Grid(low, width, points)


def best_trades(store: Store, points: int = POINTS) -> Trades:
    """Return the best bids that a grid of states of charge leads to.

    :param store: that bids
    :param points: of the grid, at least 3
    """
    tried = alternatives(store)
    fine, promised = _led_by(store, tried, points)
    coarse, _ = _led_by(store, tried, points // 2 + 1)
    best = max(fine, coarse, key=lambda found: float(found.profit.sum()))
    value = float(best.profit.sum())
    distances = (promised, float(fine.profit.sum()), float(coarse.profit.sum()))
    return replace(best, error=max(abs(value - other) for other in distances))


def _led_by(store: Store, tried: Alternatives, points: int) -> tuple[Trades, float]:
    """Return the bids that a grid leads to, and the profit that it promised, EUR."""
    choices, grid = tried.price.shape[-1], grid_of(store.params, points)
    worth = worth_of_states(*on_grid(store, tried, grid))
    soc, bids, earned = store.params.initial_soc, [], []
    for auction, price in enumerate(tried.price):
        buys, sells = _offers(store, soc)
        volume = torch.where(tried.sells, sells, buys)
        got = _cleared(store.book.of(auction), price, volume)
        profit, states = _deliver(store, soc.expand(choices), got)
        best = (profit + worth_at(worth[auction + 1], grid.place(states))).argmax()
        bids.append(torch.where(tried.sells, price, -price)[best])
        earned.append(profit[best])
        soc = states[best, None]
    promised = float(worth_at(worth[0], grid.place(store.params.initial_soc)))
    return Trades(torch.stack(bids), torch.stack(earned), 0.0), promised


def on_grid(
    store: Store, tried: Alternatives, grid: Grid
) -> tuple[Float[Tensor, "auction state choice"], Float[Tensor, "auction state choice"]]:
    """Return the profit of every alternative in every state of a grid, EUR, and the next state.

    :param store: that bids
    :param tried: in all auctions
    :param grid: of states of charge, to whose places they lead
    """
    auctions, choices = tried.price.shape
    value, after = grid.soc.new_empty(2, auctions, grid.points, choices)
    for part in torch.split(torch.arange(auctions), AUCTIONS_AT_ONCE):
        value[part], states = of_states(store, tried, part, grid.soc)
        after[part] = grid.place(states)
    return value, after


def of_states(
    store: Store,
    tried: Alternatives,
    part: Int[Tensor, " auction"],
    grid: Float[Tensor, " state"],
) -> tuple[Float[Tensor, "auction state choice"], Float[Tensor, "auction state choice"]]:
    """Return the profit of every alternative in every state, EUR, and the state of charge after it.

    :param store: that bids
    :param tried: in all auctions
    :param part: the auctions
    :param grid: states of charge
    """
    book = store.book.of(part)
    sides = []
    for side, offered in zip((~tried.sells, tried.sells), _offers(store, grid), strict=True):
        prices = tried.price[part][:, side]
        volumes, which = torch.unique(offered, return_inverse=True)
        got = _cleared(
            book,
            prices.repeat_interleave(len(volumes), dim=-1),
            volumes.repeat(prices.shape[-1]),
        )
        shape = (*prices.shape, len(volumes))
        sides.append([table.reshape(shape)[..., which] for table in vars(got).values()])
    got = Sale(*(torch.cat(both, 1).transpose(1, 2) for both in zip(*sides, strict=True)))
    soc = grid[:, None].expand(got.sold.shape)
    profit, after = _deliver(
        store, soc.flatten(), Sale(*(table.flatten() for table in vars(got).values()))
    )
    return profit.reshape(soc.shape), after.reshape(soc.shape)


def alternatives(store: Store) -> Alternatives:
    """Return the prices worth trying, those at which it buys first."""
    book, params = store.book, store.params
    zero = book.orders.price.new_zeros(book.orders.price.shape[:-2])
    points = break_points(book, zero, 0.0, store.limit)
    first = torch.zeros_like(points[:, :1], dtype=torch.bool)
    again = torch.cat((first, points[:, 1:] == points[:, :-1]), -1)
    found = []
    for power in (params.max_power_charge, params.max_power_discharge):
        traded = _cleared(book, points, power.expand(points.shape[-1])).sold.abs()
        whole, nothing = traded >= power.abs() - ZERO_VOLUME, traded <= ZERO_VOLUME
        kept = (~whole & ~nothing & ~again) | _last(whole) | _last(nothing)
        most = int(kept.sum(-1).max())
        chosen = (~kept).to(torch.int8).argsort(dim=-1, stable=True)[:, :most]
        found.append(points.gather(-1, chosen))  # where fewer are kept, any others
    sells = torch.arange(sum(part.shape[-1] for part in found)) >= found[0].shape[-1]
    return Alternatives(torch.cat(found, -1), sells)


def _last(mask: Bool[Tensor, "auction point"]) -> Bool[Tensor, "auction point"]:
    """Return a mask of the last true entry of each row alone."""
    place = torch.arange(1, mask.shape[-1] + 1) * mask
    return mask & (place == place.amax(-1, keepdim=True))


def _offers(
    store: Store, soc: Float[Tensor, " copy"]
) -> tuple[Float[Tensor, " copy"], Float[Tensor, " copy"]]:
    """Return its bidder's purchases, <= 0, and sales at a state of charge, MW."""
    technology, params, count = Storage(), _copies(store, soc), len(soc)
    state, none = _state(soc), soc.new_zeros(1, count)
    view = View(
        limits=technology.limits(params, state, none, {ENERGY: none}, 0),
        lengths=(1,),
        sold=none,
        throughout=none,
        capacity=none,
        marginal_cost=none,
        previous_power=none[0],
        price_history=soc.new_zeros(count, 0),
        outlook=Outlook(None, torch.arange(count), 0, (0,)),
        own=technology.view(params, state, soc.new_zeros(0, count), 0),
    )
    action = soc.new_ones(count, 1)
    orders = [store.bidder.orders(view, side).volume[0] for side in (-action, action)]
    return orders[0], orders[1]


def _deliver(
    store: Store, soc: Float[Tensor, " copy"], got: Sale
) -> tuple[Float[Tensor, " copy"], Float[Tensor, " copy"]]:
    """Return the profit of sales (copy), EUR, and the state of charge after them.

    In the order of `core.trade.settle`: planned, executed, then judged by the bidder.
    """
    technology, params = Storage(), _copies(store, soc)
    sold = got.sold[None]
    planned = torch.cat((sold, torch.zeros_like(sold)))
    planned, state = technology.plan(params, _state(soc), planned, 0)
    power, state = technology.execute(params, state, torch.zeros_like(sold), planned, 0, 0)
    outcome = Outcome(
        price=got.price[None],
        revenue=got.revenue[None] * store.hours,
        sold=sold,
        offered=sold,
        hours=store.hours,
        marginal_cost=technology.marginal_cost(params, power, power),
        power=power,
        previous_power=power,
        params=params,
    )
    return store.bidder.reward(outcome).profit, state.soc[1]


def _cleared(
    book: OwnBook, price: Float[Tensor, "... rung"], volume: Float[Tensor, "... rung"]
) -> Sale:
    """Return the sale on each rung of an order of its own."""
    price, volume = (table[..., None, None] for table in (price, volume.expand(price.shape)))
    return sale(clear_rungs(book, price, volume))


def _copies(store: Store, soc: Float[Tensor, " copy"]) -> StorageParams:
    return rows_of(store.params, torch.zeros(len(soc), dtype=torch.long))


def _state(soc: Float[Tensor, " copy"]) -> StorageState:
    """Return a state whose window has one step, and the state after it."""
    return StorageState(soc.expand(2, -1), torch.zeros_like(soc))
