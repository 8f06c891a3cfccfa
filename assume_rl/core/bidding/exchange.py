"""The bidder of exchanges: imports at one price, exports at another."""

from dataclasses import dataclass

import torch

from assume_rl.core.bidding.base import Context, Need, NoParams, View, WithoutForecasts
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units.base import ENERGY
from assume_rl.core.units.exchange import ExchangeView


@dataclass(frozen=True)
class NaiveExchange(WithoutForecasts):
    """Sells all that can be imported at `price_import`, buys all exports at `price_export`."""

    name: str = "exchange_energy_naive"
    technologies: frozenset[str] = frozenset({"exchange"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 2
    blocks: bool = False

    def orders(self, view: View[ExchangeView]) -> Orders:
        """Return two orders per unit and product: the import, then the export."""
        own, limits = view.own, view.limits
        volume = torch.stack([limits.sell.most, limits.buy.most], dim=-1)
        price = torch.stack([own.price_import, own.price_export], dim=-1).expand_as(volume)
        return unit_major(price.flatten(-2), volume.flatten(-2), units=len(own.price_import))


def naive(context: Context, params: NoParams) -> NaiveExchange:
    """Return the bidder, which has no parameters."""
    return NaiveExchange()
