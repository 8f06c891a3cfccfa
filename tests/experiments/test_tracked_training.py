import json
from pathlib import Path
from typing import Any

import pytest
from trained_runs import SCENARIOS, table, tiny

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.train import train
from assume_rl.results import tracking
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked


class Notes:
    """A tracker of one's own."""

    def __init__(self, folder: Path) -> None:
        self.seen: dict[str, dict[int, float]] = {}
        self.closed = False

    def scalar(self, name: str, value: float, step: int) -> None:
        self.seen.setdefault(name, {})[step] = value

    def flush(self) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("engine", ["batch", "agents"])
def test_a_tracker_is_told_what_the_files_say(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Notes] = []
    monkeypatch.setitem(tracking.TRACKERS, "notes", lambda f: made.append(Notes(f)) or made[0])
    train(tiny("single_learner"), engine=engine, out=tmp_path / "out", track=["notes"])
    lines = [json.loads(x) for x in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    seen = made[0].seen
    assert list(seen["training/reward"].items()) == [
        (line["episode"], line["reward"]) for line in lines if not line["evaluation"]
    ]
    # The only evaluation follows the second training episode.
    assert seen["evaluation/profit"] == {2: lines[-1]["profit"]}
    updates = table(tmp_path / "out", "rl_grad_params").groupby("step")["critic_loss"].mean()
    assert seen["update/critic_loss"] == pytest.approx(updates.to_dict())
    assert made[0].closed


def test_an_unknown_tracker_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'tensorboard'"):
        train(tiny("single_learner"), out=tmp_path / "out", track=["tensorbord"])
    assert not (tmp_path / "out").exists()


def test_changes_of_tables_are_in_the_manifest(tmp_path: Path) -> None:
    unit = load_scenario(SCENARIOS / "single_learner", "tiny").of("power_plant")[0].id
    changed = {f"units.{unit}.max_power": 111}
    train(tiny("single_learner", **changed), out=tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["overrides"] == changed
