"""Naive forecasts of prices and residual load, computed from the true series.

Formulas: docs/scenario-format.md, "Forecasts".
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.constant import constant
from assume_rl.core.time import Step
from assume_rl.core.units.base import ZERO_VOLUME


@dataclass(frozen=True)
class Forecasts:
    """One energy market's forecasts over the whole calendar, one row per distinct series."""

    price: Float[Tensor, "series step"]  # EUR/MWh
    residual_load: Float[Tensor, "series step"]  # MW
    scaled_price: Float[Tensor, "series step"]  # min-max, in [0, 1] over the calendar that scales
    scaled_residual_load: Float[Tensor, "series step"]
    series: Int[Tensor, " unit"]  # which row a unit reads
    circular: bool = True  # after the calendar's end comes its start; else the last value stays


def merit_order_price(
    marginal_cost: Float[Tensor, "*step plant"],
    available: Float[Tensor, "*step plant"],
    demand: Float[Tensor, "*step"],
    fallback_price: float,
) -> Float[Tensor, "*step"]:
    """Return the marginal cost of the first plant, cheapest first, that completes the demand.

    EUR/MWh. No demand: the cheapest plant's cost. More demand than power: `fallback_price`.

    :param marginal_cost: EUR/MWh
    :param available: MW
    :param demand: MW, positive
    :param fallback_price: EUR/MWh, the highest price that demand would pay
    """
    cost, order = marginal_cost.sort(dim=-1, stable=True)
    supply = available.gather(-1, order).cumsum(-1)
    short = supply < demand.unsqueeze(-1) - ZERO_VOLUME
    ladder = torch.cat((cost, cost.new_full((*demand.shape, 1), fallback_price)), -1)
    return ladder.gather(-1, short.sum(-1, keepdim=True)).squeeze(-1)


def residual_load(
    demand: Float[Tensor, "*step"], renewable: Float[Tensor, "*step plant"]
) -> Float[Tensor, "*step"]:
    """Return demand less the available power of the renewable plants, MW."""
    return demand - renewable.sum(-1)


def min_max(x: Float[Tensor, "*series step"]) -> Float[Tensor, "*series step"]:
    """Return each series scaled to [0, 1] by its own range; a constant one becomes 0.5."""
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    return torch.where(high > low, (x - low) / (high - low), 0.5)


def scaled(x: Float[Tensor, " step"], low: float, high: float) -> Float[Tensor, " step"]:
    """Return a series scaled so that `low` becomes 0 and `high` 1; 0.5 where they are equal.

    :param x: in any unit
    :param low: in the same unit
    :param high: in the same unit
    """
    return (x - low) / (high - low) if high > low else torch.full_like(x, 0.5)


@dataclass(frozen=True)
class Outlook:
    """The forecasts that units read when they bid in a market."""

    forecasts: Forecasts | None  # None: the market has none
    series: Int[Tensor, " unit"]  # the row of the forecasts that each unit reads
    first: Step  # calendar step of the first product
    starts: tuple[int, ...]  # first step of each product minus that of the first one

    def residual_load(self, steps: int) -> Float[Tensor, "... unit window"]:
        """Return scaled residual load of `steps` steps from the first product on.

        :raises ValueError: the market has no forecasts
        """
        return self._ahead(self._known.scaled_residual_load, steps)

    def price(self, steps: int) -> Float[Tensor, "... unit window"]:
        """Return scaled prices of `steps` steps from the first product on.

        :raises ValueError: the market has no forecasts
        """
        return self._ahead(self._known.scaled_price, steps)

    def price_ahead(self, steps: int) -> Float[Tensor, "... unit window"]:
        """Return prices of `steps` steps from the first product on, EUR/MWh.

        :raises ValueError: the market has no forecasts
        """
        return self._ahead(self._known.price, steps)

    def residual_load_ahead(self, steps: int) -> Float[Tensor, "... unit window"]:
        """Return residual load of `steps` steps from the first product on, MW.

        :raises ValueError: the market has no forecasts
        """
        return self._ahead(self._known.residual_load, steps)

    def highest_price(self) -> Float[Tensor, ""]:
        """Return the highest price of the first unit's forecast over the calendar, EUR/MWh.

        :raises ValueError: the market has no forecasts
        """
        return self._known.price[self.series[0]].max()

    def price_at_products(self) -> Float[Tensor, "... product unit"]:
        """Return the price forecast of the first step of each product, EUR/MWh.

        :raises ValueError: the market has no forecasts
        """
        return self._prices(0, 0)[0].squeeze(-2)[..., self.series]

    def mean_price_around(self, steps: int) -> Float[Tensor, "... product unit"]:
        """Return mean prices from `steps` before to `steps` after each product's start, EUR/MWh.

        Steps before the calendar starts or after its end do not count.

        :raises ValueError: the market has no forecasts
        """
        prices, known = self._prices(steps, steps)
        return ((prices * known).sum(-2) / known.sum(-2))[..., self.series]

    def margin_ahead(
        self, steps: int, cost: Float[Tensor, "... product unit"]
    ) -> Float[Tensor, "... product unit"]:
        """Return price less cost, summed from each product's start to `steps` later, EUR/MWh.

        Steps after the end of the calendar do not count.

        :param cost: EUR/MWh, the same in all these steps
        :raises ValueError: the market has no forecasts
        """
        prices, known = self._prices(0, steps)
        return (prices * known).sum(-2)[..., self.series] - known.sum(-2) * cost

    def margin_in(
        self, share: Float[Tensor, "... product window unit"], cost: Float[Tensor, " unit"]
    ) -> tuple[Float[Tensor, "... product unit"], Float[Tensor, "... product unit"]]:
        """Return price less cost, summed over shares of the steps from each product's start on.

        EUR/MWh, and the steps that were added up; those after the end of the calendar are not.

        :param share: of each step that counts, in [0, 1]
        :param cost: EUR/MWh, the same in all these steps
        :raises ValueError: the market has no forecasts
        """
        prices, known = self._prices(0, share.shape[-2] - 1)
        counted = share * known
        return (prices[..., self.series] - cost).mul(counted).sum(-2), counted.sum(-2)

    @property
    def _known(self) -> Forecasts:
        if self.forecasts is None:
            raise ValueError("a bidder reads forecasts of a market that has none")
        return self.forecasts

    def _ahead(
        self, table: Float[Tensor, "series step"], steps: int
    ) -> Float[Tensor, "... unit window"]:
        """Return `steps` entries of each unit's series from the first product on."""
        ahead, last = torch.arange(steps, device=table.device), table.shape[-1] - 1
        index = ahead + (self.first if isinstance(self.first, int) else self.first[..., None])
        index = index % (last + 1) if self._known.circular else index.clamp(max=last)
        if len(table) == 1:
            return table[0][index].unsqueeze(-2).expand(*index.shape[:-1], len(self.series), steps)
        return table[self.series[:, None], index.unsqueeze(-2)]

    def _prices(self, before: int, after: int) -> tuple[Tensor, Tensor]:
        """Return prices (... product window series), and which of them lie in the calendar.

        Of each series once: many units read the same one.

        :param before: steps of the window before each product's start
        :param after: steps after it
        """
        table = self._known.price
        if isinstance(self.first, int) and len(self.starts) == 1:
            start, size = self.first + self.starts[0] - before, before + 1 + after
            if start >= 0 and start + size <= table.shape[-1]:  # the usual case, without an index
                inside = table.narrow(-1, start, size).t().contiguous().unsqueeze(0)
                return inside, inside.new_ones((size, 1), dtype=torch.bool)
        around = torch.arange(-before, after + 1, device=table.device)
        at = constant(self.starts, table.device)[:, None] + around
        index = at + (self.first if isinstance(self.first, int) else self.first[..., None, None])
        known = (index >= 0) & (index < table.shape[-1])
        return table.t()[index.clamp(0, table.shape[-1] - 1)], known.unsqueeze(-1)
