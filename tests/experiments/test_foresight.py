"""What a learning storage could earn at most, from the prices of a market without it."""

from pathlib import Path

import pytest
from fleets import Unit, write_fleet

from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.foresight import foresight_profit
from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked
pytest.importorskip("scipy", reason="solves linear programmes")


def test_a_learned_storage_earns_no_more_than_foresight(tmp_path: Path) -> None:
    scenario = load_scenario(write_fleet(tmp_path / "case", [Unit("storage", "A")]))
    most = foresight_profit(scenario, 1, tmp_path / "without")
    trained = train(scenario, out=tmp_path / "trained")
    found = evaluate(scenario, policies=trained.folder, out=tmp_path / "evaluated")
    assert most is not None
    assert most > 100
    assert found.evaluation.profit < most


@pytest.mark.parametrize("kinds", [("single",), ("storage", "storage"), ("storage", "single")])
def test_it_is_known_of_a_single_storage_only(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    scenario = load_scenario(write_fleet(tmp_path / "case", [Unit(kind, "A") for kind in kinds]))
    assert foresight_profit(scenario, 1, tmp_path / "without") is None
