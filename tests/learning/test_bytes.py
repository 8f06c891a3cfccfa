"""Estimates of bytes against the tensors of real learners."""

import pytest
import torch
from toys import CPU, USUAL_SIZES, fleet, learner

from assume_rl.errors import ConfigurationError
from assume_rl.learning.bytes import costly_critic, estimate
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics import CRITICS

MIXED = fleet(*[(5, 2, 2)] * 7, (4, 1, 3), (6, 1, 0))


@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("algorithm", ["maddpg", "matd3", "itd3"])
def test_an_estimate_is_what_a_learner_takes(algorithm, critic):
    settings = {"algorithm": algorithm, "critic": critic, "replay_buffer_size": 50, **USUAL_SIZES}
    real = learner(MIXED, seeds=(1, 2), dtype=torch.float32, **settings)

    found = estimate(LearningConfig(**settings), MIXED, seeds=2, device=CPU)

    holders = real.all_nets()
    flats = [flat for h in holders for flat in (h.online, h.target, h.gradient)]
    networks = {flat.buffer.data_ptr(): flat.buffer.nbytes for flat in flats}
    moments = [flat for h in holders for flat in h.optimizer.moments.values()]
    assert found.networks == sum(networks.values())
    assert found.optimizers == sum(flat.buffer.nbytes for flat in moments)
    assert found.replay == real.replay.nbytes
    assert found.total == found.of_networks + found.replay + found.batches


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


def test_batches_are_the_draws_of_an_update_and_the_rows_of_one():
    """By hand: two seeds, 7 rows of 3 batches of 2 copies, each three numbers of 8 bytes."""
    config = LearningConfig(replay_buffer_size=10, batch_size=7, gradient_steps=3)
    found = estimate(config, fleet((3, 2, 1)), seeds=2, device=CPU, copies=2)
    rows = 7 * (2 * ((3 + 3 + 2 + 1) * 4 + 2) + 8)
    assert found.batches == 7 * 3 * 2 * 2 * 3 * 8 + rows
    assert estimate(LearningConfig(algorithm="mappo"), MIXED, device=CPU).batches == 0


def test_sizes_beyond_all_numbers_are_refused():
    config = LearningConfig(actor_hidden=(10**6,) * 400)
    with pytest.raises(ConfigurationError, match=r"5 learners .* need more than 2\*\*63 bytes"):
        estimate(config, MIXED[:5], seeds=10_000, device=CPU)


def test_a_critic_that_takes_most_of_the_memory_is_named_with_the_one_that_saves_it():
    many = fleet(*[(50, 2, 2)] * 143)
    (sentence,) = costly_critic(LearningConfig(), many)
    assert "143 learners with critic concat take about 9.2 GB of memory per seed" in sentence
    assert "with critic pooled 3.1 GB: set critic: pooled" in sentence


@pytest.mark.parametrize(
    "settings",
    [{"critic": "pooled"}, {"algorithm": "itd3"}, {"critic_hidden": (8,)}],
)
def test_what_saves_no_memory_is_not_named(settings):
    """Independent critics see one agent each, whatever the critic is; small ones take little."""
    assert costly_critic(LearningConfig(**settings), fleet(*[(50, 2, 2)] * 143)) == ()
