"""Every strategy gives the same on both shells, several units of a kind at a time."""

from pathlib import Path

import pytest
from policies import fresh_policies
from toy_scenarios import EXCHANGE, PLANTS, STORAGE, STORAGES, market, toy_scenario

from assume_rl.core.bidding import BIDDERS, create
from assume_rl.core.bidding.base import Context
from assume_rl.core.units.base import ENERGY
from assume_rl.testing import assert_same_episode

HOURS = 8
CONTEXT = Context(max_bid_price=100.0, products=1, step_hours=1.0)
UNITS = {
    "thermal": [plant[0] for plant in PLANTS],
    "demand": ["load"],
    "storage": [STORAGE],
    "exchange": [EXCHANGE],
}

RESERVE = {
    **{plant[0]: "powerplant_energy_naive_balancing" for plant in PLANTS},
    **dict.fromkeys(STORAGES["name"], ""),
    "load": "demand_energy_naive_balancing",
}
"""Bids for reserve of units that have no other."""


@pytest.mark.parametrize(
    "products", [pytest.param(1, marks=[pytest.mark.unchecked, pytest.mark.slow]), 2]
)
@pytest.mark.parametrize("name", BIDDERS)
def test_every_bidder_gives_the_same_on_both_shells(
    tmp_path: Path, name: str, products: int
) -> None:
    bidder = create(name, CONTEXT, {})
    technologies = bidder.technologies
    units = [unit for technology in sorted(technologies) for unit in UNITS[technology]]
    own = dict.fromkeys(units, name)
    hours = [{"duration": "1h", "count": products, "first_delivery": "1h"}]
    rule = "complex_clearing" if bidder.blocks else "pay_as_clear"
    settings = market(
        opening_frequency=f"{products}h",
        products=hours,
        market_mechanism=rule,
        additional_fields=["min_acceptance_ratio"] if bidder.blocks else [],
    )
    markets, bids = {"EOM": settings}, {"EOM": own}
    if ENERGY not in bidder.product_types:
        markets["RES"] = settings | {"product_type": min(bidder.product_types)}
        bids = {"RES": RESERVE | own}
    compiled = toy_scenario(
        tmp_path,
        markets,
        hours=HOURS,
        bids=bids,
        storage="storage" in technologies,
        exchange="exchange" in technologies,
    )
    assert_same_episode(compiled, fresh_policies(compiled))
