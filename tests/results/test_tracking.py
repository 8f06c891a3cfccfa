"""Trackers: what TensorBoard reads back, and what a tracker of one's own receives."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.results.tables import table_of
from assume_rl.results.tracking import (
    PLACES,
    TRACKERS,
    Tracker,
    create_trackers,
    track_episode,
    track_updates,
)

NONE = math.nan
REPORT = {
    "episode": 3,
    "evaluation": False,
    "reward": 1.5,
    "profit": 2e6,
    "regret": 10.0,
    "seconds": 0.25,
    "best": False,
}


class Notes:
    """A tracker of one's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[object, ...]] = []

    def scalar(self, name: str, value: float, step: int) -> None:
        self.calls.append((name, value, step))

    def flush(self) -> None:
        self.calls.append(("flush",))

    def close(self) -> None:
        self.calls.append(("close",))


def updates() -> dict[str, object]:
    """Two iterations of two agents; actors step in the second one only."""
    columns: dict[str, object] = {
        "step": np.array([7, 7, 8, 8]),
        "unit": np.array(["a", "b", "a", "b"], dtype=object),
        "evaluation_mode": np.full(4, False),
        "episode": np.full(4, 2),
        "learning_rate": np.full(4, 0.5),
        "critic_loss": np.array([1.0, 3.0, NONE, 5.0]),
        "actor_loss": np.array([NONE, NONE, -1.0, -2.0]),
    }
    for kind in ("critic", "actor"):
        columns[f"{kind}_total_grad_norm"] = np.array([4.0, 6.0, 8.0, 8.0])
        columns[f"{kind}_max_grad_norm"] = np.array([1.0, 2.0, 3.0, 4.0])
    return columns


def show_all(trackers: tuple[Tracker, ...]) -> None:
    track_episode(trackers, REPORT, 3)
    track_episode(trackers, {**REPORT, "episode": 1, "evaluation": True, "reward": 9.0}, 3)
    track_updates(trackers, updates())


def test_an_event_file_holds_every_number(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra 'track'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # GIVEN a training that was shown on TensorBoard and on a tracker that notes everything
    notes = Notes(tmp_path)
    trackers = (*create_trackers(["tensorboard"], tmp_path), notes)
    show_all(trackers)
    for tracker in trackers:
        tracker.close()
    # WHEN TensorBoard's own reader reads the folder
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    # THEN it finds what was noted
    found = {
        (tag, event.value, event.step)
        for tag in read.Tags()["scalars"]
        for event in read.Scalars(tag)
    }
    noted = {(n, np.float32(v), s) for n, v, s in (c for c in notes.calls if len(c) == 3)}
    assert found == noted
    assert len(found) == 8 + 13


def test_numbers_are_on_disk_after_an_episode(tmp_path: Path) -> None:
    (tracker,) = create_trackers(["tensorboard"], tmp_path)
    (file,) = (tmp_path / "tensorboard").iterdir()
    before = file.stat().st_size
    track_episode((tracker,), REPORT, 3)
    assert file.stat().st_size > before
    tracker.close()


def test_a_tracker_of_ones_own_receives_episodes_on_one_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a tracker that is registered by name
    monkeypatch.setitem(TRACKERS, "notes", Notes)
    (notes,) = create_trackers(["notes"], tmp_path)
    assert isinstance(notes, Notes)
    assert notes.folder == tmp_path
    # WHEN the third training episode and the first evaluation after it are shown
    track_episode([notes], REPORT, 3)
    track_episode([notes], {**REPORT, "episode": 1, "evaluation": True}, 3)
    # THEN both are at 3
    assert ("training/reward", 1.5, 3) in notes.calls
    assert ("evaluation/profit", 2e6, 3) in notes.calls
    assert [call for call in notes.calls if call == ("flush",)] == [("flush",)] * 2


def test_updates_are_means_over_the_agents_that_have_a_value(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    track_updates([notes], updates())
    assert ("update/critic_loss", 2.0, 7) in notes.calls
    assert ("update/critic_loss", 5.0, 8) in notes.calls
    assert ("update/actor_total_grad_norm", 5.0, 7) in notes.calls
    assert ("update/learning_rate", 0.5, 8) in notes.calls
    losses = [call for call in notes.calls if call[0] == "update/actor_loss"]
    assert losses == [("update/actor_loss", -1.5, 8)]


def test_places_of_rows_are_columns_without_the_numbers_of_an_update() -> None:
    kinds = {c.name: c.type.python_type for c in table_of("rl_grad_params").columns}
    assert set(PLACES) <= kinds.keys()
    assert float not in {kinds[name] for name in PLACES}


def test_numbers_of_any_algorithm_are_shown(tmp_path: Path) -> None:
    tracker = Notes(tmp_path)
    columns = {"step": np.array([0, 0]), "unit": np.array(["a", "b"]), "kl": np.array([0.1, 0.3])}
    track_updates([tracker], columns)
    assert tracker.calls == [("update/kl", pytest.approx(0.2), 0)]


def test_an_unknown_tracker_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'tensorboard'"):
        create_trackers(["tensorboard", "tensorbord"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.startswith("tensorboard")] + ["tensorboard"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"assume-rl\[track\]"):
        create_trackers(["tensorboard"], tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot be written"):
        create_trackers(["tensorboard"], tmp_path / "file")
