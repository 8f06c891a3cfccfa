"""Estimates of bytes against the tensors of real learners."""

import pytest
import torch
from toys import CPU, fleet, learner

from assume_rl.learning.bytes import estimate
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics import CRITICS

MIXED = fleet(*[(5, 2, 2)] * 7, (4, 1, 3), (6, 1, 0))


@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("algorithm", ["maddpg", "matd3", "itd3"])
def test_an_estimate_is_what_a_learner_takes(algorithm, critic):
    settings = {"algorithm": algorithm, "critic": critic, "replay_buffer_size": 50}
    real = learner(MIXED, seeds=(1, 2), dtype=torch.float32, **settings)

    found = estimate(LearningConfig(**settings), MIXED, seeds=2, device=CPU)

    holders = real.all_nets()
    flats = [flat for h in holders for flat in (h.online, h.target, h.gradient)]
    networks = {flat.buffer.data_ptr(): flat.buffer.nbytes for flat in flats}
    moments = [flat for h in holders for flat in h.optimizer.moments.values()]
    assert found.networks == sum(networks.values())
    assert found.optimizers == sum(flat.buffer.nbytes for flat in moments)
    assert found.replay == real.replay.nbytes
    assert found.total == found.networks + found.optimizers + found.replay


def test_a_replay_holds_observations_actions_rewards_and_flags():
    """By hand: float32, two seeds, ten rows, one agent with 3 + 3 observed, 2 done, 1 earned."""
    config = LearningConfig(replay_buffer_size=10)
    found = estimate(config, fleet((3, 2, 1)), seeds=2, device=CPU)
    assert found.replay == 2 * 10 * ((3 + 3 + 2 + 1) * 4 + 2) + 10 * 8  # and a stride per row


def test_priorities_take_bytes_too():
    settings = {"sampling": "prioritised", "replay_buffer_size": 50}
    real = learner(MIXED, seeds=(1, 2), dtype=torch.float32, **settings)
    found = estimate(LearningConfig(**settings), MIXED, seeds=2, device=CPU)
    assert found.replay == real.replay.nbytes + real._batches.priorities.nbytes
    assert real._batches.priorities.nbytes == 2 * (2 * 64 + 1) * 8  # a tree over 64 leaves


def test_an_estimate_of_a_large_fleet_allocates_nothing():
    config = LearningConfig(replay_buffer_size=3_000_000)
    found = estimate(config, fleet(*[(38, 2, 2)] * 300), device=CPU)
    assert found.total > 100e9  # more than this test could ever take
