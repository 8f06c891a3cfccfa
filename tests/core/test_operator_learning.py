"""What an operator that learns observes, bids and is rewarded for, by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding import operator_learns, operator_strategy
from assume_rl.core.bidding.base import ANY_CONTEXT, Context, LearnedBidder
from assume_rl.core.bidding.cost_based import Naive
from assume_rl.core.forecasts import Forecasts
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, begin, look, settle
from assume_rl.core.units.fleet import members
from assume_rl.errors import SettingError
from assume_rl.testing import toy_fleet

NAME = "portfolio_learning"
# max_power, min_power, marginal cost: 500 MW in all.
PLANTS = ((100.0, 20.0, 10.0), (200.0, 0.0, 30.0), (50.0, 10.0, 60.0), (150.0, 0.0, 90.0))
AT_FIVE = replace(ANY_CONTEXT, start_hour=5.0)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def bidder_of(context: Context = AT_FIVE, **params: float) -> LearnedBidder:
    strategy = operator_strategy(NAME, context, {"nbins": 2, "foresight": 2, **params})
    made = strategy.applied(Naive("powerplant_energy_naive"), "owner", 500.0)
    assert isinstance(made, LearnedBidder)
    return made


class Owner:
    """An operator of four plants; prices of 50 EUR/MWh are forecast, and of 100 from step 3 on."""

    def __init__(self, bidder: LearnedBidder, products: int = 1) -> None:
        fleet, profiles = toy_fleet(plants=PLANTS, steps=48)
        price = torch.full((1, 48), 50.0, dtype=torch.float64)
        price[:, 3:] = 100.0
        load = torch.full_like(price, 400.0)
        scaled = torch.linspace(0, 1, 48, dtype=torch.float64)[None]
        series = torch.zeros(4, dtype=torch.long)
        forecasts = Forecasts(price, load, scaled, scaled.flip(-1), series)
        profiles = replace(profiles, forecasts={"EOM": forecasts})
        self.team = Team(bidder, members(fleet, range(4)), ("owner",), learns=True)
        self.portfolio = Portfolio(fleet, profiles, {"EOM": (self.team,)}, 1.0, 2, 6)
        first = tuple(range(1, 1 + products))
        self.auction = Auction("EOM", 0, 0, 1, first, (1,) * products)

    def orders(self, action: Tensor, position: Position | None = None) -> Orders:
        view = look(self.portfolio, position or begin(self.portfolio), self.auction, self.team)
        return self.team.orders(view, action)

    def observation(self, position: Position | None = None) -> Tensor:
        view = look(self.portfolio, position or begin(self.portfolio), self.auction, self.team)
        return self.team.observe(view)

    def rewarded(self, orders: Orders, accepted: Tensor, price: float) -> list[float]:
        paid = torch.full_like(accepted, price)
        slots = (slice(0, accepted.shape[-1]),)
        result = Result(self.auction, orders, accepted, paid, paid, (self.team,), slots)
        _, _, ((outcome,),) = settle(self.portfolio, begin(self.portfolio), [result])
        return [float(value) for value in vars(self.team.reward(outcome)).values()]


def test_it_observes_hour_forecasts_and_groups_of_its_plants() -> None:
    """Quantiles of 10, 30, 60, 90 EUR/MWh: 45 and 90. Flexible are 80 + 200 and 40 + 150 MW.

    At 50 EUR/MWh 300 MW of them are competitive: of 400 MW of residual load 0.75, at 100 all.
    """
    hour = [math.cos(math.pi / 2), 1.0]  # 6 o'clock
    windows = [46 / 47, 45 / 47, 1 / 47, 2 / 47, 0.75, 0.75]
    groups = [280 / 500, 190 / 500, 0.45, 0.9]
    owner = Owner(bidder_of())
    seen = owner.observation()
    torch.testing.assert_close(seen, row(*hour, *windows, *groups)[None])
    layout = owner.team.bidder.layout  # type: ignore[union-attr]
    assert (layout.size, layout.unique_size) == (12, 4)
    later = Owner(replace(bidder_of(), ahead=4))  # type: ignore[type-var]
    assert later.observation()[0, 10:14].tolist() == [0.75, 0.75, 500 / 400, 500 / 400]


def test_it_observes_the_same_in_every_copy() -> None:
    owner = Owner(bidder_of())
    copies = begin(owner.portfolio, (3,), start=torch.tensor([0, 1, 0]))
    seen = owner.observation(copies)
    assert seen.shape == (3, 1, 12)
    torch.testing.assert_close(seen[0], owner.observation())
    torch.testing.assert_close(seen[0], seen[2])
    assert seen[1, 0, 1].item() == pytest.approx(math.sin(2 * math.pi * 7 / 24))


def test_minimum_power_is_offered_at_cost_and_the_rest_with_the_mark_up_of_its_group() -> None:
    """Mark-ups lie between 1 and 3: the actions 0 and 1 are 2 and 3."""
    orders = Owner(bidder_of()).orders(row(0, 1)[None])
    assert orders.unit.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert orders.volume.tolist() == [[20, 80, 0, 200, 10, 40, 0, 150]]
    assert orders.price.tolist() == [[10, 20, 30, 60, 60, 180, 90, 270]]


def test_each_product_has_mark_ups_of_its_own_and_actions_have_bounds() -> None:
    bidder = bidder_of(replace(AT_FIVE, products=2), min_markup=0.5, max_markup=1.5)
    orders = Owner(bidder, products=2).orders(row(-1, 0, 5, 1)[None])
    assert orders.price[:, 1::2].tolist() == [[5, 15, 60, 90], [15, 45, 90, 135]]


def test_of_several_products_only_the_first_where_it_says_so() -> None:
    bidder = bidder_of(replace(AT_FIVE, products=2), learned_products="first")
    orders = Owner(bidder, products=2).orders(row(0, 1)[None])
    assert bidder.action.size == 2
    assert orders.volume[0].sum() == 500
    assert orders.volume[1].abs().sum() == 0


def test_its_reward_is_profit_less_what_offers_were_worth_at_the_forecast() -> None:
    """At 70 EUR/MWh: 100 MW at cost 10, 100 MW at 30 and 5 MW at 60 earn 10,050 EUR.

    At the forecast of 50 its offers of 100 and 200 MW would have earned 4,000 EUR each.
    """
    owner = Owner(bidder_of())
    orders = owner.orders(row(0, 1)[None])
    accepted = row(20, 80, 0, 100, 5, 0, 0, 0)[None]
    reward, profit, regret = owner.rewarded(orders, accepted, 70.0)
    assert (profit, regret) == (10_050, 8_000)
    assert reward == pytest.approx((10_050 - 8_000) / (500 * 100))
    only = Owner(bidder_of(replace(AT_FIVE, reward="profit")))
    assert only.rewarded(orders, accepted, 70.0)[0] == pytest.approx(10_050 / 50_000)


def test_it_explores_around_the_residual_load() -> None:
    seen = row(0, 1, 0.75, *([0.0] * 9))[None]
    assert bidder_of().explore_around(seen).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"steps": 2}, "steps: is 2, but auctions sell 1"),
        ({"min_markup": 4.0}, "min_markup: 4 is above max_markup 3"),
        ({"act_dim": 3}, "act_dim: is 3, but portfolio_learning has 2"),
        ({"nbins": 0}, "nbins: .*greater than 0"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, float], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        bidder_of(**params)


def test_only_this_strategy_learns() -> None:
    assert operator_learns(NAME)
    assert not operator_learns("units_operator_direct")
    assert not operator_learns("not there")
