"""`assume-rl compare`: a thin skin over `compare`."""

import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from made_up_rewards import rewards, write_rewards

from assume_rl.cli.tables import number
from assume_rl.studies.comparison import compare

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `assume-rl compare ARGUMENTS`: exit code, output, errors."""
    monkeypatch.setenv("COLUMNS", "200")
    return partial(assume_rl_command, "compare")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study folder with a database; the name of one design looks like markup."""
    write_rewards(tmp_path / "study.db", rewards(8, ("uniform", "[red]", "cap")))
    return tmp_path


def row(out: str, start: str) -> list[str]:
    """Cells of the first row that begins with a text."""
    rows = ([c.strip() for c in line.strip("│").split("│")] for line in out.splitlines())
    return next(cells for cells in rows if cells[0] == start)


def test_it_prints_what_compare_finds(command: Command, study: Path) -> None:
    code, out, _ = command(study, "--metric", "reward")
    assert code == 0
    one = compare(f"sqlite:///{study / 'study.db'}", "reward").designs[0]
    cells = row(out, "[red]")
    assert cells[:3] == ["[red]", "8", f"{one.iqm.estimate:.4g}"]
    assert cells[3] == f"{one.iqm.low:.4g} to {one.iqm.high:.4g}"
    assert "difference" not in out


def test_it_prints_differences_from_a_baseline(command: Command, study: Path) -> None:
    url = f"sqlite:///{study / 'study.db'}"
    code, out, _ = command(url, "--metric", "reward", "--baseline", "uniform", "--step", "train")
    assert code == 0
    second = out.split("difference from uniform, on equal seeds")[1]
    one = compare(url, "reward", baseline="uniform").designs[1]
    cells = row(second, "[red]")
    assert cells[1:3] == ["8", f"{one.contrast.paired.mean.estimate:.4g}"]
    assert cells[5:7] == ["0.008", "0.016"]  # 2 of 256 assignments of signs, twice that
    assert "note: 2 designs are compared with 'uniform'" in second


def test_one_run_each_gives_dashes(command: Command, tmp_path: Path) -> None:
    write_rewards(tmp_path / "study.db", [("a", 0, 1.0), ("b", 1, 1234.5)])
    code, out, _ = command(tmp_path, "--metric", "reward", "--baseline", "a")
    assert code == 0
    assert row(out, "a") == ["a", "1", "1.0", "-", "1.0", "1.0", "1.0"]
    assert row(out, "b")[2] == "1,234.5"
    assert "no seed in common" in out


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    """A study folder with profits of seven digits, and names that are long."""
    rows = [
        (f"pay_as_bid_with_floor_{k}", s, -1_274_123.0 * k - s) for k in (1, 2) for s in range(4)
    ]
    write_rewards(tmp_path / "study.db", rows, metric="profit")
    return tmp_path


@pytest.mark.parametrize(
    ("terminal", "columns"), [(False, 40), (True, 130), (True, 80), (True, 50)]
)
def test_no_number_is_cut(
    losses: Path, monkeypatch: pytest.MonkeyPatch, command: Command, terminal: bool, columns: int
) -> None:
    # WHEN two designs are compared in a terminal, or piped
    monkeypatch.setenv("COLUMNS", str(columns))
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    options = ("--metric", "profit", "--baseline", "pay_as_bid_with_floor_1")
    _, out, _ = command(losses, *options)
    # THEN numbers are whole, and one below the other where there is no room
    assert "…" not in out
    assert "e+" not in out
    assert out.count("-1,274,000 to -1,274,000") == 2  # of the baseline, of the difference
    assert out.count("-2,548,000 to -2,548,000") == 1
    assert out.startswith("profit (EUR) of step train")
    tables = [line for line in out.splitlines() if line.startswith(("│", "┏", "└"))]
    assert ("figure" in out) == (terminal and columns < 100)
    if terminal and columns >= 80:
        assert max(map(len, tables)) <= columns


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1_274_321.5, "-1,274,000"), (999.96, "1,000"), (12.3456, "12.35"), (2.0, "2"),
        (0.000012345, "0.00001234"), (-0.0, "0"), (1.5e20, "1.5e+20"), (math.inf, "inf"),
        (math.nan, "-"),
    ],
)  # fmt: skip
def test_numbers_have_four_digits_and_no_exponent(value: float, text: str) -> None:
    assert number(value) == text


def test_it_writes_a_csv_file(command: Command, study: Path) -> None:
    target = study / "new" / "c.csv"
    code, _, _ = command(study, "--metric", "reward", "--baseline", "cap", "--csv", target)
    assert code == 0
    assert pd.read_csv(target)["design"].tolist() == ["cap", "[red]", "uniform"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--metric", "rewart"), "did you mean 'reward'?"),
        (("--metric", "reward", "--baseline", "kap"), "did you mean 'cap'?"),
        (("--metric", "reward", "--csv", "{study}/study.db/c.csv"), "cannot be written"),
        (("--metric", "reward", "--csv", "{study}"), "is a folder: name a file"),
    ],
)
def test_bad_input_is_one_sentence(
    command: Command, study: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = command(study, *(text.format(study=study) for text in arguments))
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_place_without_study_is_told(command: Command, tmp_path: Path) -> None:
    code, _, err = command(tmp_path / "none", "--metric", "reward")
    assert (code, err) == (2, f"there is no study folder '{tmp_path / 'none'}'\n")
    (tmp_path / "nonesuch").mkdir()
    write_rewards(tmp_path / "nonesuch" / "study.db", [("a", 0, 1.0)])
    _, _, err = command(tmp_path / "nonesuhc", "--metric", "reward")
    assert err.endswith(f"; did you mean '{tmp_path / 'nonesuch'}'?\n")


LIGHT = """
import sys

from assume_rl import cli

try:
    cli.main()
except SystemExit as end:
    assert end.code == 2, end.code
assert not {"mango", "torch"} & sys.modules.keys()
"""


def test_a_wrong_metric_loads_no_tensors(study: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, "compare", str(study), "--metric", "rewrd"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "there is no metric 'rewrd'; did you mean 'reward'?" in done.stderr
