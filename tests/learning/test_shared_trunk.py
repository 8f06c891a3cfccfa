"""a2c with one network for policy and value."""

from pathlib import Path
from typing import Any

import pytest
import torch
from test_algorithms import ROWS, SHAPES, played, regret
from toys import fleet, learner, one_seed, random_joint

from assume_rl.episodes.learning_files import load_actors, load_critics, save_actors, save_critics
from assume_rl.errors import ConfigurationError
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.valued_actor import VALUE
from assume_rl.learning.policies.folder import load_policies
from assume_rl.learning.policies.trainer_state import load_state, save_state
from assume_rl.learning.states import networks, states

pytestmark = pytest.mark.unchecked

AGENTS = fleet((3, 1, 1), (3, 1, 1), (4, 2, 1))
SMALL: dict[str, Any] = {"algorithm": "a2c", "shared_trunk": True, "actor_hidden": (8, 6)}


def made(seeds: tuple[int, ...] = (3,), **settings: Any) -> Learner:
    return learner(AGENTS, seeds=seeds, **{**SMALL, **settings})


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    return ours.keys() == theirs.keys() and all(same(v, theirs[k]) for k, v in ours.items())


def test_the_only_network_is_the_actor_and_begins_as_one_without_a_value() -> None:
    ours, apart = made(), made(shared_trunk=False)
    assert set(ours.nets) == {"actor"}
    for one, two in zip(ours.actors(), apart.actors(), strict=True):
        assert same(one.weights, two.weights)


def test_a_step_goes_down_the_sum_of_both_losses() -> None:
    ours = made(
        entropy_weight=0.05, value_weight=0.3, max_grad_norm=0.0, gamma=0.0, optimizer="sgd"
    )
    joint = random_joint(ours, 12)
    before = states(ours.nets, 0)["networks"]["actor"]["unit_2"]
    parts = {name: value.clone().requires_grad_() for name, value in before.items()}
    x = joint.groups[1].obs[0, :, 0]
    for k in (1, 2):
        x = torch.relu(torch.nn.functional.linear(x, parts[f"FC{k}.weight"], parts[f"FC{k}.bias"]))
    out = torch.nn.functional.linear(x, parts["FC3.weight"], parts["FC3.bias"])
    value = torch.nn.functional.linear(x, *(parts[name] for name in VALUE))[:, 0]
    reward = joint.groups[1].reward[0, :, 0]  # the target, as nothing later counts
    law = ours.nets["actor"][1].form.law
    gain = (
        law.log_prob(out, joint.groups[1].extras["raw"][0, :, 0]) * (reward - value.detach())
    ).mean()
    loss = -gain - 0.05 * law.entropy(out).mean() + 0.3 * (value - reward).square().mean()
    loss.backward()
    ours.observe(joint)
    metrics = ours.update(1.0)
    after = states(ours.nets, 0)["networks"]["actor"]["unit_2"]
    for name, part in parts.items():
        torch.testing.assert_close(after[name], before[name] - 0.001 * part.grad)
    torch.testing.assert_close(
        metrics["value_loss"][0, 0, 2], (value - reward).square().mean().detach()
    )


def test_it_goes_on_from_a_state_with_the_same_bytes_and_beside_other_seeds() -> None:
    first, second, both = made(seeds=(5,)), made(seeds=(5,)), made(seeds=(3, 5))
    joint = random_joint(both, 12)
    for ours, data in ((first, one_seed(joint, 1)), (both, joint)):
        ours.observe(data)
        ours.update(1.0)
    assert same(states(first.nets, 0), states(both.nets, 1))
    second.load_state_dict(first.state_dict())
    again = random_joint(first, 12, seed=1)
    for ours in (first, second):
        ours.observe(again)
        ours.update(0.5)
    assert same(states(first.nets, 0), states(second.nets, 0))


def test_policy_files_hold_the_actor_only(tmp_path: Path) -> None:
    ours, obs = made(), torch.randn(5, 1, 4, dtype=torch.float64)
    save_actors(ours, tmp_path, {})
    loaded = load_policies(tmp_path).actors[1]
    assert set(VALUE).isdisjoint(loaded.module_state("unit_2"))
    assert torch.equal(loaded(obs), ours.actors()[1](obs))
    other = made(seeds=(9,))
    assert set(load_actors(tmp_path, other).loaded) == {a.unit_id for a in AGENTS}
    assert torch.equal(other.actors()[1](obs), ours.actors()[1](obs))


def test_a_saved_training_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    ours, later = made(), made()
    ours.observe(random_joint(ours, 12))
    ours.update(1.0)
    save_state(tmp_path / "checkpoint", ours.state_dict())
    later.load_state_dict(load_state(tmp_path / "checkpoint"))
    again = random_joint(ours, 12, seed=1)
    for one in (ours, later):
        one.observe(again)
        one.update(0.5)
    assert same(states(ours.nets, 0), states(later.nets, 0))


def test_values_continue_with_their_actors(tmp_path: Path) -> None:
    ours, later = made(), made(seeds=(9,))
    ours.observe(random_joint(ours, 12))
    ours.update(1.0)
    save_actors(ours, tmp_path, {})
    save_critics(ours, tmp_path)
    assert load_actors(tmp_path, later).loaded == load_critics(tmp_path, later).loaded
    assert same(states(ours.nets, 0), states(later.nets, 0))


def test_values_move_to_another_fleet_where_their_actors_do(tmp_path: Path) -> None:
    old = made()
    save_actors(old, tmp_path, {})
    save_critics(old, tmp_path)
    agents = fleet((3, 1, 1), (5, 1, 1), (4, 2, 1), (4, 2, 1))
    new = learner(agents, **SMALL, seeds=(9,))
    fresh = networks(new.nets, 0)["actor"]
    load_actors(tmp_path, new)
    found = load_critics(tmp_path, new)
    assert (found.loaded, found.fresh) == (("unit_0", "unit_2"), ("unit_3",))
    assert found.skipped == {
        "unit_1": "its values are of an actor of sizes (3, 1, 1), expected (5, 1, 1)"
    }
    before, after = (networks(each.nets, 0)["actor"] for each in (old, new))
    for unit in fresh:
        assert same(after[unit], (before if unit in found.loaded else fresh)[unit])


@pytest.mark.slow
def test_it_finds_the_best_action_of_each_state() -> None:
    generator = torch.Generator().manual_seed(1)
    ours = learner(
        fleet(*SHAPES["mlp"]), **{**SMALL, "actor_hidden": (32, 32)}, gamma=0.0, learning_rate=5e-3
    )
    before = regret(ours)
    for _ in range(120):
        with torch.no_grad():
            ours.observe(played(ours, ROWS["a2c"], generator))
        ours.update(1.0)
    assert regret(ours) < 0.04 < before


def test_observations_are_normalised_for_both_and_values_are_not() -> None:
    ours = made(normalise=["observations"])
    ours.observe(random_joint(ours, 12))
    assert ours.update(1.0)["value_loss"].isfinite().all()
    with pytest.raises(ConfigurationError, match="a2c has no critic of its own, and so no values"):
        made(normalise=["values"])
