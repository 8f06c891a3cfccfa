"""What weights in files are refused for."""

from pathlib import Path
from typing import Any

import pytest
import torch

from assume_rl.errors import PolicyError
from assume_rl.learning.policies.files import check_weights


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (
            lambda own: torch.full_like(own, float("nan")),
            "2 of 2 numbers of FC1.bias that are not finite",
        ),
        (
            lambda own: torch.full_like(own, -float("inf")),
            "2 of 2 numbers of FC1.bias that are not finite",
        ),
        (lambda own: own > 0, "FC1.bias is bool, not float32 or float64"),
        (lambda own: own.to(torch.int64), "FC1.bias is int64, not float32 or float64"),
        (lambda own: own.to(torch.complex64), "FC1.bias is complex64, not float32 or float64"),
        (lambda own: own.to(torch.float16), "FC1.bias is float16, not float32 or float64"),
        (lambda own: own.to_sparse(), "FC1.bias is no dense tensor with numbers in it"),
        (lambda own: own.to("meta"), "FC1.bias is no dense tensor with numbers in it"),
    ],
)
def test_weights_are_finite_numbers(changed: Any, what: str) -> None:
    weights = {"FC1.weight": torch.ones(2, 3), "FC1.bias": changed(torch.ones(2))}
    with pytest.raises(PolicyError, match=what):
        check_weights(weights, Path("own.pt"))


def test_weights_are_of_one_type() -> None:
    weights = {"FC1.weight": torch.ones(2, 3), "FC1.bias": torch.ones(2, dtype=torch.float64)}
    with pytest.raises(PolicyError, match="mixes types of numbers"):
        check_weights(weights, Path("own.pt"))
