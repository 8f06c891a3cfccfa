"""The price forecast of a market with elastic demand: its own rule clears a book for every step.

Formulas: docs/scenario-format.md, "Forecasts".
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from assume_rl.core.clearing import MarketSpec, Slots
from assume_rl.core.orders import Orders
from assume_rl.core.units.demand import demand_curve
from assume_rl.core.units.fleet import Profiles
from assume_rl.scenario.compile.markets import market_spec, nodes_of
from assume_rl.scenario.tables.demands import Demand, to_params
from assume_rl.scenario.types import Scenario

NUMBERS = 2**22
"""Orders that are cleared in one call, which bounds the memory that it takes."""


def elastic_price(
    scenario: Scenario,
    market: str,
    profiles: Profiles,
    load: Tensor,
    *,
    plants: Sequence[int],
    elastic: Sequence[int],
    inelastic: Sequence[int],
) -> Tensor:
    """Return the price at which the market would clear in every step, (step), EUR/MWh.

    In the book are all available power at marginal cost, the steps of all demand curves, and the
    load at the highest price of the inelastic demand.

    :param scenario: gives units and rule
    :param market: name of the market
    :param profiles: capacity and marginal cost of all units, (step unit)
    :param load: MW, positive, (step)
    :param plants: fleet indices of the supply
    :param elastic: fleet indices of the units with a curve
    :param inelastic: fleet indices of those whose demand is in the load; none: no load is served
    """
    steps = len(load)
    rows = [cast("Demand", scenario.units[i]) for i in elastic]
    bid, size = demand_curve(to_params(rows), max(row.orders for row in rows))
    price = [profiles.marginal_cost[:, plants], bid.flatten().expand(steps, -1)]
    volume = [profiles.capacity[:, plants], -size.flatten().expand(steps, -1)]
    units = [*plants, *(i for i in elastic for _ in range(bid.shape[-1]))]
    if inelastic:
        worth = profiles.marginal_cost[:, inelastic].max()
        price.append(worth.expand(steps, 1))
        volume.append(-load.clamp(min=0).unsqueeze(-1))
        units.append(inelastic[0])
    nodes = nodes_of(scenario)
    node = torch.tensor([nodes.index(scenario.units[i].node) for i in units])
    orders = Orders(
        price=torch.cat(price, dim=-1).unsqueeze(-2),
        volume=torch.cat(volume, dim=-1).unsqueeze(-2),
        unit=torch.tensor(units),
        node=node,
    )
    return cleared_price(market_spec(scenario, market), orders)


def cleared_price(spec: MarketSpec[Any], orders: Orders) -> Tensor:
    """Return the price of the first product and zone of each auction, (auction), EUR/MWh.

    Among equal prices the first slots trade first.

    :param spec: of the market whose rule clears
    :param orders: (auction product slot)
    """
    count = len(orders.unit)
    setup = spec.rule.setup(spec, Slots(orders.node))
    place = torch.arange(count, dtype=torch.float64)
    tie = torch.where(orders.volume > 0, place, count - 1 - place) / count  # demand: largest first
    many = max(1, NUMBERS // count)
    found = []
    for start in range(0, len(tie), many):
        own = slice(start, start + many)
        part = Orders(orders.price[own], orders.volume[own], orders.unit, orders.node)
        found.append(spec.clear(part, tie[own], setup).price[:, 0, 0])
    return torch.cat(found)
