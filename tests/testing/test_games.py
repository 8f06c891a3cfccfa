"""Games with known answers: equilibria, and what deviations gain, by hand and by the papers.

Expected values are figures of other code (numpy, a clearing of its own), or of the papers.
"""

import math

import pytest
import torch
from torch import Tensor

from assume_rl.core.clearing import pay_as_bid, pay_as_clear
from assume_rl.testing import toy_market
from assume_rl.testing.games import GAMES, Game, judged, judged_mixed
from assume_rl.testing.games.auctions import lipschitz, mixed_bid
from assume_rl.testing.games.base import NOTHING
from assume_rl.testing.games.formulas import cournot
from assume_rl.testing.games.supply_curves import supply_curves

pytestmark = pytest.mark.unchecked

PURE = [
    name
    for name, make in GAMES.items()
    if make().equilibrium.action is not None and not name.startswith("E7")
]
SAMPLED = {"E8-2": 2e-3, "E8-3": 1e-2, "E8-5": 2e-2, "E11": 1e-2}
"""Gap that the draws of chance leave at the equilibrium, as a share of profit."""


def fixed(*numbers: float):
    """Players that do the same whatever they see."""
    row = torch.tensor(numbers, dtype=torch.float64)[:, None]
    return lambda chance: row.expand(len(chance), -1, -1)


# --- equilibria -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PURE)
def test_nobody_gains_alone_in_the_equilibrium(name: str) -> None:
    game = GAMES[name]()
    answer = game.equilibrium
    found = judged(game, answer.action)
    scale = max(answer.profit)
    assert found.exploitability <= SAMPLED.get(name, 1e-9) * max(scale, 1e-9)
    assert found.price == pytest.approx(answer.price, rel=5e-3)
    assert found.profit == pytest.approx(answer.profit, rel=0.05)
    assert found.distance == 0


@pytest.mark.parametrize(
    ("name", "price", "profit", "action"),
    [
        ("E1", 40.0, (900.0, 900.0), (30.0, 30.0)),
        ("E1-3", 38.75, (826.5625, 351.5625, 189.0625), (28.75, 18.75, 13.75)),
        ("E2", 1.4729, (0.2229, 0.2229), (1.4729, 1.4729)),
        ("E3", 20.0, (0.0, 0.0), (20.0, 20.0)),
        ("E4", 100.0, (1600.0, 4000.0), (100.0, 52.0)),
        ("E6-2", 40.0, (600.0, 600.0), (0.5, 0.5)),
        ("E6-3", 24.7815, (267.351,) * 3, (0.64039,) * 3),
        ("E6-5", 2.98014, (20.9804,) * 5, (3.82666,) * 5),
        ("E9", 20.998, (1520.2, 425.8), (17.360, 19.474)),
        ("E11", 46.0, (607.5, 607.5), (32.5, 32.5)),
    ],
)
def test_answers_are_those_that_were_proved_elsewhere(
    name: str, price: float, profit: tuple[float, ...], action: tuple[float, ...]
) -> None:
    game = GAMES[name]()
    answer = game.equilibrium
    assert answer.price == pytest.approx(price, abs=5e-4 * max(1, price))
    assert answer.profit == pytest.approx(profit, rel=3e-4)
    assert answer.action(game.cases[:1]).flatten().tolist() == pytest.approx(action, rel=3e-4)


@pytest.mark.parametrize("bidders", [2, 3, 5])
def test_a_tender_pays_what_the_second_lowest_cost_is_on_average(bidders: int) -> None:
    """Revenue equivalence: the price of a tender in which the second-lowest price is paid."""
    game = GAMES[f"E8-{bidders}"]()
    assert game.equilibrium.price == pytest.approx(2 / (bidders + 1))
    second = game.cases.sort(-1).values[:, 1].mean().item()
    assert second == pytest.approx(2 / (bidders + 1), rel=1e-2)


@pytest.mark.parametrize("costs", [(10.0, 10.0), (10.0, 20.0, 25.0)])
def test_the_lerner_index_is_concentration_by_elasticity(costs: tuple[float, ...]) -> None:
    game = cournot("Cournot", costs)
    quantity = game.equilibrium.action(NOTHING).flatten()
    price, total = game.equilibrium.price, quantity.sum().item()
    share = quantity / total
    cost = torch.tensor(costs, dtype=torch.float64)
    lerner = ((price - cost) / price * share).sum().item()
    assert lerner == pytest.approx(share.square().sum().item() / (price / total), rel=1e-12)
    if len(costs) == 2:
        assert (lerner, share.square().sum().item()) == (pytest.approx(0.75), pytest.approx(0.5))


def test_of_logit_demand_joint_profits_are_highest_at_the_published_price() -> None:
    game = GAMES["E2"]()
    price = torch.linspace(1, 2.5, 3001, dtype=torch.float64)
    both = price[:, None, None].expand(-1, 2, 1)
    profit = game.rules.payoff(both, torch.zeros(3001, 0)).sum(-1)
    assert price[profit.argmax()].item() == pytest.approx(1.9250, abs=5e-4)
    assert profit.max().item() / 2 == pytest.approx(0.3375, abs=5e-5)


# --- deviations, by hand --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "numbers", "gaps"),
    [
        # Against 30 the best answer is 30 still, against 40 it is 25: (100-40-25-10) 25 - 20 30.
        ("E1", (30.0, 40.0), (625.0 - 600.0, 900.0 - 800.0)),
        ("E3", (60.0, 70.0), (400.0, 1600.0)),  # just below 70, just below 60
        ("E4", (100.0, 57.0), (250.0, 0.0)),  # 50 MW just below 57 instead of 20 MW at 100
        ("E4", (100.0, 0.0), (0.0, 0.0)),
        # The best slope is (1 + 0.5) / (1 + 1.5) = 0.6 against 1.
        ("E6-2", (0.6, 1.0), (0.0, None)),
    ],
)
def test_a_deviation_brings_what_is_worked_out_by_hand(
    name: str, numbers: tuple[float, ...], gaps: tuple[float | None, ...]
) -> None:
    """Against slopes that add up to B with that of the demand the best one is B / (1 + c B)."""
    found = judged(GAMES[name](), fixed(*numbers), points=10001)
    for gap, known in zip(found.gap, gaps, strict=True):
        assert known is None or gap == pytest.approx(known, abs=0.6)


def test_who_bids_its_cost_in_a_tender_misses_all_profit() -> None:
    """Against a rival with cost bids the best margin of two bidders is (1 - c)/2."""
    game = GAMES["E8-2"]()
    found = judged(game, lambda cost: cost[..., None])
    # Mean over c of ((1 - c)/2)^2.
    assert found.gap == (pytest.approx(1 / 12, rel=0.01),) * 2


@pytest.mark.parametrize("bids", [(20.0, 20.0), (30.0, 50.0), (70.0, 60.0), (45.0, 45.0)])
def test_where_one_plant_serves_all_either_rule_pays_the_same(bids: tuple[float, float]) -> None:
    game = GAMES["E3"]()
    action = torch.tensor(bids, dtype=torch.float64)[:, None]
    paid = [
        type(game.rules)(**{**vars(game.rules), "market": toy_market(rule)}).payoff(
            action, game.cases
        )
        for rule in (pay_as_bid, pay_as_clear)
    ]
    assert torch.equal(*paid)


# --- mixed strategies -----------------------------------------------------------------------------


def in_parts(count: int) -> tuple[Tensor, Tensor]:
    """The mixed equilibrium as equally likely prices."""
    quantile = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return mixed_bid(quantile).expand(2, -1), torch.full((2, count), 1.0 / count).double()


def test_the_mixed_equilibrium_is_exploited_by_less_the_finer_it_is() -> None:
    game = GAMES["E5"]()
    found = [judged_mixed(game, *in_parts(count)) for count in (50, 200)]
    assert found[1].exploitability < 6 < found[0].exploitability < 24
    assert found[1].price == pytest.approx(65.714, abs=1e-3)
    assert found[1].profit == pytest.approx((1600, 1600), abs=0.1)


def test_the_ends_and_the_middle_of_its_support() -> None:
    bids = mixed_bid(torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert bids.tolist() == pytest.approx([52.0, 100.0])
    # F(b) = (50 - 1600 / (b - 20)) / 30, so that F(72) = 19.2 / 30.
    assert mixed_bid(torch.tensor(19.230769 / 30).double()).item() == pytest.approx(72, abs=1e-4)


def test_no_pair_of_prices_is_nearer_to_it_than_480() -> None:
    game = GAMES["E5"]()
    sure = torch.ones(2, 1, dtype=torch.float64)
    best = min(
        judged_mixed(game, torch.tensor([[a], [b]]).double(), sure, points=101).exploitability
        for a in range(20, 101, 16)
        for b in range(20, 101, 16)
    )
    assert judged_mixed(game, torch.full((2, 1), 52.0).double(), sure).exploitability == (
        pytest.approx(480, abs=1e-6)
    )
    assert best == pytest.approx(480, abs=1e-6)


# --- supply of bounded slope, paid as bid ---------------------------------------------------------


def profit_of(supply: Tensor, price: Tensor, start: float) -> Tensor:
    """What a firm earns with any supply function, the other being affine from `start` on.

    Paid as bid it gets p S(p) less the area below S. On the grid `price` the market clears where
    supply reaches the demand 100 - p less what the other sells.
    """
    residual = 100.0 - price - 2.0 * (price - start).clamp(min=0)
    at = (supply >= residual).to(torch.int64).argmax(-1, keepdim=True)
    area = (supply.cumsum(-1) - supply / 2) * (price[1] - price[0])
    sold, paid, below = (
        table.expand_as(supply).gather(-1, at).squeeze(-1) for table in (supply, price, area)
    )
    return paid * sold - below - 10.0 * sold - 0.25 * sold.square()


def test_no_supply_function_of_bounded_slope_beats_the_affine_one() -> None:
    price = torch.linspace(0, 100, 2001, dtype=torch.float64)
    affine = 2.0 * (price - 32.5).clamp(min=0)
    known = profit_of(affine[None], price, 32.5)[0]
    assert known == pytest.approx(607.5, rel=2e-3)
    generator = torch.Generator().manual_seed(1)
    # Random functions that rise by 0 to 2 MW per EUR/MWh, piece by piece, from random prices on.
    slope = 2.0 * torch.rand(1000, 41, generator=generator, dtype=torch.float64)
    steep = torch.where(torch.rand(1000, 41, generator=generator) < 0.7, 2.0, slope)
    first = 60.0 * torch.rand(1000, 1, generator=generator, dtype=torch.float64)
    piece = (price / 2.5).long().clamp(max=40)
    rising = torch.where(price >= first, steep[:, piece], 0.0)
    others = profit_of(rising.cumsum(-1) * 0.05, price, 32.5)
    assert others.max() <= known * (1 + 3e-3)  # what the grid leaves
    assert others.max() > 0.97 * known
    starts = torch.linspace(0, 80, 161, dtype=torch.float64)[:, None]
    line = profit_of(2.0 * (price - starts).clamp(min=0), price, 32.5)
    assert starts[line.argmax()].item() == pytest.approx(32.5, abs=0.5)


@pytest.mark.parametrize("step", [1.0, pytest.param(0.5, marks=pytest.mark.slow)])
def test_steps_of_bids_bring_what_the_formula_says(step: float) -> None:
    game = lipschitz(step)
    found = judged(game, game.equilibrium.action, points=26)
    assert found.price == pytest.approx(46, rel=1e-3)
    assert found.profit == pytest.approx((607.5, 607.5), rel=1e-3)
    other = judged(game, fixed(42.5, 32.5), points=101)
    # Residual demand 165 - 3 p meets 2 (p - 42.5) at p = 50, 15 MW: 750 - 56.25 - 150 - 56.25.
    assert other.profit[0] == pytest.approx(487.5, rel=2e-3)
    assert other.gap[0] == pytest.approx(607.5 - 487.5, abs=5)


# --- supply curves at a demand that is not known --------------------------------------------------


def test_steps_come_near_to_the_curves_of_the_equilibrium_as_they_get_smaller() -> None:
    """At demands of 30, 60 and 90 MW curves have the prices 28.889, 55.556 and 100."""
    answer = torch.tensor([28.889, 55.556, 100.0])
    demand = torch.tensor([30.0, 60.0, 90.0]).double()
    chance = torch.cat([torch.full((3, 3), 0.5), demand[:, None] / 90], -1).double()
    gaps, errors = [], []
    for steps in (4, 16, 64):
        game = supply_curves(steps)
        found = judged(game, game.equilibrium.action, points=161)
        gaps.append(found.exploitability / found.profit[0])
        price = game.rules.price(game.equilibrium.action(chance), chance)
        errors.append((price - answer).abs().max().item())
        assert found.price == pytest.approx(46.667, rel=0.03)
        assert found.profit == pytest.approx((600, 600, 600), rel=0.12)
    assert gaps[0] > gaps[1] > gaps[2], gaps
    assert errors[0] > 3 * errors[1] > 9 * errors[2], errors


# --- what all games share -------------------------------------------------------------------------


@pytest.mark.parametrize("name", GAMES)
def test_what_was_tried_brings_what_is_received(name: str) -> None:
    """But for ties, which own bids lose, trying what one did anyway changes nothing."""
    game: Game = GAMES[name]()
    chance = game.cases[:3]
    generator = torch.Generator().manual_seed(2)
    place = torch.rand(len(chance), len(game.players), game.entries, generator=generator) * 2 - 1
    action = game.numbers(place)
    received = game.rules.payoff(action, chance)
    for player in range(len(game.players)):
        tried = game.rules.tried(player, action, chance, action[:, player, None])
        torch.testing.assert_close(tried[:, 0], received[:, player])


@pytest.mark.parametrize("name", GAMES)
def test_curves_are_what_was_tried_entry_by_entry(name: str) -> None:
    """Prices on few rungs, so that many are alike."""
    game: Game = GAMES[name]()
    chance = game.cases[:: max(1, len(game.cases) // 12)]
    rung = torch.randint(0, 5, (len(chance), len(game.players), game.entries))
    action = torch.stack([game.grid(i, 5)[rung[:, i]] for i in range(len(game.players))], 1)
    for player in range(len(game.players)):
        ladder = game.grid(player, 7)
        found = game.curve(player, action, chance, ladder)
        for entry in range(0, game.entries, 3):
            own = action[:, player, None].repeat(1, 7, 1)
            own[..., entry] = ladder
            tried = game.rules.tried(player, action, chance, own)
            torch.testing.assert_close(found[:, 7 * entry : 7 * (entry + 1)], tried)


def test_places_are_numbers_between_the_bounds() -> None:
    game = GAMES["E9"]()
    place = torch.tensor([[-1.0], [0.5]])
    assert game.numbers(place).flatten().tolist() == [10.0, 25.0]
    assert math.isclose(game.grid(0, 3)[1].item(), 20.0)
