"""States by name: they do not depend on how a learner cuts its fleet into groups."""

import pytest
import torch
from toys import fleet, learner, random_joint

from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.learning import fleet as module
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.policies.assume_layout import load_assume_critics, save_assume_layout
from assume_rl.learning.policies.trainer_state import load_trainer_state, save_trainer_state
from assume_rl.learning.states import load_states, states

AGENTS = fleet(*[(5, 2, 2)] * 7, (4, 1, 3))


def same(ours, theirs) -> bool:
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    return ours.keys() == theirs.keys() and all(same(v, theirs[k]) for k, v in ours.items())


def trained(critic, **settings):
    ours = learner(AGENTS, critic=critic, batch_size=8, replay_buffer_size=30, **settings)
    ours.observe(random_joint(ours, 20))
    ours.update(1.0, 3)
    return ours


@pytest.mark.parametrize("critic", CRITICS)
def test_a_state_of_other_blocks_goes_on(critic, monkeypatch):
    # GIVEN a learner in blocks of five agents
    first = trained(critic)
    saved = first.state_dict()
    # WHEN one in blocks of three takes its state over
    monkeypatch.setattr(module, "CPU_BLOCK", 3)
    second = learner(AGENTS, critic=critic, batch_size=8, replay_buffer_size=30)
    assert len(second.groups) > len(first.groups)
    second.load_state_dict(saved)
    # THEN it has the same networks, moments and transitions, and continues alike
    assert same(states(second.nets, 0), states(first.nets, 0))
    wanted, found = first.update(1.0, 2), second.update(1.0, 2)
    torch.testing.assert_close(found["critic_loss"], wanted["critic_loss"])
    torch.testing.assert_close(
        second.actors()[0].module_state("unit_1"), first.actors()[0].module_state("unit_1")
    )


@pytest.mark.parametrize("critic", CRITICS)
def test_a_state_comes_back_from_a_file_bit_for_bit(critic, tmp_path):
    ours = trained(critic)
    save_trainer_state(tmp_path, states(ours.nets, 0))
    other = learner(AGENTS, critic=critic, seeds=(9,))
    load_states(other.nets, 0, load_trainer_state(tmp_path))
    assert same(states(other.nets, 0), states(ours.nets, 0))


@pytest.mark.parametrize("critic", ["pooled", "shared"])
def test_shared_critics_of_another_fleet_are_refused(critic):
    few = learner(AGENTS[:3], critic=critic)
    with pytest.raises(PolicyError, match=r"critics of agents 5-2-2 do not fit: .*embedding"):
        load_states(few.nets, 0, states(trained(critic).nets, 0))


@pytest.mark.parametrize("critic", ["pooled", "shared"])
def test_shared_critics_have_no_form_in_the_layout_of_assume(critic, tmp_path):
    ours = trained(critic)
    with pytest.raises(PolicyError, match=f"kind '{critic}' have no form .* train with critic: co"):
        save_assume_layout(tmp_path, ours)
    with pytest.raises(PolicyError, match="have no form"):
        load_assume_critics(tmp_path, ours)
    assert not list(tmp_path.iterdir())


def test_a_state_of_other_seeds_is_refused():
    with pytest.raises(ConfigurationError, match="other seeds"):
        learner(AGENTS, seeds=(1,)).load_state_dict(learner(AGENTS, seeds=(2,)).state_dict())
