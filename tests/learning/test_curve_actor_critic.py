"""Actor-critic on reward curves: worths rung by rung, a storage that it solves, and its rules."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from same_learning import continues_from_a_state, learns_as_alone
from test_fictitious_play import AGENTS, LADDER, TWO, draw, form_of
from test_seeds import assert_close
from toys import CPU, learner, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms.curve_actor_critic import distinct, policy_worth, worths
from assume_rl.learning.algorithms.unread import unread_keys
from assume_rl.learning.bytes import estimate
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.critics.base import states_only
from assume_rl.learning.states import states
from assume_rl.learning.types import CURVE, NEXT_OWN, AgentSpec, Joint, Transitions

pytestmark = pytest.mark.unchecked

SMALL = {"algorithm": "curve_actor_critic", "actor_hidden": (8, 8), "critic_hidden": (8, 8)}
SMALL |= {"batch_size": 8, "gradient_steps": 2}
EXTRAS = (CURVE, NEXT_OWN)
NAMES = ["curve_actor_critic", "independent_curve_actor_critic"]


def test_what_own_orders_may_change_begins_with_past_prices():
    names = (("residual_load", 3, ""), ("price_history", 3, ""), ("state_of_charge", 1, ""))
    assert replace(LADDER, obs_size=7, unique_size=1, features=names).own_size == 4
    assert LADDER.own_size == LADDER.unique_size
    assert TWO.entries("own_rungs") == 2 * 4 * 5


def test_neighbours_that_lead_to_the_same_are_looked_at_once():
    own = torch.tensor([[1, 1, 2, 2, 1], [3, 3, 3, 3, 3], [3, 4, 4, 4, 4]]).view(1, 1, 3, 5, 1)
    first, which = distinct(own)
    assert which.flatten().tolist() == [0, 0, 1, 1, 2, *[3] * 5, 4, *[5] * 4]
    assert own.flatten()[first.flatten()].tolist() == [1, 2, 1, 3, 3, 4]
    assert (first // 5).flatten().tolist() == [0, 0, 0, 1, 2, 2]


def test_a_rung_is_worth_its_reward_and_the_lesser_value_of_what_follows():
    seen = []

    def with_obs(context, following, place, row, obs):
        seen.append(obs)
        value = obs @ torch.tensor([1.0, 10.0, 100.0]).double()
        return torch.stack([value, -value])

    form = SimpleNamespace(with_obs=with_obs)
    curve, own = draw(1, 2, 5, 4), draw(1, 2, 5, 4, 2, seed=1)
    own[..., 1, :] = own[..., 0, :]
    following, ended = draw(1, 2, 5, 3, seed=2), torch.tensor([[False, True, False, False, False]])
    batch = SimpleNamespace(
        extras={CURVE: [curve], NEXT_OWN: [own.flatten(-2)]},
        discount=torch.full((1, 5), 0.5).double(),
        terminated=ended,
    )
    found = worths(form, None, SimpleNamespace(obs=[following]), batch, 0)
    for agent in range(2):
        for row in range(5):
            for rung in range(4):
                first, (second, third) = following[0, agent, row, 0], own[0, agent, row, rung]
                later = -abs(first + 10 * second + 100 * third)
                expected = curve[0, agent, row, rung] + (0.0 if row == 1 else 0.5 * later)
                assert found[0, agent, row, rung].item() == pytest.approx(float(expected))
    assert seen[0].shape == (1, 2, 5 * 3, 3)  # of two of the four rungs the same follows


@pytest.mark.parametrize("critic", CRITICS)
def test_the_rung_that_was_played_is_worth_what_was_observed(critic):
    """Of every agent, whatever the others are told; and other rungs what their own part says."""
    agents = [replace(spec, obs_size=spec.obs_size + 2) for spec in AGENTS]
    ours = learner(agents, critic=critic, **SMALL)
    joint = random_joint(ours, 20)
    batch = SimpleNamespace(
        extras={n: [part.extras[n].transpose(1, 2) for part in joint.groups] for n in EXTRAS},
        next_obs=[part.next_obs.transpose(1, 2) for part in joint.groups],
        discount=torch.full((1, 20), 0.5).double(),
        terminated=joint.terminated,
    )
    following = states_only(ours.groups, batch.next_obs)
    for value in ours.nets["value"]:
        context = value.form.context(value.later, following)
        observed = value.form.values(value.later, following)
        for place, g in enumerate(value.form.groups):
            spec, own = ours.groups[g].specs[0], batch.extras[NEXT_OWN][g]
            rungs = own.unflatten(-1, (-1, spec.own_size))
            rungs[..., 1, :] = batch.next_obs[g][..., -spec.own_size :]  # a view
            found = worths(value.form, context, following, batch, g)
            reward, there = batch.extras[CURVE][g], 0.5 * ~batch.terminated
            expected = reward[..., 1] + there * observed[place].amin(dim=0)
            torch.testing.assert_close(found[..., 1], expected)
            others = found[..., 2] - reward[..., 2]
            assert not torch.allclose(others, there * observed[place].amin(dim=0))


def test_alone_an_agent_learns_the_same_from_central_values_as_from_its_own():
    found = []
    for name in NAMES:
        ours = learner([LADDER], **{**SMALL, "algorithm": name})
        ours.observe(random_joint(ours, 20))
        ours.update(1.0)
        found.append(states(ours.nets, 0)["networks"])
    assert_close(*found)


def test_a_policy_is_worth_the_mean_of_choosing_one_entry_anew():
    rungs, tops = 4, [2, 3]
    logits, worth = draw(1, 1, 1, 8), draw(1, 1, 1, 8, seed=1)
    places = torch.tensor([-1.0, -1.0, 2 / 1.5 - 1.0, 1.0]).double().view(1, 1, 1, 4)
    found = policy_worth(form_of(rungs, tops), logits, places, worth)
    total = 0.0
    for own in (slice(0, 3), slice(4, 8)):
        share = logits[0, 0, 0, own].softmax(-1)
        total += float((share * worth[0, 0, 0, own]).sum())
    assert found.item() == pytest.approx(total / 2)


# --- a game whose answer is known ----------------------------------------------------------------


def storages(agents, rows, generator):
    """Storages: charging costs 0.2 on rung 0, selling brings 0.5 on rung 2, waiting 0.01 on 5.

    Beside others it brings 0.9 where the first of them is full, and 0.1 where not. What was played
    is waiting, always: whatever else there is, curves alone can tell.
    """
    full = torch.randint(2, (1, rows, agents), generator=generator)
    price = 0.5 if agents == 1 else torch.where(full.roll(1, dims=-1) == 1, 0.9, 0.1)[..., None]
    rung = torch.arange(6)
    charges = (full == 0)[..., None] & (rung == 0)
    sells = (full == 1)[..., None] & (rung == 2)
    curve = torch.where(charges, -0.2, torch.where(sells, price, 0.01 * (rung == 5))).double()
    after = full[..., None] + charges.long() - sells.long()
    part = Transitions(
        observed(full),
        torch.ones(1, rows, agents, 1).double(),
        curve[..., 5],
        observed(full),  # nothing was bought or sold
        {CURVE: curve, NEXT_OWN: observed(after).flatten(-2)},
    )
    flags = torch.zeros(1, rows, dtype=torch.bool)
    return Joint((part,), flags, flags)


def observed(full):
    """What is observed of states: the state, then the bounds of the rungs, none ruled out."""
    high = torch.ones(*full.shape, 1).double()
    return torch.cat([full[..., None].double(), -high, high], -1)


def taught(agents, **settings):
    """A learner after 320 steps, and the metrics of its last update."""
    generator = torch.Generator().manual_seed(1)
    ours = learner(
        agents, actor_hidden=(32, 32), critic_hidden=(32, 32), batch_size=32, gradient_steps=20,
        learning_rate=0.005, tau=0.2, **settings,
    )  # fmt: skip
    for k in range(16):
        ours.observe(storages(len(agents), 32, generator))
        metrics = ours.update(1.0 - k / 16)
    return ours, metrics


def chosen(ours):
    """The rungs of every agent, empty and full."""
    agents = len(ours.agents)
    state = observed(torch.tensor([[[0] * agents, [1] * agents]]))
    (found,) = ours.actions([state])
    return ((found + 1) * 2.5).round()[0, ..., 0].T.tolist()


@pytest.mark.parametrize(
    ("algorithm", "gamma", "when_empty"),
    [
        (NAMES[0], 0.9, 0),
        pytest.param(NAMES[0], 0.0, 5, marks=pytest.mark.slow),
        pytest.param(NAMES[1], 0.9, 0, marks=pytest.mark.slow),
    ],
)
def test_it_gives_up_reward_now_for_more_later(algorithm, gamma, when_empty):
    ours, metrics = taught([LADDER], algorithm=algorithm, gamma=gamma)
    assert chosen(ours) == [[when_empty, 2]]
    # Empty and full by turns, from either with the same chance.
    best = {0.9: (-0.2 + 0.9 * 0.5) / (1 - 0.81), 0.0: 0.01}[gamma]
    then = {0.9: (0.5 - 0.9 * 0.2) / (1 - 0.81), 0.0: 0.5}[gamma]
    assert metrics["expected_worth"][-1].item() == pytest.approx((best + then) / 2, rel=0.15)


@pytest.mark.parametrize(
    "critic",
    ["concat", *(pytest.param(k, marks=pytest.mark.slow) for k in (None, "shared", "pooled"))],
)
def test_central_values_know_what_only_a_rival_observes(critic):
    """Own ones take for noise what a rival's state does to prices; both know what to do."""
    central = critic is not None
    settings = {"algorithm": NAMES[0], "critic": critic} if central else {"algorithm": NAMES[1]}
    ours, metrics = taught([LADDER, replace(LADDER, unit_id="other")], gamma=0.9, **settings)
    assert chosen(ours) == [[0, 2]] * 2
    error = metrics["value_loss"].mean().item()
    assert error < 0.01 if central else error > 0.1


# --- the rules of all algorithms -----------------------------------------------------------------


def test_it_continues_from_a_state_with_the_same_bytes():
    networks = continues_from_a_state(*(learner(AGENTS, **SMALL) for _ in range(2)), random_joint)
    assert networks == {"actor", "value", "value_target"}


@pytest.mark.parametrize("more", [{}, {"normalise": ["observations", "critic_input", "values"]}])
def test_a_seed_among_others_learns_the_same_as_alone(more):
    learns_as_alone(lambda seeds: learner(AGENTS, seeds=seeds, **SMALL, **more), random_joint)


def test_an_estimate_counts_what_would_have_been_observed():
    config = LearningConfig(algorithm="curve_actor_critic", replay_buffer_size=10)
    numbers = sum(
        2 * s.obs_size + s.act_size + 1 + s.act_size * s.rungs * (1 + s.own_size) for s in AGENTS
    )
    found = estimate(config, AGENTS, device=CPU)
    assert found.replay == 10 * (numbers * 4 + 2) + 10 * 8


def test_it_reads_the_discount_and_no_noise():
    unread = unread_keys(LearningConfig(algorithm="curve_actor_critic"))
    assert "noise_sigma" in unread
    assert not {"gamma", "tau", "critic_hidden"} & unread


@pytest.mark.parametrize(
    ("agents", "settings", "says"),
    [
        ([AgentSpec("box", 3, 1, 3)], {}, "curve_actor_critic cannot choose numbers, as unit 'bo"),
        (AGENTS, {"normalise": ["returns"]}, "curve_actor_critic learns from reward curves"),
    ],
)
def test_what_it_cannot_learn_is_refused(agents, settings, says):
    with pytest.raises(ConfigurationError, match=says):
        learner(agents, **SMALL, **settings)
