"""`assume-rl init`: a scenario that validates, runs and trains as it is, as documented."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from assume_rl.errors import ScenarioError
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.describe import describe
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.starter import CONFIG, starter_files, write_starter

pytestmark = pytest.mark.unchecked

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "own-scenario.md"
SHORT = (
    *("--set", "end_date=2030-01-08 00:00"),
    *("--set", "learning_config.training_episodes=2"),
    *("--set", "learning_config.episodes_collecting_initial_experience=1"),
    *("--set", "learning_config.validation_episodes_interval=1"),
    *("--set", "learning_config.gradient_steps=1"),
)

Command = Callable[..., tuple[int, str, str]]


def test_it_validates_trains_and_runs(
    assume_rl_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = assume_rl_command("init", "my market")
    assert (code, err) == (0, "")
    names = sorted(path.name for path in Path("my market").iterdir())
    assert names == sorted(starter_files())
    assert "next: assume-rl validate 'my market', assume-rl train 'my market'" in out
    assert assume_rl_command("validate", "my market", "--strict")[0] == 0
    code, out, err = assume_rl_command("train", "my market", *SHORT)
    assert (code, err) == (0, "")
    assert "best constant bid" in out
    policies = Path("runs") / "my market_week"
    assert assume_rl_command("run", "my market", "--policies", policies, "--out", "r")[0] == 0


def test_it_has_one_learner_and_no_warning(tmp_path: Path) -> None:
    write_starter(tmp_path / "new")
    compiled = compile_scenario(load_scenario(tmp_path / "new", strict=True))
    assert compiled.learners == ("gas_new",)
    assert describe(compiled).warnings == ()


@pytest.mark.parametrize("taken", ["folder", "file", "link"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    place, other = tmp_path / "place", tmp_path / "other"
    if taken == "folder":
        place.mkdir()
        (place / "config.yaml").write_text("mine")
    elif taken == "file":
        place.write_text("mine")
    else:
        place.symlink_to(other)
    with pytest.raises(ScenarioError, match="is there already; name a folder that is not"):
        write_starter(place)
    assert not other.exists()
    kept = {"folder": place / "config.yaml", "file": place}.get(taken)
    assert kept is None or kept.read_text() == "mine"
    assert not (place / "demand_df.csv").exists()


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    assert {path.name for path in write_starter(tmp_path)} == starter_files().keys()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScenarioError, match="cannot be written"):
        write_starter(tmp_path / "file" / "new")


def test_every_key_has_a_comment() -> None:
    keys = [line for line in CONFIG.splitlines() if re.match(r" *[a-zA-Z_]+:", line)]
    assert len(keys) > 10
    assert [line for line in keys if " # " not in line and line.strip() != "markets_config:"] == []


@pytest.mark.parametrize("name", sorted(starter_files().keys() - {"demand_df.csv"}))
def test_the_page_shows_the_files(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = dict(re.findall(r'^```\w+ title="my_market/(.*?)"\n(.*?)^```$', page, re.M | re.S))
    assert blocks[name] == starter_files()[name]
