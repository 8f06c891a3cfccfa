"""A bidder: asks for what was paid a day ago."""

from dataclasses import dataclass

from pydantic import Field

from assume_rl.core.bidding.base import Params
from assume_rl.core.orders import unit_major


class YesterdayParams(Params):
    """What a study case may set under `bidding_strategy_params`."""

    days_back: int = Field(1, ge=1)
    """Days to the price that is repeated; 7 is the same day of last week."""


@dataclass(frozen=True)
class Yesterday:
    """Offers all available power at the price of some days ago, never below marginal cost."""

    back: int  # steps
    name: str = "powerplant_energy_yesterday"
    technologies: frozenset[str] = frozenset({"thermal"})
    product_types: frozenset[str] = frozenset({"energy"})
    needs: frozenset[str] = frozenset()
    slots: int = 1
    blocks: bool = False

    @property
    def foresight(self):
        return self.back + 1  # the history ends with the first step that is sold

    def orders(self, view):
        # A product that begins later than one day ahead repeats the last price that is known.
        days = [min(start, self.back) for start in view.outlook.starts]
        price = view.price_history[..., days].transpose(-1, -2)  # product before unit
        price = price.maximum(view.marginal_cost)
        return unit_major(price, view.limits.sell.most, units=price.shape[-1])


def yesterday(context, params):
    return Yesterday(round(params.days_back * 24 / context.step_hours))


def register(registry):
    registry.bidder("powerplant_energy_yesterday", yesterday, YesterdayParams)
