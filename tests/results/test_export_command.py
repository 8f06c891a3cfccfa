"""`assume-rl export`: finds the database, writes files, says what is wrong in a sentence."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from study_folders import run_folder, write_json

from assume_rl.results.gather import gather
from assume_rl.results.study_database import StudyDatabase, tidy

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs `assume-rl export ARGUMENTS` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    return partial(assume_rl_command, "export")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = run_folder(tmp_path / "study")
    with StudyDatabase(f"sqlite:///{tmp_path / 'study' / 'study.db'}") as database:
        database.collect(gather(folder))
    return tmp_path / "study"


def test_a_study_becomes_files(command: Command, study: Path) -> None:
    code, out, err = command(study, "--parquet", "p", "--csv", "c", "--tidy", "t.csv")

    assert (code, err) == (0, "")
    files = sorted(str(path) for path in Path().glob("[pct]*") for path in [path, *path.glob("*")])
    assert sorted(out.splitlines()) == [name for name in files if name not in ("p", "c")]
    url = f"sqlite:///{study / 'study.db'}"
    assert Path("t.csv").read_text() == tidy(url).to_csv(index=False)
    assert {p.stem for p in Path("p").iterdir()} == {p.stem for p in Path("c").iterdir()}


@pytest.mark.parametrize("place", ["study", "study/study.db", "sqlite:///study/study.db"])
def test_a_study_is_a_folder_a_file_or_a_url(command: Command, study: Path, place: str) -> None:
    assert command(place, "--tidy", "t.csv")[::2] == (0, "")
    assert Path("t.csv").read_text().count("\n") == 2


def test_the_folder_knows_where_the_database_is(command: Command, study: Path) -> None:
    (study / "study.db").rename(study / "other.db")
    url = f"sqlite:///{study / 'other.db'}"
    write_json(study / "study.json", {"name": "toys", "database": url, "runs": []})
    assert command(study, "--tidy", "t.csv")[0] == 0
    assert Path("t.csv").read_text() == tidy(url).to_csv(index=False)


def test_a_run_has_no_tidy_table(command: Command, study: Path) -> None:
    run = study / "runs" / "a" / "run"
    assert command(run, "--csv", "c")[0] == 0
    assert Path("c/unit_dispatch.csv").is_file()
    code, _, err = command(run, "--tidy", "t.csv", "--csv", "d")
    assert code == 2
    assert err == f"--tidy is of a study, and '{run}' is a run: name --csv\n"
    assert not Path("t.csv").exists()
    assert not Path("d").exists()


def test_a_folder_is_not_written_in_the_place_of_a_file(command: Command, study: Path) -> None:
    Path("mine.txt").write_text("mine")
    for option in ("--csv", "--parquet"):
        code, _, err = command(study, option, "mine.txt")
        assert (code, err) == (
            2,
            "'mine.txt' cannot be written: 'mine.txt' is a file, not a folder\n",
        )
    assert Path("mine.txt").read_text() == "mine"


def test_the_scenario_of_a_study_is_that_of_one_of_its_runs(command: Command, study: Path) -> None:
    run = study / "runs" / "a" / "run"
    manifest = {"kind": "run", "simulation": "s", "configuration": {}}
    write_json(run / "manifest.json", manifest)
    code, _, err = command(study, "--scenario", "new")
    hint = f"'{study}' holds no run of its own; name one of a study, such as '{run}'\n"
    assert (code, err) == (2, hint)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study"], "name at least one of --parquet, --csv, --tidy and --scenario"),
        (["nowhere", "--csv", "c"], "there is no folder 'nowhere'"),
        ([".", "--csv", "c"], "'.' holds neither a run nor a study"),
        (["study/runs/a", "--csv", "c"], "holds a run of a study: name a step in it, or the study"),
        (["empty", "--csv", "c"], "'empty' has no results.db: name the URL that --db named"),
        (
            ["study", "--csv", "study/study.db"],
            "'study/study.db' cannot be written: 'study/study.db' is a file",
        ),
        (["sqlite:///typo.db", "--csv", "c"], "there is no database 'typo.db'"),
        (["nothing.db", "--csv", "c"], "'nothing.db' holds no results yet"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(
    command: Command, study: Path, arguments: list[str], message: str
) -> None:
    write_json(Path("empty/manifest.json"), {})
    Path("nothing.db").touch()
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
