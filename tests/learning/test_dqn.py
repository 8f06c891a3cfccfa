"""DQN on a ladder: its switches against loops, games it solves, and what all algorithms keep."""

from dataclasses import replace

import pytest
import torch
from same_learning import continues_from_a_state, learns_as_alone
from test_fictitious_play import draw, form_of
from test_q_learning import AGENTS, LADDER, bounds, joint, learned, observations, random_choices
from toys import learner

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms.q_learning import (
    VALUES,
    following_values,
    targets_of,
    weights,
)
from assume_rl.learning.algorithms.unread import unread_keys
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, decide, exploration_at
from assume_rl.learning.nets.heads import LADDER_HEADS, RULED_OUT, Categorical, mostly_best
from assume_rl.learning.types import Earnings

pytestmark = pytest.mark.unchecked

SMALL = {"algorithm": "dqn", "actor_hidden": (8, 8), "batch_size": 8, "gradient_steps": 2}
ALL = {
    **{"double": "random_roles", "dueling": True, "clip_targets": True},
    **{"sampling": "prioritised", "n_step": 3},
}
EARNING = [replace(agent, earnings=Earnings(-2.0, 2.0, 24)) for agent in AGENTS]


def test_dueling_values_are_those_of_a_loop_and_leave_what_is_ruled_out_alone():
    # GIVEN two entries on 4 rungs, of which the first may choose 1 to 3 and the second 0 to 2
    head, legal = LADDER_HEADS["dueling"](4), [[1, 2, 3], [0, 1, 2]]
    given = draw(3, 10)
    given.requires_grad_()
    assert (head.outputs(2), head.act_size(10)) == (10, 2)
    # WHEN values are put together of four advantages and a value of each entry
    found = head.by_entry(head.masked(given, bounds(4, 1, 0, 3, 2).flatten().expand(3, -1)))
    # THEN advantages of legal rungs are 0 on average, and nothing else counts
    for row in range(3):
        for entry, own in enumerate(legal):
            part = given[row, 5 * entry : 5 * entry + 5].tolist()
            mean = sum(part[k] for k in own) / len(own)
            for rung in range(4):
                expected = part[4] + part[rung] - mean if rung in own else RULED_OUT
                assert found[row, entry, rung].item() == pytest.approx(expected)
    torch.where(found > 0.5 * RULED_OUT, found.square(), 0.0).sum().backward()
    assert not given.grad[:, [0, 8]].any()
    assert given.grad[:, [1, 2, 3, 4, 5, 6, 7, 9]].all()


def test_the_one_that_chooses_does_not_value():
    chooses, values = draw(1, 2, 5, 8), draw(1, 2, 5, 8, seed=1)
    found = following_values(form_of(4, [2, 3]), chooses, values, torch.zeros(1, 2, 5, 1))
    for agent in range(2):
        for row in range(5):
            q = 0.0
            for entry, top in enumerate([2, 3]):
                own = slice(4 * entry, 4 * entry + top + 1)
                best = max(range(top + 1), key=chooses[0, agent, row, own].tolist().__getitem__)
                q += values[0, agent, row, own].tolist()[best]
            assert found[0, agent, row].item() == pytest.approx(q)


@pytest.mark.parametrize("double", ["main_chooses", "random_roles"])
def test_targets_are_those_of_the_formulas(double):
    # GIVEN networks that differ from each other and from their targets
    ours = learner(AGENTS, double=double, gamma=0.5, **SMALL)
    ours.observe(random_choices(ours, 12))
    ours.update(1.0)
    work = ours._work(1.0, 0)
    batch = ours._batches.latest(12)
    for g, group in enumerate(ours.groups):
        nets = [ours.nets[name][g] for name in ours.nets]
        assert len(nets) == {"main_chooses": 1, "random_roles": 2}[double]
        rungs = group.specs[0].rungs
        q = [net.form.outputs(net.now, batch.next_obs[g]) for net in nets]
        later = [net.form.outputs(net.later, batch.next_obs[g]) for net in nets]
        for own, found in enumerate(targets_of(VALUES, work, g, nets, batch, 1)):
            best = q[own].unflatten(-1, (-1, rungs)).argmax(-1, keepdim=True)
            value = later[-1 - own].unflatten(-1, (-1, rungs)).gather(-1, best).sum((-1, -2))
            expected = batch.reward[g] + 0.5 * ~batch.terminated[:, None] * value
            torch.testing.assert_close(found, expected)


def test_each_row_is_learned_from_by_one_of_two_networks_drawn_at_random():
    ours = learner(AGENTS, seeds=(1, 2), **SMALL | {"double": "random_roles"})
    ours.observe(random_choices(ours, 200))
    work, batch = ours._work(1.0, 0), ours._batches.latest(200)
    learns = work.batches.roles(batch)
    assert learns.double().mean(dim=1).sub(0.5).abs().max() < 0.15
    assert not torch.equal(*learns)
    # A transition stays with its network.
    again = work.batches.roles(ours._batches.at(batch.index[:, 50:60], None, {}))
    assert torch.equal(again, learns[:, 50:60])
    first, second = weights(None, learns)
    assert (first + second == 2.0).all()
    assert torch.equal(first > 0, learns)
    importance = draw(2, 200).abs()
    for plain, weighted in zip((first, second), weights(importance, learns), strict=True):
        torch.testing.assert_close(weighted, importance * plain)
    assert weights(importance, None) == [importance]


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_a_share_of_decisions_is_any_legal_rung(epsilon):
    head, count = Categorical(5), 20_000
    out = torch.tensor([0.1, 0.3, 0.2, RULED_OUT, RULED_OUT]).expand(count, 5)
    z = torch.randn(count, 1, generator=torch.Generator().manual_seed(1))
    drawn = mostly_best(head, out, z, epsilon)
    share = torch.bincount(drawn.raw.flatten().long(), minlength=5) / count
    expected = torch.tensor([epsilon / 3, 1 - epsilon * 2 / 3, epsilon / 3, 0.0, 0.0])
    torch.testing.assert_close(share, expected, rtol=0, atol=0.015)
    assert not share[3:].any()
    torch.testing.assert_close(drawn.log_prob.exp(), expected[drawn.raw.flatten().long()])
    law = Exploration("noise", epsilon=epsilon)
    assert torch.equal(decide(head, out, z, z, law).action, drawn.action)


def test_the_share_falls_on_its_schedule_and_evaluations_have_none():
    def share(left, **settings):
        config = LearningConfig(algorithm="dqn", **settings)
        return exploration_at(config, initial=False, progress=left).epsilon

    assert (share(1.0), share(0.5), share(0.0)) == (1.0, 0.25, 0.0)
    linear = {"epsilon": 0.9, "epsilon_schedule": {"schedule": "linear", "end": 0.05 / 0.9}}
    found = [share(left, **linear) for left in (1.0, 0.5, 0.0)]
    assert found == pytest.approx([0.9, 0.475, 0.05])
    assert share(0.3, epsilon=0.2, epsilon_schedule=None) == 0.2
    out = torch.tensor([[0.0, 1.0]])
    off = decide(Categorical(2), out, out[:, :1], torch.tensor([[-9.0]]), Exploration("off"))
    assert off.action.item() == 1.0


# --- games whose answer is known -----------------------------------------------------------------


def played(ours, state, generator, left):
    """Observations, actions and the rungs of the first group, drawn as training draws them."""
    obs = observations(ours, state)
    law, actions = exploration_at(ours.config, initial=False, progress=left), []
    outs = ours.outputs(obs, noisy=True)
    for head, out, group in zip(ours.heads, outs, ours.groups, strict=True):
        z = torch.randn((*out.shape[:-1], group.act_size), generator=generator).to(out)
        actions.append(decide(head, out, torch.zeros_like(z), z, law).action)
    top = ours.groups[0].specs[0].rungs - 1
    return obs, actions, ((actions[0] + 1) * (top / 2)).round()[..., 0, 0]


LEARNS = {
    "gamma": 0.9,
    "actor_hidden": (32, 32),
    "batch_size": 32,
    "gradient_steps": 20,
    "learning_rate": 0.005,
    "tau": 0.05,
    "epsilon": 0.5,
    "epsilon_schedule": None,
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        pytest.param(
            {"double": "main_chooses", "dueling": True, "sampling": "prioritised"},
            marks=pytest.mark.slow,
        ),
        pytest.param({"double": "random_roles"}, marks=pytest.mark.slow),
    ],
)
def test_it_gives_up_reward_now_for_more_later(more):
    """A storage: charging costs 0.2 on rung 0, selling brings 0.5 on rung 2, waiting a little."""
    generator = torch.Generator().manual_seed(1)
    ours = learner([LADDER], algorithm="dqn", **LEARNS | more)

    def transitions():
        full = torch.randint(2, (1, 32), generator=generator)
        obs, actions, rung = played(ours, full, generator, 1.0)
        charges, sells = (full == 0) & (rung == 0), (full == 1) & (rung == 2)
        reward = torch.where(charges, -0.2, torch.where(sells, 0.5, 0.01 * (rung == 5)))
        after = observations(ours, full + charges.long() - sells.long())
        return joint(obs, actions, [reward.double()[..., None]], after)

    (found,) = learned(ours, transitions, 24)
    assert found.flatten().tolist() == [0, 2]


def overestimated(**more):
    """How much too high the best value is of a state in which all rungs bring 0 on average."""
    generator = torch.Generator().manual_seed(1)
    seeds = tuple(range(6))
    ours = learner([LADDER], seeds=seeds, algorithm="dqn", **LEARNS | {"gamma": 1.0} | more)
    for _ in range(12):
        state = torch.zeros(6, 16, dtype=torch.long)
        with torch.no_grad():
            obs, actions, _ = played(ours, state, generator, 1.0)
        reward = torch.randn((6, 16, 1), generator=generator, dtype=torch.float64)
        part = joint(obs, actions, [reward], obs)
        # Half of the rows end: a state is worth the mean of two rewards, 0.
        ended = torch.rand((6, 16), generator=generator) < 0.5
        ours.observe(replace(part, terminated=ended))
        ours.update(1.0)
    values = ours.outputs(observations(ours, torch.zeros(6, 1, dtype=torch.long)))[0]
    return float(values.amax(dim=-1).mean())


@pytest.mark.slow
def test_two_networks_overestimate_less():
    single = overestimated()
    assert single > 0.2
    assert overestimated(double="random_roles") < 0.7 * single


def test_targets_stay_where_prices_and_the_episode_leave_values():
    agent = replace(LADDER, earnings=Earnings(-0.1, 0.2, 1))
    ours = learner([agent], **SMALL | {"clip_targets": True, "gamma": 0.9})
    ours.observe(random_choices(ours, 32))
    found = []
    for clip in (True, False):
        work = ours._work(1.0, 0)
        settings = ours.config.settings.model_copy(update={"clip_targets": clip})
        config = ours.config.model_copy(update={"settings": settings})
        nets = [ours.nets["actor"][0]]
        found += targets_of(
            VALUES, replace(work, config=config), 0, nets, ours._batches.latest(32), 1
        )
    clipped, free = found
    assert torch.equal(clipped, free.clamp(-0.1, 0.2))
    assert not torch.equal(clipped, free)
    with pytest.raises(ConfigurationError, match="clip_targets: the possible earnings of 'ladder'"):
        learner([LADDER], **SMALL | {"clip_targets": True})


# --- the rules of all algorithms -----------------------------------------------------------------


def test_it_continues_from_a_state_with_the_same_bytes():
    given = (learner(EARNING, **SMALL | ALL) for _ in range(2))
    names = {"actor", "actor_target", "twin", "twin_target"}
    assert continues_from_a_state(*given, random_choices) == names


def test_a_seed_among_others_learns_the_same_as_alone():
    learns_as_alone(lambda seeds: learner(EARNING, seeds=seeds, **SMALL | ALL), random_choices)


def test_two_networks_begin_apart_and_read_the_same_statistics():
    ours = learner(AGENTS, normalise=["observations"], **SMALL | {"double": "random_roles"})
    ours.observe(random_choices(ours, 12))
    ours.update(1.0)
    for actor, twin in zip(ours.nets["actor"], ours.nets["twin"], strict=True):
        assert actor.form.inputs is twin.form.inputs
        assert actor.form.inputs.count.all()
        weights = (net.online.views["FC1.weight"] for net in (actor, twin))
        assert not torch.equal(*weights)


def test_memory_and_random_roles_are_refused_together():
    with pytest.raises(ConfigurationError, match="random_roles is not for actors with memory"):
        LearningConfig.from_mapping(
            {"algorithm": "dqn", "double": "random_roles", "actor_architecture": "gru"}
        )


def test_noise_on_actions_and_critics_are_not_read():
    unread = unread_keys(LearningConfig(algorithm="dqn"))
    assert {"noise_sigma", "action_noise_schedule", "critic", "critic_hidden"} <= unread
    assert not {"gamma", "tau", "epsilon", "epsilon_schedule", "double"} & unread
