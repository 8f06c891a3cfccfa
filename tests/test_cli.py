"""The command line: one message for what the user can mend, and a thin skin over Python."""

import json
import sys
from pathlib import Path

import pytest
import torch

from assume_rl import cli

SCENARIO = Path(__file__).resolve().parents[1] / "scenarios" / "single_learner"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs `assume-rl ARGUMENTS` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["assume-rl", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def test_validate_prints_what_was_understood(command):
    code, out, _ = command("validate", SCENARIO, "--case", "tiny")

    assert code == 0
    for expected in ("EOM", "pay_as_clear", "2019-03-04", "learning bidders", "47"):
        assert expected in out


def test_validate_tells_every_problem_and_exits_with_2(command, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.yaml").write_text("base: {gama: 1, seeed: 2}\n")

    code, out, err = command("validate", tmp_path / "broken")

    assert (code, out) == (2, "")
    assert "gama" in err
    assert "seeed" in err
    assert "start_date" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["validate", "nowhere"], "is not a folder"),
        (["validate", SCENARIO, "--case", "tinny"], "did you mean 'tiny'?"),
        (["validate", SCENARIO, "--set", "learning_config.gama=1"], "did you mean 'gamma'?"),
        (["validate", SCENARIO, "--set", "learning_config.gamma"], "expected key=value"),
        (["validate", SCENARIO, "--set", "learning_config.gamma=[0"], "is not valid YAML"),
        (["run", SCENARIO, "--case", "tiny"], "--policies"),
        (["evaluate", SCENARIO, "--case", "tiny"], "--policies"),
        (["run", SCENARIO, "--case", "tiny", "--policies", "nowhere"], "does not exist"),
    ],
)
def test_mistakes_are_one_sentence_on_stderr(command, arguments, sentence):
    code, out, err = command(*arguments)

    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_one_sentence(command):
    code, _, err = command("train", SCENARIO, "--case", "tiny", "--device", "cuda")

    assert code == 2
    assert "not available" in err
    assert len(err.strip().splitlines()) == 1


def test_an_unknown_engine_or_option_exits_with_2(command):
    assert command("run", SCENARIO, "--engine", "steam")[0] == 2
    assert command("run", SCENARIO, "--polices", "x")[0] == 2


def test_train_run_evaluate(command, tmp_path):
    case = (SCENARIO, "--case", "tiny")
    trained = tmp_path / "runs" / "single_learner_tiny"

    code, out, err = command("train", *case, "--set", "learning_config.gamma=0.5")
    assert (code, err) == (0, "")
    assert "after episode 4" in out
    assert "best_reward" in out
    manifest = json.loads((trained / "manifest.json").read_text())
    assert manifest["configuration"]["learning_config"]["gamma"] == 0.5

    last = trained / "policies" / "last"
    code, out, _ = command("run", *case, "--policies", last, "--out", tmp_path / "ran")
    assert code == 0
    assert "avg_price" in out

    code, out, _ = command("evaluate", *case, "--policies", trained)
    assert code == 0
    assert "exact best response" in out

    code, _, err = command("train", *case)
    assert code == 2
    assert "--overwrite" in err


def test_quiet_prints_nothing(command, tmp_path):
    code, out, err = command(
        "train", SCENARIO, "--case", "tiny", "--quiet", "--out", tmp_path / "q"
    )

    assert (code, out, err) == (0, "", "")
