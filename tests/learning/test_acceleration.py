"""Compiled steps and bfloat16 products against plain ones."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toys import fleet, learner, random_joint

from assume_rl.learning import learner as module
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.nets.trunks import TRUNKS

AGENTS = fleet((8, 2, 2), (8, 2, 2))


def trained(**settings):
    """All networks after a short update, side by side."""
    ours = learner(
        AGENTS, dtype=torch.float32, batch_size=16, gradient_steps=2, policy_delay=1, **settings
    )
    ours.observe(random_joint(ours, 30))
    metrics = ours.update(1.0)
    assert metrics["critic_loss"].dtype == metrics["actor_total_grad_norm"].dtype == torch.float32
    return torch.cat([net.online.buffer for net in ours.all_nets()])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("architecture", TRUNKS)
def test_compiled_steps_equal_plain_ones(architecture):
    """In a process of its own: checks of shapes at test time cannot be compiled."""
    script = Path(__file__).with_name("compiled_update.py")
    done = subprocess.run(
        [sys.executable, str(script), architecture],
        capture_output=True,
        text=True,
        check=True,
        timeout=800,
    )
    assert float(done.stdout) < 1e-5


@pytest.mark.parametrize(
    "settings", [*({"critic": name} for name in CRITICS), {"actor_architecture": "lstm"}]
)
def test_products_in_bfloat16_are_close_and_networks_stay_float32(settings, monkeypatch):
    """Autocast of the CPU stands in for that of CUDA: the same code, another device."""
    plain = trained(**settings)
    monkeypatch.setattr(module, "autocast", lambda *_: torch.autocast("cpu", torch.bfloat16))
    short = trained(**settings)
    assert short.dtype == torch.float32
    assert not torch.equal(plain, short)
    # Two steps of Adam move a weight by at most about the learning rate each.
    assert (plain - short).abs().max() < 5e-3
    assert (plain - short).abs().mean() < 3e-4


def test_autocast_is_for_cuda_only():
    assert torch.equal(trained(autocast=True), trained())
