"""What an update asks of the device, counted: ready for an accelerator, shown without one."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from toys import fleet, learner, random_joint

from assume_rl.learning import fleet as module
from assume_rl.learning.critics import CRITICS

COPIES_TO_A_DEVICE = ("lift_fresh", "lift_fresh_copy")  # what torch.tensor does
SCALAR_READS = ("_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero")


class Operators(TorchDispatchMode):
    """Counts operators by name."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        self.counts[operator.overloadpacket.__name__] += 1
        return operator(*args, **(kwargs or {}))


def counted(agents, *, critic="concat", iterations=4, seeds=(3,)):
    ours = learner(
        fleet(*[(5, 2, 2)] * agents),
        critic=critic,
        batch_size=8,
        dtype=torch.float32,
        seeds=seeds,
        replay_buffer_size=20,
    )
    ours.observe(random_joint(ours, 20))
    with Operators() as operators:
        ours.update(1.0, iterations)
    return operators.counts


@pytest.mark.parametrize("critic", CRITICS)
def test_an_update_reads_no_scalar_and_copies_between_no_devices(critic):
    counts = counted(3, critic=critic)
    assert not {name for name in (*SCALAR_READS, *COPIES_TO_A_DEVICE) if counts[name]}
    # Indices and noise are drawn in 64 bits once per update; iterations copy nothing.
    assert counts["_to_copy"] == counted(3, critic=critic, iterations=8)["_to_copy"] <= 4


@pytest.mark.parametrize("critic", CRITICS)
def test_operators_do_not_grow_with_the_agents_of_a_block(critic):
    block = module.CPU_BLOCK
    assert counted(2, critic=critic).total() == counted(block, critic=critic).total()


@pytest.mark.parametrize("critic", CRITICS)
def test_each_block_adds_the_same_operators(critic):
    block = module.CPU_BLOCK
    one, two, three = (counted(k * block, critic=critic).total() for k in (1, 2, 3))
    assert one < two
    assert three - two <= two - one


@pytest.mark.parametrize("critic", CRITICS)
def test_operators_do_not_grow_with_the_seeds(critic, monkeypatch):
    monkeypatch.setattr(module, "CPU_BLOCK", 100)  # one group
    alone, many = (counted(3, critic=critic, seeds=s) for s in ((3,), (3, 4, 5)))
    # Where a view of one seed will do, several take a copy.
    assert many.total() - alone.total() <= 5 * 4


def test_the_count_notices_a_scalar_read():
    with Operators() as operators:
        float(torch.ones(1) + 1)
    assert operators.counts["_local_scalar_dense"] == 1
