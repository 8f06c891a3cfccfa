"""What a learning storage could earn at most, from the prices of a market without it."""

from pathlib import Path

import pytest
from fleets import Unit, write_fleet

from assume_rl.experiments.foresight import foresight_profit
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked
pytest.importorskip("scipy", reason="solves linear programmes")


def fleet_of(*kinds: str) -> list[Unit]:
    return [Unit("rule", "B"), *(Unit(kind, "A") for kind in kinds)]


def test_where_prices_are_equal_it_sells_what_it_holds(tmp_path: Path) -> None:
    """Half of 60 MWh at first, of which a tenth is lost; gas sets the price in every hour."""
    scenario = load_scenario(write_fleet(tmp_path / "case", fleet_of("storage")))
    cost = 25 / 0.4
    most = foresight_profit(scenario, 1, tmp_path / "without")
    assert most == pytest.approx(0.5 * 60 * 0.9 * cost)


@pytest.mark.parametrize("kinds", [("single",), ("storage", "storage"), ("storage", "single")])
def test_it_is_known_of_a_single_storage_only(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    scenario = load_scenario(write_fleet(tmp_path / "case", fleet_of(*kinds)))
    assert foresight_profit(scenario, 1, tmp_path / "without") is None
