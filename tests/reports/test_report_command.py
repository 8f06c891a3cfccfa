"""`assume-rl report`."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hand_made_run import write_run

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs `assume-rl report ARGUMENTS` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    return partial(assume_rl_command, "report")


def test_it_says_where_the_report_is(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    code, output, errors = command("run", "--hours", "2030-01-01T02:00")
    assert (code, output, errors) == (0, "report: run/report.html\n", "")
    assert (tmp_path / "run" / "report.html").stat().st_size > 1_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rum",), "there is no folder 'rum'; did you mean 'run'?"),
        ((".",), "'.' is neither a run (it has no manifest.json) nor a study (no study.json); "),
        (("run", "--hours", "noon"), "--hours noon: expected a time such as 2019-03-04T18:00"),
        (("run", "--out", "run"), "'run' is a folder: name a file"),
        (("sqlite:///study.db",), "there is no database 'study.db'"),
        (("nosuch://study",), "database URL: SQLAlchemy knows no 'nosuch'"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write_run(tmp_path / "run")
    code, output, errors = command(*arguments)
    assert (code, output) == (2, "")
    assert errors.startswith(message)
    assert len(errors.splitlines()) == 1


def test_without_a_run_those_that_are_there_are_named_and_no_other_folder(
    command: Command, tmp_path: Path
) -> None:
    for k, name in enumerate(
        (
            *("runs/old/manifest.json", "runs/new/manifest.json", "runs/ten/seed_1/manifest.json"),
            *("runs/ten/seed_2/manifest.json", "studies/caps/study.json", "docs/page/index.html"),
            *("studies/caps/study.db", "studies/caps/runs/r1/manifest.json", ".git/x/study.db"),
        )
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
        os.utime(file, (k, k))
    there = "there are 'studies/caps', 'runs/ten', 'runs/new', 'runs/old'"
    assert command() == (2, "", f"name a run or a study; {there}\n")
    assert command("docs")[2].endswith(" nor a study (no study.json)\n")
    assert command("runs")[2].endswith("; there are 'runs/ten', 'runs/new', 'runs/old'\n")
    assert command("runs/nwe")[2] == "there is no folder 'runs/nwe'; did you mean 'runs/new'?\n"
    assert command("elsewhere/x")[2] == "there is no folder 'elsewhere/x'\n"


def test_only_reports_are_replaced(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    page = tmp_path / "page.html"
    page.write_text("<html>mine</html>")
    code, _, errors = command("run", "--out", "page.html")
    assert (code, errors.startswith("'page.html' is there and is none of ours")) == (2, True)
    assert page.read_text() == "<html>mine</html>"
    assert command("run", "--out", "page.html", "--overwrite")[0] == 0
    assert command("run", "--out", "page.html")[0] == 0
