"""Games whose payoffs are a formula: quantities, prices, supply functions, intercepts, a tender."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.testing.games.base import NOTHING, Equilibrium, Formula, Game, always, evenly

Player = Float[Tensor, "... player"]
Chance = Float[Tensor, "... chance"]


def cournot(name: str = "E1", costs: tuple[float, ...] = (10.0, 10.0)) -> Game:
    """Return firms that choose quantities, with the price 100 - Q (Cournot 1838).

    :param name: of the game
    :param costs: of a unit of quantity, one per firm, such that all of them sell
    """
    cost = torch.tensor(costs, dtype=torch.float64)
    n = len(costs)

    def formula(quantity: Player, chance: Chance) -> tuple[Player, Tensor]:
        price = 100.0 - quantity.sum(-1)
        return (price.unsqueeze(-1) - cost) * quantity, price

    quantity = (100.0 - (n + 1) * cost + cost.sum()) / (n + 1)
    profit, price = formula(quantity, NOTHING)
    return Game(
        name=name,
        title=f"Cournot, {n} firms",
        source="Cournot 1838",
        bounds=((0.0, 60.0),) * n,
        rules=Formula(formula),
        equilibrium=Equilibrium(float(price), tuple(profit.tolist()), always(*quantity.tolist())),
        cases=NOTHING,
        scale=1000.0,
    )


QUALITY, OUTSIDE, SPREAD, UNIT_COST = 2.0, 0.0, 0.25, 1.0


def logit_demand() -> Game:
    """Return two firms that choose prices for customers with logit demand.

    Calvano et al. 2020, "Artificial intelligence, algorithmic pricing, and collusion", American
    Economic Review 110(10), the baseline.
    """

    def share(price: Player) -> Player:
        weight = ((QUALITY - price) / SPREAD).exp()
        outside = torch.tensor(OUTSIDE / SPREAD, dtype=price.dtype).exp()
        return weight / (weight.sum(-1, keepdim=True) + outside)

    def formula(price: Player, chance: Chance) -> tuple[Player, Tensor]:
        return (price - UNIT_COST) * share(price), price.mean(-1)

    price = torch.full((2,), 1.5, dtype=torch.float64)
    for _ in range(200):  # the condition of first order, a contraction
        price = UNIT_COST + SPREAD / (1.0 - share(price))
    profit, mean = formula(price, NOTHING)
    return Game(
        name="E2",
        title="Bertrand with logit demand",
        source="Calvano et al. 2020",
        bounds=((1.0, 2.5),) * 2,
        rules=Formula(formula),
        equilibrium=Equilibrium(float(mean), tuple(profit.tolist()), always(*price.tolist())),
        cases=NOTHING,
        scale=0.3,
    )


SHOCK = 60.0


def supply_slopes(firms: int, gamma: float, curvature: float, most: float) -> Game:
    """Return firms that choose slopes of supply functions, with demand 60 - gamma p.

    A firm supplies its slope times the price, at a cost of `curvature` / 2 times quantity squared.
    The slope of the equilibrium solves c (n - 1) b^2 + (2 - n + c gamma) b - gamma = 0 and is the
    best response whatever the demand is (Klemperer and Meyer 1989, Green and Newbery 1992).

    :param firms: how many
    :param gamma: slope of the demand
    :param curvature: c, of the costs
    :param most: greatest slope that may be chosen
    """

    def formula(slope: Player, chance: Chance) -> tuple[Player, Tensor]:
        price = SHOCK / (gamma + slope.sum(-1))
        sold = slope * price.unsqueeze(-1)
        return price.unsqueeze(-1) * sold - 0.5 * curvature * sold.square(), price

    square, linear = curvature * (firms - 1), 2 - firms + curvature * gamma
    slope = (-linear + (linear**2 + 4 * square * gamma) ** 0.5) / (2 * square)
    profit, price = formula(torch.full((firms,), slope, dtype=torch.float64), NOTHING)
    return Game(
        name=f"E6-{firms}",
        title=f"linear supply functions, {firms} firms",
        source="Klemperer and Meyer 1989",
        bounds=((0.0, most),) * firms,
        rules=Formula(formula),
        equilibrium=Equilibrium(float(price), tuple(profit.tolist()), always(*[slope] * firms)),
        cases=NOTHING,
        scale=float(profit[0]),
    )


LINEAR, QUADRATIC = (15.0, 18.0), (0.01, 0.008)
DEMAND_SLOPE, DEMAND_TOP = (0.08, 0.06), 40.0


def intercepts() -> Game:
    """Return two plants that choose the intercepts of linear bids, with two elastic loads.

    Costs are a q + b q^2 / 2, bids alpha + b q; the loads pay 40 - 0.08 q and 40 - 0.06 q. One
    node of the case of Liang et al. 2020, "Agent-based modeling in electricity market using deep
    deterministic policy gradient algorithm", IEEE Transactions on Power Systems 35(6).
    """
    cost, slope = (torch.tensor(own, dtype=torch.float64) for own in (LINEAR, QUADRATIC))
    demand = sum(1.0 / own for own in DEMAND_SLOPE)

    def priced(intercept: Player, sells: Player) -> Tensor:
        """Return the price at which those who sell meet the demand."""
        supplied = (sells * intercept / slope).sum(-1) + DEMAND_TOP * demand
        return supplied / ((sells / slope).sum(-1) + demand)

    def formula(intercept: Player, chance: Chance) -> tuple[Player, Tensor]:
        price = priced(intercept, torch.ones_like(intercept))
        sells = (price.unsqueeze(-1) > intercept).to(intercept.dtype)
        price = priced(intercept, sells)  # of two, one that does not sell leaves the other alone
        sold = sells * (price.unsqueeze(-1) - intercept) / slope
        return (price.unsqueeze(-1) - cost) * sold - 0.5 * slope * sold.square(), price

    # Where both sell the price is base + sum w x. The best x of a plant is w p + (1 - w) a.
    weight = (1.0 / slope) / ((1.0 / slope).sum() + demand)
    base = DEMAND_TOP * demand / ((1.0 / slope).sum() + demand)
    level = (base + (weight * (1.0 - weight) * cost).sum()) / (1.0 - weight.square().sum())
    answer = weight * level + (1.0 - weight) * cost
    profit, price = formula(answer, NOTHING)
    return Game(
        name="E9",
        title="intercept bids, elastic loads",
        source="Liang et al. 2020, one node",
        bounds=((10.0, 30.0),) * 2,
        rules=Formula(formula),
        equilibrium=Equilibrium(float(price), tuple(profit.tolist()), always(*answer.tolist())),
        cases=NOTHING,
        scale=1000.0,
    )


@dataclass(frozen=True)
class Tender:
    """Rules of a tender for one unit: the lowest price wins and is paid; draws are costs.

    A tie is won by nobody: where bids are any number it has no probability.
    """

    def payoff(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Float[Tensor, "... player"]:
        """Return the payoff of each player."""
        own = range(action.shape[-2])
        parts = [self.tried(i, action, chance, action[..., i, None, :]) for i in own]
        return torch.cat(parts, -1)

    def price(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Float[Tensor, "..."]:
        """Return the lowest price."""
        return action.squeeze(-1).amin(-1)

    def tried(
        self,
        player: int,
        action: Float[Tensor, "... player entry"],
        chance: Float[Tensor, "... chance"],
        own: Float[Tensor, "... rung entry"],
    ) -> Float[Tensor, "... rung"]:
        """Return the payoff of a player with each of some prices of its own."""
        others = [i for i in range(action.shape[-2]) if i != player]
        lowest = action[..., others, 0].amin(-1, keepdim=True)
        bid = own.squeeze(-1)
        return torch.where(bid < lowest, bid - chance[..., player : player + 1], 0.0)


def wins(
    player: int, action: Float[Tensor, "... play player entry"], ladder: Float[Tensor, " rung"]
) -> Float[Tensor, "... rung"]:
    """Return the chance of a player to win a tender with each price of a ladder.

    Others do not know each other's costs: their plays are independent.
    """
    others = [i for i in range(action.shape[-2]) if i != player]
    below = (ladder < action[..., others, :]).to(ladder.dtype)
    return below.mean(-3).prod(-2)


def tender(bidders: int) -> Game:
    """Return a tender in which costs are private, uniform in [0, 1].

    The price at a cost c is c + (1 - c) / n (Vickrey 1961).

    :param bidders: n
    """
    n = bidders
    return Game(
        name=f"E8-{n}",
        title=f"tender, {n} private costs",
        source="Vickrey 1961",
        bounds=((0.0, 1.0),) * n,
        rules=Tender(),
        equilibrium=Equilibrium(
            2.0 / (n + 1),
            (1.0 / (n * (n + 1)),) * n,
            lambda cost: (cost + (1.0 - cost) / n).unsqueeze(-1),
        ),
        cases=evenly(1024, n),
        scale=1.0 / n,
        wins=wins,
    )
