"""Every numbered example runs as it stands, from any folder, without a warning."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPECTED = {
    "01_run_a_market.py": "dear hour: 20",
    "02_train_and_reload.py": "share of the exact best response",
    "03_mix_policies.py": "learner_01 (finished)",
}


def test_every_numbered_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("[0-9]*.py")} == EXPECTED.keys()


@pytest.mark.parametrize("script", EXPECTED)
def test_an_example_runs(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / script, tmp_path / "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert EXPECTED[script] in done.stdout
    assert done.stderr == ""
