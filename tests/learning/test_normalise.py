"""Running statistics: how they count and act, how they are saved, loaded and frozen."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import CPU, fleet, learner, one_seed, random_joint

from assume_rl.episodes.learning_files import load_actors, load_critics, save_actors, save_critics
from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.critics.base import joint as side_by_side
from assume_rl.learning.critics.base import states_only
from assume_rl.learning.critics.normalised import NormalisedForm, follow
from assume_rl.learning.nets.moments import Moments
from assume_rl.learning.policies.assume_layout import save_assume_layout
from assume_rl.learning.policies.folder import load_policies
from assume_rl.learning.states import states
from assume_rl.learning.types import Earnings, Joint, Transitions

pytestmark = pytest.mark.unchecked

ALL = ("observations", "critic_input", "values", "returns")
SMALL = {"batch_size": 8, "gradient_steps": 2, "actor_hidden": (8, 8)}
UNLIKE = ((3, 1, 1), (5, 2, 2), (3, 1, 1))


def everything(algorithm):
    critics = any("value" in spec.kind for spec in ALGORITHMS[algorithm].networks().values())
    return ALL if critics else ("observations", "returns")


def ours(algorithm="matd3", normalise=ALL, shapes=UNLIKE, **settings):
    return learner(
        fleet(*shapes), algorithm=algorithm, normalise=normalise, **{**SMALL, **settings}
    )


def far_off(joint):
    """The same transitions with observations around 500."""
    groups = tuple(
        replace(part, obs=500 + 3 * part.obs, next_obs=500 + 3 * part.next_obs)
        for part in joint.groups
    )
    return replace(joint, groups=groups)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())


# --- moments --------------------------------------------------------------------------------------


def test_moments_of_parts_are_those_of_all_numbers():
    draw = torch.Generator().manual_seed(1)
    rows = 1e5 + 2.0 * torch.randn((2, 3, 40, 4), generator=draw, dtype=torch.float64)
    moments = Moments.fresh("abc", 2, 4, CPU)
    assert torch.equal(moments.normalise(rows[:, :, :3] - 1e5), rows[:, :, :3] - 1e5)
    other = Moments.fresh("abc", 2, 4, CPU)
    moments.add(rows[:, :, :1])
    moments.add(rows[:, :, 1:9])
    other.add(rows[:, :, 9:])
    moments.take(other)
    values = rows.numpy()
    np.testing.assert_allclose(moments.count, 40)
    np.testing.assert_allclose(moments.mean, values.mean(axis=2), rtol=1e-14)
    np.testing.assert_allclose(moments.variance, values.var(axis=2), rtol=1e-9)
    expected = (values - values.mean(axis=2, keepdims=True)) / values.std(axis=2, keepdims=True)
    np.testing.assert_allclose(moments.normalise(rows), expected, rtol=1e-6)
    assert other.count.sum() == 0


def test_entries_that_never_change_are_0_and_those_far_off_are_clipped():
    moments = Moments.fresh("a", 1, 1, CPU)
    moments.add(torch.full((1, 1, 7, 1), 0.1, dtype=torch.float64))
    found = moments.normalise(torch.tensor([0.1, 5.0, -5.0], dtype=torch.float64).view(1, 1, 3, 1))
    assert found.flatten().tolist() == pytest.approx([0.0, 10.0, -10.0])


# --- returns, rewards -----------------------------------------------------------------------------


def test_rewards_are_divided_by_the_deviation_of_discounted_returns():
    agent = ours(normalise=("returns",), shapes=((2, 1, 1),), gamma=0.5)
    joint = replace(random_joint(agent, 12, scale=50.0), copies=2)
    first, second = (cut(joint, rows) for rows in (slice(0, 8), slice(8, 12)))
    agent.observe(first)
    agent.observe(second)
    # By hand: copies take turns, and an end begins anew.
    reward = joint.groups[0].reward[0, :, 0].tolist()
    ends = (joint.terminated | joint.truncated)[0].tolist()
    found, sums = [], [0.0, 0.0]
    for row, (own, end) in enumerate(zip(reward, ends, strict=True)):
        sums[row % 2] = 0.5 * sums[row % 2] + own
        found.append(sums[row % 2])
        sums[row % 2] *= not end
    batch = agent._batches.latest(12)
    np.testing.assert_allclose(batch.reward[0][0, 0], np.array(reward) / np.std(found), rtol=1e-12)


def cut(joint, rows):
    groups = tuple(
        Transitions(
            part.obs[:, rows], part.action[:, rows], part.reward[:, rows], part.next_obs[:, rows]
        )
        for part in joint.groups
    )
    return Joint(groups, joint.terminated[:, rows], joint.truncated[:, rows], joint.copies)


def test_rewards_are_scaled_and_then_clipped():
    agent = learner(fleet((2, 1, 1)), reward={"scale": 0.1, "clip": 0.5})
    joint = random_joint(agent, 20, scale=10.0)
    agent.observe(joint)
    expected = (0.1 * joint.groups[0].reward[0, :, 0]).clamp(-0.5, 0.5)
    np.testing.assert_allclose(agent._batches.latest(20).reward[0][0, 0], expected)


# --- observations and inputs of critics -----------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["matd3", "mappo"])
def test_actors_read_what_was_stored_before_they_changed(algorithm):
    agent = ours(algorithm, ("observations",))
    plain = ours(algorithm, ())
    joint = far_off(random_joint(agent, 30))
    obs = [part.obs[:, None, -1] for part in joint.groups]
    agent.observe(joint)
    unread = plain.outputs([part.clamp(-10, 10) for part in obs])
    assert all(map(torch.equal, agent.outputs(obs), unread))  # no update, no change
    agent.update(1.0)
    for stack, part, mine in zip(agent.actors(), joint.groups, agent.outputs(obs), strict=True):
        values = part.obs[0].numpy()
        np.testing.assert_allclose(stack.weights["observation.mean"], values.mean(0), rtol=1e-12)
        np.testing.assert_allclose(stack.weights["observation.variance"], values.var(0), rtol=1e-9)
        assert torch.equal(stack.outputs(part.obs[0, -1:]), mine[0, 0][None])


@pytest.mark.parametrize("algorithm", ["matd3", "masac", "mappo", "ippo", "a2c"])
def test_critics_read_normalised_observations_and_actions_as_they_are(algorithm):
    agent = ours(algorithm, ("critic_input",))
    joint = far_off(random_joint(agent, 30))
    agent.observe(joint)
    kind = "critic" if "critic" in agent.nets else "value"
    raw = [part.obs.transpose(1, 2) for part in joint.groups]
    own = [(r - r.mean(2, keepdim=True)) / r.std(2, correction=0, keepdim=True) for r in raw]
    action = [part.action.transpose(1, 2) for part in joint.groups]
    if kind == "value":
        action = [part[..., :0] for part in action]
    for net in agent.nets[kind]:
        seen = side_by_side(agent.groups, raw, action)
        found = net.form.values(net.now, seen)
        expected = net.form.inner.values(net.now, side_by_side(agent.groups, own, action))
        for mine, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, theirs)


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("critic", CRITICS)
def test_values_stay_what_they_were_when_their_statistics_move(critic):
    agent = ours(normalise=("values",), critic=critic)
    agent.observe(random_joint(agent, 20))
    batch, draw = agent._batches.latest(20), torch.Generator().manual_seed(1)
    for net in agent.nets["critic"]:
        counted = []
        for k in range(3):
            shapes = [part.shape for part in net.form.values(net.now, batch.now)]
            targets = [
                7.0 + 30 * k + 4.0 * torch.randn(s[1:], generator=draw, dtype=torch.float64)
                for s in shapes
            ]
            nets = (net.now, net.later)
            before = [net.form.values(own, batch.now) for own in nets]
            follow(net, targets)
            counted.append(torch.cat(targets, dim=1))
            if k == 0:  # nothing was learned yet: they begin where the targets are
                continue
            for own, earlier in zip(nets, before, strict=True):
                for q, old in zip(net.form.values(own, batch.now), earlier, strict=True):
                    torch.testing.assert_close(q, old, rtol=1e-9, atol=1e-9)
        together = torch.cat(counted, dim=-1)
        values = together.flatten(1)[:, None] if len(net.form.names) == 1 else together
        np.testing.assert_allclose(net.form.scale.mean[..., 0], values.mean(-1), rtol=1e-12)
        np.testing.assert_allclose(
            net.form.scale.variance[..., 0], values.var(-1, correction=0), rtol=1e-9
        )


def test_gradients_of_values_are_those_of_the_normalised_error():
    agent = ours("ippo", ("values",), shapes=((3, 1, 1),), max_grad_norm=0)
    agent.observe(random_joint(agent, 20))
    seen = states_only(agent.groups, agent._batches.latest(20).now.obs)
    (net,) = agent.nets["value"]
    target = 100.0 + 20.0 * torch.randn(1, 1, 20, dtype=torch.float64)
    follow(net, [target])
    scale = net.form.scale
    mean, deviation = float(scale.mean), float(scale.deviation())
    with torch.enable_grad():
        error = net.form.inner.values(net.followed, seen)[0][0] - (target - mean) / deviation
        net.gradient.buffer.zero_()
        error.square().mean().backward()
        expected = net.gradient.buffer.clone()
        loss = (net.form.values(net.followed, seen)[0][0] - target).square().mean(-1)
        net.descend([loss], 0.0, 0.0)
    torch.testing.assert_close(net.gradient.buffer, expected)
    assert loss.item() == pytest.approx(error.square().mean().item() * deviation**2)


# --- saved, loaded, resumed, side by side ---------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["matd3", "isac", "mappo", "a2c", "reinforce"])
def test_it_continues_from_a_state_with_the_same_bytes(algorithm):
    first, second = (ours(algorithm, everything(algorithm)) for _ in range(2))
    first.observe(far_off(random_joint(first, 12)))
    first.update(1.0)
    waiting, after = (far_off(random_joint(first, 12, seed=k)) for k in (1, 2))
    first.observe(waiting)
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        each.observe(after)
        each.update(0.5)
    assert same(states(first.nets, 0), states(second.nets, 0))
    assert same(first.normaliser.state_of(0), second.normaliser.state_of(0))


@pytest.mark.parametrize(("algorithm", "critic"), [("matd3", "concat"), ("mappo", "shared")])
def test_a_seed_among_others_learns_the_same_bits_as_alone(algorithm, critic):
    settings = {**SMALL, "algorithm": algorithm, "normalise": ALL, "critic": critic}
    agents = fleet(*[(4, 1, 1)] * 4)
    together = learner(agents, seeds=(7, 3), **settings)
    joint = far_off(random_joint(together, 12))
    together.observe(joint)
    together.update(1.0)
    for k, seed in enumerate(together.seeds):
        alone = learner(agents, seeds=(seed,), **settings)
        alone.observe(regrouped(one_seed(joint, k), alone))
        alone.update(1.0)
        assert same(states(alone.nets, 0), states(together.nets, k))
        assert same(alone.normaliser.state_of(0), together.normaliser.state_of(k))
        assert same(together.single(k).normaliser.state_of(0), alone.normaliser.state_of(0))


def regrouped(joint, after):
    """Transitions in the groups of another learner of the same agents, all alike."""
    whole = [torch.cat(part, dim=2) for part in zip(*map(parts, joint.groups), strict=True)]
    names = list(joint.groups[0].extras)
    groups = []
    for group in after.groups:
        own = slice(group.positions[0], group.positions[-1] + 1)
        obs, action, reward, following, *extras = (part[:, :, own] for part in whole)
        groups.append(
            Transitions(obs, action, reward, following, dict(zip(names, extras, strict=True)))
        )
    return replace(joint, groups=tuple(groups))


def parts(group):
    return (group.obs, group.action, group.reward, group.next_obs, *group.extras.values())


def test_policies_act_on_the_statistics_that_they_were_saved_with(tmp_path: Path):
    agent = ours()
    joint = far_off(random_joint(agent, 30))
    agent.observe(joint)
    agent.update(1.0)
    save_actors(agent, tmp_path, {})
    loaded = load_policies(tmp_path)
    assert all(entry.normalised for entry in loaded.manifest.units.values())
    for mine, theirs in zip(agent.actors(), loaded.actors, strict=True):
        assert mine.unit_ids == theirs.unit_ids
        assert same(mine.weights, theirs.weights)
        obs = 400 + torch.rand(6, len(mine.unit_ids), mine.sizes()[0], dtype=torch.float64)
        assert torch.equal(mine(obs), theirs(obs))


def test_a_training_continues_with_the_statistics_of_another(tmp_path: Path):
    agent, later = ours(), ours()
    agent.observe(far_off(random_joint(agent, 30)))
    agent.update(1.0)
    save_actors(agent, tmp_path, {})
    save_critics(agent, tmp_path)
    assert load_actors(tmp_path, later).loaded == load_critics(tmp_path, later).loaded
    assert same(
        states(agent.nets, 0)["networks"]["critic"], states(later.nets, 0)["networks"]["critic"]
    )
    assert same(agent.normaliser.state_of(0), later.normaliser.state_of(0))


@pytest.mark.parametrize("normalises", [True, False])
def test_actors_that_read_other_numbers_are_passed_over(
    tmp_path: Path, normalises: bool, caplog: pytest.LogCaptureFixture
):
    own = [("observations", "values"), ()]
    old, new = (ours(normalise=n) for n in (own if normalises else own[::-1]))
    save_actors(old, tmp_path, {})
    save_critics(old, tmp_path)
    found, (first, second) = load_actors(tmp_path, new), ("normalised", "as they are")
    if not normalises:
        first, second = second, first
    assert found.skipped["unit_0"] == (
        f"it reads observations {first}, actors of this training read them {second}"
    )
    assert not load_critics(tmp_path, new).loaded
    assert ", normalise: ('observations', 'values')" in caplog.text


def test_the_established_layout_has_no_statistics(tmp_path: Path):
    with pytest.raises(PolicyError, match="normalise observations and values have no form"):
        save_assume_layout(tmp_path, ours(normalise=("observations", "values")))
    save_assume_layout(tmp_path, ours(normalise=("returns",)))


# --- settings -------------------------------------------------------------------------------------


def test_what_cannot_be_normalised_is_named():
    with pytest.raises(ConfigurationError, match="vpg has no critic of its own, and so no values"):
        ours("vpg", ("values",))
    agents = [replace(agent, earnings=Earnings(-1.0, 1.0, 24)) for agent in fleet(*UNLIKE)]
    with pytest.raises(ConfigurationError, match=r"without reward.scale and without normalise"):
        learner(agents, normalise=("returns",), clip_targets=True)
    with pytest.raises(ConfigurationError, match=r"normalise: cannot normalise 'value', .*values"):
        LearningConfig.from_mapping({"normalise": ["value"]})
    with pytest.raises(ConfigurationError, match="normalise: must be a list of observations"):
        LearningConfig.from_mapping({"normalise": True})


@pytest.mark.parametrize("algorithm", ["matd3", "masac", "ippo", "a2c"])
def test_an_algorithm_whose_values_follow_no_targets_is_refused(algorithm, monkeypatch):
    module = sys.modules[type(ALGORITHMS[algorithm]).update.__module__]
    monkeypatch.setattr(module, "follow", lambda *_: None)
    agent = ours(algorithm, ("values",))
    agent.observe(random_joint(agent, 32))
    with pytest.raises(ConfigurationError, match=f"normalise: {algorithm} lets no values follow"):
        agent.update(1.0)


def test_nothing_is_normalised_by_default():
    agent = ours(normalise=())
    assert not any(isinstance(net.form, NormalisedForm) for net in agent.all_nets())
    assert not any(stack.normalises for stack in agent.actors())


# --- learning -------------------------------------------------------------------------------------

BEST = {0.0: 0.5, 1.0: -0.3}
"""Best action in each of two states that follow each other at random."""


@pytest.mark.parametrize("normalise", [("observations", "critic_input", "values"), ()])
def test_badly_scaled_numbers_are_learned_from_if_they_are_normalised(normalise):
    agent = ours(
        normalise=normalise,
        shapes=((1, 1, 1),),
        gamma=0.0,
        batch_size=32,
        gradient_steps=200,
        dtype=torch.float32,
        learning_rate=3e-3,
        actor_hidden=(32, 32),
    )
    draw = torch.Generator().manual_seed(1)
    state = torch.randint(2, (1, 257, 1, 1), generator=draw).double()
    action = 2.0 * torch.rand((1, 256, 1, 1), generator=draw, dtype=torch.float64) - 1.0
    best = torch.where(state[:, :-1] == 0, BEST[0.0], BEST[1.0])
    reward = 20_000.0 - 300.0 * (action - best).square()[..., 0]
    obs = 5_000.0 + 3.0 * state
    flags = torch.zeros(1, 256, dtype=torch.bool)
    agent.observe(Joint((Transitions(obs[:, :-1], action, reward, obs[:, 1:]),), flags, flags))
    agent.update(1.0)
    shown = 5_000.0 + 3.0 * torch.tensor(list(BEST), dtype=torch.float64).view(1, 2, 1, 1)
    (found,) = agent.actions([shown])
    regret = float((found.flatten() - torch.tensor(list(BEST.values()))).square().max())
    assert (regret < 0.04) == bool(normalise)
