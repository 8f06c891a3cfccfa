"""Games that are auctions of the market core: bids are cleared by its rules of merit order.

What other bids would have brought is worked out by its reward curves, in which own orders lose ties
(`core.reward_curve`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.clearing import MarketSpec, Rule, Slots, pay_as_bid, pay_as_clear
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.orders import unit_major
from assume_rl.core.reward_curve import book_of_one_product, clear_rungs
from assume_rl.testing.clearing import toy_market
from assume_rl.testing.games.base import Equilibrium, Game, always, evenly

Quotes = tuple[Float[Tensor, "... order"], Float[Tensor, "... order"]]
"""Prices, EUR/MWh, and volumes, MW, positive."""


@dataclass(frozen=True)
class AuctionRules:
    """Rules of a game that is an auction of one product.

    :param market: whose rule clears
    :param offer: orders that a player makes of its action `(... entry)` and its draw `(... 1)`, as
        many whatever these are
    :param orders: how many
    :param demand: orders that chance `(... chance)` makes; the first draws are of players, one
        each, and decide ties too
    :param cost: EUR/h of what a player sells, MW
    :param priced: the price of the market at a clearing
    """

    market: MarketSpec[Any]
    offer: Callable[[Float[Tensor, "... entry"], Float[Tensor, "... 1"]], Quotes]
    orders: int
    demand: Callable[[Float[Tensor, "... chance"]], Quotes]
    cost: Callable[[Float[Tensor, "..."]], Float[Tensor, "..."]]
    priced: Callable[[Clearing], Float[Tensor, "... 1 1"]] = lambda cleared: cleared.price

    def payoff(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Float[Tensor, "... player"]:
        """Return the profit of each player, EUR/h."""
        cleared, players = self._cleared(action, chance), action.shape[-2]
        sold, paid = (self._by_player(table, players) for table in (cleared.accepted, cleared.paid))
        return (sold * paid).sum(-1) - self.cost(sold.sum(-1))

    def price(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Float[Tensor, "..."]:
        """Return the price, EUR/MWh."""
        return self.priced(self._cleared(action, chance))[..., 0, 0]

    def tried(
        self,
        player: int,
        action: Float[Tensor, "... player entry"],
        chance: Float[Tensor, "... chance"],
        own: Float[Tensor, "... rung entry"],
    ) -> Float[Tensor, "... rung"]:
        """Return the profit of a player with each of some actions of its own, EUR/h."""
        price, volume, _ = self._book(action, chance)
        slots = torch.arange(player * self.orders, (player + 1) * self.orders)
        book = book_of_one_product(self.market, price, volume, slots)
        prices, volumes = (
            table.unsqueeze(-2).expand(*price.shape[:-1], own.shape[-2], 1, self.orders)
            for table in self.offer(own, chance[..., player : player + 1].unsqueeze(-2))
        )
        cleared = clear_rungs(book, prices, volumes)
        sold, paid = cleared.accepted.squeeze(-2), cleared.paid.squeeze(-2)
        return (sold * paid).sum(-1) - self.cost(sold.sum(-1))

    def _book(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> tuple[Float[Tensor, "... slot"], Float[Tensor, "... slot"], Float[Tensor, "... slot"]]:
        """Return prices, volumes and ties of all orders, players first."""
        shape = np.broadcast_shapes(action.shape[:-2], chance.shape[:-1])
        players = action.shape[-2]
        draws = chance[..., :players].unsqueeze(-1)
        offered, wanted = self.offer(action, draws), self.demand(chance)

        def joined(supply: Tensor, demand: Tensor) -> Tensor:
            demand = demand.expand(*shape, demand.shape[-1])
            return torch.cat([supply.flatten(-2).expand(*shape, -1), demand], -1)

        tie = draws.expand(*chance.shape[:-1], players, self.orders)
        return (
            joined(offered[0], wanted[0]),
            joined(offered[1], -wanted[1]),
            joined(tie, torch.full_like(wanted[0], 0.5)),
        )

    def _cleared(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Clearing:
        price, volume, tie = (table.unsqueeze(-2) for table in self._book(action, chance))
        orders = unit_major(price, volume, price.shape[-1])
        setup = self.market.rule.setup(self.market, Slots(node=orders.node))
        return self.market.clear(orders, tie, setup)

    def _by_player(
        self, table: Float[Tensor, "... 1 slot"], players: int
    ) -> Float[Tensor, "... player order"]:
        """Return each player's entries of a table of the book."""
        own = table.squeeze(-2)[..., : players * self.orders]
        return own.reshape(*own.shape[:-1], players, self.orders)


# --- plants with one price (von der Fehr and Harbord 1993) ----------------------------------------

SIZE, COST, CAP = 50.0, 20.0, 100.0
HARBORD = "von der Fehr and Harbord 1993"
TIES = torch.tensor([[0.1, 0.2], [0.2, 0.1]], dtype=torch.float64)
"""Either player goes first where prices are equal."""


def capacity(
    name: str, title: str, rule: Rule[Any, Any], demand: float, answer: Equilibrium
) -> Game:
    """Return an auction of two plants of 50 MW with a cost of 20 EUR/MWh and a cap of 100 EUR/MWh.

    :param name: of the game
    :param title: what it is
    :param rule: that clears
    :param demand: MW, whatever the price
    :param answer: the equilibrium
    """

    def wanted(chance: Tensor) -> Quotes:
        shape = (*chance.shape[:-1], 1)
        return torch.full(shape, 3000.0).double(), torch.full(shape, demand).double()

    return Game(
        name=name,
        title=title,
        source=HARBORD,
        bounds=((0.0, CAP),) * 2,
        rules=AuctionRules(
            market=toy_market(rule),
            offer=lambda price, draw: (price, torch.full_like(price, SIZE)),
            orders=1,
            demand=wanted,
            cost=lambda sold: COST * sold,
        ),
        equilibrium=answer,
        cases=TIES,
        scale=(CAP - COST) * SIZE,
        mixed=answer.action is None,
    )


def competitive() -> Game:
    """Return the auction of 40 MW, in which nobody is pivotal: both bid their cost."""
    answer = Equilibrium(COST, (0.0, 0.0), always(COST, COST))
    return capacity("E3", "nobody pivotal", pay_as_clear, 40.0, answer)


def pivotal() -> Game:
    """Return the auction of 70 MW at a uniform price: one bids the cap, the other at most 52."""
    rest = 70.0 - SIZE
    profit = ((CAP - COST) * rest, (CAP - COST) * SIZE)
    answer = Equilibrium(CAP, profit, always(CAP, threshold()))
    return capacity("E4", "pivotal, uniform price", pay_as_clear, 70.0, answer)


def pivotal_as_bid() -> Game:
    """Return the auction of 70 MW, paid as bid: in mixed strategies, see `mixed_bid`."""
    rest = 70.0 - SIZE
    mean = COST + 2.0 * (CAP - COST) * rest / 70.0
    answer = Equilibrium(mean, ((CAP - COST) * rest,) * 2, None)
    return capacity("E5", "pivotal, paid as bid", pay_as_bid, 70.0, answer)


def threshold() -> float:
    """Return the price below which undercutting does not pay for a plant that may bid the cap."""
    return COST + (CAP - COST) * (70.0 - SIZE) / SIZE


def mixed_bid(quantile: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the quantiles of the price in the mixed equilibrium of 70 MW, paid as bid.

    :param quantile: in [0, 1]
    """
    return COST + (CAP - COST) * (70.0 - SIZE) / (SIZE - quantile * (2.0 * SIZE - 70.0))


# --- supply functions, paid as bid (Vanelli, Como and Fagnani 2025) -------------------------------

STEEPEST, TOP, LINEAR, CURVATURE = 2.0, 100.0, 10.0, 0.5
STEP, MOST = 1.0, 40.0  # MW


def lipschitz(step: float = STEP) -> Game:
    """Return two firms that are paid as bid, whose supply may rise by 2 MW per EUR/MWh at most.

    The demand is 100 - p MW, costs are 10 q + q^2 / 4. What a firm supplies up to a price costs
    it the gap between that price and its bids, so that the best way to a point (p, q) is to rise
    at the greatest slope K, from p - q / K on: a firm chooses that one number, b. With G = 1 + (n -
    1) K, by which the residual demand falls, the best point has q = m (p - a), m = G / (1 + G (1 /
    K + c)), and the market clears at p = (100 + n m a) / (1 + n m).

    Bids and demand are cut into steps, each side shifted at random by a part of a step, so that
    nobody can aim at corners. The price is that at which the demand takes what is sold.

    :param step: MW, of supply and of demand
    """
    firms = 2
    steep = 1.0 + (firms - 1) * STEEPEST
    slope = steep / (1.0 + steep * (1.0 / STEEPEST + CURVATURE))
    price = (TOP + firms * slope * LINEAR) / (1.0 + firms * slope)
    sold = slope * (price - LINEAR)
    profit = price * sold - sold**2 / (2.0 * STEEPEST) - LINEAR * sold - 0.5 * CURVATURE * sold**2
    middle = (torch.arange(round(MOST / step), dtype=torch.float64) + 0.5) * step
    below = (torch.arange(round(2 * MOST / step), dtype=torch.float64) + 0.5) * step

    def offered(start: Tensor, draw: Tensor) -> Quotes:
        price = start + (middle + step * (draw - 0.5)) / STEEPEST
        return price, torch.full_like(price, step)

    def wanted(chance: Tensor) -> Quotes:
        shift = step * (chance[..., firms:] - 0.5)
        return TOP - below - shift, torch.full_like(below, step).expand(*chance.shape[:-1], -1)

    def curve(player: int, action: Tensor, chance: Tensor, ladder: Tensor) -> Tensor:
        """Return the profits of starts on a ladder.

        As `AuctionRules.tried` would have it, which sorts all orders. These are of one size, and
        the n-th cheapest trades if it asks no more than the n-th highest price of the demand; a
        firm's own orders lie evenly, so that those of the rival below each need only be counted.
        """
        own, rival, shift = (
            chance[..., k, None, None] for k in (player, firms - 1 - player, firms)
        )
        number = torch.arange(len(middle), dtype=torch.float64)
        price = ladder.unsqueeze(-1) + step * (number + own) / STEEPEST
        start = action[..., firms - 1 - player, :, None]
        below = ((price - start) * (STEEPEST / step) - rival).floor() + 1.0
        trades = price <= TOP - step * (number + below.clamp(0, len(middle)) + shift)
        sold = step * trades.sum(-1)
        paid = step * (price * trades).sum(-1)
        return paid - LINEAR * sold - 0.5 * CURVATURE * sold.square()

    return Game(
        name="E11",
        title="supply of bounded slope, paid as bid",
        source="Vanelli, Como and Fagnani 2025",
        bounds=((10.0, 60.0),) * firms,
        rules=AuctionRules(
            market=toy_market(pay_as_bid),
            offer=offered,
            orders=len(middle),
            demand=wanted,
            cost=lambda sold: LINEAR * sold + 0.5 * CURVATURE * sold.square(),
            priced=lambda cleared: TOP - cleared.supply_volume,
        ),
        equilibrium=Equilibrium(price, (profit,) * firms, always(*[price - sold / STEEPEST] * 2)),
        cases=evenly(64, firms + 1),
        scale=profit,
        faster=curve,
    )
