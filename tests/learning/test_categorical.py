"""Actions on a ladder: the categorical head, its mask, and the algorithms that choose rungs."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import CPU, fleet, learner, random_joint

from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.learning.algorithms import able
from assume_rl.learning.exploration import Exploration, decide
from assume_rl.learning.nets.heads import Categorical, Stochastic, head_of
from assume_rl.learning.nets.stack import ActorStack, initial_actors, merge
from assume_rl.learning.policies.folder import check_fit, load_policies, save_policies
from assume_rl.learning.states import states
from assume_rl.learning.types import AgentSpec, Joint, Transitions

pytestmark = pytest.mark.unchecked

ABLE = [n for n in able("ladder") if n in able("box")]
UNABLE = [n for n in able("box") if n not in ABLE]
LAW = Exploration("noise")
RUNGS = 6
LADDER = AgentSpec("ladder", 3, 1, 3, rungs=RUNGS)
BOX = AgentSpec("box", 3, 1, 3)
TWO = AgentSpec("two", 5, 2, 5, rungs=4)  # two entries, on another ladder


# --- the head --------------------------------------------------------------------------------


def test_it_is_the_categorical_distribution_of_torch() -> None:
    head, out = Categorical(4), torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    theirs = torch.distributions.Categorical(logits=out.view(5, 2, 4))
    drawn = head.draw(out, torch.randn(5, 2, generator=torch.Generator().manual_seed(2)))
    torch.testing.assert_close(drawn.log_prob, theirs.log_prob(drawn.raw).sum(-1))
    torch.testing.assert_close(head.log_prob(out, drawn.raw), drawn.log_prob)
    torch.testing.assert_close(head.entropy(out), theirs.entropy().sum(-1))
    assert (head.outputs(2), head.act_size(8)) == (8, 2)


def test_a_draw_is_the_rung_of_its_quantile() -> None:
    # GIVEN shares of 1/8, 1/2, 1/4 and 1/8: they end at quantiles of 0.125, 0.625, 0.875 and 1
    head, out = Categorical(4), torch.tensor([1.0, 4.0, 2.0, 1.0], dtype=torch.float64).log()
    for quantile, rung, place in [
        *((0.0, 0, -1.0), (0.124, 0, -1.0), (0.126, 1, -1 / 3), (0.624, 1, -1 / 3)),
        *((0.626, 2, 1 / 3), (0.874, 2, 1 / 3), (0.876, 3, 1.0), (1.0, 3, 1.0)),
    ]:
        z = torch.special.ndtri(torch.tensor([quantile], dtype=torch.float64))
        drawn = head.draw(out, z)
        assert float(drawn.raw) == rung
        assert float(drawn.action) == pytest.approx(place)
    assert float(head.mean(out)) == pytest.approx(-1 / 3)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_illegal_is_ever_chosen(data: st.DataObject) -> None:
    rungs, size = data.draw(st.integers(2, 30)), data.draw(st.integers(1, 3))
    low = data.draw(st.lists(st.integers(0, rungs - 1), min_size=size, max_size=size))
    high = [data.draw(st.integers(start, rungs - 1)) for start in low]
    places = torch.tensor([*low, *high]) * (2.0 / (rungs - 1)) - 1.0
    draw = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    head = Categorical(rungs)
    wide = torch.randn(64, size * rungs, generator=draw) * data.draw(st.sampled_from([1, 1e3]))
    out = head.masked(wide, torch.cat([torch.zeros(2), places]).expand(64, -1))
    z = torch.randn(64, size, generator=draw)
    z[:2] = torch.tensor([[-torch.inf], [torch.inf]])
    drawn = head.draw(out, z)
    mean = ((head.mean(out) + 1) * (rungs - 1) / 2).round()
    for rung in (drawn.raw, mean):
        assert (rung >= torch.tensor(low)).all()
        assert (rung <= torch.tensor(high)).all()
    assert drawn.log_prob.isfinite().all()
    assert head.entropy(out).isfinite().all()


def test_ruled_out_rungs_have_no_share_and_no_gradient() -> None:
    head, obs = Categorical(3), torch.tensor([7.0, 0.0, 1.0])  # the upper two are left
    logits = torch.tensor([3.0, 1.0, 0.0], requires_grad=True)
    out = head.masked(logits, obs)
    assert float(head.mean(out)) == 0.0
    expected = torch.tensor([1.0, 0.0]).log_softmax(0)
    torch.testing.assert_close(head.log_prob(out, torch.tensor([1.0])), expected[0])
    torch.testing.assert_close(head.entropy(out), -(expected.exp() * expected).sum())
    (head.log_prob(out, torch.tensor([2.0])) + head.entropy(out)).backward()
    assert logits.grad is not None
    assert logits.grad[0] == 0.0
    assert logits.grad.isfinite().all()


def test_names_of_heads_tell_the_rungs() -> None:
    assert head_of("categorical_21") == Categorical(21)
    for wrong in ("categorical", "categorical_1", "categorical_x", "softmax_3"):
        with pytest.raises(PolicyError, match=f"unknown head '{wrong}'"):
            head_of(wrong)


# --- the algorithms ----------------------------------------------------------------------------


def game(agents, rows, generator):
    """Observations at `rows` times: a state, and bounds that leave rungs 0 to 3 in state 1."""
    state = torch.randint(2, (1, rows, 1, 1), generator=generator).double()
    return [observed(state, spec) for spec in agents]


def observed(state, spec):
    high = torch.where(state == 0, 1.0, 0.2).expand(*state.shape[:-1], spec.act_size)
    return torch.cat([state, -torch.ones_like(high), high], dim=-1)


def best(state):
    """The best rungs: 0.6 in state 0, 0.5 in state 1, where a ladder ends at 0.2."""
    return torch.where(state == 0, 0.6, 0.5)


def played(ours, rows, generator):
    groups = []
    seen = game([group.specs[0] for group in ours.groups], rows + 1, generator)
    outs = ours.outputs([part[:, :-1] for part in seen])
    for part, out, head, group in zip(seen, outs, ours.heads, ours.groups, strict=True):
        z = torch.randn((*out.shape[:-1], group.act_size), generator=generator, dtype=out.dtype)
        decision = decide(head, out, torch.zeros_like(z), z, LAW)
        reward = 1.0 - (decision.action - best(part[:, :-1, :, :1])).square().sum(-1)
        extras = {name: decision.extras[name] for name in ours.algorithm.extras}
        groups.append(Transitions(part[:, :-1], decision.action, reward, part[:, 1:], extras))
    flags = torch.zeros(1, rows, dtype=torch.bool)
    return Joint(tuple(groups), flags, flags)


def evaluated(ours):
    """The actions in both states, by agent."""
    state = torch.tensor([0.0, 1.0]).double().view(1, 2, 1, 1)
    actions = ours.actions([observed(state, group.specs[0]) for group in ours.groups])
    return {
        group.specs[0].unit_id: action[0, :, 0].tolist()
        for group, action in zip(ours.groups, actions, strict=True)
    }


LEARNS = {
    "a2c": {"learning_rate": 5e-3},
    "ippo": {"learning_rate": 3e-3, "minibatches": 2},
    "mappo": {"learning_rate": 3e-3, "minibatches": 2},
    "reinforce": {"learning_rate": 2e-3, "entropy_weight": 0.05},
    "vpg": {"learning_rate": 5e-3},
}
ROUNDS = {"ippo": 20, "mappo": 20, "reinforce": 150}  # of 80 elsewhere


@pytest.mark.parametrize(
    "name",  # those left out differ in their advantages only
    [n if n == "mappo" else pytest.param(n, marks=pytest.mark.slow) for n in ABLE],
)
def test_it_finds_the_best_rung_of_each_state(name):
    generator = torch.Generator().manual_seed(1)
    ours = learner([BOX, LADDER], algorithm=name, gamma=0.0, actor_hidden=(32, 32), **LEARNS[name])
    for _ in range(ROUNDS.get(name, 80)):
        with torch.no_grad():
            ours.observe(played(ours, 64, generator))
        ours.update(1.0)
    found = evaluated(ours)
    assert found["ladder"] == [[pytest.approx(0.6)], [pytest.approx(0.2)]]
    assert found["box"] == [[pytest.approx(0.6, abs=0.25)], [pytest.approx(0.5, abs=0.25)]]


@pytest.mark.parametrize("name", ABLE)
def test_it_continues_from_a_state_with_the_same_bytes(name):
    agents = [LADDER, BOX, TWO, replace(LADDER, unit_id="another")]
    small = {"algorithm": name, "actor_hidden": (8, 8)}
    first, second = learner(agents, **small), learner(agents, **small)
    assert len(first.groups) == 3
    first.observe(random_joint(first, 12))
    first.update(1.0)
    first.observe(random_joint(first, 12, seed=1))
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        metrics = each.update(0.5)
        assert metrics["actor_loss"].shape[-1] == 4
        assert metrics["entropy"].isfinite().all()
    ours, theirs = (states(each.nets, 0)["networks"]["actor"] for each in (first, second))
    for unit, own in ours.items():
        for parameter, value in own.items():
            assert torch.equal(value, theirs[unit][parameter])


@pytest.mark.parametrize("critic", ["concat", "shared", "pooled"])
def test_a_box_and_a_ladder_of_equal_sizes_are_apart_under_every_critic(critic):
    ours = learner([BOX, LADDER], algorithm="mappo", critic=critic, actor_hidden=(8,))
    ours.observe(random_joint(ours, 12))
    ours.update(1.0)
    names = list(states(ours.nets, 0)["networks"]["value"])
    assert len(set(names)) == len(names) == 2


@pytest.mark.parametrize("name", UNABLE)
def test_other_algorithms_say_which_can(name):
    sentence = f"{name} cannot choose rungs of a ladder, as unit 'ladder' must; ippo, mappo, a2c"
    with pytest.raises(ConfigurationError, match=sentence):
        learner([BOX, LADDER], algorithm=name)


def test_the_learning_probabilities_are_those_that_acted():
    ours = learner([LADDER, TWO], algorithm="mappo", actor_hidden=(8,))
    joint = random_joint(ours, 6)
    for net, head, part in zip(ours.nets["actor"], ours.heads, joint.groups, strict=True):
        assert isinstance(head, Stochastic)
        again = head.log_prob(
            net.form.outputs(net.now, part.obs.transpose(1, 2)),
            part.extras["raw"].transpose(1, 2),
        )
        torch.testing.assert_close(again, part.extras["log_prob"][..., 0].transpose(1, 2))


# --- files -------------------------------------------------------------------------------------


def test_saved_policies_choose_the_same_rungs(tmp_path):
    specs = (LADDER, TWO)
    stacks = [initial_actors([spec], 1, f"categorical_{spec.rungs}") for spec in specs]
    save_policies(tmp_path / "set", stacks, specs, algorithm="mappo")
    loaded = load_policies(tmp_path / "set")
    assert loaded.specs == specs
    check_fit(loaded.actors, specs, tmp_path)
    for spec, before, after in zip(specs, stacks, loaded.actors, strict=True):
        assert before.head == after.head
        obs = torch.rand(50, 1, spec.obs_size, dtype=torch.float64) * 2 - 1
        torch.testing.assert_close(before(obs), after(obs))
        places = torch.linspace(-1, 1, spec.rungs).double()
        assert (after(obs).unsqueeze(-1) - places).abs().amin(-1).max() < 1e-6


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        (replace(LADDER, rungs=7), "one of 6 rungs per entry of its action, expected one of 7"),
        (replace(LADDER, rungs=0), "one of 6 rungs per entry of its action, expected any number"),
    ],
)
def test_a_policy_of_another_ladder_is_refused(expected, says, tmp_path):
    stack = initial_actors([LADDER], 1, "categorical_6")
    with pytest.raises(PolicyError, match=says):
        check_fit([stack], [expected], tmp_path)


def test_stacks_of_other_ladders_stay_apart():
    apart = [initial_actors([AgentSpec(str(n), 5, 1, 2)], 1, f"categorical_{n}") for n in (4, 4, 5)]
    assert [len(stack.unit_ids) for stack in merge(apart)] == [2, 1]


def test_an_actor_acts_in_both_layouts_of_axes():
    stack: ActorStack = initial_actors([LADDER], 1, "categorical_6").to(dtype=torch.float32)
    obs = torch.rand(2, 3, 1, 3)
    assert stack(obs).shape == (2, 3, 1, 1)
    assert fleet((3, 1, 3))[0].shape == BOX.shape
    assert stack.to(CPU).outputs(obs).shape == (2, 3, 1, 6)
