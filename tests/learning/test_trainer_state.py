"""A learner's state on disk: any nesting, bit for bit, never a pickle."""

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from assume_rl.errors import PolicyError
from assume_rl.learning.policies.folder import load_trainer_state, save_trainer_state
from assume_rl.learning.policies.trainer_state import FILE

STACK = torch.randn(2, 3, 4)
STATE: dict[str, Any] = {
    "updates": 7,
    "best": -math.inf,
    "ratio": 1 / 3,
    "big": 2**70,
    "name": "matd3 Ü",
    "nothing": None,
    "flags": [True, False],
    "betas": (0.9, 0.999),
    "optimizer": {0: {"step": torch.tensor(3.0)}, "empty": {}},
    "view": STACK[1].T,
    "one entry": STACK[0, :1, 2].clone(),
    "no entry": STACK[0, :0, 2],
    "dones": torch.tensor([True, False]),
    "counts": torch.arange(3),
    "none": torch.empty(0, 2, dtype=torch.float64),
    "half": torch.ones(2, dtype=torch.bfloat16),
}


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


def test_any_nesting_comes_back_bit_for_bit(tmp_path: Path) -> None:
    save_trainer_state(tmp_path, {"older": torch.zeros(5)})
    save_trainer_state(tmp_path, STATE)
    assert_same(load_trainer_state(tmp_path), STATE)
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_what_cannot_be_stored_is_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"cannot hold a \w*Path"):
        save_trainer_state(tmp_path, {"folder": tmp_path})


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_equal_states_give_equal_files(tmp_path: Path) -> None:
    for name in "abcdef":
        save_trainer_state(tmp_path / name, STATE)
    assert len({(tmp_path / name / FILE).read_bytes() for name in "abcdef"}) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "does not exist"),
        (flip_a_bit, "was changed since it was saved"),
        (lambda f: f.write_bytes(f.read_bytes()[:-1]), "is damaged"),
        (lambda f: f.write_bytes(pickle.dumps(print)), "is damaged or not a trainer state"),
        (lambda f: save_file({"x": torch.zeros(1)}, f), "is damaged or not a trainer state"),
        (
            lambda f: save_file({}, f, {"version": "7", "tree": "", "digest": ""}),
            "format version 7, .* up to 6",
        ),
        (
            lambda f: save_file({}, f, {"version": "1", "tree": "", "digest": ""}),
            "format version 1, which this version of assume-rl no longer reads",
        ),
    ],
)
def test_a_damaged_state_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    save_trainer_state(tmp_path, STATE)
    damage(tmp_path / FILE)
    with pytest.raises(PolicyError, match=message):
        load_trainer_state(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PolicyError, match="cannot be written"):
        save_trainer_state(tmp_path / "file", STATE)
