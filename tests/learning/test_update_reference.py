import pytest
import torch
from loop_update import LoopUpdate
from toys import USUAL_SIZES, fleet, learner, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.states import networks

FLEETS = {
    "one agent": [(5, 2, 2)],
    "three alike": [(5, 2, 2)] * 3,
    "mixed shapes": [(5, 2, 2), (4, 1, 3), (5, 2, 2), (6, 1, 0)],
}


@pytest.mark.parametrize("algorithm", ["matd3", "maddpg", "itd3", "iddpg"])
@pytest.mark.parametrize("shapes", FLEETS.values(), ids=FLEETS.keys())
def test_updates_equal_a_loop_over_agents(shapes, algorithm):
    ours = learner(
        fleet(*shapes),
        algorithm=algorithm,
        batch_size=16,
        gradient_steps=3,
        tau=0.1,
        gamma=0.9,
        **USUAL_SIZES,
    )
    joint = random_joint(ours, 40)
    loop = LoopUpdate(ours, joint)
    ours.observe(joint)

    for _ in range(2):
        metrics, expected = ours.update(1.0).of_seed(0), loop.update()
        _close(metrics["critic_loss"], expected["critic"])
        _close(metrics["critic_total_grad_norm"], expected["critic_norm"])
        _close(
            metrics["actor_loss"][~metrics["actor_loss"].isnan().any(1)],
            expected["actor"],
        )

    found = networks(ours.nets, 0)
    for spec, agent in zip(ours.agents, loop.agents, strict=True):
        _same(found["actor"][spec.unit_id], agent.actor)
        _same(found["actor_target"][spec.unit_id], agent.actor_target)
        _same(found["critic"][spec.unit_id], agent.critics)
        _same(found["critic_target"][spec.unit_id], agent.critic_targets)


def _same(state, module):
    for ours, theirs in zip(state.values(), module.parameters(), strict=True):
        _close(ours, theirs.detach())


def _close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_policy_delay_counts_on_over_updates():
    # GIVEN three critic steps per update and an actor step every second one
    ours = learner(fleet((3, 1, 1)), gradient_steps=3, policy_delay=2, batch_size=4)
    ours.observe(random_joint(ours, 10))
    # WHEN two updates run, THEN the count does not restart between them
    stepped = [(~ours.update(1.0)["actor_loss"].isnan()).flatten().tolist() for _ in range(2)]
    assert stepped == [[False, True, False], [True, False, True]]


def test_learning_rate_follows_its_schedule():
    ours = learner(fleet((3, 1, 1)), learning_rate_schedule="linear", gradient_steps=1)
    ours.observe(random_joint(ours, 10))
    assert [ours.update(p).learning_rate for p in (1.0, 0.25)] == [0.001, 0.00025]


def test_each_kind_of_network_may_have_a_rate_of_its_own():
    # GIVEN actors whose rate is too small to see
    ours = learner(fleet((3, 1, 1)), learning_rates={"actor": 1e-12}, gradient_steps=2)
    ours.observe(random_joint(ours, 10))
    before = networks(ours.nets, 0)
    # WHEN all learn, THEN critics move and actors do not
    ours.update(1.0)
    after = networks(ours.nets, 0)
    moved = {
        kind: max(
            float((new - before[kind]["unit_0"][name]).abs().max())
            for name, new in after[kind]["unit_0"].items()
        )
        for kind in ("actor", "critic")
    }
    assert moved["actor"] < 1e-10
    assert moved["critic"] > 1e-4


def test_a_rate_of_a_network_that_there_is_not_is_refused():
    with pytest.raises(ConfigurationError, match="matd3 has no network 'actr', did you mean"):
        learner(fleet((3, 1, 1)), learning_rates={"actr": 1e-3})


def test_an_exploding_agent_leaves_the_others_alone():
    # GIVEN twice the same transitions, but for one agent's rewards
    pair = [learner(fleet(*[(4, 1, 2)] * 3), gradient_steps=1, batch_size=8) for _ in range(2)]
    joint = random_joint(pair[0], 20)
    pair[0].observe(joint)
    joint.groups[0].reward[..., 1] *= 1e12
    pair[1].observe(joint)
    # WHEN both learn
    calm, wild = (p.update(1.0).of_seed(0) for p in pair)
    # THEN that agent's gradient explodes, and the others' steps are the same
    assert wild["critic_total_grad_norm"][0, 1] > 1e6 * calm["critic_total_grad_norm"][0, 1]
    assert (wild["critic_max_grad_norm"] <= wild["critic_total_grad_norm"]).all()
    for unit in ("unit_0", "unit_2"):
        ours, theirs = (networks(p.nets, 0)["critic"][unit] for p in pair)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_clipping_bounds_the_gradient_that_the_optimiser_sees():
    ours = learner(fleet(*[(4, 1, 2)] * 2), gradient_steps=2, batch_size=8)
    ours.observe(random_joint(ours, 20, scale=1e3))
    metrics = ours.update(1.0)
    squares = [
        g[:, 0].flatten(2).square().sum(2) for g in ours.nets["critic"][0].gradient.views.values()
    ]
    norms = torch.stack(squares).sum((0, 1)).sqrt()
    assert (metrics["critic_total_grad_norm"] > 1).all()
    torch.testing.assert_close(norms, torch.ones_like(norms), rtol=1e-5, atol=0)


def test_an_empty_replay_means_no_update():
    ours = learner(fleet((3, 1, 1)), gradient_steps=2)
    before = ours.actors()[0]
    assert ours.update(1.0)["critic_loss"].shape == (0, 1, 1)
    assert ours.updates == 0
    assert torch.equal(before.weights["FC1.weight"], ours.actors()[0].weights["FC1.weight"])
