"""Critics against formulas written out agent by agent, with torch's own gradients."""

import pytest
import torch
from toys import USUAL_SIZES, fleet, learner, random_joint

from assume_rl.learning.algorithms.base import critic_losses
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.critics.base import Seen, joint

MIXED = [(5, 2, 2), (4, 1, 3), (5, 2, 2), (6, 1, 0), (5, 2, 2)]
ALONE = [(5, 2, 2)]
OF_SHAPES = ["pooled", "shared"]


def new(critic, shapes=MIXED, **settings):
    return learner(fleet(*shapes), critic=critic, batch_size=7, gradient_steps=1, **settings)


def batch(ours, seed=0) -> Seen:
    """Random rows, each group's (seed, agent, row, _)."""
    groups = random_joint(ours, 7, seed=seed).groups
    obs, action = ([getattr(g, n).transpose(1, 2) for g in groups] for n in ("obs", "action"))
    return joint(ours.groups, obs, action)


def by_agent(ours, parts):
    """Group tensors (seed, agent, ...) as one per agent, in the order of the agents."""
    found = {}
    for group, part in zip(ours.groups, parts, strict=True):
        found |= {p: part[0, k] for k, p in enumerate(group.positions)}
    return [found[p] for p in sorted(found)]


def mlp(weights, c, x):
    for k in (1, 2):
        x = x.relu() @ weights[f"layers.{k}.weight"][c] + weights[f"layers.{k}.bias"][c]
    return x[:, 0]


def value(kind, ours, weights, c, i, obs, action):
    """Q-function c of agent i, by the equations in the docs."""
    agents = ours.agents
    order = sorted(
        range(len(agents)), key=lambda p: [a.shape for a in agents].index(agents[p].shape)
    )
    alike = [p for p in order if agents[p].shape == agents[i].shape]
    private = [o[:, o.shape[1] - a.unique_size :] for o, a in zip(obs, agents, strict=True)]
    x = torch.cat([obs[i], action[i]], 1) @ weights["own.weight"][c] + weights["first.bias"][c]
    x = x + weights["embedding"][c][alike.index(i)] @ weights["embedding.weight"][c]
    if kind == "shared":
        rivals = torch.cat([*(private[p] for p in order), *(action[p] for p in order)], 1)
    else:
        rivals = torch.zeros(len(x), 32, dtype=x.dtype)
        shapes = list(dict.fromkeys(a.shape for a in agents))
        for j, agent in enumerate(agents):
            shown = torch.zeros(len(x), 3 + 2 + len(shapes), dtype=x.dtype)
            shown[:, : agent.unique_size] = private[j]
            shown = torch.cat([shown[:, :3], action[j], shown[:, 3 + agent.act_size :]], 1)
            shown[:, 5 + shapes.index(agent.shape)] = 1
            code = (shown @ weights["code.weight"][c] + weights["code.bias"][c]).relu()
            rivals = rivals + code / (len(agents) - 1) * (i != j)
    return mlp(weights, c, x + rivals @ weights["first.weight"][c])


@pytest.mark.parametrize("kind", OF_SHAPES)
def test_steps_follow_the_gradient_of_the_mean_loss(kind):
    ours = new(kind)
    seen = batch(ours)
    obs, action = by_agent(ours, seen.obs), by_agent(ours, seen.action)
    for critic in ours.nets["critic"]:
        targets = [torch.randn(1, o.shape[1], 7, dtype=o.dtype) for o in seen.obs]
        own = [targets[g] for g in critic.form.groups]
        own_weights = critic.form.snapshot(critic.online, 0).weights
        weights = {n: w.requires_grad_() for n, w in own_weights.items()}
        losses = {}
        for g in critic.form.groups:
            for k, p in enumerate(ours.groups[g].positions):
                q = [value(kind, ours, weights, c, p, obs, action) for c in range(2)]
                losses[p] = sum((v - targets[g][0, k]).square().mean() for v in q)
        torch.stack(list(losses.values())).mean().backward()
        norm = torch.stack([w.grad.norm() for w in weights.values()]).norm()

        found = critic_losses(critic.form, critic.followed, seen, own)
        steps = critic.descend(found, 1e-3, max_grad_norm=1.0)

        torch.testing.assert_close(steps[0].total_norm[0, 0], norm)
        found = torch.cat([step.loss[0] for step in steps])
        torch.testing.assert_close(found, torch.stack(list(losses.values())).detach())
        for name, w in weights.items():
            clipped = w.grad * min(1.0, 1.0 / float(norm))
            torch.testing.assert_close(
                critic.gradient.views[name][:, 0], clipped, rtol=1e-5, atol=1e-9
            )


@pytest.mark.parametrize("kind", OF_SHAPES)
def test_actors_climb_the_gradient_at_their_own_actions(kind):
    ours = new(kind)
    seen = batch(ours)
    obs, taken = by_agent(ours, seen.obs), by_agent(ours, seen.action)
    for critic in ours.nets["critic"]:
        weights = critic.form.snapshot(critic.online, 0).weights
        context = critic.form.context(critic.first, seen)
        for g in critic.form.groups:
            chosen = torch.randn_like(seen.action[g])
            chosen.requires_grad_()
            (q1,) = critic.form.with_action(context, seen, g, chosen)
            (gradient,) = torch.autograd.grad(q1.sum(), chosen)
            for k, p in enumerate(ours.groups[g].positions):
                mine = chosen[0, k].detach().clone().requires_grad_()
                action = [mine if i == p else a for i, a in enumerate(taken)]
                q = value(kind, ours, weights, 0, p, obs, action)
                (expected,) = torch.autograd.grad(q.sum(), mine)
                torch.testing.assert_close(q1[0, k], q.detach())
                torch.testing.assert_close(gradient[0, k], expected)


@pytest.mark.parametrize("kind", OF_SHAPES)
def test_targets_are_the_least_value_of_the_target_networks(kind):
    ours = new(kind)
    seen = batch(ours)
    obs, action = by_agent(ours, seen.obs), by_agent(ours, seen.action)
    for critic in ours.nets["critic"]:
        weights = critic.form.snapshot(critic.online, 0).weights  # targets start as copies
        for g, found in zip(
            critic.form.groups, critic.form.values(critic.later, seen), strict=True
        ):
            for k, p in enumerate(ours.groups[g].positions):
                q = [value(kind, ours, weights, c, p, obs, action) for c in range(2)]
                torch.testing.assert_close(found.amin(dim=0)[0, k], torch.minimum(*q))


@pytest.mark.parametrize("normalise", [[], ["critic_input"]])
@pytest.mark.parametrize(("algorithm", "kind"), [*(("matd3", k) for k in CRITICS), ("itd3", "")])
def test_values_of_other_observations_are_those_of_rows_that_have_them(algorithm, kind, normalise):
    settings = {"critic": kind} if kind else {}
    ours = learner(fleet(*MIXED), algorithm=algorithm, normalise=normalise, **settings)
    ours.observe(random_joint(ours, 30, scale=2.0))
    seen = batch(ours)
    for critic in ours.nets["critic"]:
        context = critic.form.context(critic.later, seen)
        for place, g in enumerate(critic.form.groups):
            agents, size = seen.obs[g].shape[1], seen.obs[g].shape[-1]
            row, obs = torch.randint(7, (1, agents, 4)), torch.randn(1, agents, 4, size).double()
            found = critic.form.with_obs(context, seen, g, row, obs)
            for k in range(agents):
                there = seen.at(row[:, k])
                others = [part.clone() for part in there.obs]
                others[g][:, k] = obs[:, k]
                rows = joint(ours.groups, others, there.action)
                expected = critic.form.values(critic.later, rows)[place][:, :, k]
                torch.testing.assert_close(found[:, :, k], expected)


def test_a_pooled_critic_does_not_mind_which_rival_does_what():
    ours = new("pooled", [(5, 2, 2)] * 4)
    seen = batch(ours)
    swapped = [0, 3, 2, 1]
    other = joint(ours.groups, [seen.obs[0][:, swapped]], [seen.action[0][:, swapped]])
    (critic,) = ours.nets["critic"]
    (before,), (after,) = (critic.form.values(critic.later, s) for s in (seen, other))
    torch.testing.assert_close(before[:, :, 0], after[:, :, 0])
    assert not torch.allclose(before[:, :, 1], after[:, :, 3])  # they differ by their embeddings
    mute = joint(ours.groups, list(seen.obs), [seen.action[0] * 0.0])
    assert not torch.allclose(before[:, :, 0], critic.form.values(critic.later, mute)[0][:, :, 0])


@pytest.mark.parametrize("kind", CRITICS)
def test_an_agent_without_rivals_learns(kind):
    ours = new(kind, ALONE)
    ours.observe(random_joint(ours, 20))
    assert ours.update(1.0)["critic_loss"].isfinite().all()


@pytest.mark.parametrize("kind", OF_SHAPES)
def test_networks_do_not_grow_with_the_fleet(kind):
    few, many = (
        new(kind, [(5, 2, 2)] * n, **USUAL_SIZES).nets["critic"][0].online.views for n in (3, 30)
    )
    assert few["layers.1.weight"].shape == many["layers.1.weight"].shape == (2, 1, 256, 128)
    assert many["embedding"].shape[2] == 30
