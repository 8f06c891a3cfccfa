"""Settings of networks: optimiser, activation, hidden layers of critics, blocks of agents."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from toys import CPU, changed, fleet, learner, one_seed, random_joint

from assume_rl.episodes.learning_files import (
    load_actors,
    load_critics,
    save_actors,
    save_critics,
)
from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.learning.config import ActivationName, LearningConfig, OptimizerName
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.layers import ACTIVATIONS
from assume_rl.learning.nets.optimizer import OPTIMIZERS, Optimizer
from assume_rl.learning.policies.assume_layout import load_assume_actors, save_assume_layout
from assume_rl.learning.policies.folder import load_policies, read_manifest
from assume_rl.learning.states import load_states, networks, states

pytestmark = pytest.mark.unchecked

AGENTS = fleet((5, 1, 2), (5, 1, 2), (5, 1, 2), (8, 2, 2))  # the last has windows of two steps
SMALL: dict[str, Any] = {"batch_size": 8, "gradient_steps": 2, "actor_hidden": (8, 6)}
TORCH = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}
MODULES = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "elu": torch.nn.ELU, "silu": torch.nn.SiLU}


def made(seeds: tuple[int, ...] = (3,), **settings: Any) -> Learner:
    return learner(AGENTS, seeds=seeds, **{**SMALL, **settings})


def trained(**settings: Any) -> Learner:
    ours = made(**settings)
    ours.observe(random_joint(ours, 12))
    ours.update(1.0)
    return ours


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    return ours.keys() == theirs.keys() and all(same(v, theirs[k]) for k, v in ours.items())


def test_names_of_settings_are_those_of_the_registries() -> None:
    assert get_args(ActivationName) == tuple(ACTIVATIONS)
    assert get_args(OptimizerName) == tuple(OPTIMIZERS)


@pytest.mark.parametrize("decay", [None, 0.1])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimiser_is_that_of_torch(kind: str, decay: float | None) -> None:
    draw = torch.Generator().manual_seed(1)
    flat = Flat.zeros({"w": (3, 4), "b": (4,)}, CPU, torch.float64)
    flat.buffer.normal_(generator=draw)
    theirs = {name: view.clone().requires_grad_() for name, view in flat.views.items()}
    usual = {} if decay is None else {"weight_decay": decay}
    optimizer = TORCH[kind](theirs.values(), lr=0.01, **usual)
    ours, gradient = Optimizer.of(flat, kind, decay), flat.like()
    for _ in range(4):
        gradient.buffer.normal_(generator=draw)
        for name, value in theirs.items():
            value.grad = gradient.views[name].clone()
        optimizer.step()
        ours.descend(gradient, 0.01)
    assert ours.step == 4
    for name, value in theirs.items():
        torch.testing.assert_close(flat.views[name], value.detach())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_step_is_linear_in_the_learning_rate(kind: str) -> None:
    steps = []
    for rate in (0.01, 0.02):
        flat = Flat.zeros({"w": (5,)}, CPU, torch.float64)
        flat.buffer.fill_(0.5)
        gradient = flat.like()
        gradient.views["w"].copy_(torch.arange(5))
        Optimizer.of(flat, kind, 0.1).descend(gradient, rate)
        steps.append(flat.views["w"] - 0.5)
    torch.testing.assert_close(steps[1], 2.0 * steps[0])


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_state_goes_on_with_the_same_bytes(kind: str) -> None:
    first, second = (
        trained(optimizer=kind, algorithm="masac"),
        made(optimizer=kind, algorithm="masac"),
    )
    second.load_state_dict(first.state_dict())
    for ours in (first, second):
        ours.update(0.5)
    assert same(states(first.nets, 0), states(second.nets, 0))
    assert set(states(first.nets, 0)["optimizers"]["actor"]["unit_0"]) == {
        "step",
        *OPTIMIZERS[kind].moments,
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "rmsprop", "activation": "elu", "critic": "pooled"},
        {"optimizer": "sgd", "activation": "tanh", "critic_hidden": (7,)},
        {"optimizer": "adam", "activation": "silu", "actor_architecture": "lstm"},
    ],
)
def test_a_seed_among_others_learns_what_it_learns_alone(settings: dict[str, Any]) -> None:
    both, alone = (made(seeds=own, block_size=2, **settings) for own in ((3, 5), (5,)))
    joint = random_joint(both, 12)
    both.observe(joint)
    alone.observe(one_seed(joint, 1))
    for ours in (both, alone):
        ours.update(1.0)
    assert same(states(both.nets, 1), states(alone.nets, 0))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_actor_has_the_activation_between_its_layers(activation: str) -> None:
    stack = made(activation=activation).actors()[1]
    state = stack.module_state("unit_3")
    layers = [torch.nn.Linear(*state[f"FC{k}.weight"].shape[::-1]).double() for k in (1, 2, 3)]
    between = MODULES[activation]()
    module = torch.nn.Sequential(layers[0], between, layers[1], between, layers[2])
    for k, layer in enumerate(layers, start=1):
        layer.load_state_dict({p: state[f"FC{k}.{p}"] for p in ("weight", "bias")})
    obs = torch.randn(6, 1, 8, dtype=torch.float64)
    expected = torch.nn.functional.softsign(module(obs))
    torch.testing.assert_close(stack(obs), expected.detach())


@pytest.mark.parametrize("critic", CRITICS)
def test_critics_have_the_activation_and_the_layers_that_are_chosen(critic: str) -> None:
    ours = {a: trained(critic=critic, activation=a, critic_hidden=(7, 6, 5)) for a in ACTIVATIONS}
    found = [own.nets["critic"][0].online for own in ours.values()]
    assert all(not torch.equal(one.buffer, found[0].buffer) for one in found[1:])
    biases = {k: v.shape[-1] for k, v in found[0].views.items() if k.endswith("bias")}
    assert list(biases.values())[-4:] == [7, 6, 5, 1]


@pytest.mark.parametrize("algorithm", ["isac", "mappo", "a2c"])
def test_critics_and_values_of_each_kind_have_the_layers_that_are_chosen(algorithm: str) -> None:
    ours = trained(algorithm=algorithm, critic_hidden=(7,))
    (name,) = {"critic", "value"} & set(ours.nets)
    own = networks(ours.nets, 0)[name]["unit_0"]
    assert own["q1_layers.0.bias"].shape == (7,)
    assert own["q1_layers.1.weight"].shape == (1, 7)
    assert ours.nets[name][0].form.snapshot(ours.nets[name][0].online, 0).critics >= 1


@pytest.mark.parametrize("architecture", ["mlp", "lstm"])
def test_loaded_policies_act_like_those_that_were_saved(tmp_path: Path, architecture: Any) -> None:
    settings = {"actor_architecture": architecture, "actor_hidden": (8,)}
    ours = trained(activation="tanh", **settings)
    save_actors(ours, tmp_path, {})
    assert {e.activation for e in read_manifest(tmp_path).units.values()} == {"tanh"}
    obs = torch.randn(4, 3, 5, dtype=torch.float64)
    first = ours.actors()[0]
    assert torch.equal(load_policies(tmp_path).actors[0](obs), first(obs))
    assert not torch.equal(replace(first, activation="relu")(obs), first(obs))
    other = made(**settings)
    report = load_actors(tmp_path, other)
    assert report.skipped["unit_0"] == "it has the activation tanh, here it is relu"


def test_an_unknown_activation_of_a_policy_is_an_error(tmp_path: Path) -> None:
    save_actors(made(), tmp_path, {})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["units"]["unit_0"]["activation"] = "tan"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PolicyError, match="unknown activation 'tan', did you mean 'tanh'"):
        load_policies(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "tanh"}, "networks with activation 'tanh' have no form in ASSUME's layout"),
        ({"optimizer": "sgd"}, "states of the optimizer 'sgd' have no form in ASSUME's layout"),
    ],
)
def test_the_layout_of_assume_has_no_form_for_others(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        save_assume_layout(tmp_path, made(**settings))
    assert not list(tmp_path.iterdir())


def test_actors_of_assume_go_on_with_another_optimiser(tmp_path: Path) -> None:
    saved = trained()
    save_assume_layout(tmp_path, saved)
    ours = made(seeds=(9,), optimizer="sgd")
    assert set(load_assume_actors(tmp_path, ours).loaded) == {a.unit_id for a in AGENTS}
    assert same(networks(ours.nets, 0)["actor"], networks(saved.nets, 0)["actor"])


def test_what_another_optimiser_remembered_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_critics(trained(optimizer="sgd", critic_hidden=(7,)), tmp_path)
    with caplog.at_level(logging.WARNING):
        load_critics(tmp_path, made())
    assert (
        "they are of matd3 with critic: concat and mlp actors, actor_hidden: (8, 6), "
        "critic_hidden: (7,), optimizer: sgd, this training is of matd3 with critic: concat and "
        "mlp actors, actor_hidden: (8, 6)" in caplog.text
    )


def test_temperatures_from_another_start_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_critics(trained(algorithm="masac", initial_temperature=1.0), tmp_path)
    ours = made(algorithm="masac")
    with caplog.at_level(logging.WARNING):
        load_critics(tmp_path, ours)
    assert "critic_hidden: (32, 32), initial_temperature: 1, this training" in caplog.text
    assert not any(
        own["log_temperature"].any() for own in networks(ours.nets, 0)["log_temperature"].values()
    )


@pytest.mark.parametrize("critic", CRITICS)
def test_blocks_are_of_the_size_that_is_chosen_and_change_nothing(critic: str) -> None:
    usual, ours = made(critic=critic), made(critic=critic, block_size=2)
    assert [len(g.specs) for g in usual.groups] == [3, 1]
    assert [len(g.specs) for g in ours.groups] == [2, 1, 1]
    joint = random_joint(usual, 12)
    first, last = joint.groups
    parts = [changed(first, lambda v, own=own: v[:, :, own]) for own in ([0, 1], [2])]
    usual.observe(joint)
    ours.observe(replace(joint, groups=(*parts, last)))
    for each in (usual, ours):
        each.update(1.0)
    for name, own in networks(usual.nets, 0).items():
        for unit, state in own.items():
            torch.testing.assert_close(networks(ours.nets, 0)[name][unit], state)
    other = made(critic=critic, block_size=1)
    load_states(other.nets, 0, states(ours.nets, 0))
    assert same(states(other.nets, 0), states(ours.nets, 0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adamax"}, "learning_config.optimizer: Input should be 'adamw', 'adam'"),
        ({"activation": "sine"}, "learning_config.activation: Input should be 'relu', 'tanh'"),
        ({"critic_hidden": []}, "learning_config.critic_hidden"),
        ({"critic_hidden": [0]}, "learning_config.critic_hidden.0: Input should be greater"),
        ({"block_size": 0}, "learning_config.block_size: Input should be greater than 0"),
        ({"weight_decay": -1}, "learning_config.weight_decay: Input should be greater than or eq"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        LearningConfig.from_mapping(settings)
    assert message in str(error.value)
