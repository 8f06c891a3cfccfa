"""`assume-rl report`."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hand_made_run import write_run

from assume_rl import cli

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Runs `assume-rl report ARGUMENTS` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["assume-rl", "report", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), *capsys.readouterr()

    return call


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
        (("run", "--out", "run"), "'run' is a folder: name a file for the report"),
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
