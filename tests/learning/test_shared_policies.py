"""Policies that agents share: one network, trained from what all of them see."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from toys import fleet, learner, one_seed, random_joint

from assume_rl.episodes.learning_files import load_actors, save_actors
from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms import able
from assume_rl.learning.learner import Learner
from assume_rl.learning.policies.folder import read_manifest
from assume_rl.learning.states import networks
from assume_rl.learning.types import AgentSpec, Scales

OBS, ACT, UNIQUE, RUNGS = 10, 2, 4, 4
SMALL: dict[str, Any] = {
    "batch_size": 8,
    "gradient_steps": 2,
    "actor_hidden": (8, 6),
    "critic_hidden": (8, 6),
}
MEMORY = {"actor_architecture": "gru", "actor_hidden": (5, 7), "sequence_length": 3, "burn_in": 1}


def agents(algorithm: str = "matd3", shared: str | None = "coal") -> tuple[AgentSpec, ...]:
    """Three agents that share a policy, between two that do not."""
    rungs = RUNGS if algorithm not in able("box") else 0
    own = [replace(a, rungs=rungs) for a in fleet(*[(OBS, ACT, UNIQUE)] * 5)]
    return tuple(replace(a, shared=shared) if 0 < k < 4 else a for k, a in enumerate(own))


def ours(algorithm: str = "matd3", shared: str | None = "coal", **settings: object) -> Learner:
    return learner(agents(algorithm, shared), algorithm=algorithm, **SMALL | settings)


def taught(agent: Learner, rows: int = 24, *, seed: int = 0, updates: int = 1) -> Learner:
    for k in range(updates):
        agent.observe(random_joint(agent, rows, seed=seed + k))
        assert agent.update(progress=0.5).iterations > 0
    return agent


def test_agents_that_share_are_one_group_with_one_network():
    agent = ours(block_size=2)
    assert [group.unit_ids for group in agent.groups] == [
        ("unit_0", "unit_4"),
        ("unit_1", "unit_2", "unit_3"),
    ]
    assert list(networks(agent.nets, 0)["actor"]) == ["unit_0", "unit_4", "coal"]
    assert agent.nets["actor"][1].online.views["FC1.weight"].shape == (1, 1, OBS, 8)
    alone = learner([replace(agents()[0], unit_id="coal")], actor_hidden=(8, 6))
    expected = networks(alone.nets, 0)["actor"]["coal"]
    assert torch.equal(
        networks(agent.nets, 0)["actor"]["coal"]["FC1.weight"], expected["FC1.weight"]
    )


@pytest.mark.parametrize("algorithm", sorted({*able("box"), *able("ladder")}))
def test_equal_observations_lead_to_equal_actions_whoever_learned(algorithm: str) -> None:
    agent = taught(ours(algorithm))
    obs = [torch.rand(1, 9, 1, OBS, dtype=torch.float64).expand(-1, -1, len(g.specs), -1) * 2 - 1
           for g in agent.groups]  # fmt: skip
    free, shared = agent.outputs(obs)
    torch.testing.assert_close(shared[:, :, :1].expand_as(shared), shared)
    assert not torch.allclose(free[:, :, :1].expand_as(free), free)
    stack = agent.actors()[1]
    assert stack.unit_ids == ("unit_1", "unit_2", "unit_3")
    torch.testing.assert_close(stack(obs[1][0]), agent.actions(obs)[1][0])


@pytest.mark.parametrize("settings", [{}, MEMORY, {"actor_architecture": "lstm"}])
def test_the_gradient_is_the_mean_of_those_of_the_agents(settings: dict[str, object]) -> None:
    # GIVEN agents that share a network, and agents of the same weights with one each
    together = ours("matd3", **settings).nets["actor"][1]
    alone = [replace(agent, shared=None) for agent in agents()[1:4]]
    apart = learner(alone, **SMALL | settings)
    state = together.form.states(together.online, 0)["coal"]
    own = apart.nets["actor"][0]
    own.form.load(own.online, 0, dict.fromkeys(own.form.names, state))
    # WHEN each has a loss of its own
    steps = 3 if settings == MEMORY else 1
    width = steps * OBS + (own.form.memory_size + 1 if settings == MEMORY else 0)
    obs = torch.rand(1, 3, 7, width, dtype=torch.float64)
    if settings == MEMORY:
        obs[..., own.form.memory_size] = steps
    aim = torch.randn(1, 3, 7, ACT, dtype=torch.float64)
    taken = []
    for net in (together, own):
        loss = (net.form.actions(net.followed, obs) * aim).sum(dim=-1).mean(dim=-1)
        taken.append((loss.detach(), net.descend([loss], 0.0, 0.0)[0]))
    # THEN losses are the same, and the gradient of the one is the mean of the others
    torch.testing.assert_close(taken[0][0], taken[1][0])
    for name, gradient in own.gradient.views.items():
        assert gradient.abs().sum() > 0
        torch.testing.assert_close(together.gradient.views[name][:, 0], gradient.mean(dim=1))
    norm = torch.stack([v.square().sum() for v in together.gradient.views.values()]).sum().sqrt()
    torch.testing.assert_close(taken[0][1].total_norm, norm.expand(1, 3))


def test_observations_are_normalised_by_what_all_of_them_saw():
    agent = ours(normalise=("observations",))
    joint = random_joint(agent, 24)
    agent.observe(joint)
    agent.update(progress=1.0)
    state = agent.policies()[1].module_state("coal")
    seen = joint.groups[1].obs.flatten(0, 2)
    torch.testing.assert_close(state["observation.mean"], seen.mean(dim=0))
    torch.testing.assert_close(state["observation.variance"], seen.var(dim=0, correction=0))
    assert state["observation.count"].item() == len(seen)


@pytest.mark.parametrize("algorithm", ["matd3", "a2c", "masac", "fictitious_play"])
def test_a_learner_continues_from_its_state(algorithm: str) -> None:
    normalise = {} if algorithm == "fictitious_play" else {"normalise": ("observations",)}
    whole, resumed = ours(algorithm, **normalise), ours(algorithm, **normalise)
    taught(whole)
    resumed.load_state_dict(whole.state_dict())
    for agent in (whole, resumed):
        taught(agent, seed=7)
    for one, two in zip(whole.all_nets(), resumed.all_nets(), strict=True):
        assert torch.equal(one.online.buffer, two.online.buffer)


@pytest.mark.parametrize("algorithm", ["matd3", "a2c"])
def test_seeds_side_by_side_learn_what_each_learns_alone(algorithm: str) -> None:
    both = learner(agents(), seeds=(3, 4), algorithm=algorithm, **SMALL)
    joint = random_joint(both, 24)
    both.observe(joint)
    both.update(progress=0.5)
    for k, seed in enumerate((3, 4)):
        alone = learner(agents(), seeds=(seed,), algorithm=algorithm, **SMALL)
        alone.observe(one_seed(joint, k))
        alone.update(progress=0.5)
        for name, weight in networks(alone.nets, 0)["actor"]["coal"].items():
            torch.testing.assert_close(weight, networks(both.nets, k)["actor"]["coal"][name])


def test_a_rate_that_follows_the_divergence_is_one_for_all_that_share():
    agent = taught(ours("a2c", learning_rate_schedule="kl_adaptive"))
    assert [net.pace.shape for net in agent.nets["actor"]] == [(1, 2), (1, 1)]
    assert (agent.nets["actor"][1].pace != 1).all()


# --- files ----------------------------------------------------------------------------------------

POWER = ("power", OBS, "GW")


def named(unit: str, shared: str | None = "coal") -> AgentSpec:
    return AgentSpec(unit, OBS, ACT, UNIQUE, (POWER,), shared=shared)


def test_a_shared_policy_is_saved_once_and_acts_for_units_never_seen(tmp_path):
    # GIVEN a policy of two units
    old = taught(learner([named("a"), named("b")], **SMALL))
    save_actors(old, tmp_path, {})
    assert list(read_manifest(tmp_path).units) == ["coal"]
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["coal.safetensors"]
    # WHEN three others continue with it, and one with a policy of its own
    new = learner([*map(named, "bcd"), named("e", None)], **SMALL)
    report = load_actors(tmp_path, new)
    # THEN the three act by it
    assert report.loaded == ("b", "c", "d")
    assert report.fresh == ("e",)
    obs = torch.rand(2, 1, OBS, dtype=torch.float64)
    stack = next(stack for stack in new.actors() if "d" in stack.unit_ids)
    assert torch.equal(stack.select(["d"])(obs), old.actors()[0].select(["a"])(obs))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"act_size": 1}, "actions"),
        ({"features": (("power", OBS, "MW"),)}, "observations"),
        ({"obs_size": OBS + 1}, "observations"),
        ({"scales": Scales((0.0, 9.0))}, "scales of forecasts"),
        ({"unit_id": "coal", "shared": None}, "ways to have it"),
    ],
)
def test_units_that_see_or_decide_something_else_cannot_share(change, part):
    others = [named("a"), replace(named("b"), **change)]
    wrong = rf"parameter_sharing: 'a' and .* share the policy 'coal': .* different {part}"
    with pytest.raises(ConfigurationError, match=wrong):
        learner(others)
