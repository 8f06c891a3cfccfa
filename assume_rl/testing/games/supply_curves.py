"""Supply curves at a demand that is not known (Klemperer and Meyer 1989), as steps of one size."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.clearing import pay_as_clear
from assume_rl.testing.clearing import toy_market
from assume_rl.testing.games.auctions import CAP, COST, AuctionRules, Quotes
from assume_rl.testing.games.base import Equilibrium, Game, evenly

FIRMS, TOTAL = 3, 90.0  # MW of all firms


def supply_curves(steps: int) -> Game:
    """Return three firms of 30 MW that choose the price of each step of their supply.

    The cost is 20 EUR/MWh, the cap 100 EUR/MWh, and demand uniform between 0 and 90 MW. With curves
    the price at a demand d is 20 + 80 (d / 90)^2 in the equilibrium that reaches the cap where all
    is sold; steps come near to it as they get smaller.

    :param steps: of each firm, equally large
    """
    size = TOTAL / FIRMS / steps
    middle = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    prices = COST + (CAP - COST) * middle.square()

    def wanted(chance: Tensor) -> Quotes:
        demand = TOTAL * chance[..., FIRMS:]
        return torch.full_like(demand, 3000.0), demand

    demands = (torch.arange(256, dtype=torch.float64).unsqueeze(-1) + 0.5) / 256
    mean = COST + (CAP - COST) / 3.0
    profit = (CAP - COST) * TOTAL / 4.0 / FIRMS  # mean of 80 (d / 90)^2 d / 3
    return Game(
        name=f"E7-{steps}",
        title=f"supply curves of {steps} steps",
        source="Klemperer and Meyer 1989",
        bounds=((COST, CAP),) * FIRMS,
        rules=AuctionRules(
            market=toy_market(pay_as_clear),
            offer=lambda price, draw: (price, torch.full_like(price, size)),
            orders=steps,
            demand=wanted,
            cost=lambda sold: COST * sold,
        ),
        equilibrium=Equilibrium(
            mean, (profit,) * FIRMS, lambda chance: prices.expand(*chance.shape[:-1], FIRMS, -1)
        ),
        cases=torch.cat([evenly(256, FIRMS), demands], -1),
        scale=profit,
        entries=steps,
        faster=curve,
    )


def curve(
    player: int,
    action: Float[Tensor, "... player entry"],
    chance: Float[Tensor, "... chance"],
    ladder: Float[Tensor, " rung"],
) -> Float[Tensor, "... _"]:
    """Return the profit of a firm with the price of each of its steps on every rung, EUR/h.

    As `AuctionRules.tried` would have it, which clears all own steps again for each of them. With
    all orders but one step sorted by price, and a demand that takes k steps, the last in part, the
    step is sold in full at the (k - 1)-th price of others if it is below that, in part at its own
    price up to the k-th price, and not at all from there on. Own steps lose ties.
    """
    firms, steps = action.shape[-2:]
    count, size = firms * steps, TOTAL / (firms * steps)
    demand = TOTAL * chance[..., firms, None]
    last = (demand / size).ceil().clamp(1, count).long().expand(*action.shape[:-2], steps)
    part = demand - (last - 1) * size  # of the last step that is needed
    rivals = [other for other in range(firms) if other != player]
    every = torch.cat([action[..., rivals, :].flatten(-2), action[..., player, :]], -1)
    price, order = every.sort(dim=-1, stable=True)
    own = (order >= count - steps).to(price.dtype)
    rank = torch.arange(count).expand_as(order)
    rank = torch.empty_like(order).scatter(-1, order, rank)[..., count - steps :]
    before = torch.nn.functional.pad(own.cumsum(-1), (1, 0))  # own steps among the cheapest
    price = torch.nn.functional.pad(price, (0, 1), value=math.inf)
    own = torch.nn.functional.pad(own, (0, 1))

    def place(number: Tensor) -> Tensor:
        """Return where the others' step of a number, from 0 on, is among all."""
        return number + (number >= rank)

    def sold(cheapest: Tensor) -> Tensor:
        """Return the sales of the own other steps among some of the cheapest, in full."""
        return size * (before.gather(-1, place(cheapest)) - (cheapest >= rank).to(price.dtype))

    below, above = place((last - 2).clamp(min=0)), place(last - 1)
    floor = torch.where(last > 1, price.gather(-1, below), -math.inf).unsqueeze(-1)
    ceiling = price.gather(-1, above).unsqueeze(-1)
    full = sold(last - 1)
    cheap = size + sold((last - 2).clamp(min=0)) + own.gather(-1, below) * part
    dear = full + own.gather(-1, above) * part
    bid = torch.where(ladder < floor, floor, torch.minimum(ladder, ceiling))
    volume = torch.where(
        ladder < floor,
        cheap.unsqueeze(-1),
        torch.where(ladder < ceiling, (full + part).unsqueeze(-1), dear.unsqueeze(-1)),
    )
    return ((bid - COST) * volume).flatten(-2)
