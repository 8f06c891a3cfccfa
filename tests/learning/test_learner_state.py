import copy

import pytest
import torch
from toys import fleet, learner, random_joint

from assume_rl.errors import ConfigurationError

MIXED = ((5, 2, 2), (4, 1, 3), (5, 2, 2))
SETTINGS = {"gradient_steps": 3, "batch_size": 8, "replay_buffer_size": 30}


def _equal(ours, theirs):
    """Every tensor and number of two nested states is the same."""
    assert type(ours) is type(theirs)
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            _equal(ours[key], theirs[key])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            _equal(a, b)
    else:
        assert ours == theirs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_resumed_equals_uninterrupted_bit_for_bit(dtype):
    # GIVEN a learner that is saved halfway, and continues
    agents = fleet(*MIXED)
    first = learner(agents, dtype=dtype, **SETTINGS)
    first.observe(random_joint(first, 20, seed=1))
    first.update(1.0)
    saved = first.state_dict()
    # WHEN a fresh one takes the state over and does the same
    second = learner(agents, dtype=dtype, **SETTINGS)
    second.load_state_dict(saved)
    for each in (first, second):
        for seed in (2, 3):
            each.observe(random_joint(each, 20, seed=seed))
            each.update(0.5)
    # THEN both are the same
    _equal(second.state_dict(), first.state_dict())


def test_a_saved_state_is_a_snapshot():
    ours = learner(fleet(*MIXED), **SETTINGS)
    ours.observe(random_joint(ours, 20))
    ours.update(1.0)
    saved = ours.state_dict()
    kept = copy.deepcopy(saved)
    ours.observe(random_joint(ours, 20, seed=1))
    ours.update(1.0)
    _equal(saved, kept)


def test_state_of_other_agents_is_refused():
    with pytest.raises(ConfigurationError, match="other agents"):
        learner(fleet((3, 1, 1))).load_state_dict(learner(fleet(*MIXED)).state_dict())


def test_published_actors_do_not_change_with_the_learner():
    ours = learner(fleet(*MIXED), **SETTINGS)
    published = ours.actors()
    kept = copy.deepcopy([a.weights for a in published])
    ours.observe(random_joint(ours, 20))
    ours.update(1.0)
    _equal([a.weights for a in published], kept)
    assert not published[0].weights["FC1.weight"].requires_grad
    assert not torch.equal(ours.actors()[0].weights["FC1.weight"], kept[0]["FC1.weight"])


def test_a_learner_needs_agents():
    with pytest.raises(ConfigurationError, match="no agent"):
        learner(())


def test_target_noise_depends_neither_on_other_agents_nor_on_the_dtype():
    few = learner(fleet(*MIXED[:1]), **SETTINGS)
    many = learner(fleet(*MIXED), dtype=torch.float64, **SETTINGS)
    for each in (few, many):
        each.observe(random_joint(each, 20))
    zero = torch.tensor(0)
    size = few.config.batch_size
    batches = [next(each._batches.rounds(zero, size, [3])) for each in (few, many)]
    ours, theirs = (batch.noise["target_noise"][0] for batch in batches)
    assert torch.equal(ours[:, 0], theirs[:, 0].to(ours.dtype))
