"""Bids of plants that learn a whole supply curve: prices in rising order, each with a volume.

A curve is written as numbers in [-1, 1], so that every algorithm, head and critic that knows a
`Box` learns it. `decode` makes a rising curve of any numbers, so that nothing has to be sorted or
refused; `encode` is its inverse. Semantics: docs/scenario-format.md, "Learning".
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn.functional import pad

from assume_rl.core.bidding.base import BidsLike, Context, Curve, Layout, View
from assume_rl.core.bidding.learned import PlantLearning, PlantParams, by_product, single_bid
from assume_rl.core.money import Outcome, Reward, Stakes
from assume_rl.core.orders import Orders
from assume_rl.core.units.thermal import ThermalParams, ThermalView


def decode(
    numbers: Float[Tensor, "... number"],
) -> tuple[Float[Tensor, "... step"], Float[Tensor, "... step"]]:
    """Return prices as shares of the cap, never falling, and shares of power, which add up to 1.

    The numbers a_1 … a_S give the prices p_1 = a_1 and p_k = p_(k-1) + (1 + a_k)/2 (1 - p_(k-1)):
    each goes a part of the way from the last price to the cap. The S - 1 numbers that follow break
    a stick: a step takes the part (1 + a)/2 of what the steps before it left, the last one the
    rest. Numbers beyond [-1, 1], as random actions have them, count as the bound.

    :param numbers: S prices, then S - 1 shares
    """
    steps = (numbers.shape[-1] + 1) // 2
    kept = (1.0 - numbers.clamp(-1.0, 1.0)) / 2.0  # of what is left of the way, of the stick
    to_cap = 2.0 * kept[..., :steps].cumprod(-1)
    left = pad(pad(kept[..., steps:].cumprod(-1), (1, 0), value=1.0), (0, 1))
    return 1.0 - to_cap, -left.diff(dim=-1)


def encode(
    price: Float[Tensor, "... step"], share: Float[Tensor, "... step"]
) -> Float[Tensor, "... number"]:
    """Return the numbers that `decode` makes a curve of; -1 where any number would do.

    :param price: as shares of the cap, in [-1, 1], never falling
    :param share: of power, at least 0, adding up to 1
    """
    to_cap = pad((1.0 - price) / 2.0, (1, 0), value=1.0)
    left = share.flip(-1).cumsum(-1).flip(-1)  # by a step and those after it
    return torch.cat([_numbers(to_cap), _numbers(left)], dim=-1)


def _numbers(left: Float[Tensor, "... some"]) -> Float[Tensor, "... fewer"]:
    """Return which part of each entry the next one lacks, as numbers in [-1, 1]."""
    before, after = left[..., :-1], left[..., 1:]
    return 1.0 - 2.0 * torch.where(before > 0, after / before, 1.0)


class CurveParams(PlantParams):
    """Parameters of a plant that learns a curve."""

    curve_steps: int = Field(3, gt=0, le=10_000)
    """Steps of a learned curve: orders per product."""


@dataclass(frozen=True)
class CurveLearning(BidsLike):
    """A plant that learns at which prices to offer which shares of its power.

    The first step holds minimum power, which a plant cannot sell in parts, and its share of the
    rest. One step is the plant with one price; two steps with all of the rest in the second one are
    the plant with two prices.

    :param bidder: the plant with one price: it observes the same, and is rewarded alike.
    """

    bidder: PlantLearning
    action: Curve
    name: str = "powerplant_energy_learning_curve"

    @property
    def layout(self) -> Layout:
        """Return that of the plant with one price."""
        return self.bidder.layout

    @property
    def slots(self) -> int:
        """Return one order per step of the curve."""
        return self.action.steps

    def observe(self, view: View[ThermalView]) -> Float[Tensor, "... unit obs"]:
        """Return the observation of the plant with one price, float64."""
        return self.bidder.observe(view)

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Return the curve whose steps are of equal size, all at the own marginal cost."""
        cost = observation[..., self.layout.where("marginal_cost")]
        price = cost.expand(*cost.shape[:-1], self.slots)
        numbers = encode(price, torch.full_like(price, 1.0 / self.slots))
        return numbers.repeat(*[1] * (numbers.ndim - 1), self.action.products)

    def orders(self, view: View[ThermalView], action: Float[Tensor, "... unit act"]) -> Orders:
        """Return the curve of each product that it decides for; slots of the others stay empty."""
        products = self.action.products
        numbers = action.to(torch.float64)
        price, share = decode(numbers.view(*numbers.shape[:-1], products, -1))
        sell = view.limits.sell
        least, most = (limit[..., :products, :].mT for limit in (sell.least, sell.most))
        volume = share * (most - least).unsqueeze(-1)
        first = pad(least.unsqueeze(-1), (0, self.slots - 1))
        return by_product(price * self.bidder.max_bid_price, volume + first, view)

    def reward(self, outcome: Outcome[ThermalParams]) -> Reward:
        """Return the reward of the plant with one price."""
        return self.bidder.reward(outcome)

    def reward_range(
        self, params: ThermalParams, stakes: Stakes
    ) -> tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]:
        """Return that of the plant with one price."""
        return self.bidder.reward_range(params, stakes)


def curve(context: Context, params: CurveParams) -> CurveLearning:
    """Return the plant with a curve of `curve_steps` steps."""
    steps, products = params.curve_steps, params.products_of(context)
    plain = PlantParams(
        foresight=params.foresight,
        learned_products=params.learned_products,
        start_costs=params.start_costs,
    )
    bidder = CurveLearning(single_bid(context, plain), Curve(steps, products))
    params.checked(bidder.name, bidder.action.size // products, bidder.layout.unique_size)
    return bidder
