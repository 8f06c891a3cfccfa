"""Trainings whose process is killed at random instants end like one that nobody disturbed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from trained_runs import SCENARIOS

pytestmark = pytest.mark.unchecked

KILLS = 12  # of each engine
COMMAND = [
    *(sys.executable, "-m", "assume_rl.cli", "train", str(SCENARIOS / "ten_learners")),
    *("--case", "tiny", "--seed", "5", "--quiet", "--resume"),
]
SETTINGS = {
    "training_episodes": 30,
    "episodes_collecting_initial_experience": 3,
    "validation_episodes_interval": 5,
    "gradient_steps": 3,
    "replay_buffer_size": 300,  # full after a dozen episodes
}


def start(out: Path, engine: str) -> "subprocess.Popen[bytes]":
    sets = [f"--set=learning_config.{key}={value}" for key, value in SETTINGS.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*COMMAND, *sets, "--engine", engine, "--out", str(out)]
    with (out.parent / "errors.txt").open("ab") as errors:
        return subprocess.Popen(command, env=environment, stderr=errors)


def manifest(out: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((out / "manifest.json").read_text())
    return content


def wait_until(process: "subprocess.Popen[bytes]", episodes: int, out: Path) -> None:
    """Wait until a training has written the checkpoints of a number of episodes, or has ended."""
    while process.poll() is None:
        found = sorted((out / "checkpoints").glob("episode_*.safetensors"))
        if found and int(found[-1].stem.removeprefix("episode_")) >= episodes:
            return
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["batch", "agents"])
def test_killed_at_random_instants_and_resumed(engine: str, tmp_path: Path) -> None:
    assert start(tmp_path / "whole", engine).wait() == 0
    chance, out = random.Random(f"kills of {engine}"), tmp_path / "out"
    for kill in range(1, KILLS + 1):
        process = start(out, engine)
        wait_until(process, 2 * kill, out)
        time.sleep(chance.uniform(0, 0.4))  # in the middle of whatever comes next
        assert process.poll() is None, "the training ended before it was killed"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    last = start(out, engine)
    assert last.wait() == 0, (tmp_path / "errors.txt").read_text()
    assert manifest(out)["final_hash"] == manifest(tmp_path / "whole")["final_hash"]
    assert len(manifest(out)["resumed_after"]) > KILLS // 2
