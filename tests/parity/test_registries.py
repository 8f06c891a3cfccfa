"""Every strategy and every clearing rule gives the same on both shells; new ones are found here."""

from pathlib import Path

import pytest
from policies import fresh_policies
from toy_scenarios import PLANTS, market, toy_scenario

from assume_rl.core.bidding import STRATEGIES, create
from assume_rl.core.clearing import RULES
from assume_rl.testing import assert_same_episode

TWO_HOURS = [{"duration": "1h", "count": 2, "first_delivery": "1h"}]


def users(strategy: str) -> list[str]:
    """Units of the toy scenario that may use a strategy."""
    technologies = create(strategy, max_bid_price=100.0, params={}).technologies
    plants = [plant[0] for plant in PLANTS if "thermal" in technologies]
    return plants + ["load"] * ("demand" in technologies)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_gives_the_same_on_both_shells(tmp_path: Path, strategy: str) -> None:
    units = users(strategy)
    assert units, f"no toy unit for the technologies of '{strategy}'; add one to toy_scenarios"
    own = dict.fromkeys(units, strategy)
    compiled = toy_scenario(tmp_path, {"EOM": market()}, bids={"EOM": own})
    assert_same_episode(compiled, fresh_policies(compiled))


@pytest.mark.parametrize("rule", RULES)
def test_every_clearing_rule_gives_the_same_on_both_shells(tmp_path: Path, rule: str) -> None:
    settings = market(market_mechanism=rule, opening_frequency="2h", products=TWO_HOURS)
    own = {"coal": "powerplant_energy_learning"}
    compiled = toy_scenario(tmp_path, {"EOM": settings}, bids={"EOM": own})
    assert_same_episode(compiled, fresh_policies(compiled))
