"""Noisy layers: against torch modules, the variance of their draws, and where they have none."""

import math

import pytest
import torch
from same_learning import continues_from_a_state, learns_as_alone
from test_dqn import LEARNS, played
from test_fictitious_play import draw
from test_q_learning import AGENTS, LADDER, joint, learned, observations, random_choices
from torch import nn
from toys import learner

from assume_rl.episodes.learning_files import load_actors, load_critics, save_actors, save_critics
from assume_rl.learning.algorithms.unread import unread_keys
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import exploration_at
from assume_rl.learning.functional import Functional
from assume_rl.learning.nets.noisy import SPREAD, Draws, noisy
from assume_rl.learning.policies.folder import load_policies
from assume_rl.learning.states import states

pytestmark = pytest.mark.unchecked

SMALL = {"algorithm": "dqn", "actor_hidden": (8, 8), "batch_size": 8, "gradient_steps": 2}
KINDS = pytest.mark.parametrize("kind", ["factorised", "independent"])


class NoisyLinear(nn.Module):
    """A layer of the paper; its draws are handed over."""

    def __init__(self, mean, spread, bias, bias_spread, z, z_bias):
        super().__init__()
        self.parts = nn.ParameterList([mean, spread, bias, bias_spread])
        self.z, self.z_bias = z, z_bias

    def forward(self, x):
        mean, spread, bias, bias_spread = self.parts
        return nn.functional.linear(x, mean + spread * self.z, bias + bias_spread * self.z_bias)


def draws_of(weight, kind):
    """Draws of a layer in torch's order (out, entry), made from how it changes ones."""
    entries, outputs = weight.shape[-2:]
    names = [f"FC1.{part}" for part in ("weight", "bias")]
    ones = {names[0]: torch.zeros(1, entries, outputs).double(),
            names[1]: torch.zeros(1, outputs).double()}  # fmt: skip
    ones |= {name + SPREAD: torch.ones_like(value) for name, value in ones.items()}
    found = noisy(ones, kind, ["a"], Draws((1,), "test", 5))
    return found[names[0]][0].T, found[names[1]][0]


@KINDS
def test_layers_agents_seeds_purposes_and_updates_have_draws_of_their_own(kind):
    # GIVEN two layers of the same shape, whose weights are nothing but noise, of two agents
    def noise(*draws):
        zero = {f"FC{k}.{part}": torch.zeros(2, *shape).double() for k in (1, 2)
                for part, shape in (("weight", (3, 3)), ("bias", (3,)))}  # fmt: skip
        ones = {name + SPREAD: torch.ones_like(value) for name, value in zero.items()}
        found = noisy(zero | ones, kind, ["a", "b"], Draws(*draws))
        return torch.stack([found["FC1.weight"], found["FC2.weight"]]).flatten(2).flatten(0, 1)

    # WHEN they are drawn for another seed, purpose or number
    drawn = [noise((1,), "act", 5), noise((2,), "act", 5), noise((1,), "twin", 5),
             noise((1,), "act", 6)]  # fmt: skip
    # THEN no two are the same
    rows = torch.cat(drawn)
    assert len(rows.unique(dim=0)) == len(rows) == 16
    assert torch.equal(noise((1,), "act", 5), drawn[0])


@KINDS
def test_outputs_and_gradients_are_those_of_a_module(kind):
    ours = learner([LADDER], noisy=kind, **SMALL)
    (net,) = ours.nets["actor"]
    for name, view in net.online.views.items():
        if name.endswith("bias"):
            view.copy_(draw(*view.shape))
    draws = Draws(ours.seeds, "test", 3)
    obs = draw(1, 1, 5, 3)
    obs[..., -2:] = torch.tensor([-1.0, 1.0])
    out = net.form.outputs(net.form.noisy(net.followed, draws), obs)
    out.square().sum().backward()
    # What the draws were: the difference that they make, over the spreads.
    state, gradient = (net.form.states(flat, 0)["ladder"] for flat in (net.online, net.gradient))
    drawn = net.form.acting(net.online, 0, draws).module_state("ladder")
    x = obs[0, 0]
    layers = []
    for k in (1, 2, 3):
        z = {p: (drawn[f"FC{k}.{p}"] - state[f"FC{k}.{p}"]) / state[f"FC{k}.{p}{SPREAD}"]
             for p in ("weight", "bias")}  # fmt: skip
        if kind == "factorised":  # a product, of which the bias has one factor
            entry = z["weight"][0] / z["bias"][0]
            torch.testing.assert_close(z["weight"], torch.outer(z["bias"], entry))
        parts = [state[f"FC{k}.{p}"].clone() for p in
                 ("weight", f"weight{SPREAD}", "bias", f"bias{SPREAD}")]  # fmt: skip
        layers.append(NoisyLinear(*map(nn.Parameter, parts), z["weight"], z["bias"]))
        x = layers[-1](x if k == 1 else torch.relu(x))
    torch.testing.assert_close(out[0, 0], x)
    x.square().sum().backward()
    for k, layer in enumerate(layers, start=1):
        names = ("weight", f"weight{SPREAD}", "bias", f"bias{SPREAD}")
        for name, part in zip(names, layer.parts, strict=True):
            torch.testing.assert_close(gradient[f"FC{k}.{name}"], part.grad)


@KINDS
def test_the_variance_of_draws_is_that_of_the_paper(kind):
    weight, bias = draws_of(torch.zeros(1, 400, 300), kind)
    assert weight.mean().abs() < 0.01
    one, two = (1.0, 1.0) if kind == "independent" else (math.sqrt(2 / math.pi), 2 / math.pi)
    assert bias.square().mean().item() == pytest.approx(one, rel=0.15)
    assert weight.square().mean().item() == pytest.approx(two, rel=0.1)


@KINDS
def test_spreads_begin_as_in_the_paper(kind):
    ours = learner([LADDER], noisy=kind, **SMALL)
    for name, view in ours.nets["actor"][0].online.views.items():
        if name.endswith(SPREAD):
            entries = 3 if name.startswith("FC1") else 8
            expected = 0.017 if kind == "independent" else 0.5 / math.sqrt(entries)
            assert (view == expected).all()


def test_noise_stays_between_updates_and_evaluations_and_files_have_none(tmp_path):
    ours = learner(AGENTS, noisy="factorised", **SMALL)
    ours.observe(random_choices(ours, 12))
    seen = [torch.randn(1, 3, len(g.specs), g.obs_size).double() for g in ours.groups]
    for part, group in zip(seen, ours.groups, strict=True):
        part[..., -2 * group.act_size :] = torch.tensor([-1.0, 1.0]).repeat_interleave(
            group.act_size
        )
    first, again = (ours.outputs(seen, noisy=True) for _ in range(2))
    still = ours.outputs(seen)
    for k, (one, two, mean) in enumerate(zip(first, again, still, strict=True)):
        assert torch.equal(one, two)
        assert not torch.isclose(one, mean).any()
        # What is published for training has the noise, what is kept has none.
        for stack, expected in ((ours.actors(noisy=True)[k], one), (ours.actors()[k], mean)):
            torch.testing.assert_close(stack.outputs(seen[k][0]), expected[0])
            assert not any(name.endswith(SPREAD) for name in stack.weights)
    # Another update, other draws: of the same weights, too.
    ours.updates += 1
    assert not any(map(torch.equal, first, ours.outputs(seen, noisy=True)))
    ours.update(1.0)
    save_actors(ours, tmp_path, {})
    for stack in load_policies(tmp_path).actors:
        assert not any(name.endswith(SPREAD) for name in stack.weights)


def test_spreads_are_gone_on_with(tmp_path):
    settings = {"noisy": "independent", **SMALL}
    old = learner(AGENTS, **settings)
    old.observe(random_choices(old, 12))
    old.update(1.0)
    save_actors(old, tmp_path, {})
    save_critics(old, tmp_path)
    new = learner(AGENTS, seeds=(9,), **settings)
    assert len(load_actors(tmp_path, new).loaded) == len(AGENTS)
    assert len(load_critics(tmp_path, new).loaded) == len(AGENTS)
    ours, theirs = (states(each.nets, 0)["networks"] for each in (old, new))
    for kind in ("actor", "actor_target"):
        for unit, own in ours[kind].items():
            assert all(torch.equal(value, theirs[kind][unit][name]) for name, value in own.items())
    plain = learner(AGENTS, **SMALL)
    assert not load_critics(tmp_path, plain).loaded


def test_functions_draw_with_each_decision_and_not_without_exploration():
    functions = Functional(LearningConfig(noisy="factorised", **SMALL), [LADDER])
    params, seen = functions.init_params(3), {"ladder": torch.tensor([[0.3, -1.0, 1.0]])}
    found = []
    for explore in (True, False):
        policy = functions.init_policy(explore=explore)
        chosen = []
        for _ in range(30):
            decisions, policy = functions.predict(params, policy, seen, 1)
            chosen.append(decisions["ladder"].action.item())
        found.append(len(set(chosen)))
    assert found[0] > 1
    assert found[1] == 1


@pytest.mark.slow
def test_a_learner_explores_by_noise_alone_and_less_as_it_learns():
    """The storage of `test_dqn.py`, after a stretch of random rungs as in initial experience."""
    generator = torch.Generator().manual_seed(1)
    ours = learner([LADDER], seeds=(1,), algorithm="dqn", noisy="factorised", **LEARNS)
    assert exploration_at(ours.config, initial=False, progress=1.0).epsilon == 0.0
    assert {"epsilon", "epsilon_schedule"} <= unread_keys(ours.config)
    apart = []

    def transitions():
        full = torch.randint(2, (1, 32), generator=generator)
        obs, actions, rung = played(ours, full, generator, 1.0)
        if not apart:
            rung = torch.randint(6, (1, 32), generator=generator)
            actions = [(rung * 0.4 - 1.0).double()[..., None, None]]
        charges, sells = (full == 0) & (rung == 0), (full == 1) & (rung == 2)
        reward = torch.where(charges, -0.2, torch.where(sells, 0.5, 0.01 * (rung == 5)))
        after = observations(ours, full + charges.long() - sells.long())
        mean = ((ours.actions(obs)[0] + 1) * 2.5).round()[..., 0, 0]
        apart.append(float((mean != rung).double().mean()))
        return joint(obs, actions, [reward.double()[..., None]], after)

    (found,) = learned(ours, transitions, 40)
    assert found.flatten().tolist() == [0, 2]
    assert sum(apart[:12]) / 12 > 0.3
    assert sum(apart[-12:]) < 0.7 * sum(apart[:12])


@KINDS
def test_it_continues_from_a_state_with_the_same_bytes(kind):
    more = {"noisy": kind, "double": "random_roles"}
    given = (learner(AGENTS, **SMALL, **more) for _ in range(2))
    names = {"actor", "actor_target", "twin", "twin_target"}
    assert continues_from_a_state(*given, random_choices) == names


@pytest.mark.parametrize("architecture", ["mlp", "gru"])
def test_a_seed_among_others_learns_the_same_as_alone(architecture):
    more = {"noisy": "independent", "actor_architecture": architecture, "double": "main_chooses"}
    learns_as_alone(lambda seeds: learner(AGENTS, seeds=seeds, **SMALL, **more), random_choices)
