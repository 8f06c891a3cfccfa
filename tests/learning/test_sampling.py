"""Which transitions are drawn, and how far their rewards are summed."""

import pytest
import torch
from libraries import Later
from toys import CPU, fleet, learner, random_joint

from assume_rl.learning.data.priorities import EPSILON, Priorities
from assume_rl.learning.states import states
from assume_rl.learning.types import Joint, Transitions

ERRORS = torch.tensor([[0.5, 0.0, 2.0, 1.0, 0.25]], dtype=torch.float64)


def filled(exponent=0.6, errors=ERRORS):
    found = Priorities(errors.shape[1], len(errors), exponent, CPU)
    rows = torch.arange(errors.shape[1])
    found.add(rows)
    found.feedback(rows.expand(len(errors), -1), errors)
    return found


def naive(errors, exponent, u):
    """The same draws from the cumulative sums of all priorities."""
    weights = (errors + EPSILON) ** exponent
    return torch.searchsorted(weights.cumsum(-1), u * weights.sum(-1, keepdim=True), right=True)


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0])
def test_draws_are_those_of_a_search_in_cumulative_sums(exponent):
    errors = torch.rand(3, 37, dtype=torch.float64)
    u = torch.rand(3, 500, dtype=torch.float64)
    assert torch.equal(filled(exponent, errors).draw(u), naive(errors, exponent, u))


def test_draws_follow_the_priorities():
    u = torch.rand(1, 20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    counts = filled().draw(u).flatten().bincount(minlength=5).double()
    expected = (ERRORS[0] + EPSILON) ** 0.6
    expected = expected / expected.sum() * counts.sum()
    assert counts[1] < 20
    drawn = [0, 2, 3, 4]
    wanted = expected[drawn] * counts[drawn].sum() / expected[drawn].sum()
    assert Later("scipy.stats").chisquare(counts[drawn].numpy(), wanted.numpy()).pvalue > 0.01


def test_new_rows_have_the_highest_priority_so_far():
    found = Priorities(4, 1, 1.0, CPU)
    found.add(torch.tensor([0, 1]))
    found.feedback(torch.tensor([[0, 1]]), torch.tensor([[3.0, 1.0]]))
    found.add(torch.tensor([2]))
    u = torch.arange(0, 1, 1 / 7000, dtype=torch.float64)[None]
    counts = found.draw(u).flatten().bincount(minlength=4).tolist()
    assert counts == pytest.approx([3000, 1000, 3000, 0], abs=2)


def test_importance_weights_by_hand():
    found = filled(exponent=1.0, errors=torch.tensor([[1.0, 3.0]], dtype=torch.float64))
    index = torch.tensor([[0, 1]])
    # Shares are a quarter and three quarters of two rows: (2 / 4) ** -b and (6 / 4) ** -b.
    for exponent in (0.4, 1.0):
        weights = found.weights(index, 2, exponent)
        assert weights.tolist()[0] == pytest.approx([1.0, 3.0**-exponent], rel=1e-5)


def test_a_state_of_priorities_comes_back():
    first = filled()
    second = Priorities(5, 1, 0.6, CPU)
    second.load_state_of(0, first.state_of(0))
    u = torch.rand(1, 100, dtype=torch.float64)
    assert torch.equal(first.draw(u), second.draw(u))
    second.add(torch.tensor([1]))
    assert second.weights(torch.tensor([[1, 2]]), 5, 1.0).tolist()[0] == pytest.approx([1.0, 1.0])


SETTINGS = {"batch_size": 8, "gradient_steps": 4, "sampling": "prioritised", "n_step": 3}


@pytest.mark.parametrize("algorithm", ["matd3", "maddpg", "isac"])
def test_large_errors_are_learned_from_more_often_and_a_state_continues(algorithm):
    def fresh():
        return learner(fleet((3, 1, 1), (4, 2, 1)), algorithm=algorithm, **SETTINGS)

    first, second = fresh(), fresh()
    joint = random_joint(first, 40)
    joint.groups[0].reward[0, 7] = 1e3
    first.observe(joint)
    first.update(1.0)
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        each.update(0.5)
    assert same(states(first.nets, 0), states(second.nets, 0))
    u = torch.rand(1, 2000, dtype=torch.float64)
    counts = first._batches.priorities.draw(u).flatten().bincount(minlength=40)
    assert counts.argmax() in (5, 6, 7)  # rows whose sum of three rewards has the large one


def same(ours, theirs):
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    return ours.keys() == theirs.keys() and all(same(v, theirs[k]) for k, v in ours.items())


def rows(rewards, ended, copies=1):
    """Transitions of one agent whose observation is the number of the row."""
    n = len(rewards)
    number = torch.arange(n, dtype=torch.float64).view(1, n, 1, 1)
    reward = torch.tensor(rewards, dtype=torch.float64).view(1, n, 1)
    part = Transitions(number, torch.zeros_like(number), reward, number + 100)
    terminated = torch.zeros(1, n, dtype=torch.bool)
    truncated = torch.zeros(1, n, dtype=torch.bool)
    for row, how in ended.items():
        (terminated if how == "terminated" else truncated)[0, row] = True
    return Joint((part,), terminated, truncated, copies)


def several_steps(joint, n_step, capacity=20, gamma=0.5):
    ours = learner(
        fleet((1, 1, 1)), n_step=n_step, gamma=gamma, replay_buffer_size=capacity, batch_size=1
    )
    ours.observe(joint)
    size = ours.replay.size()
    return ours._batches.at(torch.arange(size)[None], None, {})


def test_rewards_of_several_steps_stop_at_the_ends_of_episodes_and_of_the_replay():
    batch = several_steps(rows([1, 2, 4, 8, 16], {2: "terminated"}), n_step=3)
    assert batch.reward[0].flatten().tolist() == [3.0, 4.0, 4.0, 16.0, 16.0]
    assert batch.next_obs[0].flatten().tolist() == [102, 102, 102, 104, 104]
    assert batch.terminated.flatten().tolist() == [True, True, True, False, False]
    assert batch.discount.flatten().tolist() == [0.125, 0.25, 0.5, 0.25, 0.5]


def test_a_truncated_episode_keeps_the_value_of_what_follows():
    batch = several_steps(rows([1, 2, 4], {1: "truncated"}), n_step=2)
    assert batch.reward[0].flatten().tolist() == [2.0, 2.0, 4.0]
    assert batch.next_obs[0].flatten().tolist() == [101, 101, 102]
    assert not batch.terminated.any()


def test_several_steps_stay_in_the_same_copy_of_the_market():
    batch = several_steps(rows([1, 10, 2, 20, 4, 40], {}, copies=2), n_step=2)
    assert batch.reward[0].flatten().tolist() == [2.0, 20.0, 4.0, 40.0, 4.0, 40.0]


def test_several_steps_across_the_edge_of_the_ring():
    # The ring of four rows holds the numbers 4, 5, 2, 3; the latest is 5.
    batch = several_steps(rows([1, 2, 4, 8, 16, 32], {}), n_step=2, capacity=4)
    found = dict(
        zip(batch.now.obs[0].flatten().tolist(), batch.reward[0].flatten().tolist(), strict=True)
    )
    assert found == {2.0: 8.0, 3.0: 16.0, 4.0: 32.0, 5.0: 32.0}


def test_one_step_is_what_was_stored():
    joint = rows([1, 2, 4], {1: "terminated"})
    batch = several_steps(joint, n_step=1)
    assert batch.reward[0].flatten().tolist() == [1.0, 2.0, 4.0]
    assert batch.discount.flatten().tolist() == [0.5, 0.5, 0.5]
