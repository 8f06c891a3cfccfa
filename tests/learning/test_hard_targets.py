"""Targets move after a number of gradient steps, whatever updates these fall into."""

import pytest
import torch
from toys import fleet, learner, random_joint

from assume_rl.learning.algorithms.base import targets_move

pytestmark = pytest.mark.unchecked


def test_one_move_falls_due_in_each_interval():
    moves = [done for done in range(1, 13) if targets_move(done, 1, 5)]
    assert moves == [5, 10]
    assert [done for done in range(2, 13, 2) if targets_move(done, 2, 5)] == [6, 10]


@pytest.mark.parametrize(
    ("algorithm", "moved"), [("maddpg", [3, 6]), ("matd3", [4, 6]), ("masac", [3, 6])]
)
def test_hard_targets_are_copies_between_which_they_stand_still(algorithm, moved):
    ours = learner(fleet((3, 1, 1)), algorithm=algorithm, tau=1.0, target_interval=3, batch_size=8)
    ours.observe(random_joint(ours, 16))
    (critic,) = ours.nets["critic"]
    found = []
    for step in range(1, 8):
        before = critic.target.buffer.clone()
        ours.update(1.0, iterations=1)
        if not torch.equal(critic.target.buffer, before):
            assert torch.equal(critic.target.buffer, critic.online.buffer)
            found.append(step)
    assert found == moved
