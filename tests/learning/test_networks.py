import math

import pytest
import torch
from toys import fleet

from assume_rl.compat.modules import Actor, CriticTD3
from assume_rl.errors import PolicyError
from assume_rl.learning.nets.stack import (
    ActorStack,
    critic_hidden,
    critic_input_size,
    initial_actors,
    initial_critics,
    merge,
    polyak_update,
)
from assume_rl.learning.types import AgentSpec

PLANTS = fleet(*[(38, 2, 2)] * 3)


def test_a_stack_acts_like_its_single_agents():
    stack = initial_actors(PLANTS, seed=1)
    obs = torch.randn(4, 5, 3, 38, dtype=torch.float64)
    actions = stack(obs)
    for k, spec in enumerate(PLANTS):
        actor = Actor(38, 2, torch.float64)
        actor.load_state_dict(stack.module_state(spec.unit_id))
        torch.testing.assert_close(actor(obs[..., k, :]), actions[..., k, :])
    assert stack(obs[0, 0]).shape == (3, 2)
    assert actions.abs().max() < 1


def test_critics_act_like_their_single_agents():
    stack = initial_critics(PLANTS, PLANTS, critics=2, seed=1)
    x = torch.randn(3, 7, critic_input_size(PLANTS[0], PLANTS), dtype=torch.float64)
    q = stack(x)
    for k, spec in enumerate(PLANTS):
        critic = CriticTD3(3, 38, 2, torch.float64, unique_obs_len=2)
        critic.load_state_dict(stack.module_state(spec.unit_id))
        obs, actions = x[k, :, :42], x[k, :, 42:]
        q1, q2 = critic(obs, actions)
        torch.testing.assert_close(torch.stack([q1, q2])[..., 0], q[:, k])
        torch.testing.assert_close(critic.q1_forward(obs, actions)[:, 0], q[0, k])


def test_recorded_networks_fit(reference):
    folder = reference / "vectors" / "v10_rl_plants" / "checkpoint" / "last_policies"
    saved = torch.load(folder / "critics" / "critic_G.pt", weights_only=True)
    critic = CriticTD3(2, 38, 2, torch.float32, unique_obs_len=2)
    assert list(saved["critic"]) == list(critic.state_dict())
    critic.load_state_dict(saved["critic"])
    saved = torch.load(folder / "actors" / "actor_G.pt", weights_only=True)["actor"]
    stack = ActorStack.of({"G": saved})
    assert all(torch.equal(stack.module_state("G")[name], saved[name]) for name in saved)


def test_adding_an_agent_leaves_the_weights_of_the_others_unchanged():
    few, many = initial_actors(PLANTS[:2], seed=1), initial_actors(PLANTS, seed=1)
    for name, w in few.weights.items():
        assert torch.equal(w, many.weights[name][:2])
    assert not torch.equal(many.weights["FC1.weight"][0], many.weights["FC1.weight"][1])
    other = initial_actors(PLANTS, seed=2)
    assert not torch.equal(other.weights["FC1.weight"], many.weights["FC1.weight"])
    few, many = (initial_critics(PLANTS[:2], a, 2, 1) for a in (PLANTS[:2], PLANTS))
    assert torch.equal(few.weights["layers.1.weight"], many.weights["layers.1.weight"])


def test_initial_weights_are_xavier_uniform_and_biases_zero():
    weights = initial_actors(PLANTS, seed=1).weights
    bound = math.sqrt(6 / (38 + 256))
    w = weights["FC1.weight"]
    assert bound * 0.99 < w.abs().max() <= bound
    assert float(w.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert float(w.mean()) == pytest.approx(0, abs=0.002)
    assert not weights["FC2.bias"].any()


def test_the_twin_critics_start_apart():
    w = initial_critics(PLANTS, PLANTS, critics=2, seed=1).weights["layers.0.weight"]
    assert not torch.equal(w[:3], w[3:])


@pytest.mark.parametrize(
    ("agents", "hidden"),
    [(1, (256, 128)), (20, (256, 128)), (21, (512, 256, 128)), (51, (1024, 512, 256, 128))],
)
def test_critics_grow_with_the_fleet(agents, hidden):
    assert critic_hidden(agents) == hidden


def test_critic_input_of_a_mixed_fleet():
    agents = fleet((38, 2, 2), (74, 1, 3), (38, 2, 2))
    assert critic_input_size(agents[0], agents) == 38 + (3 + 2) + (2 + 1 + 2)
    assert critic_input_size(agents[1], agents) == 74 + (2 + 2) + (2 + 1 + 2)


def test_select_and_write_go_by_unit():
    stack = initial_actors(PLANTS, seed=1)
    chosen = stack.select(["unit_2", "unit_0"])
    assert chosen.unit_ids == ("unit_2", "unit_0")
    assert torch.equal(chosen.weights["FC1.weight"][0], stack.weights["FC1.weight"][2])
    stack.write("unit_1", stack.module_state("unit_0"))
    assert torch.equal(stack.weights["FC2.weight"][1], stack.weights["FC2.weight"][0])
    with pytest.raises(PolicyError, match="unit 'elsewhere'"):
        stack.select(["elsewhere"])


def test_stacks_merge_by_sizes_and_keep_the_order_of_their_agents():
    sizes = [(38, 2), (74, 1), (38, 2), (74, 1), (75, 1)]
    specs = [AgentSpec(f"{obs} {i}", obs, act, 2) for i, (obs, act) in enumerate(sizes)]
    stacks = [initial_actors([spec], seed=1) for spec in specs]
    merged = merge(stacks)
    assert [s.unit_ids for s in merged] == [("38 0", "38 2"), ("74 1", "74 3"), ("75 4",)]
    for stack in stacks:
        (unit,) = stack.unit_ids
        home = next(s for s in merged if unit in s.unit_ids)
        for name, weight in home.select([unit]).weights.items():
            assert torch.equal(weight, stack.weights[name])
    assert len(merge([stacks[0], stacks[2].to(dtype=torch.float32)])) == 2
    assert merge(()) == ()


def test_weights_that_do_not_fit_are_refused_and_nothing_is_written():
    stack = initial_actors(PLANTS, seed=1)
    before = stack.clone()
    foreign = initial_actors([AgentSpec("other", 38, 1, 2)], seed=1).module_state("other")
    with pytest.raises(PolicyError, match=r"do not fit: FC3\.bias, FC3\.weight"):
        stack.write("unit_0", foreign)
    assert torch.equal(before.weights["FC1.weight"], stack.weights["FC1.weight"])


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
def test_polyak_update_moves_in_place_without_a_graph(tau):
    online = [torch.randn(3, 4, requires_grad=True), torch.randn(4, requires_grad=True)]
    target = [torch.randn(3, 4, requires_grad=True), torch.randn(4, requires_grad=True)]
    expected = [
        (1 - tau) * t.detach() + tau * p.detach() for p, t in zip(online, target, strict=True)
    ]
    same = list(target)
    polyak_update(online, target, tau)
    for t, kept, e in zip(target, same, expected, strict=True):
        assert t is kept
        assert t.grad_fn is None
        torch.testing.assert_close(t.detach(), e)
