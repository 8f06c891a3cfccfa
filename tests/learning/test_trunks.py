"""LSTM actors against torch's own cells, agent by agent, and ramps by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import USUAL_SIZES, fleet, learner

from assume_rl.compat.modules import LSTMActor
from assume_rl.episodes.learning_files import load_actors, save_actors
from assume_rl.errors import ConfigurationError
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.heads import HEADS
from assume_rl.learning.nets.stack import ActorStack, initial_actors, merge
from assume_rl.learning.nets.trunks import CELL_SHAPES, TRUNKS, Cell, Trunk, unrolled
from assume_rl.learning.policies.folder import load_policies
from assume_rl.learning.types import AgentSpec

PLANTS = fleet(*[(38, 2, 2)] * 3)
LSTM = TRUNKS["lstm"]


def actors(specs=PLANTS, seed=1, **settings):
    return initial_actors(specs, seed, architecture="lstm", **settings)


def module_of(stack, spec):
    """One agent of a stack as a torch module."""
    module = LSTMActor(spec.obs_size, spec.act_size, torch.float64, spec.unique_size, 3)
    module.load_state_dict(stack.module_state(spec.unit_id))
    return module


def test_trunks_are_of_the_protocol():
    assert all(isinstance(trunk, Trunk) for trunk in TRUNKS.values())


@pytest.mark.parametrize("net", [1, 3])
def test_a_cell_unrolled_is_torchs_lstm(net):
    x = torch.randn(net, 12, 5, 3, dtype=torch.float64)
    lstms = [nn.LSTM(3, 8, dtype=torch.float64) for _ in range(net)]
    rows = [[w.detach().mT if w.ndim == 2 else w.detach() for w in m.parameters()] for m in lstms]
    cell = Cell(*map(torch.stack, zip(*rows, strict=True)))
    given = unrolled(cell, x)
    for k, lstm in enumerate(lstms):
        torch.testing.assert_close(given[k], lstm(x[k])[0])


@pytest.mark.parametrize("unique", [0, 2, 3, 20])
def test_a_stack_acts_like_its_single_agents(unique):
    specs = fleet(*[(36 + unique, 2, unique)] * 3)
    stack = actors(specs)
    obs = torch.randn(4, 5, 3, 36 + unique, dtype=torch.float64)
    actions = stack(obs)
    for k, spec in enumerate(specs):
        torch.testing.assert_close(module_of(stack, spec)(obs[..., k, :]), actions[..., k, :])
    assert actions.abs().max() < 1
    assert stack(obs[0, 0]).shape == (3, 2)


@pytest.mark.parametrize("name", ["matd3", "masac"])
def test_gradients_are_those_of_a_loop_over_agents(name):
    specs = fleet((8, 2, 2), (5, 1, 2), (8, 2, 2), (8, 2, 2))
    ours = learner(specs, seeds=(3, 5), algorithm=name, actor_architecture="lstm", **USUAL_SIZES)
    for net, group in zip(ours.nets["actor"], ours.groups, strict=True):
        obs = torch.randn(2, len(group.specs), 6, group.obs_size, dtype=torch.float64)
        weight = torch.randn(2, len(group.specs), 6, group.act_size, dtype=torch.float64)
        stacks = [net.form.stack(net.online, k).clone() for k in range(2)]
        net.gradient.buffer.zero_()
        (weight * net.form.actions(net.followed, obs)).sum().backward()
        for k, stack in enumerate(stacks):
            found = net.form.states(net.gradient, k)
            for a, spec in enumerate(group.specs):
                loop = module_of_outputs(stack, spec, ours.heads[0])
                mean = ours.heads[0].mean(loop(obs[k, a]))
                (weight[k, a] * mean).sum().backward()
                for parameter, value in loop.named_parameters():
                    torch.testing.assert_close(
                        found[spec.unit_id][parameter], value.grad, rtol=1e-10, atol=1e-13
                    )


def module_of_outputs(stack, spec, head):
    """The loop up to the outputs that the head reads."""

    class Loop(LSTMActor):
        def forward(self, obs):
            action = super().forward(obs)  # softsign, undone exactly: x / (1 + |x|)
            return action / (1.0 - action.abs())

    outputs = head.outputs(spec.act_size)
    module = Loop(spec.obs_size, outputs, torch.float64, spec.unique_size, 3)
    module.load_state_dict(stack.module_state(spec.unit_id))
    return module


def test_nothing_is_carried_from_one_decision_to_the_next():
    stack = actors()
    obs = torch.randn(6, 3, 38, dtype=torch.float64)
    first = stack(obs)
    torch.testing.assert_close(stack(obs.flip(0)).flip(0), first)
    torch.testing.assert_close(torch.stack([stack(row) for row in obs]), first)


def test_weights_begin_as_torch_begins_them():
    weights = actors(fleet(*[(38, 2, 2)] * 9)).weights
    for name, size in (("LSTM1", 8), ("LSTM2", 16), ("FC1", 12 * 16 + 2), ("FC2", 128)):
        for parameter, value in weights.items():
            if parameter.startswith(name):
                bound = 1 / math.sqrt(size)
                assert bound * 0.7 < value.abs().max() <= bound, parameter
    w = weights["FC1.weight"]
    assert float(w.std()) == pytest.approx(1 / math.sqrt(194 * 3), rel=0.02)


def test_an_agents_weights_depend_on_the_seed_and_its_name_only():
    few, many = actors(PLANTS[:2]), actors()
    other = actors(seed=2)
    for name, value in many.weights.items():
        assert torch.equal(few.weights[name], value[:2])
        assert not torch.equal(value[0], value[1])
        assert not torch.equal(other.weights[name], value)
    assert not torch.equal(many.weights["LSTM1.bias_ih"], many.weights["LSTM1.bias_hh"])


def test_parameters_have_assumes_names_and_shapes():
    state = actors().module_state("unit_0")
    module = LSTMActor(38, 2, torch.float64, 2, 3)
    expected = {name: value.shape for name, value in module.state_dict().items()}
    assert {name: value.shape for name, value in state.items()} == expected
    assert list(state) == list(expected)
    assert [*state][: len(CELL_SHAPES)] == [*CELL_SHAPES]


@pytest.mark.parametrize(("obs", "unique"), [(38, 3), (37, 2), (2, 2), (1, 1)])
def test_an_observation_without_three_equal_series_is_refused(obs, unique):
    with pytest.raises(ConfigurationError, match=r"'lstm' needs 3 time series .* 'odd' has"):
        actors([AgentSpec("odd", obs, 1, unique)])


@pytest.mark.parametrize(("obs", "unique"), [(38, 2), (74, 2), (75, 3), (46, 10), (36, 0)])
def test_lengths_follow_from_the_parameters(obs, unique):
    stack = actors([AgentSpec("a", obs, 2, unique)], head="squashed_gaussian")
    assert stack.sizes(unique) == stack.sizes() == (obs, 2)


def test_hidden_layers_can_be_chosen():
    stack = actors(hidden=(7, 5))
    assert list(stack.weights)[len(CELL_SHAPES) :: 2] == [f"FC{k}.weight" for k in (1, 2, 3)]
    assert stack(torch.randn(3, 38, dtype=torch.float64)).shape == (3, 2)
    assert LSTM.fits(stack.module_state("unit_0"))


def test_stacks_of_different_architectures_stay_apart():
    merged = merge([initial_actors(PLANTS[:1], 1), actors(PLANTS[1:2]), actors(PLANTS[2:])])
    assert [s.unit_ids for s in merged] == [("unit_0",), ("unit_1", "unit_2")]
    assert [s.architecture for s in merged] == ["mlp", "lstm"]


def test_the_head_reads_what_the_trunk_gives():
    stack = actors()
    obs = torch.randn(4, 3, 38, dtype=torch.float64)
    torch.testing.assert_close(HEADS["softsign"].mean(stack.outputs(obs)), stack(obs))


# --- ramps --------------------------------------------------------------------------------------

SERIES_OF = (("residual_load", 4, ""), ("price_forecast", 4, ""), ("price_history", 4, ""))
OBSERVER = AgentSpec("a", 15, 2, 3, features=(*SERIES_OF, ("power", 1, ""), ("cost", 2, "")))


def test_ramps_read_the_first_delivery_by_hand():
    stack = initial_actors([OBSERVER], 1, architecture="ramps", hidden=(7,))
    assert stack.architecture == "ramps_4"
    assert stack.sizes(3) == (15, 2)
    obs = torch.rand(5, 1, 15, dtype=torch.float64) * 1.4 - 0.2  # beyond the range of training too
    read = []
    for row in obs[:, 0]:
        now = [float(row[0]), float(row[4])]
        ramps = [min(max(32 * x - k, 0.0), 1.0) for x in now for k in range(32)]
        read.append([*now, *ramps, *row[12:].tolist()])
    state = stack.module_state("a")
    hidden = torch.tensor(read, dtype=torch.float64) @ state["FC1.weight"].T + state["FC1.bias"]
    out = hidden.relu() @ state["FC2.weight"].T + state["FC2.bias"]
    torch.testing.assert_close(stack.outputs(obs)[:, 0], out)


BOUNDS = tuple((f"{name}_rung_{k}", 2, "") for name in ("lowest", "highest") for k in (1, 2, 3))
AHEAD = AgentSpec("a", 26, 6, 14, features=(*SERIES_OF, ("power", 2, ""), *BOUNDS), rungs=5)


def test_ramps_are_asked_product_by_product_with_what_each_has():
    stack = initial_actors([AHEAD], 1, architecture="ramps", hidden=(7,), head="categorical_5")
    assert stack.architecture == "ramps_4x3x2"
    assert stack.sizes(14) == (26, 6)
    # GIVEN the same layers for one product, which observes its load, price forecast and bounds only
    alone = ActorStack.of(
        {"a": stack.module_state("a")}, "categorical_5", "ramps_1", stack.activation
    )
    obs = torch.rand(7, 1, 26, dtype=torch.float64)
    lowest, highest = obs[..., 14:20], obs[..., 20:]
    for k, out in enumerate(stack.outputs(obs).chunk(3, dim=-1)):
        own = slice(2 * k, 2 * k + 2)
        parts = (obs[..., k, None], obs[..., 4 + k, None], obs[..., 8, None], obs[..., 12:14])
        single = torch.cat([*parts, lowest[..., own], highest[..., own]], dim=-1)
        torch.testing.assert_close(out, alone.outputs(single))
    short = [(name, 2, "") for name, _, _ in SERIES_OF]
    near = replace(AHEAD, obs_size=20, features=(*short, ("power", 2, ""), *BOUNDS))
    with pytest.raises(ConfigurationError, match=r"has 3, but 'a' observes 2 steps \(foresight"):
        initial_actors([near], 1, architecture="ramps", head="categorical_5")


@pytest.mark.parametrize(
    "features", [(), SERIES_OF[::-1], (*SERIES_OF[1:], ("residual_load", 4, ""))]
)
def test_ramps_need_what_they_are_made_of_by_name(features):
    with pytest.raises(ConfigurationError, match=r"reads residual_load and price_forecast.* 'a'"):
        initial_actors([replace(OBSERVER, features=features)], 1, architecture="ramps")


def test_policies_on_ramps_are_saved_and_loaded(tmp_path):
    config = LearningConfig.from_mapping({"actor_architecture": "ramps"})
    ours = Learner(config, [OBSERVER], seeds=(1,), device=torch.device("cpu"))
    save_actors(ours, tmp_path, {})
    (loaded,) = load_policies(tmp_path).actors
    obs = torch.rand(6, 1, 15)
    assert torch.equal(loaded(obs), ours.actors()[0](obs))
    other = Learner(config, [OBSERVER], seeds=(2,), device=torch.device("cpu"))
    assert load_actors(tmp_path, other).loaded == ("a",)
    with pytest.raises(ConfigurationError, match="actors on ramps read numbers"):
        LearningConfig.from_mapping({"actor_architecture": "ramps", "normalise": ["observations"]})
