"""Best responses of plants whose starts cost something, against all sequences of bids.

Each hour has an auction of its own, or auctions sell several hours ahead.
"""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding.base import Context
from assume_rl.core.bidding.learned import PlantLearning, PlantParams, single_bid
from assume_rl.core.clearing import MarketSpec, Slots, pay_as_bid, pay_as_clear
from assume_rl.core.money import Reward
from assume_rl.core.orders import unit_major
from assume_rl.core.reward_curve import OwnBook, book_of_one_product, clear_rungs
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Result, begin, look, moved_to, settle
from assume_rl.core.units.fleet import members
from assume_rl.evaluation.best_response import best_constant, break_points, clear_at, sale
from assume_rl.evaluation.starts import Plant
from assume_rl.experiments.bounds import best_of_plant
from assume_rl.experiments.recorded_plants import RecordedPlant
from assume_rl.testing import toy_fleet, toy_market

pytestmark = pytest.mark.unchecked

CAP, COST, HOURS = 100.0, 30.0, 5
FREE: dict[str, Any] = {}
COSTLY = {"hot_start_cost": 600.0}
LATER = {"warm_start_cost": 900.0, "cold_start_cost": 1500.0, "downtime_hot_start": 1.0}
TIMES = {"ramp_up": 25.0, "ramp_down": 30.0, "min_operating_time": 3.0, "min_down_time": 2.0}


class Played:
    """A plant and two rivals in a market whose books are drawn at random.

    Auctions of one product clear when they deliver, those of several one hour before the first.
    """

    def __init__(
        self,
        seed: int,
        market: MarketSpec,
        reward: str,
        starts: bool,
        products: int = 1,
        hours: int = HOURS,
        **limits: Any,
    ):
        drawn = torch.Generator().manual_seed(seed)
        rivals = torch.rand(hours, 2, generator=drawn, dtype=torch.float64) * 60 + 10
        sizes = torch.rand(hours, 3, generator=drawn, dtype=torch.float64) * 60
        zero = torch.zeros(hours, 1, dtype=torch.float64)
        price = torch.cat((zero, rivals, zero + 3000), -1)
        volume = torch.cat((zero + 50, sizes[:, :2], -sizes[:, 2:] - 20), -1)
        self.market, self.products = market, products
        self.fleet, self.profiles = toy_fleet(
            plants=((50.0, 20.0, COST),), steps=hours + 1, **limits
        )
        context = Context(max_bid_price=CAP, products=products, step_hours=1.0, reward=reward)
        self.bidder: PlantLearning = single_bid(context, PlantParams(start_costs=starts))
        own = torch.tensor([0])
        books = [unit_major(p, v, 4) for p, v in zip(*self.auctions(price, volume), strict=True)]
        self.books = [
            OwnBook(market, market.rule.setup(market, Slots(node=book.node)), book, own)
            for book in books
        ]
        self.plant = RecordedPlant(
            book=book_of_one_product(market, price, volume, own),
            bidder=self.bidder,
            cost=torch.full((hours,), COST, dtype=torch.float64),
            hours=1.0,
            limit=CAP,
            plant=Plant(
                params=self.fleet.blocks[0].params,
                capacity=self.profiles.capacity[:, 0],
                first=tuple(range(1, hours + 1)),
                length=1,
                by_downtime=starts,
            ),
            has_starts=self.bidder.pays_for_starts(self.fleet.blocks[0].params),
            sold_in=torch.arange(hours) // products,
        )

    def auctions(self, *tables: Tensor) -> list[tuple[Tensor, ...]]:
        """Return tables by hour, cut into auctions."""
        return [table.split(self.products) for table in tables]

    def play(self, bids: Tensor) -> Reward:
        """Return what bids (sequence hour) earn in each auction by the order of both shells."""
        team = Team(self.bidder, members(self.fleet, [0]), ("plant_0",), learns=True)
        portfolio = Portfolio(
            self.fleet, self.profiles, {"EOM": (team,)}, 1.0, lookback=30, horizon=6
        )
        position = begin(portfolio, (len(bids),), keep_money=False)
        earned = []
        for number, book in enumerate(self.books):
            hour, ahead = number * self.products, self.products > 1
            first = tuple(range(hour + 1, hour + 1 + self.products))
            auction = Auction("EOM", number, hour * 3600, hour * 3600, first, (1,) * self.products)
            position = moved_to(portfolio, position, hour)
            view = look(portfolio, position, auction, team)
            # A division and a product by the cap may move a price over that of a rival.
            asked = bids[:, hour : hour + self.products, None]
            orders = team.orders(view, asked.transpose(-1, -2) / CAP)
            position = moved_to(portfolio, position, hour if ahead else hour + 1)
            cleared = clear_rungs(book, asked, orders.volume)
            result = Result(
                auction, orders, cleared.accepted, cleared.paid, cleared.price_of_slots,
                (team,), (slice(0, 1),),
            )  # fmt: skip
            position, _, ((outcome,),) = settle(portfolio, position, [result])
            earned.append(team.reward(outcome))
        return Reward(
            torch.cat([own.reward for own in earned], -1),
            torch.cat([own.profit for own in earned], -1),
            torch.cat([own.regret for own in earned], -1),
        )

    def sequences(self) -> Tensor:
        """Return all sequences of prices worth trying, (sequence hour)."""
        points = break_points(self.plant.book, self.plant.cost, -CAP, CAP)
        return torch.tensor(list(itertools.product(*points.tolist())), dtype=torch.float64)


CASES = [
    (seed, starts, {**COSTLY, **later, **times})
    for seed, (starts, later, times) in enumerate(
        [(False, FREE, FREE), (False, FREE, TIMES), (True, LATER, FREE), (True, LATER, TIMES)] * 2
    )
]


@pytest.mark.parametrize(
    ("seed", "starts", "limits"),
    [*CASES[:4], *(pytest.param(*own, marks=pytest.mark.slow) for own in CASES[4:])],
)
def test_no_sequence_of_bids_is_better(seed: int, starts: bool, limits: dict[str, Any]) -> None:
    played = Played(seed, toy_market(pay_as_clear), "opportunity_cost", starts, **limits)
    plant = played.plant
    best = best_of_plant(plant, plant.rewarded, one_price=True)
    tried = plant.rewarded(played.play(played.sequences())).sum(-1)
    assert best.exact
    assert float(best.value.sum()) == pytest.approx(float(tried.max()), abs=1e-8)
    # AND its bids bring what it says
    again = plant.rewarded(played.play(best.bid.T))
    torch.testing.assert_close(again[0], best.value, rtol=0, atol=1e-8)


@pytest.mark.parametrize("market", [toy_market(pay_as_clear), toy_market(pay_as_bid)])
def test_any_bids_earn_what_the_order_of_events_says(market: MarketSpec) -> None:
    played = Played(5, market, "profit", True, **COSTLY, **LATER, **TIMES)
    bids = torch.rand(200, HOURS, generator=torch.Generator().manual_seed(1)).double() * CAP
    got = sale(clear_at(played.plant.book, bids.T.unsqueeze(-1)))
    found, known = played.plant.earn(got), played.play(bids)
    torch.testing.assert_close(found.reward.T, known.reward, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.profit.T, known.profit, rtol=0, atol=1e-9)


AHEAD = [
    (pay_as_clear, "opportunity_cost", False, {}),
    (pay_as_bid, "profit", False, {}),
    (pay_as_clear, "opportunity_cost", False, COSTLY),
    (pay_as_clear, "profit", True, {**COSTLY, **LATER, "ramp_up": 25.0}),
    (pay_as_bid, "profit", True, {**COSTLY, **LATER}),
]


@pytest.mark.parametrize("products", [2, 4])
@pytest.mark.parametrize(("rule", "reward", "starts", "limits"), AHEAD)
def test_no_bids_for_several_products_are_better(
    rule: Any, reward: str, starts: bool, limits: dict[str, Any], products: int
) -> None:
    played = Played(products, toy_market(rule), reward, starts, products, 4, **limits)
    plant = played.plant
    best = best_of_plant(plant, plant.rewarded, one_price=True)
    tried = plant.rewarded(played.play(played.sequences())).sum(-1)
    assert best.exact
    assert float(best.value.sum()) == pytest.approx(float(tried.max()), abs=1e-8)
    # AND its bids bring what it says, auction by auction
    again = plant.rewarded(played.play(best.bid.T))
    torch.testing.assert_close(again[0], plant.by_auction(best.value), rtol=0, atol=1e-8)


def test_profit_alone_and_paid_as_bid() -> None:
    played = Played(3, toy_market(pay_as_bid), "profit", False, **COSTLY)
    plant = played.plant
    best = best_of_plant(plant, plant.rewarded, one_price=True)
    tried = plant.rewarded(played.play(played.sequences())).sum(-1)
    assert float(best.value.sum()) == pytest.approx(float(tried.max()), abs=1e-8)


def test_a_plant_stays_on_at_a_loss_rather_than_start_again() -> None:
    """Off in the middle hour it would earn 200 EUR more in it, and pay 300 twice."""
    high, low = 50.0, 26.0
    prices = torch.tensor([[0, price, 3000] for price in (high, low, high)], dtype=torch.float64)
    volumes = torch.tensor([[50.0, 200.0, -60.0]] * 3, dtype=torch.float64)
    played = Played(0, toy_market(pay_as_clear), "profit", False, **COSTLY)
    book = book_of_one_product(toy_market(pay_as_clear), prices, volumes, torch.tensor([0]))
    plant = RecordedPlant(
        **vars(played.plant)
        | {
            "book": book,
            "cost": played.plant.cost[:3],
            "plant": Plant(**vars(played.plant.plant) | {"first": (1, 2, 3)}),
            "sold_in": torch.arange(3),
        }
    )
    best = best_of_plant(plant, plant.rewarded, one_price=True)
    assert (best.sale.sold > 0).tolist() == [True, True, True]
    assert float(best.value.sum()) == pytest.approx(50 * (20 - 4 + 20) - 300, abs=1e-6)


def test_the_best_constant_price_pays_for_its_starts() -> None:
    played = Played(2, toy_market(pay_as_clear), "profit", False, **COSTLY)
    plant = played.plant
    best = best_constant(
        plant.book, lambda got: plant.rewarded(plant.earn(got)),
        marginal_cost=plant.cost, min_price=-CAP, max_price=CAP,
    )  # fmt: skip
    points = break_points(plant.book, plant.cost, -CAP, CAP).unique()
    tried = plant.rewarded(played.play(points[:, None].expand(-1, HOURS))).sum(-1)
    assert float(best.value.sum()) == pytest.approx(float(tried.max()), abs=1e-8)
