"""The only order of events. Both shells call these functions, at every `Tick` in this order:

1. a learner update, if one is due;
2. all clearings of this instant, whatever the order of the markets;
3. per portfolio `settle`: book what all of them sold, execute the steps in (last, now] once (those
   that a later clearing may still sell wait for it), then work out what each auction brought;
4. only then all bids for the markets that open now: `look`, and the orders that bidders make of it.

So bids for the next hour see the executed dispatch of this one. Between ticks, `moved_to` lets the
state's window follow the clock. At the end of an episode, `execute` delivers what is sold for later
than the last clearing. An `offset` is a delivery step minus the current step, a static integer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from assume_rl.core import window
from assume_rl.core.bidding.base import Need, View
from assume_rl.core.constant import constant
from assume_rl.core.forecasts import Forecasts, Outlook
from assume_rl.core.money import Outcome, by_unit, cashflow, last_price, revenue
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction, Step
from assume_rl.core.units import calls
from assume_rl.core.units.base import (
    CAPACITY_POS,
    ENERGY,
    HELD,
    NEVER_RAN,
    NO_STATE,
    ZERO_VOLUME,
    AnyBlock,
    Sale,
    Window,
    at_steps,
)
from assume_rl.core.units.fleet import Fleet, Profiles, side_by_side
from assume_rl.core.units.holding import Held, HoldsReserve, held_in, narrowed, within

T = TypeVar("T", Tensor, Tensor | None)


@dataclass(frozen=True)
class Portfolio:
    """Units that are executed together, their series, and who bids how in which market."""

    fleet: Fleet
    profiles: Profiles
    teams: Mapping[str, tuple[Team, ...]]  # by market
    step_hours: float
    lookback: int  # steps of the past that it remembers
    horizon: int  # steps of the future that can be sold, the current one not counted
    # Steps that execution stays behind the clock: a step is executed once every auction that
    # delivers it has cleared. 0 where all auctions clear before the steps that they deliver.
    delay: int = 0
    # What its markets trade, energy or reserve; energy always counts.
    product_types: tuple[str, ...] = (ENERGY,)
    # Whether units are kept able to deliver the reserve that they sold.
    deliverable: bool = False

    @property
    def keeps_prices(self) -> bool:
        """Return whether any of its bidders looks at accepted prices."""
        return any(team.bidder.foresight > 0 for teams in self.teams.values() for team in teams)

    def needs(self, need: Need) -> bool:
        """Return whether any of its bidders needs it."""
        return any(need in team.bidder.needs for teams in self.teams.values() for team in teams)


@dataclass(frozen=True)
class Running:
    """In how much of an episode units were on, as results found them."""

    on: Float[Tensor, "... unit"]  # steps on among those for which a unit had orders
    share: Float[Tensor, "... unit"]  # of all steps up to the last for which it had orders, plus 1


@dataclass(frozen=True)
class UnitState:
    """The memory and the sales of units: a window of steps around now.

    Index `lookback` of the window axis is the current step, later ones hold what is already sold.
    Steps before the episode starts read as zero.
    """

    sold: Mapping[str, Window]  # MW by product type; energy, once executed: delivered
    own: tuple[Any, ...]  # the technology's state, per block of the fleet
    accepted_price: Window | None  # EUR/MWh of the unit's last energy order; None: not kept
    # EUR by product type, as the established tables have it: every step has the money of its whole
    # product. None: not recorded, so it is not kept.
    cashflow: Mapping[str, Window] | None
    # EUR of the step itself, so that it can be summed up; likewise None where it is not recorded.
    revenue: Window | None
    lookback: int
    # Steps off up to and with each executed step, 0: it runs, `NEVER_RAN`: not in this episode yet.
    # None: no reward charges starts by their downtime, so it is not kept.
    downtime: Window | None = None
    running: Running | None = None  # None: no bidder needs it

    @property
    def energy(self) -> Window:
        """Return MW of energy sold, and once executed, delivered."""
        return self.sold[ENERGY]


@dataclass(frozen=True)
class Position:
    """Where a portfolio stands in an episode."""

    state: UnitState
    step: Step  # of the calendar
    elapsed: int  # steps since the episode began
    executed: int  # last executed step, counted from the beginning of the episode; -1: none


@dataclass(frozen=True)
class Executed:
    """Steps that a portfolio delivered: the last `steps` of a state, up to and with `step`."""

    state: UnitState
    step: int  # since the episode began
    steps: int


@dataclass(frozen=True)
class Result:
    """An auction's results for the orders of a portfolio."""

    auction: Auction
    orders: Orders  # of all its teams in the market, side by side; `unit` indexes the fleet
    accepted: Float[Tensor, "... product slot"]  # MW
    paid: Float[Tensor, "... product slot"]  # EUR/MWh
    price: Float[Tensor, "... product slot"]  # EUR/MWh, published for the slot's zone
    asked: tuple[Team, ...]  # teams whose outcome is wanted
    slots: tuple[slice, ...]  # of each of these


def begin(
    portfolio: Portfolio,
    batch: tuple[int, ...] = (),
    *,
    start: Step = 0,
    keep_money: bool = True,
) -> Position:
    """Return the position before anything is sold.

    :param portfolio: whose position it is
    :param batch: leading axes, one entry per copy of the market
    :param start: calendar step at which the episode begins
    :param keep_money: whether `cashflow` and `revenue` are recorded; rewards need neither
    """
    fleet, lookback = portfolio.fleet, portfolio.lookback
    size = lookback + 1 + portfolio.horizon
    shape = (*batch, size, len(fleet.ids))
    zero = torch.zeros(shape, dtype=torch.float64, device=fleet.owner.device)
    never = zero[..., 0, :]
    nothing = dict.fromkeys((ENERGY, *portfolio.product_types), zero)
    state = UnitState(
        sold=nothing,
        own=tuple(b.technology.initial(b.params, batch, size) for b in fleet.blocks),
        accepted_price=zero if portfolio.keeps_prices else None,
        cashflow=nothing if keep_money else None,
        revenue=zero if keep_money else None,
        lookback=lookback,
        downtime=torch.full_like(zero, NEVER_RAN) if portfolio.needs("downtime") else None,
        running=Running(never, never) if portfolio.needs("running_share") else None,
    )
    return Position(state, start, 0, -1)


def moved_to(portfolio: Portfolio, position: Position, elapsed: int) -> Position:
    """Return the position once the clock has reached a step; an earlier one changes nothing.

    The oldest steps are forgotten, unsold ones come into reach.

    :param portfolio: whose position it is
    :param position: at an earlier step
    :param elapsed: steps since the episode began
    """
    passed = elapsed - position.elapsed
    if passed <= 0:
        return position
    state = position.state
    gone = min(passed, state.energy.shape[-2])
    blocks = zip(portfolio.fleet.blocks, state.own, strict=True)
    later = replace(
        state,
        sold=_all_later(state.sold, gone),
        own=tuple(block.technology.advance(own, gone) for block, own in blocks),
        accepted_price=_later(state.accepted_price, gone),
        cashflow=None if state.cashflow is None else _all_later(state.cashflow, gone),
        revenue=_later(state.revenue, gone),
        downtime=_later(state.downtime, gone),
    )
    return Position(
        state=later, step=position.step + passed, elapsed=elapsed, executed=position.executed
    )


def offsets_of(auction: Auction, elapsed: int) -> tuple[int, ...]:
    """Return the first delivery step of each product minus the current step."""
    return tuple(first - elapsed for first in auction.first)


def look(portfolio: Portfolio, position: Position, auction: Auction, team: Team) -> View[Any]:
    """Return a team's view when it bids in an auction that opens now.

    :param portfolio: that the team is of
    :param position: of the portfolio, at this step
    :param auction: that opens
    :param team: that bids
    """
    state, step = position.state, position.step
    profiles, units, block = portfolio.profiles, team.members.units, team.members.block
    offsets = offsets_of(auction, position.elapsed)
    first, now = offsets[0], state.lookback
    technology, own = block.technology, team.members.own(state.own)
    tables = {kind: units.of(table) for kind, table in state.sold.items()}
    sold = {kind: window.at(table, now, offsets) for kind, table in tables.items()}
    energy = tables[ENERGY]
    batch = energy.shape[:-2]
    capacity = units.of(window.at(profiles.capacity, step, offsets))
    cost = units.of(window.at(profiles.marginal_cost, step, offsets))
    starts = tuple(offset - first for offset in offsets)
    params = at_steps(block.params, step, offsets)
    limits = calls.limits(technology, params, own, capacity, sold, now + first)
    reserve, reservable = {kind: sold[kind] for kind in sold if kind != ENERGY}, None
    if portfolio.deliverable and isinstance(technology, HoldsReserve):
        held = held_in(tables, tuple(now + offset for offset in offsets))
        before = torch.full_like(capacity.expand_as(sold[ENERGY]), torch.inf)
        before[..., 0, :] = energy.select(-2, now + first - 1)
        room = technology.room(params, own, capacity, before, held, now + first)
        alone = {ENERGY: sold[ENERGY]}
        limits = calls.limits(technology, params, own, capacity, alone, now + first)
        limits = narrowed(limits, sold[ENERGY], room, held)
        if auction.product_type in HELD:
            reservable = _reservable(portfolio, position, auction, team, tables)
    return View(
        limits=limits,
        lengths=auction.length,
        sold=sold[ENERGY],
        throughout=_throughout(energy, now, auction, position.elapsed),
        capacity=window.copies(capacity, batch, 2),
        marginal_cost=window.copies(cost, batch, 2),
        previous_power=energy.select(-2, now + first - 1),
        price_history=_price_history(state, team, first),
        outlook=_outlook(profiles.forecasts.get(auction.market), team, step + first, starts),
        own=technology.view(
            block.params, own, energy.narrow(-2, 0, now + first), position.elapsed + first
        ),
        running_share=None if state.running is None else units.of(state.running.share),
        reserve=reserve,
        deliverable=portfolio.deliverable,
        reservable=reservable,
    )


def _reservable(
    portfolio: Portfolio,
    position: Position,
    auction: Auction,
    team: Team,
    tables: Mapping[str, Window],
) -> Float[Tensor, "... product unit"]:
    """Return the most reserve that can be sold of each product and delivered, MW.

    :param portfolio: that the team is of
    :param position: of the portfolio
    :param auction: of reserve that is held
    :param team: whose technology holds reserve
    :param tables: sold by its units, by product type
    """
    units, block, now = team.members.units, team.members.block, position.state.lookback
    technology = block.technology
    assert isinstance(technology, HoldsReserve)
    own, found = team.members.own(position.state.own), []
    since = now + position.executed + 1 - position.elapsed
    whole = held_in(tables, (since,))  # also of steps before a product, which may be called first
    steps = sum(auction.length)
    for offset, length in zip(offsets_of(auction, position.elapsed), auction.length, strict=True):
        offsets = tuple(range(offset, offset + length))
        at = tuple(now + step for step in offsets)
        capacity = units.of(window.at(portfolio.profiles.capacity, position.step, offsets))
        energy, held = tables[ENERGY][..., list(at), :], held_in(tables, at)
        held = replace(
            held,
            up_ahead=whole.up_ahead.expand_as(held.up),
            down_ahead=whole.down_ahead.expand_as(held.down),
        )
        params = at_steps(block.params, position.step, offsets)
        up, down = technology.reservable(params, own, capacity, energy, held, since, steps)
        found.append(up if auction.product_type == CAPACITY_POS else down)
    return torch.stack(found, dim=-2)


def settle(
    portfolio: Portfolio, position: Position, results: Sequence[Result]
) -> tuple[Position, Executed | None, tuple[tuple[Outcome[Any], ...], ...]]:
    """Book the sales of all auctions of an instant, execute up to now, and return the outcomes.

    The order of `results` changes nothing but the order of the outcomes.

    :param portfolio: that traded
    :param position: before
    :param results: one per auction that the portfolio traded in
    :return: the position after, what was executed (None: nothing was due), and per result the
        outcomes of the teams that it asks for
    """
    position = _planned(portfolio, booked(portfolio, position, results))
    position, executed = execute(portfolio, position, position.elapsed - portfolio.delay)
    position = _paid(portfolio, position, results)
    if position.state.running is not None:
        position = _counted(position, position.state.running, results)
    outcomes = tuple(
        tuple(
            outcome(portfolio, position, team, result, slots)
            for team, slots in zip(result.asked, result.slots, strict=True)
        )
        for result in results
    )
    return position, executed, outcomes


def booked(portfolio: Portfolio, position: Position, results: Sequence[Result]) -> Position:
    """Return the position with the sales of auctions of an instant.

    :param portfolio: that traded
    :param position: before
    :param results: one per auction
    """
    state = position.state
    # Of two prices for the same step the last one is kept: in the order of the names, so that it
    # does not depend on the order of the markets in the configuration.
    for result in sorted(results, key=lambda result: result.auction.market):
        state = book(state, result, position.elapsed, portfolio.step_hours)
    return replace(position, state=state)


def book(state: UnitState, result: Result, elapsed: int, step_hours: float) -> UnitState:
    """Return the state with the sales of an auction (MW), their prices and their payments.

    In `cashflow` every step of a product gets the money of the whole product, as the established
    tables have it; in `revenue` each step gets its own.

    :param state: before
    :param result: of the auction
    :param elapsed: steps since the episode began
    :param step_hours: length of a step
    """
    auction, orders = result.auction, result.orders
    kind = auction.product_type
    sold, prices = state.sold[kind], state.accepted_price if kind == ENERGY else None
    cash, money = None if state.cashflow is None else state.cashflow[kind], state.revenue
    for run in window.runs(offsets_of(auction, elapsed), auction.length):
        start = state.lookback + run.start
        accepted, paid = window.products(result.accepted, run), window.products(result.paid, run)
        sold = _add(sold, start, window.spread(accepted, run.length), orders.unit)
        if cash is not None:
            whole = cashflow(paid, accepted, run.length * step_hours)
            cash = _add(cash, start, window.spread(whole, run.length), orders.unit)
        if money is not None:
            part = cashflow(paid, accepted, step_hours)
            money = _add(money, start, window.spread(part, run.length), orders.unit)
        if prices is not None:
            is_order = torch.logical_or(
                window.products(orders.price, run), window.products(orders.volume, run)
            )
            last, placed = last_price(is_order, orders.unit, accepted, paid, prices.shape[-1])
            last, placed = window.spread(last, run.length), window.spread(placed, run.length)
            old = window.rows(prices, start, last.shape[-2])
            prices = window.put(prices, start, torch.where(placed, last, old))
    return replace(
        state,
        sold={**state.sold, kind: sold},
        accepted_price=state.accepted_price if prices is None else prices,
        cashflow=None if state.cashflow is None or cash is None else {**state.cashflow, kind: cash},
        revenue=money,
    )


def execute(
    portfolio: Portfolio, position: Position, until: int
) -> tuple[Position, Executed | None]:
    """Deliver the steps in (last executed, until]: energy sold becomes energy delivered.

    :param portfolio: that delivers
    :param position: before
    :param until: step since the episode began; at most the window's end after now
    """
    due = until - position.executed
    if due <= 0:
        return position, None
    if due > 1 and portfolio.deliverable:  # what may be delivered depends on the step before
        for step in range(position.executed + 1, until + 1):
            position, last = execute(portfolio, position, step)
        assert last is not None
        return position, replace(last, steps=due)
    state, ahead = position.state, until - position.elapsed
    stop = state.lookback + 1 + ahead
    first = stop - due
    offsets = tuple(range(ahead + 1 - due, ahead + 1))
    capacity = window.at(portfolio.profiles.capacity, position.step, offsets)
    energy = state.energy.narrow(-2, 0, stop)
    if portfolio.deliverable:
        capacity, energy = _keeping(portfolio, position, capacity, energy, first)
    delivered, own = [], []
    for block, mine in zip(portfolio.fleet.blocks, state.own, strict=True):
        params = at_steps(block.params, position.step, offsets)
        power, after = calls.execute(
            block.technology,
            params,
            mine,
            _columns(capacity, block),
            _columns(energy, block),
            first,
            until,
        )
        delivered.append(power)
        own.append(after)
    done = side_by_side(delivered)
    table = window.put(state.energy, first, done)
    downtime = state.downtime
    if downtime is not None:
        before = window.rows(downtime, first - 1, 1)[..., 0, :]
        downtime = window.put(downtime, first, _downtime(portfolio.fleet, before, done))
    state = replace(state, sold={**state.sold, ENERGY: table}, own=tuple(own), downtime=downtime)
    executed = replace(state, lookback=stop - 1)
    return replace(position, state=state, executed=until), Executed(executed, until, due)


def _keeping(
    portfolio: Portfolio,
    position: Position,
    capacity: Float[Tensor, "... 1 unit"],
    energy: Window,
    first: int,
) -> tuple[Float[Tensor, "... 1 unit"], Window]:
    """Return capacity without reserve, and sales at which reserve can be delivered, MW.

    :param portfolio: that delivers
    :param position: before
    :param capacity: available in the step to deliver
    :param energy: sold, the window up to and including that step
    :param first: index of the step
    """
    state = position.state
    held = held_in(state.sold, (first,))
    planned = window.rows(energy, first, 1)
    before = window.rows(energy, first - 1, 1) if first else torch.zeros_like(planned)
    kept = []
    for block, mine in zip(portfolio.fleet.blocks, state.own, strict=True):
        power = _columns(planned, block)
        if isinstance(block.technology, HoldsReserve):
            own = Held(*(_columns(table, block) for table in vars(held).values()))
            tables = (_columns(capacity, block), _columns(before, block))
            room = block.technology.room(block.params, mine, *tables, own, first)
            power = within(power, room)
        kept.append(power)
    return capacity - held.up, window.put(energy, first, side_by_side(kept))


def outcome(
    portfolio: Portfolio, position: Position, team: Team, result: Result, slots: slice
) -> Outcome[Any]:
    """Return an auction's outcome for a team; the state is that after `execute`.

    :param portfolio: that the team is of
    :param position: of the portfolio
    :param team: that bid
    :param result: of the auction
    :param slots: the team's slots of the result
    """
    state, auction = position.state, result.auction
    units, block = team.members.units, team.members.block
    offsets = offsets_of(auction, position.elapsed)
    count = len(units.ids)
    accepted, paid, price, offered = (
        by_unit(table[..., slots], count)
        for table in (result.accepted, result.paid, result.price, result.orders.volume)
    )
    price = price.select(-1, 0)  # a unit lies in one zone
    hours = hours_of(auction, portfolio.step_hours, accepted.device)
    energy = units.of(state.energy)
    power = window.at(energy, state.lookback, offsets)
    cost = units.of(window.at(portfolio.profiles.marginal_cost, position.step, offsets))
    return Outcome(
        price=price,
        revenue=revenue(paid, accepted, price, hours),
        sold=accepted.sum(-1),
        offered=offered.sum(-1),
        hours=hours,
        marginal_cost=calls.marginal_cost(block.technology, block.params, cost, power),
        power=power,
        previous_power=window.at(energy, state.lookback - 1, offsets),
        params=block.params,
        start_cost=_start_cost(position, team, auction),
        outlook=_outlook(
            portfolio.profiles.forecasts.get(auction.market),
            team,
            position.step + offsets[0],
            tuple(offset - offsets[0] for offset in offsets),
        ),
        forgone=_forgone(portfolio, position, team, auction),
    )


def hours_of(
    auction: Auction, step_hours: float, device: torch.device
) -> float | Float[Tensor, "product 1"]:
    """Return the length of an auction's products in hours; one number where they are alike.

    :param auction: whose products
    :param step_hours: length of a step
    :param device: of the result
    """
    if len(set(auction.length)) == 1:
        return auction.length[0] * step_hours
    lengths = constant(auction.length, device, torch.float64)
    return lengths[:, None] * step_hours


def _downtime(
    fleet: Fleet, before: Float[Tensor, "... unit"], power: Float[Tensor, "... step unit"]
) -> Float[Tensor, "... step unit"]:
    """Return the steps off up to and with each step, as the technologies count them.

    :param before: up to the step before the first
    :param power: MW delivered
    """
    found = []
    for step in power.unbind(-2):
        now = step.unsqueeze(-2)
        parts = [
            calls.starts(
                block.technology,
                block.params,
                _columns(now, block),
                before[..., block.start : block.stop],
            )[1]
            for block in fleet.blocks
        ]
        before = side_by_side(parts)
        found.append(before)
    return torch.stack(found, dim=-2)


def _forgone(
    portfolio: Portfolio, position: Position, team: Team, auction: Auction
) -> Float[Tensor, "... product unit"] | None:
    """Return what power was forecast to earn as energy above its cost in each product, EUR/MW.

    Nothing for units that are rewarded for the energy itself. None where no reserve is held, or
    nothing is forecast.
    """
    profiles, units = portfolio.profiles, team.members.units
    forecasts = profiles.forecasts.get(auction.market)
    if auction.product_type not in HELD:
        return None
    if team.rewarded_with and all(team.rewarded_with):
        return position.state.energy.new_zeros((len(auction.first), len(units.ids)))
    if forecasts is None:
        return None
    series, found = forecasts.series[units.index], []
    for offset, length in zip(offsets_of(auction, position.elapsed), auction.length, strict=True):
        steps = tuple(range(offset, offset + length))
        price = window.at(forecasts.price.t(), position.step, steps)[..., series]
        cost = units.of(window.at(profiles.marginal_cost, position.step, steps))
        found.append((price - cost).clamp(min=0).sum(-2) * portfolio.step_hours)
    forgone = torch.stack(found, dim=-2)
    if not team.rewarded_with:
        return forgone
    rewarded = constant(tuple(map(bool, team.rewarded_with)), forgone.device, torch.bool)
    return forgone.masked_fill(rewarded, 0.0)


def _start_cost(
    position: Position, team: Team, auction: Auction
) -> Float[Tensor, "... product unit"] | None:
    """Return the cost of a team's starts in each product by their downtime, EUR.

    Steps that are not executed yet count as planned. None where no downtime is kept.
    """
    state, units, block = position.state, team.members.units, team.members.block
    if state.downtime is None:
        return None
    starts = [state.lookback + offset for offset in offsets_of(auction, position.elapsed)]
    # Downtimes are known up to the last executed step.
    known = state.lookback + position.executed - position.elapsed
    first, stop = min(*starts, known + 1), state.lookback + auction.last + 1 - position.elapsed
    before = units.of(window.rows(state.downtime, first - 1, 1)[..., 0, :])
    power = units.of(window.rows(state.energy, first, stop - first))
    cost = calls.starts(block.technology, block.params, power, before)[0].cost
    parts = zip(starts, auction.length, strict=True)
    return torch.stack([cost[..., at - first : at - first + n, :].sum(-2) for at, n in parts], -2)


def _planned(portfolio: Portfolio, position: Position) -> Position:
    """Let units with their own state plan the part of their sales that they can deliver."""
    state = position.state
    if all(own is NO_STATE for own in state.own):
        return position
    first = state.lookback + position.executed + 1 - position.elapsed
    energy, owns = [], []
    for block, own in zip(portfolio.fleet.blocks, state.own, strict=True):
        possible, after = calls.plan(
            block.technology, block.params, own, _columns(state.energy, block), first
        )
        energy.append(possible)
        owns.append(after)
    sold = {**state.sold, ENERGY: side_by_side(energy)}
    return replace(position, state=replace(state, sold=sold, own=tuple(owns)))


def _paid(portfolio: Portfolio, position: Position, results: Sequence[Result]) -> Position:
    """Update the state of units that have one by the revenue of an instant's energy."""
    state = position.state
    traded = [result for result in results if result.auction.product_type == ENERGY]
    if not traded or all(own is NO_STATE for own in state.own):
        return position
    first = min(min(r.auction.first) for r in traded)
    steps = max(r.auction.last for r in traded) + 1 - first
    shape = (*state.energy.shape[:-2], steps, state.energy.shape[-1])
    sold = money = state.energy.new_zeros(shape)
    for result in traded:
        for run in window.runs(
            tuple(f - first for f in result.auction.first), result.auction.length
        ):
            accepted = window.spread(window.products(result.accepted, run), run.length)
            paid = window.spread(window.products(result.paid, run), run.length)
            earned = cashflow(paid, accepted, portfolio.step_hours)
            sold = _add(sold, run.start, accepted, result.orders.unit)
            money = _add(money, run.start, earned, result.orders.unit)
    start = state.lookback + first - position.elapsed
    power = window.rows(state.energy, start, steps)
    offsets = tuple(range(first - position.elapsed, first - position.elapsed + steps))
    cost = window.at(portfolio.profiles.marginal_cost, position.step, offsets)
    owns = []
    for block, own in zip(portfolio.fleet.blocks, state.own, strict=True):
        costs = calls.marginal_cost(
            block.technology, block.params, _columns(cost, block), _columns(power, block)
        )
        sale = Sale(
            sold=_columns(sold, block),
            revenue=_columns(money, block),
            marginal_cost=costs,
            hours=portfolio.step_hours,
            first=start,
        )
        owns.append(block.technology.settle(block.params, own, sale))
    return replace(position, state=replace(state, own=tuple(owns)))


def _counted(position: Position, running: Running, results: Sequence[Result]) -> Position:
    """Let the state know in how many steps units with orders were on; see `Running`.

    Steps that are not executed yet count as planned.
    """
    state = position.state
    for result in results:
        auction, orders = result.auction, result.orders
        on = _steps_on(state, auction, position.elapsed)
        asked = torch.zeros_like(on).index_add(-1, orders.unit, orders.volume.abs()) > ZERO_VOLUME
        ends = [first + length for first, length in zip(auction.first, auction.length, strict=True)]
        until = (asked * constant(ends, on.device)[:, None]).amax(-2)
        total = running.on + (asked * on).sum(-2)
        running = Running(total, torch.where(until > 0, total / (until + 1), running.share))
    return replace(position, state=replace(state, running=running))


def _steps_on(
    state: UnitState, auction: Auction, elapsed: int
) -> Float[Tensor, "... product unit"]:
    """Return in how many steps of each product units are on."""
    on = (state.energy > ZERO_VOLUME).to(state.energy.dtype)
    parts = []
    for run in window.runs(offsets_of(auction, elapsed), auction.length):
        count = run.last - run.first
        steps = window.rows(on, state.lookback + run.start, count * run.length)
        shape = (*steps.shape[:-2], count, run.length, steps.shape[-1])
        parts.append(steps.reshape(shape).sum(-2))
    return parts[0] if len(parts) == 1 else torch.cat(parts, -2)


def _throughout(
    energy: Window, now: int, auction: Auction, elapsed: int
) -> Float[Tensor, "... product unit"]:
    """Return MW that units have sold (> 0) or bought (< 0) in every step of each product.

    :param energy: MW sold
    :param now: index of the current step
    :param auction: of the products
    :param elapsed: steps since the episode began
    """
    parts = []
    for run in window.runs(offsets_of(auction, elapsed), auction.length):
        count = run.last - run.first
        steps = window.rows(energy, now + run.start, count * run.length)
        if run.length > 1:
            steps = steps.reshape(*steps.shape[:-2], count, run.length, steps.shape[-1])
            steps = steps.amin(-2).clamp(min=0) + steps.amax(-2).clamp(max=0)
        parts.append(steps)
    return parts[0] if len(parts) == 1 else torch.cat(parts, -2)


def _outlook(
    forecasts: Forecasts | None, team: Team, first: Step, starts: tuple[int, ...]
) -> Outlook:
    """Return the forecasts of a market as a team sees them."""
    units = team.members.units
    if forecasts is None or units.whole:
        series = units.index if forecasts is None else forecasts.series
        return Outlook(forecasts, series, first, starts)
    return Outlook(forecasts, forecasts.series[units.index], first, starts)


def _price_history(state: UnitState, team: Team, first: int) -> Float[Tensor, "... unit window"]:
    """Return accepted prices up to and including the first delivery step, EUR/MWh."""
    foresight, units = team.bidder.foresight, team.members.units
    if foresight == 0:
        return state.energy.new_zeros((*state.energy.shape[:-2], len(units.ids), 0))
    if state.accepted_price is None:
        raise ValueError("a bidder with a foresight needs a state that keeps accepted prices")
    back = tuple(range(first - foresight + 1, first + 1))
    return units.of(window.at(state.accepted_price, state.lookback, back)).transpose(-1, -2)


def _all_later(tables: Mapping[str, Window], steps: int) -> Mapping[str, Window]:
    """Return windows moved forward by `steps`, the same one once."""
    moved = {id(table): _later(table, steps) for table in tables.values()}
    return {kind: moved[id(table)] for kind, table in tables.items()}


def _later(table: T, steps: int) -> T:
    """Return a window moved forward by `steps`: new rows are 0. A table not kept stays None."""
    return table if table is None else pad(table, (0, 0, -steps, steps))


def _add(
    table: Float[Tensor, "... window unit"],
    start: int,
    new: Float[Tensor, "... step slot"],
    unit: Int[Tensor, " slot"],
) -> Float[Tensor, "... window unit"]:
    """Return the table with each slot's value added to its unit, from row `start` on."""
    old = window.rows(table, start, new.shape[-2])
    return window.put(table, start, old.index_add(-1, unit, new))


def _columns(table: Float[Tensor, "... row unit"], block: AnyBlock) -> Float[Tensor, "... row own"]:
    if block.stop - block.start == table.shape[-1]:
        return table
    return table[..., block.start : block.stop]


def columns_of(portfolio: Portfolio, state: UnitState) -> Mapping[str, Window]:
    """Return further columns of the dispatch table over the whole window, as technologies show.

    NaN where a unit's technology does not have a column.
    """
    found: dict[str, Window] = {}
    for block, own in zip(portfolio.fleet.blocks, state.own, strict=True):
        for name, values in calls.columns(block.technology, block.params, own).items():
            table = found.get(name, torch.full_like(state.energy, torch.nan))
            index = torch.arange(block.start, block.stop, device=values.device)
            found[name] = table.index_copy(-1, index, values)
    return found
