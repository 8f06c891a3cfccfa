"""The example of a mixed market runs as its docstring says."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "03_mix_policies.py"


def test_the_example_needs_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.count("(finished)") == 2
    assert printed.count("(learning)") == 8
    assert (tmp_path / "runs" / "example_03" / "mixed" / "policies" / "last").is_dir()
