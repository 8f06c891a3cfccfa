"""`assume-rl bench algorithms`: equal budgets, cells that are kept, and tables."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from assume_rl.cli.bench_page import BEGIN, END, markdown, placed
from assume_rl.episodes.selection import Scores
from assume_rl.errors import ResultsError
from assume_rl.learning.algorithms import ALGORITHMS, able
from assume_rl.learning.config import LearningConfig
from assume_rl.scenario.plugins import unload_plugins
from assume_rl.studies.bench import measure as measuring
from assume_rl.studies.bench import run as running
from assume_rl.studies.bench.cells import Cell, Measured, grid, read, write
from assume_rl.studies.bench.summary import summary

pytestmark = pytest.mark.unchecked

ROOT = Path(__file__).resolve().parents[2]
TINY = f"{ROOT / 'scenarios' / 'single_learner'}:tiny"
STORAGE = f"{ROOT / 'scenarios' / 'summer_week'}:storage_learns"
PAGE = ROOT / "docs" / "algorithms" / "bench.md"

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs `assume-rl bench algorithms ARGUMENTS` in an empty folder."""
    pytest.importorskip("scipy", reason="solves linear programmes")
    monkeypatch.chdir(tmp_path)
    return partial(assume_rl_command, "bench", "algorithms")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """Cells that were asked for; nothing is trained."""
    asked: list[Cell] = []

    def pretend(cell: Cell, planned: int | None) -> Measured:
        assert planned == (None if cell.seed == 1 else 7)  # as many as the first seed
        asked.append(cell)
        reward = cell.seed + 10.0 * (cell.algorithm == "mappo")
        return Measured(cell, 7, cell.budget, reward, 1e6 * reward, reward / 100, None, None)

    monkeypatch.setattr(running, "measure", pretend)
    return asked


FEW = ("--scenarios", TINY, "--algorithms", "matd3,mappo", "--seeds", 4, "--budget", 3)


def test_it_writes_tables_and_resumes_where_it_stopped(
    command: Command, made_up: list[Cell], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert command(*FEW, "--seeds", 2)[0] == 0
    code, out, _ = command(*FEW, "--page", page)
    assert code == 0
    assert [(cell.seed, cell.algorithm) for cell in made_up] == [
        (seed, name) for seed in (1, 2, 3, 4) for name in ("matd3", "mappo")
    ]
    assert "trainings: 8, 4 of them already done; 12 seconds" in out
    content = json.loads((tmp_path / "bench/bench.json").read_text())
    assert json.loads(page.with_suffix(".json").read_text()) == content
    rows = {row["algorithm"]: row for row in content["rows"]}
    assert rows["matd3"]["reward"]["estimate"] == pytest.approx(2.5)  # of 1 to 4, the middle two
    assert rows["matd3"]["reward"]["low"] < 2.5 < rows["matd3"]["reward"]["high"]
    assert rows["mappo"]["best_response"]["estimate"] == pytest.approx(0.125)
    assert rows["mappo"]["perfect_foresight"] is None
    table = (tmp_path / "bench/bench.md").read_text()
    assert table in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("\nafter\n")
    assert table.index("`mappo` | 12.5 (") < table.index("`matd3` | 2.5 (")  # the best one first
    assert "perfect foresight" not in table


def test_what_is_finished_stays_after_an_interrupt(
    command: Command, made_up: list[Cell], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend = running.measure

    def interrupted(cell: Cell, planned: int | None) -> Measured:
        if cell.algorithm == "mappo":
            raise KeyboardInterrupt
        return pretend(cell, planned)

    monkeypatch.setattr(running, "measure", interrupted)
    code, _, err = command(*FEW)
    assert code == 130
    assert "the same command does the rest" in err
    assert len(list((tmp_path / "bench/cells").iterdir())) == 1
    assert not (tmp_path / "bench/bench.json").exists()


def test_settings_are_changed_and_named(
    command: Command, made_up: list[Cell], tmp_path: Path
) -> None:
    """Sixteen copies of the market are only what on-policy algorithms have by default."""
    changes = ("learning_config.gamma=0.5", "learning_config.num_envs=2")
    given = [text for change in changes for text in ("--set", change)]
    assert command(*FEW, "--seeds", 1, *given)[0] == 0
    for cell in made_up:
        config = cell.load(9).learning
        assert config is not None
        assert (config.gamma, config.num_envs, config.training_episodes) == (0.5, 2, 9)
    table = (tmp_path / "bench/bench.md").read_text()
    assert "over seeds; `learning_config.gamma=0.5`, `learning_config.num_envs=2`." in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--algorithms", "matd4"), "unknown algorithm 'matd4'; did you mean 'matd3'"),
        (("--algorithms", ","), "--algorithms: ',' names nothing; separate names by commas"),
        (("--scenarios", " "), "--scenarios: ' ' names nothing; separate names by commas"),
        (("--scenarios", "nowhere"), "nowhere"),
        (("--scenarios", TINY.replace("tiny", "tyni")), "unknown study case 'tyni'"),
        (("--page", "page.md"), "'page.md' cannot be read"),
        (("--budget", 4), "with a budget of 3 s, not with a budget of 4 s; choose another --out"),
        (
            ("--set", "learning_config.gamma=0.5"),
            "budget of 3 s, not with a budget of 3 s, learning_config.gamma=0.5; choose another",
        ),
        (("--set", "gamma"), "--set gamma: expected key=value"),
        (
            ("--set", "learning_config.training_episodes=3"),
            "--set learning_config.training_episodes: the benchmark sets it itself",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(
    command: Command, made_up: list[Cell], arguments: tuple[object, ...], message: str
) -> None:
    assert command(*FEW)[0] == 0
    code, _, err = command(*FEW, *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert len(made_up) == 8


def case_with(folder: Path, learning: Mapping[str, object] = {}, **own: object) -> str:
    """Write a copy of the tiny study case with other settings; return its name."""
    shutil.copytree(ROOT / "scenarios" / "single_learner", folder)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["tiny"] |= own
    config["tiny"]["learning_config"] |= learning
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return f"{folder}:tiny"


def test_what_was_measured_in_another_study_case_is_refused(
    command: Command, made_up: list[Cell], tmp_path: Path
) -> None:
    name = case_with(tmp_path / "case")
    few = ("--scenarios", name, "--algorithms", "matd3", "--seeds", 1, "--budget", 3)
    assert command(*few)[0] == 0
    file = tmp_path / "case" / "powerplant_units.csv"
    table = file.read_text(encoding="utf-8")
    file.write_text(f"{table}\n", encoding="utf-8")  # nothing that is read has changed
    assert command(*few)[0] == 0
    settings = tmp_path / "case" / "config.yaml"
    text = settings.read_text(encoding="utf-8")
    assert "training_episodes: 4\n" in text
    settings.write_text(text.replace("training_episodes: 4\n", "training_episodes: 5\n"))
    assert command(*few)[0] == 0  # the benchmark has episodes of its own
    file.write_text(table.replace(",500,", ",510,"), encoding="utf-8")
    code, _, err = command(*few)
    assert code == 2
    assert f"was measured in another {name}: its fingerprint was {made_up[0].fingerprint}" in err
    assert len(made_up) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"target_interval": 2},
            "tiny, ippo: config.yaml, tiny.learning_config.target_interval: is a key",
        ),
        ({"replay_buffer_size": 100}, "is 100, but 192 transitions wait for an update of ippo"),
    ],
)
def test_what_an_algorithm_cannot_do_is_said_before_anything_runs(
    command: Command,
    made_up: list[Cell],
    tmp_path: Path,
    settings: dict[str, object],
    message: str,
) -> None:
    """16 copies of 12 hours wait for an update."""
    name = case_with(tmp_path / "case", settings)
    code, _, err = command("--scenarios", name, "--algorithms", "matd3,ippo")
    assert code == 2
    assert message in err
    assert not made_up
    assert not Path("bench").exists()


@pytest.fixture
def plugged() -> Iterator[str]:
    """Path of a plug-in with the algorithm `rwr`, which is not loaded, now or afterwards."""
    yield str(ROOT / "examples" / "plugins" / "weighted.py")
    unload_plugins()


@pytest.mark.parametrize("named", [True, False])
def test_algorithms_of_plugins_take_part(
    command: Command, made_up: list[Cell], plugged: str, tmp_path: Path, named: bool
) -> None:
    own = {"plugins": [plugged]} if named else {}
    name = case_with(tmp_path / "case", **own)
    given = () if named else ("--plugin", plugged)
    code, _, err = command("--scenarios", name, "--algorithms", "rwr", "--seeds", 1, *given)
    assert (code, [cell.algorithm for cell in made_up]) == (0, ["rwr"]), err


def test_all_algorithms_are_those_of_plugins_too(
    command: Command, made_up: list[Cell], plugged: str
) -> None:
    assert command("--scenarios", TINY, "--seeds", 1, "--plugin", plugged)[0] == 0
    assert {cell.algorithm for cell in made_up} == {*able("box")}
    assert "rwr" in ALGORITHMS


LADDER = f"{ROOT / 'scenarios' / 'single_learner'}:ladder"


def test_by_default_each_study_case_has_the_algorithms_that_it_can_have(
    command: Command, made_up: list[Cell]
) -> None:
    assert command("--scenarios", f"{TINY},{LADDER}", "--seeds", 1)[0] == 0
    found = {name: {c.algorithm for c in made_up if c.scenario == name} for name in (TINY, LADDER)}
    assert found == {TINY: {*able("box")}, LADDER: {*able("ladder")}}


def test_an_algorithm_that_was_named_is_not_left_out(command: Command, made_up: list[Cell]) -> None:
    code, _, err = command("--scenarios", f"{TINY},{LADDER}", "--algorithms", "ippo,dqn")
    assert code == 2
    assert "dqn cannot choose numbers" in err
    assert not made_up


def test_a_process_of_its_own_loads_plugins(plugged: str) -> None:
    assert "rwr" not in ALGORITHMS
    running._start([plugged])
    assert Cell(TINY, "rwr", 1, 3.0).settings(9)["learning_config.num_envs"] == 16


def test_a_file_that_is_no_cell_is_named(tmp_path: Path) -> None:
    (cell,) = grid([TINY], ["matd3"], 1, 3.0)
    assert read(tmp_path, cell) is None
    measured = Measured(cell, 7, 3.1, 0.5, 1e5, None, 0.25, None)
    write(tmp_path, measured)
    assert read(tmp_path, cell) == measured
    (tmp_path / cell.file).write_text("{}")
    with pytest.raises(ResultsError, match="is no cell of a benchmark"):
        read(tmp_path, cell)


def test_a_figure_that_a_seed_lacks_is_not_shown() -> None:
    cells = grid([TINY], ["matd3"], 2, 3.0)
    shares = (0.5, None)
    content = summary(
        [Measured(c, 7, 3.0, 1.0, 1.0, s, None, None) for c, s in zip(cells, shares, strict=True)],
        3.0,
    )
    assert content["rows"][0]["best_response"] is None
    assert "best response" not in markdown(content)
    alone = summary([Measured(cells[0], 7, 3.0, 1.0, 1.0, 0.5, None, None)], 3.0)
    assert alone["rows"][0]["reward"] == {"estimate": 1.0, "low": None, "high": None}
    assert "| `matd3` | 1 | 1 | 50.0 % | 1 | 7 |" in markdown(alone)


class Clockwork:
    """An engine that plays nothing; the time that its waves take is read from a list."""

    seeds = 1

    def __init__(self, width: int, seconds: list[float]) -> None:
        self.width = width
        self.played = 0
        self.saved = 0
        self._seconds = iter(seconds)
        self.now = 0.0

    def train(self, episodes: range, advance: Any) -> list[list[Scores]]:
        self.now += next(self._seconds)
        self.played = episodes[-1]
        return [[Scores(0.0, 0.0, 0.0)]] * len(episodes)

    def save(self, seed: int) -> None:
        self.saved = self.played


def clockwork(monkeypatch: pytest.MonkeyPatch, width: int, *seconds: float) -> Any:
    engine = Clockwork(width, [*seconds])
    monkeypatch.setattr(measuring.time, "process_time", lambda: engine.now)
    return engine


def config(episodes: int, initial: int) -> LearningConfig:
    return LearningConfig(
        training_episodes=episodes,
        episodes_collecting_initial_experience=initial,
        validation_episodes_interval=episodes,
    )


def test_the_trial_counts_episodes_that_learn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cheap ones, then two of a second each until a tenth of the budget is spent."""
    engine = clockwork(monkeypatch, 1, 0.1, 0.1, 0.1, 1.0, 1.0)
    assert measuring._affordable(engine, config(10**6, 3), 20.0) == 3 + 19


def test_the_trial_counts_waves_as_they_are_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once, of the third one alone, then four in two seconds."""
    engine = clockwork(monkeypatch, 4, 0.1, 2.0)
    assert measuring._affordable(engine, config(10**6, 3), 20.0) == 3 + 39


def test_there_is_always_an_episode_that_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = clockwork(monkeypatch, 1, 5.0, 9.0)
    assert measuring._affordable(engine, config(10**6, 1), 1.0) == 2


def test_a_training_stops_when_its_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = clockwork(monkeypatch, 16, 0.5, 1.6, 9.0)
    assert measuring._learn(engine, config(100, 1), 2.0) == (17, 2.1)
    assert (engine.played, engine.saved) == (17, 17)


def test_a_training_ends_with_its_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = clockwork(monkeypatch, 16, 0.5, 1.0, 0.25)
    assert measuring._learn(engine, config(20, 1), 60.0) == (20, 1.75)
    assert engine.saved == 20


def test_the_page_has_the_table_of_its_file() -> None:
    file = PAGE.with_suffix(".json")
    content: Any = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    assert PAGE.read_text(encoding="utf-8") == placed(PAGE, markdown(content)), (
        "assume-rl bench algorithms --page docs/algorithms/bench.md"
    )


def test_perfect_foresight_is_that_of_the_changed_study_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(measuring, "foresight_profit", lambda case, *_: asked.append(case))
    measuring._foresight(TINY, (("end_date", "2019-03-05 00:00"),))
    assert [case.index[-1].day for case in asked] == [5]


@pytest.mark.slow
def test_real_trainings_side_by_side(command: Command, tmp_path: Path) -> None:
    arguments = ("--scenarios", f"{TINY},{STORAGE}", "--algorithms", "matd3,mappo", "--seeds", 1)
    code, out, _ = command(*arguments, "--budget", 1, "--workers", 2)
    assert code == 0
    rows = json.loads((tmp_path / "bench/bench.json").read_text())["rows"]
    assert len(rows) == 4
    for row in rows:
        known = "perfect_foresight" if row["scenario"] == STORAGE else "best_response"
        assert row[known]["estimate"] < 1
        assert row["seconds"] < 5
    assert "share of perfect foresight" in out


def test_a_key_of_the_algorithm_may_be_none_of_the_study_cases_own() -> None:
    changes = {"learning_config.noisy": "factorised", "end_date": "2019-03-05 00:00"}
    (cell,) = grid(
        [str(Path(__file__).parents[2] / "scenarios/single_learner:ladder")],
        ["dqn"],
        1,
        0.1,
        changes,
    )
    assert measuring.measure(cell).episodes > 0
