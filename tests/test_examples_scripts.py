"""Every numbered example runs as it stands."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("01_run_a_market.py", "avg_price"),
        ("02_train_and_reload.py", "share of the exact best response"),
    ],
)
def test_example_runs(script, expected, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / script, tmp_path / "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
