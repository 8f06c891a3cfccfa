"""Smooth fictitious play: its loss entry by entry, a game it solves, and where it starts again."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from same_learning import continues_from_a_state, learns_as_alone
from toys import CPU, learner, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms.fictitious_play import actor_loss
from assume_rl.learning.algorithms.unread import unread_keys
from assume_rl.learning.bytes import estimate
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.nets.heads import Categorical
from assume_rl.learning.types import CURVE, AgentSpec, Joint, Transitions

pytestmark = pytest.mark.unchecked

LADDER = AgentSpec("ladder", 3, 1, 3, rungs=6)
TWO = AgentSpec("two", 5, 2, 5, rungs=4)  # two entries, on another ladder
AGENTS = [LADDER, TWO, replace(LADDER, unit_id="another")]
SMALL = {"algorithm": "fictitious_play", "actor_hidden": (8, 8), "batch_size": 8}
SMALL |= {"gradient_steps": 2}


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def form_of(rungs, bounds):
    """A form whose parameters are its logits, of which those above a bound are ruled out."""
    head = Categorical(rungs)

    def outputs(nets, obs):
        places = torch.tensor([0] * len(bounds) + bounds) * (2.0 / (rungs - 1)) - 1.0
        return head.masked(nets, places.expand(*nets.shape[:-1], -1))

    return SimpleNamespace(law=head, outputs=outputs)


def test_the_loss_is_that_of_a_loop_over_rows_and_entries():
    rungs, bounds, weight, tie_break = 4, [2, 3], 0.3, 0.2
    logits, curve = draw(1, 2, 5, 8), draw(1, 2, 5, 8, seed=1)
    obs = torch.zeros(1, 2, 5, 1)
    found = actor_loss(form_of(rungs, bounds), logits, obs, curve, weight, tie_break)
    for agent in range(2):
        value, entropy, height = 0.0, 0.0, 0.0
        for row in range(5):
            for entry, top in enumerate(bounds):
                own = slice(entry * rungs, entry * rungs + top + 1)
                odds = [math.exp(z) for z in logits[0, agent, row, own].tolist()]
                share = [odd / sum(odds) for odd in odds]
                rewards = curve[0, agent, row, own].tolist()
                value += sum(p * r for p, r in zip(share, rewards, strict=True)) / 5
                entropy -= sum(p * math.log(p) for p in share) / 5
                height += sum(p * rung / (rungs - 1) for rung, p in enumerate(share)) / 5
        assert found.expected_reward[0, agent].item() == pytest.approx(value)
        assert found.entropy[0, agent].item() == pytest.approx(entropy)
        loss = tie_break * height - value - weight * entropy
        assert found.total[0, agent].item() == pytest.approx(loss)


def test_its_gradient_is_that_of_the_replicator_and_the_entropy():
    weight, curve = 0.3, draw(1, 1, 1, 6, seed=1)
    logits = draw(1, 1, 1, 6).requires_grad_()
    found = actor_loss(form_of(6, [5]), logits, torch.zeros(1, 1, 1, 1), curve, weight)
    found.total.sum().backward()
    p, r = logits.detach().softmax(-1), curve
    log = p.log()
    up = p * (r - (p * r).sum()) - weight * p * (log - (p * log).sum())
    torch.testing.assert_close(logits.grad, -up)


def test_the_gap_is_what_the_best_rungs_have_more():
    curve = torch.tensor([0.0, 3.0, 1.0, 2.0, 2.0, 2.0]).double().view(1, 1, 1, 6)
    logits = torch.zeros(1, 1, 1, 6).double()
    found = actor_loss(form_of(3, [2, 2]), logits, torch.zeros(1, 1, 1, 1), curve, 0.0)
    assert found.gap.item() == pytest.approx(3.0 - 4.0 / 3.0)


def test_of_rungs_that_bring_the_same_the_lowest_is_chosen():
    curve = torch.tensor([-1.0, 0.0, 0.0, 0.0, 0.0, 0.0]).double().view(1, 1, 1, 6)
    logits = draw(1, 1, 1, 6).requires_grad_()
    for _ in range(3000):
        found = actor_loss(form_of(6, [5]), logits, torch.zeros(1, 1, 1, 1), curve, 0.0, 0.1)
        (slope,) = torch.autograd.grad(found.total.sum(), logits)
        logits = (logits - slope).detach().requires_grad_()
    assert logits.argmax().item() == 1


# --- a game whose answer is known ----------------------------------------------------------------


def game(ours, rows, generator):
    """Curves with a cliff behind the best rung, which is another one in each of two states.

    Rivals bid one of two prices at random: half of the time the cliff is a rung lower.
    """
    state = torch.randint(2, (1, rows + 1, 1, 1), generator=generator).double()
    lower = torch.randint(2, (1, rows, 1, 1, 1), generator=generator)
    parts = []
    for group in ours.groups:
        (spec,) = {replace(own, unit_id="") for own in group.specs}
        high = torch.where(state == 0, 1.0, 0.2).expand(1, rows + 1, 1, spec.act_size)
        obs = torch.cat([state, -torch.ones_like(high), high], -1)
        obs = obs.expand(-1, -1, len(group.specs), -1)
        rung = torch.arange(spec.rungs)
        cliff = torch.where(state[:, :-1, ..., None] == 0, spec.rungs - 2, 1) - lower
        curve = torch.where(rung <= cliff, 0.5 + 0.3 * rung, 0.0).double()
        shape = (1, rows, len(group.specs), spec.act_size, spec.rungs)
        parts.append(
            Transitions(
                obs[:, :-1],
                torch.zeros(shape[:-1]).double(),
                torch.zeros(shape[:-2]).double(),
                obs[:, 1:],
                {CURVE: curve.expand(shape).flatten(-2)},
            )
        )
    flags = torch.zeros(1, rows, dtype=torch.bool)
    return Joint(tuple(parts), flags, flags)


def test_it_finds_the_best_response_to_all_that_rivals_did():
    generator = torch.Generator().manual_seed(1)
    ours = learner(
        AGENTS, algorithm="fictitious_play", actor_hidden=(32, 32), learning_rate=0.01,
        batch_size=32, gradient_steps=20, entropy_weight=0.2,
    )  # fmt: skip
    for k in range(8):
        ours.observe(game(ours, 32, generator))
        metrics = ours.update(1.0 - k / 8)
    obs = [part.obs[:, :8] for part in game(ours, 8, generator).groups]
    for group, seen, action in zip(ours.groups, obs, ours.actions(obs), strict=True):
        rungs = group.specs[0].rungs
        # Sure to sell below the lower cliff, unless it is worth the risk to stand between them.
        safe = torch.where(seen[..., :1] == 0, rungs - 3, 0).expand_as(action)
        assert ((action + 1) * (rungs - 1) / 2).round().equal(safe.double())
    assert (metrics["gap"][-1] < 0.9).all()
    assert (metrics["entropy"][-1] < 0.5).all()


# --- the rules of all algorithms -----------------------------------------------------------------


def test_it_continues_from_a_state_with_the_same_bytes():
    networks = continues_from_a_state(*(learner(AGENTS, **SMALL) for _ in range(2)), random_joint)
    assert networks == {"actor"}


def test_a_seed_among_others_learns_the_same_as_alone():
    learns_as_alone(lambda seeds: learner(AGENTS, seeds=seeds, **SMALL), random_joint)


def test_curves_are_stored_as_rewards_are():
    ours = learner(AGENTS, reward={"scale": 10.0, "clip": 5.0}, **SMALL)
    joint = random_joint(ours, 6)
    ours.observe(joint)
    index = torch.arange(6)[None]
    for k, part in enumerate(joint.groups):
        stored = ours.replay.part(CURVE, k, index).transpose(1, 2)
        torch.testing.assert_close(stored, (part.extras[CURVE] * 10).clamp(-5, 5))


def test_an_estimate_counts_the_curves():
    config = LearningConfig(algorithm="fictitious_play", replay_buffer_size=10)
    numbers = sum(2 * s.obs_size + s.act_size + 1 + s.act_size * s.rungs for s in AGENTS)
    found = estimate(config, AGENTS, device=CPU)
    assert found.replay == 10 * (numbers * 4 + 2) + 10 * 8


def test_the_entropy_counts_for_nothing_in_the_end():
    given = [learner(AGENTS, entropy_weight=weight, **SMALL) for weight in (0.0, 1.0)]
    for each in given:
        each.observe(random_joint(each, 12))
        each.update(0.0)
    ours, theirs = (each.nets["actor"][0].online.buffer for each in given)
    assert torch.equal(ours, theirs)


def test_the_discount_is_not_read():
    assert "gamma" in unread_keys(LearningConfig(algorithm="fictitious_play"))
    given = [learner(AGENTS, gamma=gamma, **SMALL) for gamma in (0.0, 0.99)]
    for each in given:
        each.observe(random_joint(each, 12))
        each.update(1.0)
    assert torch.equal(*(each.nets["actor"][0].online.buffer for each in given))


@pytest.mark.parametrize(
    ("agents", "settings", "says"),
    [
        ([AgentSpec("box", 3, 1, 3)], {}, "fictitious_play cannot choose numbers, as unit 'box'"),
        (AGENTS, {"normalise": ["returns"]}, "not divided by the spread of returns"),
        (AGENTS, {"normalise": ["values"]}, "fictitious_play has no critic of its own"),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(agents, settings, says):
    with pytest.raises(ConfigurationError, match=says):
        learner(agents, **SMALL, **settings)
