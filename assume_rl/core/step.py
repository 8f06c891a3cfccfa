"""The only order of events. Both shells call these functions, in this order, at every `Tick`:

1. a learner update, if one is due;
2. all clearings of this instant;
3. `dispatch` of every cleared market: what was sold, and the money, which depends on what was sold
   and not on what is delivered;
4. `execute` once: the steps in (last, now];
5. per cleared market the reward of `outcome`;
6. only then all bids for the markets that open now: `look`, then the strategy's `bids`.

The order of the markets in the configuration is that of the rows and changes nothing else. Bids for
the next hour see the executed dispatch of this one. Between ticks, `advance` moves the
state's window on. At the end of an episode the steps that are sold but not executed yet, up to its
last step, are executed too: `execute` on a state that is `ahead` of the last clearing. An `offset`
is a delivery step minus the current step, a static integer.
"""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from assume_rl.core import window
from assume_rl.core.bidding.protocol import Strategy
from assume_rl.core.orders import Orders
from assume_rl.core.settlement import by_unit, cashflow, last_price, revenue
from assume_rl.core.types import (
    NEVER_RAN,
    ZERO_VOLUME,
    Block,
    Fleet,
    Members,
    Outcome,
    Profiles,
    Step,
    ThermalParams,
    UnitState,
    View,
)
from assume_rl.core.units import TECHNOLOGIES, thermal

__all__ = [
    "advance",
    "ahead",
    "dispatch",
    "execute",
    "initial_state",
    "look",
    "outcome",
]


def initial_state(
    fleet: Fleet,
    lookback: int,
    horizon: int,
    batch: tuple[int, ...] = (),
    *,
    keep_prices: bool = True,
    keep_money: bool = True,
    keep_downtime: bool = False,
) -> UnitState:
    """Nothing sold, nothing delivered.

    :param lookback: steps of the past to keep. A strategy with foresight F needs F, a fleet with
        ramp limits its longest minimum time plus the steps of one `execute`.
    :param horizon: steps of the future that can be sold, the current one not counted
    :param batch: leading axes, one entry per copy of the market
    :param keep_prices: whether any strategy has a foresight, that is, looks at accepted prices
    :param keep_money: whether `cashflow` and `revenue` are recorded; rewards need neither
    :param keep_downtime: whether any strategy is charged for starts by their downtime
    """
    shape = (*batch, lookback + 1 + horizon, len(fleet.ids))
    zero = torch.zeros(shape, dtype=torch.float64, device=fleet.owner.device)
    return UnitState(
        energy=zero,
        accepted_price=zero if keep_prices else None,
        cashflow=zero if keep_money else None,
        revenue=zero if keep_money else None,
        lookback=lookback,
        downtime=torch.full_like(zero, NEVER_RAN) if keep_downtime else None,
    )


def advance(state: UnitState, steps: int) -> UnitState:
    """Let `steps` steps pass: the oldest are forgotten, unsold ones come into reach."""
    gone = min(steps, state.energy.shape[-2])
    prices, cash, earned = state.accepted_price, state.cashflow, state.revenue
    return UnitState(
        energy=pad(state.energy, (0, 0, -gone, gone)),
        accepted_price=None if prices is None else pad(prices, (0, 0, -gone, gone)),
        cashflow=None if cash is None else pad(cash, (0, 0, -gone, gone)),
        revenue=None if earned is None else pad(earned, (0, 0, -gone, gone)),
        lookback=state.lookback,
        downtime=None if state.downtime is None else pad(state.downtime, (0, 0, -gone, gone)),
    )


def ahead(state: UnitState, steps: int) -> UnitState:
    """Return the state as of `steps` steps later, with the same window.

    What is sold for these steps can then be executed, however few steps the window keeps behind
    the current one.
    """
    return replace(state, lookback=state.lookback + steps)


def look(
    fleet: Fleet,
    profiles: Profiles,
    state: UnitState,
    step: Step,
    offsets: tuple[int, ...],
    market: str,
    members: Members,
    strategy: Strategy,
    *,
    elapsed: int | None = None,
) -> View:
    """What `members` know when they bid at `step` for products that start at `offsets`.

    :param elapsed: steps since the episode began, before which nothing is known; None: `step`
    """
    units, block, first = members.units, members.block, offsets[0]
    technology = TECHNOLOGIES[block.technology]
    energy = window.of_units(state.energy, units)
    batch, since = energy.shape[:-2], step if elapsed is None else elapsed
    sold = window.at(energy, state.lookback, offsets)
    capacity = window.of_units(window.at(profiles.capacity, step, offsets), units)
    least, most = technology.band(block.params, capacity, sold)
    previous = energy[..., state.lookback + first - 1, :]
    if strategy.needs_operating_time or technology.has_history(block.params):
        past = energy[..., : state.lookback + first, :]
        operating_time = technology.operating_time(block.params, past, since + first)
    else:
        operating_time = window.zeros(previous.shape, previous.device)
    cost = window.of_units(window.at(profiles.marginal_cost, step, offsets), units)
    seen = _look_around(profiles, state, step, first, market, units, previous, strategy.foresight)
    return View(
        min_power=least,
        max_power=most,
        sold=sold,
        marginal_cost=window.copies(cost, batch, 2),
        previous_power=previous,
        operating_time=operating_time,
        residual_load=window.copies(seen[0], batch, 2),
        price_forecast=window.copies(seen[1], batch, 2),
        price_history=seen[2],
        params=block.params,
    )


def dispatch(
    state: UnitState,
    orders: Orders,
    accepted: Float[Tensor, "... product slot"],
    paid: Float[Tensor, "... product slot"],
    offsets: tuple[int, ...],
    lengths: tuple[int, ...],
    step_hours: float,
) -> UnitState:
    """Note what an auction sold (MW), at which price (EUR/MWh), and the money it brings.

    In `cashflow` every step of a product gets the money of the whole product, as the established
    tables have it; in `revenue` each step gets its own.

    :param orders: one bidder's book; `orders.unit` indexes the state's units
    :param offsets: first delivery step of each product minus the current step
    """
    energy, prices = state.energy, state.accepted_price
    cash, earned = state.cashflow, state.revenue
    for run in window.runs(offsets, lengths):
        start = state.lookback + run.start
        sold, price = window.products(accepted, run), window.products(paid, run)
        energy = _add(energy, start, window.spread(sold, run.length), orders.unit)
        if cash is not None:
            money = cashflow(price, sold, run.length * step_hours)
            cash = _add(cash, start, window.spread(money, run.length), orders.unit)
        if earned is not None:
            money = cashflow(price, sold, step_hours)
            earned = _add(earned, start, window.spread(money, run.length), orders.unit)
        if prices is not None:
            is_order = torch.logical_or(
                window.products(orders.price, run), window.products(orders.volume, run)
            )
            last, placed = last_price(is_order, orders.unit, sold, price, prices.shape[-1])
            last, placed = window.spread(last, run.length), window.spread(placed, run.length)
            old = window.rows(prices, start, last.shape[-2])
            prices = window.put(prices, start, torch.where(placed, last, old))
    return replace(state, energy=energy, accepted_price=prices, cashflow=cash, revenue=earned)


def execute(
    fleet: Fleet,
    profiles: Profiles,
    state: UnitState,
    step: Step,
    steps: int,
    *,
    elapsed: int | None = None,
) -> UnitState:
    """Deliver the last `steps` steps, the current one included: `energy` becomes what was done.

    :param elapsed: steps since the episode began; None: `step`
    """
    since = step if elapsed is None else elapsed
    stop = state.lookback + 1
    capacity = window.at(profiles.capacity, step, tuple(range(1 - steps, 1)))
    energy = state.energy.narrow(-2, 0, stop)
    delivered = [
        TECHNOLOGIES[block.technology].execute(
            block.params, _columns(capacity, block), _columns(energy, block), since
        )
        for block in fleet.blocks
    ]
    done = delivered[0] if len(delivered) == 1 else torch.cat(delivered, dim=-1)
    executed = window.put(state.energy, stop - steps, done)
    downtime = state.downtime
    if downtime is not None:
        before = window.rows(downtime, stop - steps - 1, 1)[..., 0, :]
        off = _downtime(before, done)
        downtime = window.put(downtime, stop - steps, off)
    return replace(state, energy=executed, downtime=downtime)


def outcome(
    fleet: Fleet,
    profiles: Profiles,
    state: UnitState,
    step: Step,
    members: Members,
    orders: Orders,
    accepted: Float[Tensor, "... product slot"],
    paid: Float[Tensor, "... product slot"],
    price: Float[Tensor, "... product"],
    offsets: tuple[int, ...],
    lengths: tuple[int, ...],
    step_hours: float,
) -> Outcome:
    """Return what the auction's first product brought `members`.

    :param state: after `execute`
    :param orders: of their strategy, slots unit-major, as are `accepted` and `paid`
    :param accepted: of each order, MW
    :param paid: of each order, EUR/MWh
    :param price: published, EUR/MWh
    :param offsets: first delivery step of each product minus the current step
    :param lengths: steps of each product
    """
    units = members.block.stop - members.block.start
    sold = by_unit(accepted[..., 0, :], units)
    published = price[..., :1].expand(*sold.shape[:-1])
    hours = lengths[0] * step_hours
    at = state.lookback + offsets[0]
    cost = window.at(profiles.marginal_cost, step, offsets[:1])[..., 0, :]
    return Outcome(
        price=published,
        revenue=revenue(by_unit(paid[..., 0, :], units), sold, published, hours),
        sold=sold.sum(-1),
        offered=by_unit(orders.volume[..., 0, :], units).sum(-1),
        hours=hours,
        marginal_cost=window.of_units(cost, members.units),
        power=window.of_units(state.energy[..., at, :], members.units),
        previous_power=window.of_units(state.energy[..., at - 1, :], members.units),
        params=members.block.params,
        start_cost=_start_cost(state, members, at, lengths[0]),
    )


def _downtime(
    before: Float[Tensor, "... unit"], power: Float[Tensor, "... step unit"]
) -> Float[Tensor, "... step unit"]:
    """Return the steps off up to and with each step; `before`: up to the step before the first."""
    found = []
    for now in power.unbind(-2):
        before = torch.where(now.abs() > ZERO_VOLUME, 0.0, before + 1)
        found.append(before)
    return torch.stack(found, dim=-2)


def _start_cost(
    state: UnitState, members: Members, at: int, steps: int
) -> Float[Tensor, "... unit"] | None:
    """Return what the starts of `members` in a product cost by their downtime, EUR.

    Steps that are not executed yet count as planned. None where no downtime is kept, or of units
    that are no plants.

    :param at: position of the product's first step in the window
    :param steps: of the product
    """
    params = members.block.params
    if state.downtime is None or not isinstance(params, ThermalParams):
        return None
    first = min(at, state.lookback + 1)  # downtimes are known up to the current step
    known = window.rows(state.downtime, first - 1, 1)[..., 0, :]
    before = window.of_units(known, members.units)
    power = window.rows(state.energy, first, at + steps - first)
    cost, _ = thermal.start_cost(params, window.of_units(power, members.units), before)
    return cost[..., at - first :, :].sum(-2)


def _look_around(
    profiles: Profiles,
    state: UnitState,
    step: Step,
    first: int,
    market: str,
    units: Int[Tensor, " unit"] | None,
    previous: Float[Tensor, "... unit"],
    foresight: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Residual load and price ahead (scaled) and accepted prices back (EUR/MWh).

    All are (... unit window), and all three windows include the first delivery step.
    """
    if foresight == 0:
        nothing = window.zeros((*previous.shape, 0), previous.device)
        return nothing, nothing, nothing
    forecasts = profiles.forecasts[market]
    series = forecasts.series if units is None else forecasts.series[units]
    if state.accepted_price is None:
        raise ValueError("a strategy with a foresight needs a state that keeps accepted prices")
    back = tuple(range(first - foresight + 1, first + 1))
    history = window.of_units(window.at(state.accepted_price, state.lookback, back), units)
    return (
        window.circular(forecasts.scaled_residual_load, series, step + first, foresight),
        window.circular(forecasts.scaled_price, series, step + first, foresight),
        history.transpose(-1, -2),
    )


def _add(
    table: Float[Tensor, "... window unit"],
    start: int,
    new: Float[Tensor, "... step slot"],
    unit: Int[Tensor, " slot"],
) -> Float[Tensor, "... window unit"]:
    """The table with what each slot brings added to its unit, from row `start` on."""
    old = window.rows(table, start, new.shape[-2])
    return window.put(table, start, old.index_add(-1, unit, new))


def _columns(table: Float[Tensor, "... row unit"], block: Block) -> Float[Tensor, "... row own"]:
    if block.stop - block.start == table.shape[-1]:
        return table
    return table[..., block.start : block.stop]
