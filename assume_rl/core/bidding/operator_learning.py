"""An operator that learns by how much its plants ask more than they cost: `portfolio_learning`.

Semantics: docs/scenario-format.md, "Learning operators".
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from assume_rl.core.bidding.base import (
    AnyBidder,
    Box,
    Context,
    Feature,
    Layout,
    Need,
    View,
    parameter_error,
)
from assume_rl.core.bidding.learned import LearnedParams, by_product
from assume_rl.core.bidding.portfolio import Strategy
from assume_rl.core.forecasts import Outlook
from assume_rl.core.money import REWARDS, Outcome, Reward, margin
from assume_rl.core.orders import Orders
from assume_rl.core.units.base import ENERGY
from assume_rl.core.units.thermal import ThermalParams, ThermalView

NAME = "portfolio_learning"


class OperatorParams(LearnedParams):
    """Parameters of an operator that learns."""

    nbins: int = Field(4, gt=0)
    """Groups of an operator's plants by marginal cost, each with a mark-up of its own."""
    steps: int | None = Field(None, gt=0)
    """Products that a learning operator decides for; it must be those of the auctions."""
    min_markup: float = Field(1.0, ge=0)
    """Factor on marginal cost that an action of -1 stands for."""
    max_markup: float = Field(3.0, ge=0)
    """Factor on marginal cost that an action of 1 stands for."""


@dataclass(frozen=True)
class OperatorLearning:
    """All plants of an operator in a market: it learns a factor on marginal cost by group.

    Its units are one agent: observations, actions and rewards have one row for all of them.
    """

    name: str  # differs by operator, so that each is a team of its own
    capacity: float  # MW of all its plants
    bins: int
    products: int
    ahead: int  # steps of forecast that it observes
    markups: tuple[float, float]  # of the actions -1 and 1
    rewarded: str  # key of `money.REWARDS`
    step_hours: float
    start_hour: float  # of the day at which the calendar starts
    technologies: frozenset[str] = frozenset({"thermal"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 2
    blocks: bool = False

    @property
    def action(self) -> Box:
        """Return the mark-ups of all groups, product by product."""
        return Box(self.products * self.bins)

    @cached_property
    def layout(self) -> Layout:
        """Return the hour and forecasts, then capacity and cost of the groups."""
        over_calendar = "min-max over the calendar"
        return Layout(
            (
                Feature("hour", 2, "cosine and sine of the hour of the day"),
                Feature("residual_load", self.ahead, over_calendar),
                Feature("price_forecast", self.ahead, over_calendar),
                Feature("competitive_power", self.ahead, "divided by the residual load"),
                Feature("capacity", self.bins, "divided by that of all plants", unique=True),
                Feature("cost", self.bins, "divided by the highest price forecast", unique=True),
            )
        )

    def observe(self, view: View[ThermalView]) -> Float[Tensor, "... 1 obs"]:
        """Return the observation of the operator in the order of the layout, float64."""
        outlook, cost = view.outlook, view.marginal_cost[..., 0, :]
        batch = cost.shape[:-1]
        price, load = (
            ahead[..., 0, :].expand(*batch, self.ahead)
            for ahead in (outlook.price_ahead(self.ahead), outlook.residual_load_ahead(self.ahead))
        )
        cheaper = (cost.unsqueeze(-1) < price.unsqueeze(-2)).to(cost.dtype)
        power = (cheaper * view.own.params.max_power.unsqueeze(-1)).sum(-2)
        costs, group = self._groups(cost)
        flexible = (view.limits.sell.most - view.limits.sell.least)[..., 0, :]
        capacity = torch.zeros_like(costs).scatter_add(-1, group, flexible)
        parts = (
            self._hour(outlook, cost).expand(*batch, 2),
            outlook.residual_load(self.ahead)[..., 0, :].expand(*batch, self.ahead),
            outlook.price(self.ahead)[..., 0, :].expand(*batch, self.ahead),
            torch.where(load == 0, 0.0, power / load),
            capacity / self.capacity,
            costs / _highest(outlook),
        )
        return torch.cat(parts, -1).unsqueeze(-2)

    def explore_around(self, observation: Float[Tensor, "... 1 obs"]) -> Float[Tensor, "... 1 act"]:
        """Return high mark-ups where the residual load of the first product is high."""
        first = self.layout.where("residual_load").start
        centre = 2 * observation[..., first : first + 1] - 1
        return centre.expand(*centre.shape[:-1], self.action.size)

    def orders(self, view: View[ThermalView], action: Float[Tensor, "... 1 act"]) -> Orders:
        """Return minimum power at marginal cost, and the rest with the mark-up of its group."""
        least, most = self.markups
        share = (action.squeeze(-2).to(torch.float64).clamp(-1, 1) + 1) / 2
        factor = least + share * (most - least)
        factor = factor.view(*factor.shape[:-1], self.products, self.bins)
        cost = view.marginal_cost[..., : self.products, :]
        _, group = self._groups(view.marginal_cost[..., 0, :])
        price = cost * factor.gather(-1, group.unsqueeze(-2).expand(cost.shape))
        sell = view.limits.sell
        minimum, all_of_it = (limit[..., : self.products, :] for limit in (sell.least, sell.most))
        prices = torch.stack((cost, price), -1).transpose(-3, -2)
        volumes = torch.stack((minimum, all_of_it - minimum), -1).transpose(-3, -2)
        return by_product(prices, volumes, view)

    def reward(self, outcome: Outcome[ThermalParams]) -> Reward:
        """Return profit less what offers would have earned at the forecast price.

        As a share of all power sold at the highest forecast.

        :raises ValueError: the market has no forecasts
        """
        if outcome.outlook is None:
            raise ValueError(f"{NAME} needs outcomes with forecasts")
        missed = (outcome.outlook.price_at_products() - outcome.marginal_cost).clamp(min=0)
        regret = (missed * outcome.offered * outcome.hours).sum((-2, -1))
        profit = margin(outcome).sum((-2, -1))
        hours = outcome.hours
        whole = hours[: self.products].sum() if isinstance(hours, Tensor) else hours * self.products
        scale = self.capacity * _highest(outcome.outlook) * whole
        columns = (REWARDS[self.rewarded](profit, regret) / scale, profit, regret)
        return Reward(*(column.unsqueeze(-1) for column in columns))

    def _groups(
        self, cost: Float[Tensor, "... unit"]
    ) -> tuple[Float[Tensor, "... bin"], Int[Tensor, "... unit"]]:
        """Return the greatest marginal cost of each group (EUR/MWh), and the group of each plant.

        These costs are quantiles; a plant at the cost of a group is in the next one.
        """
        shares = torch.arange(1, self.bins + 1, dtype=cost.dtype, device=cost.device) / self.bins
        costs = cost.quantile(shares, dim=-1).movedim(0, -1).contiguous()
        group = torch.searchsorted(costs, cost.contiguous(), right=True)
        return costs, group.clamp(max=self.bins - 1)

    def _hour(self, outlook: Outlook, like: Tensor) -> Float[Tensor, "... 2"]:
        step = torch.as_tensor(outlook.first, dtype=like.dtype, device=like.device)
        angle = 2 * math.pi * (self.start_hour + step * self.step_hours) / 24
        return torch.stack((angle.cos(), angle.sin()), -1)


def _highest(outlook: Outlook) -> Float[Tensor, ""]:
    """Return the highest forecast price over the calendar, EUR/MWh; 1 if none is above 0."""
    highest = outlook.highest_price()
    return torch.where(highest > 0, highest, 1.0)


def learning(context: Context, params: OperatorParams) -> Strategy:
    """Return the strategy of an operator that learns for all of its plants.

    :raises SettingError: a parameter is not what its auctions or it have
    """
    if params.steps not in (None, context.products):
        raise parameter_error("steps", f"is {params.steps}, but auctions sell {context.products}")
    if params.min_markup > params.max_markup:
        what = f"{params.min_markup:g} is above max_markup {params.max_markup:g}"
        raise parameter_error("min_markup", what)
    params.checked(NAME, params.nbins, 2 * params.nbins)

    def bid(bidder: AnyBidder, operator: str, capacity: float) -> AnyBidder:
        return OperatorLearning(
            name=f"{NAME} of {operator}",
            capacity=capacity,
            bins=params.nbins,
            products=params.products_of(context),
            ahead=params.foresight or 12,
            markups=(params.min_markup, params.max_markup),
            rewarded=context.reward,
            step_hours=context.step_hours,
            start_hour=context.start_hour,
        )

    return Strategy(bid, learns=True)
