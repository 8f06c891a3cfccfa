"""What was sold of reserve under `deliverable` can be delivered in every step, whatever sells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assume_rl.core import window
from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import Context
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, begin, look, moved_to, settle
from assume_rl.core.units import calls
from assume_rl.core.units.fleet import members
from assume_rl.core.units.storage import Storage, next_soc
from assume_rl.testing import toy_fleet, toy_storages

HOURS, LENGTH, EPS = 17, 4, 1e-9
LOOKBACK, HORIZON = 4, 8
EXAMPLES = 10
RESERVE = ("capacity_pos", "capacity_neg")

pytestmark = pytest.mark.unchecked


@dataclass(frozen=True)
class Draws:
    """Shares of what can be sold, and energy as a share of the units' power, by hour."""

    reserve: Sequence[Sequence[float]]  # by auction: up, down
    energy: Sequence[float]
    ahead: Sequence[float]  # energy that is sold for a whole product before its reserve


def portfolio_of(fleet: Any, profiles: Any, bidder: str) -> Portfolio:
    teams = {}
    for kind in RESERVE:
        context = Context(100.0, 1, 1.0, product_type=kind)
        name = bidder.format(kind.removeprefix("capacity_"))
        team = Team(create(name, context, {}), members(fleet, range(len(fleet.ids))), fleet.ids)
        teams[kind] = (team,)
    forecasts = dict.fromkeys((*RESERVE, "EOM"), profiles.forecasts["EOM"])
    return Portfolio(
        fleet,
        replace(profiles, forecasts=forecasts),
        teams,
        step_hours=1.0,
        lookback=LOOKBACK,
        horizon=HORIZON,
        product_types=("energy", *RESERVE),
        deliverable=True,
    )


def sale(auction: Auction, volume: Tensor) -> Result:
    """All orders of a product accepted, one for each unit."""
    none = torch.zeros_like(volume)
    unit = torch.arange(volume.shape[-1])
    return Result(auction, Orders(none, volume, unit, 0 * unit), volume, none, none, (), ())


def auction_of(kind: str, hour: int, length: int, first: int = 1) -> Auction:
    return Auction(kind, 0, hour, hour + 1, (hour + first,), (length,), kind)


def sold_at(portfolio: Portfolio, position: Position, hour: int, draws: Draws) -> list[Result]:
    """What is sold in the auctions that open at an hour."""
    power = portfolio.profiles.capacity[0]
    energy = power * draws.energy[hour]
    found = [sale(auction_of("energy", hour, 1), energy[None])]
    if hour % LENGTH == 0:
        for share, kind in zip(draws.reserve[hour // LENGTH], RESERVE, strict=True):
            auction = auction_of(kind, hour, LENGTH)
            (team,) = portfolio.teams[kind]
            view = look(portfolio, position, auction, team)
            offered = team.orders(view, None).volume
            assert view.reservable is not None
            assert (offered <= view.reservable + EPS).all()
            found.append(sale(auction, view.reservable * share))
        ahead = power * draws.ahead[hour // LENGTH]
        found.append(sale(auction_of("energy", hour, 2, first=3), ahead[None]))
    return found


def held(state: Any, kind: str, at: int) -> Tensor:
    return state.sold[kind][at]


def check_step(portfolio: Portfolio, before: Position, after: Position) -> None:
    """The step that was just delivered, had its reserve been called."""
    state, block = after.state, portfolio.fleet.blocks[0]
    now, step = state.lookback, after.elapsed
    power = state.energy[now]
    capacity = portfolio.profiles.capacity[step : step + 1]
    for kind, sign in (("capacity_pos", 1), ("capacity_neg", -1)):
        reserve = held(state, kind, now)
        wanted = power + sign * reserve
        planned = window.put(state.energy[: now + 1], now, wanted[None])
        own = before.state.own[0]
        done, _ = calls.execute(block.technology, block.params, own, capacity, planned, now, step)
        short = sign * (wanted - done[0]) * (reserve > EPS)
        assert (short <= EPS).all(), (kind, step, wanted, done, reserve)


def check_content(portfolio: Portfolio, position: Position) -> None:
    """The content of storages lasts until all that is held has been called, either way."""
    state, params = position.state, portfolio.fleet.blocks[0].params
    for kind, sign in (("capacity_pos", 1), ("capacity_neg", -1)):
        soc = state.own[0].soc[state.lookback + 1]
        for wanted in state.sold[kind][state.lookback + 1 :]:
            done, soc = next_soc(params, soc, sign * wanted)
            assert ((wanted - sign * done) <= 1e-7).all(), (kind, wanted, done)


def play(portfolio: Portfolio, draws: Draws) -> Mapping[str, float]:
    position, waiting = begin(portfolio), []
    most = dict.fromkeys(RESERVE, 0.0)
    for hour in range(HOURS):
        position = moved_to(portfolio, position, hour)
        before = position
        position, _, _ = settle(portfolio, position, waiting)
        check_step(portfolio, before, position)
        if isinstance(portfolio.fleet.blocks[0].technology, Storage):
            check_content(portfolio, position)
        for kind in RESERVE:
            most[kind] = max(most[kind], float(held(position.state, kind, LOOKBACK).max()))
        waiting = sold_at(portfolio, position, hour, draws)
    return most


def shares(least: float) -> st.SearchStrategy[float]:
    return st.sampled_from([0.0, 1.0, least, 0.1, 0.5, 0.9, 1.3]) | st.floats(least, 1.3)


def draws(least: float) -> st.SearchStrategy[Draws]:
    part = st.sampled_from([0.0, 0.3, 1.0])
    return st.builds(
        Draws,
        reserve=st.lists(st.tuples(part, part), min_size=5, max_size=5),
        energy=st.lists(shares(least), min_size=HOURS, max_size=HOURS),
        ahead=st.lists(shares(least), min_size=5, max_size=5),
    )


PLANTS = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0), (80.0, 70.0, 10.0))
LIMITS = st.sampled_from(
    [
        {},
        {"ramp_up": 40.0, "ramp_down": 25.0},
        {"ramp_up": (30.0, 10.0, 90.0), "ramp_down": (torch.inf, 60.0, 15.0)},
        {"ramp_up": 45.0, "min_down_time": 3.0, "min_operating_time": 2.0},
    ]
)


@settings(deadline=None, max_examples=EXAMPLES)
@given(own=draws(0.0), limits=LIMITS, varied=st.booleans())
def test_plants_can_deliver_their_reserve(own: Draws, limits: Any, varied: bool) -> None:
    fleet, profiles = toy_fleet(plants=PLANTS, varied=varied, **limits)
    play(portfolio_of(fleet, profiles, "powerplant_capacity_heuristic_balancing_{}"), own)


@settings(deadline=None, max_examples=EXAMPLES)
@given(own=draws(-1.0), charged=st.sampled_from([0.1, 0.5, 0.8]))
def test_storages_can_deliver_their_reserve(own: Draws, charged: float) -> None:
    fleet, profiles = toy_storages(initial_soc=charged)
    play(portfolio_of(fleet, profiles, "storage_capacity_heuristic_balancing_{}"), own)


def sold_all(portfolio: Portfolio, position: Position, auction: Auction) -> Position:
    """Sell all reserve that is offered in an auction."""
    (team,) = portfolio.teams[auction.market]
    volume = team.orders(look(portfolio, position, auction, team), None).volume
    position, _, _ = settle(portfolio, position, [sale(auction, volume)])
    return position


@pytest.mark.parametrize("kind", RESERVE)
def test_content_lasts_for_all_products_whenever_they_are_sold(kind: str) -> None:
    fleet, profiles = toy_storages(initial_soc=0.5)
    portfolio = portfolio_of(fleet, profiles, "storage_capacity_heuristic_balancing_{}")
    both = Auction(kind, 0, 0, 1, (1, 5), (LENGTH, LENGTH), kind)
    at_once = sold_all(portfolio, begin(portfolio), both)
    check_content(portfolio, at_once)
    assert float(held(at_once.state, kind, LOOKBACK + 5)[0]) > 0
    first = sold_all(portfolio, begin(portfolio), auction_of(kind, 0, LENGTH))
    check_content(portfolio, first)
    assert float(held(first.state, kind, LOOKBACK + 1)[0]) > 0
    later = sold_all(portfolio, first, auction_of(kind, 0, LENGTH, first=5))
    check_content(portfolio, later)
    assert float(held(later.state, kind, LOOKBACK + 5)[0]) == pytest.approx(0)


def test_reserve_is_held_at_all() -> None:
    """100 MW, of which 20 are the least: 80 MW upwards; downwards only of energy already sold."""
    own = Draws([(1.0, 1.0)] * 5, [1.0] * HOURS, [0.0] * 5)
    fleet, profiles = toy_fleet(plants=((100.0, 20.0, 30.0),))
    bidder = "powerplant_capacity_heuristic_balancing_{}"
    assert play(portfolio_of(fleet, profiles, bidder), own) == {
        "capacity_pos": 80.0,
        "capacity_neg": 0.0,
    }
    storages, series = toy_storages(initial_soc=0.5)
    own = replace(own, energy=[0.0] * HOURS)
    found = play(portfolio_of(storages, series, "storage_" + bidder[11:]), own)
    # 40 MWh at 90 % over four hours; 40 MWh to the brim at 80 %.
    assert found == pytest.approx({"capacity_pos": 9.0, "capacity_neg": 12.5})
