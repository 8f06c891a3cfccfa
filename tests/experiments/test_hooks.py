"""Observers hear of bids, transitions, updates and episodes, in one order, in both shells."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.observer import EpisodeReport, Silent
from assume_rl.experiments.train import train
from assume_rl.learning.learner import Learner
from assume_rl.learning.types import Joint, UpdateMetrics
from assume_rl.scenario.plugins import unload_plugins
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

SCENARIO = Path(__file__).parents[2] / "scenarios" / "single_learner"
SETTINGS = {
    "training_episodes": 2,
    "episodes_collecting_initial_experience": 1,
    "validation_episodes_interval": 1,
    "gradient_steps": 1,
    "train_freq": "6h",
}


class Notes(Silent):
    """Notes what it hears of, with the number of transitions or updates."""

    def __init__(self) -> None:
        self.found: list[tuple[str, Any]] = []
        self.shares: list[float] = []

    def advance(self, share: float) -> None:
        self.shares.append(share)

    def opening(self, time: int) -> None:
        self.found.append(("opening", time))

    def experienced(self, learner: Learner, joint: Joint) -> None:
        self.found.append(("experienced", joint.terminated.shape[1]))

    def updating(self, learner: Learner) -> None:
        self.found.append(("updating", learner.updates))

    def updated(self, learner: Learner, metrics: UpdateMetrics) -> None:
        assert metrics.iterations == 1
        self.found.append(("updated", learner.updates))

    def episode(self, report: EpisodeReport) -> None:
        self.found.append(("evaluation" if report.evaluation else "episode", report.episode))


def tiny(**more: Any) -> Scenario:
    overrides = {f"learning_config.{key}": value for key, value in SETTINGS.items()}
    overrides["end_date"] = "2019-03-04 12:00"
    return load_scenario(SCENARIO, "tiny", overrides=overrides, **more)


def heard(engine: EngineName, folder: Path) -> Notes:
    scenario, notes = tiny(), Notes()
    train(scenario, engine=engine, observer=notes, out=folder / engine)
    return notes


def test_both_shells_call_them_in_the_same_order(tmp_path: Path) -> None:
    both = [heard(engine, tmp_path) for engine in ("agents", "batch")]
    agents, batch = (notes.found for notes in both)
    assert agents == batch
    hours = [hour / 12 for hour in (*range(1, 11), 12)]  # bids, and the end with its update
    assert [notes.shares for notes in both] == 2 * [pytest.approx(2 * hours)]
    names = [name for name, _ in batch if name not in ("experienced", "opening")]
    update = ["updating", "updated"]
    assert names == ["episode", *update, *update, "episode", "evaluation"]
    rows = [count for name, count in batch if name == "experienced"]
    assert sum(rows) == 2 * 11
    before = [batch[i - 1][0] for i, (name, _) in enumerate(batch) if name == "updating"]
    assert before == ["experienced", "experienced"]
    assert [number for name, number in batch if name == "updated"] == [1, 2]
    # Two episodes of training and an evaluation; an update comes before the bids of its instant.
    times = [time for name, time in batch if name == "opening"]
    assert times == 3 * [3600 * hour for hour in range(11)]
    ends = [i for i, (name, _) in enumerate(batch) if name == "updated"]
    assert batch[ends[0] + 1] == ("opening", 6 * 3600)


class Doings(Silent):
    """Notes what goes on beside training episodes, with the shares of it."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}

    def doing(self, what: str, share: float = 0.0) -> None:
        self.found.setdefault(what, []).append(share)


def test_what_takes_long_beside_training_episodes_is_heard_of(tmp_path: Path) -> None:
    doings = Doings()
    result = train(tiny(), observer=doings, out=tmp_path)
    assert len(doings.found["evaluation 1"]) > 10
    names = (
        "evaluation 1",
        "last policies: a recorded episode",  # of all seeds side by side
        f"seed {result.seed}, last policies: best responses of 1 learner",
    )
    assert tuple(doings.found) == names
    assert all(shares == sorted(shares) for shares in doings.found.values())
    assert max(doings.found[names[1]]) == pytest.approx(11 / 13)  # bids of an hour more


PLUG_IN = """
from pathlib import Path
from assume_rl.experiments.observer import Silent


class Heard(Silent):
    def episode(self, report):
        with Path("heard.txt").open("a") as file:
            file.write(f"{report.episode} ")


def register(registry):
    registry.observer("heard", Heard)
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plug-in that notes episodes in a file of the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heard.py").write_text(PLUG_IN)
    yield tmp_path / "heard.py"
    unload_plugins()


def test_observers_of_plug_ins_follow_trainings_that_name_these(plug_in: Path) -> None:
    notes = Notes()
    train(tiny(plugins=[plug_in]), observer=notes, out="out")
    assert Path("heard.txt").read_text() == "1 2 1 "
    ended = [number for name, number in notes.found if name in ("episode", "evaluation")]
    assert ended == [1, 2, 1]
    train(tiny(), out="without")
    assert Path("heard.txt").read_text() == "1 2 1 "


def test_what_is_no_observer_is_named_with_its_plug_in(plug_in: Path) -> None:
    plug_in.write_text(PLUG_IN.replace("(Silent)", ""))
    with pytest.raises(ConfigurationError, match=r"heard\.py: the observer 'heard' lacks advance"):
        train(tiny(plugins=[plug_in]), out="out")
    assert not Path("out").exists()
