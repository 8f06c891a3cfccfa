"""A training by two processes, started by torchrun, ends where one of one process does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch.testing import assert_close

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "single_learner"
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    for name, launcher in (("one", []), ("two", TORCHRUN)):
        given = ["train", str(SCENARIO), "--case", "tiny", "--out", str(tmp_path / name)]
        subprocess.run(
            [sys.executable, *launcher, "-m", "assume_rl.cli", *given],
            check=True,
            timeout=500,
            cwd=tmp_path,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    ours, theirs = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert a.get("reward") == pytest.approx(b.get("reward"), rel=1e-4)
    files = sorted((tmp_path / "one" / "policies" / "last").rglob("*.safetensors"))
    assert files
    for file in files:
        other = load_file(tmp_path / "two" / file.relative_to(tmp_path / "one"))
        for name, value in load_file(file).items():
            assert_close(other[name], value, rtol=1e-3, atol=1e-4)
