"""A cell of a benchmark is a training as any other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fleets import Unit, write_fleet

from assume_rl.experiments.train import train
from assume_rl.studies.bench import measure as measuring
from assume_rl.studies.bench.cells import Cell
from assume_rl.studies.bench.measure import measure

pytestmark = pytest.mark.unchecked


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock of processor time that advances by a second whenever it is read."""
    seconds = iter(range(1000))
    monkeypatch.setattr(measuring.time, "process_time", lambda: next(seconds))
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("ticking")
def test_a_cell_is_a_training_of_as_many_episodes(tmp_path: Path) -> None:
    """A second each: the first of three is that of the initial experience."""
    case = write_fleet(tmp_path / "case", [Unit("rule", "B"), Unit("single", "A")])
    cell = Cell(f"{case}:base", "matd3", 3, budget=3.0)
    measured = measure(cell)
    assert (measured.episodes, measured.seconds) == (3, 3.0)
    again = train(cell.load(3), seed=3, out=tmp_path / "again")
    assert measured.reward == pytest.approx(again.last.reward, abs=1e-9)
    assert measured.profit == pytest.approx(again.last.profit)
    assert measured.best_response == pytest.approx(again.last.share)
    assert measured.perfect_foresight is None
    assert measured.nash_conv_share is None  # said by the share of the best response


@pytest.mark.usefixtures("ticking")
def test_episodes_of_a_cell_are_played_side_by_side(tmp_path: Path) -> None:
    """The first of the initial experience alone, then sixteen at once in a second."""
    case = write_fleet(tmp_path / "case", [Unit("rule", "B"), Unit("single", "A")])
    measured = measure(Cell(f"{case}:base", "a2c", 3, budget=3.0), planned=33)
    assert (measured.episodes, measured.seconds) == (33, 3.0)


@pytest.mark.usefixtures("ticking")
def test_of_several_learners_the_distance_from_an_equilibrium_is_kept(tmp_path: Path) -> None:
    case = write_fleet(tmp_path / "case", [Unit("single", "A"), Unit("single", "B")])
    cheap = {"fuel_prices.natural gas": "2"}  # so that they earn something
    cell = Cell(f"{case}:base", "matd3", 3, budget=3.0, overrides=cheap)
    measured = measure(cell)
    again = train(cell.load(3), seed=3, out=tmp_path / "again")
    share = again.last.equilibrium["nash_conv_share"]
    assert share > 0
    assert measured.nash_conv_share == pytest.approx(share)
