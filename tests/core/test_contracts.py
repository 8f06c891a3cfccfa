"""Everything in a registry keeps the contract of its kind. Market rules: `test_pricing`."""

import pytest

from assume_rl.core.bidding import BIDDERS, create
from assume_rl.core.bidding.base import Context, LearnedBidder
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.core.units.base import Technology
from assume_rl.testing import TOYS, check_bidder, check_technology

TWO_PRODUCTS = Context(max_bid_price=100.0, products=2, step_hours=1.0, orders=3)


@pytest.mark.parametrize("learned_products", ["all", "first"])
@pytest.mark.parametrize("name", sorted(BIDDERS))
def test_every_registered_bidder_keeps_its_contract(name: str, learned_products: str) -> None:
    bidder = create(name, TWO_PRODUCTS, {"learned_products": learned_products})
    check_bidder(bidder)
    if isinstance(bidder, LearnedBidder):
        once = create(name, Context(100.0, 1, 1.0), {})
        assert isinstance(once, LearnedBidder)
        # Those that bid blocks decide once for a whole auction.
        products = 2 if learned_products == "all" and not bidder.blocks else 1
        assert bidder.action.size == products * once.action.size


@pytest.mark.parametrize("name", sorted(BIDDERS))
def test_every_bidder_is_for_technologies_that_exist(name: str) -> None:
    assert create(name, TWO_PRODUCTS, {}).technologies <= TECHNOLOGIES.keys()


@pytest.mark.parametrize("name", sorted(TECHNOLOGIES))
def test_every_registered_technology_keeps_its_contract(name: str) -> None:
    check_technology(TECHNOLOGIES[name])


@pytest.mark.parametrize("name", sorted(TECHNOLOGIES))
def test_every_technology_has_a_toy_and_knows_its_name(name: str) -> None:
    fleet, profiles = TOYS[name]()
    assert isinstance(TECHNOLOGIES[name], Technology)
    assert TECHNOLOGIES[name].name == name
    assert TECHNOLOGIES[name].sides <= {"sells", "buys"}
    assert [block.technology for block in fleet.blocks] == [TECHNOLOGIES[name]]
    assert profiles.capacity.shape == profiles.marginal_cost.shape
    assert profiles.capacity.shape[-1] == len(fleet.ids)


def test_there_is_no_toy_of_another_technology() -> None:
    assert TOYS.keys() == TECHNOLOGIES.keys()
