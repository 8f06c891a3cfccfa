"""The device that is chosen, and why."""

import pytest
import torch

from assume_rl.episodes.plan import device_in_words


@pytest.mark.parametrize(
    ("built", "why"), [(None, "this torch is without CUDA"), ("12.8", "torch finds no GPU")]
)
def test_what_auto_takes_is_said_with_the_reason(
    built: str | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_in_words("auto") == f"cpu, since {why}"
    assert device_in_words("cpu") == "cpu, as chosen"


def test_a_gpu_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tensor 1")
    assert device_in_words("cuda") == "cuda, Tensor 1"
    assert device_in_words("auto") == "cuda, Tensor 1 (device: auto takes it)"
