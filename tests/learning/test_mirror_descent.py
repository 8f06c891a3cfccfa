"""Magnetic mirror descent: its step against the formula, and a game without pure equilibrium."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from toys import learner, random_joint

from assume_rl.learning.algorithms.fitting import distance
from assume_rl.learning.algorithms.mirror_descent import aim_of
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.nets.heads import Categorical
from assume_rl.learning.types import AgentSpec
from assume_rl.testing.games import GAMES, judged_mixed
from assume_rl.testing.games.playing import play

pytestmark = pytest.mark.unchecked

LADDER = AgentSpec("ladder", 3, 1, 3, rungs=6)
TWO = AgentSpec("two", 5, 2, 5, rungs=4)  # two entries, on another ladder
AGENTS = [LADDER, TWO, replace(LADDER, unit_id="another")]
SMALL = {"algorithm": "mirror_descent", "actor_hidden": (8, 8), "passes": 2}


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def form_of(rungs, bounds):
    """A form whose parameters are its logits, of which those above a bound are ruled out."""
    head = Categorical(rungs)

    def outputs(nets, obs):
        places = torch.tensor([0] * len(bounds) + bounds) * (2.0 / (rungs - 1)) - 1.0
        return head.masked(nets, places.expand(*nets.shape[:-1], -1))

    return SimpleNamespace(law=head, outputs=outputs)


# --- one step ------------------------------------------------------------------------------------


def test_a_step_is_the_product_that_solves_the_problem_of_mirror_descent():
    """p' of <p, r> - pull KL(p, ref) - KL(p, now) / step is as Sokota et al. have it, eq. 5."""
    step, pull, bounds = 0.7, 0.3, [2, 3]
    now, magnet, curve = (draw(1, 2, 5, 8, seed=k) for k in range(3))
    form, obs = form_of(4, bounds), torch.zeros(1, 2, 5, 1)
    found = aim_of(form, (now, magnet), obs, curve, step, pull).outputs
    for entry, top in enumerate(bounds):
        own = slice(entry * 4, entry * 4 + top + 1)
        p, reference = now[..., own].softmax(-1), magnet[..., own].softmax(-1)
        power = 1.0 / (1.0 + step * pull)
        product = p * reference ** (step * pull) * (step * curve[..., own]).exp()
        expected = product**power
        expected = expected / expected.sum(-1, keepdim=True)
        torch.testing.assert_close(found[..., own].softmax(-1), expected)
        # What is learned has the same level as before, and rungs ruled out are left alone.
        torch.testing.assert_close(found[..., own].mean(-1), now[..., own].mean(-1))
    assert (found[..., 3] == -1e9).all()


def test_networks_follow_the_mean_over_auctions():
    form, obs = form_of(4, [3]), torch.zeros(1, 1, 5, 1)
    now, curve = draw(1, 1, 1, 4), draw(1, 1, 5, 4, seed=1)
    logits = now.clone().requires_grad_()
    shared = logits.expand(1, 1, 5, 4)
    aim = aim_of(form, (shared.detach(), shared.detach()), obs, curve, 2.0, 0.1).outputs
    distance(form, shared, obs, aim).sum().backward()
    # Four rungs, so a quarter of the way; the magnet is where the policy is.
    better = curve.mean(dim=2, keepdim=True)
    moved = 2.0 / 1.2 * (better - better.mean(-1, keepdim=True))
    torch.testing.assert_close(-4.0 * logits.grad, moved)


def test_measures_are_those_of_the_policy_before():
    share = torch.tensor([0.5, 0.25, 0.25]).double()
    now, magnet = share.log().expand(1, 1, 2, 3), torch.zeros(1, 1, 2, 3).double()
    curve = torch.tensor([[0.0, 4.0, 0.0], [2.0, 0.0, 4.0]]).double()[None, None]
    aim = aim_of(form_of(3, [2]), (now, magnet), torch.zeros(1, 1, 2, 1), curve, 1.0, 0.1)
    measures = {name: value.item() for name, value in aim.measures.items()}
    assert measures["expected_reward"] == pytest.approx((1.0 + 2.0) / 2)
    # The second and the third rung bring 2 in the mean, the best one of each auction 4.
    assert measures["gain"] == pytest.approx(2.0 - 1.5)
    entropy = -(share * share.log()).sum().item()
    assert measures["entropy"] == pytest.approx(entropy)
    assert measures["divergence"] == pytest.approx(torch.tensor(3.0).log().item() - entropy)


# --- a game without an equilibrium in prices that are certain ------------------------------------


def test_mixes_are_hard_to_exploit_where_prices_that_are_certain_are_not():
    """One table of logits: the learning rate is what takes a step of mirror descent at once."""
    game, rungs = GAMES["E5"](), 51
    config = LearningConfig(
        algorithm="mirror_descent", actor_hidden=(), optimizer="sgd", max_grad_norm=0.0, passes=1,
        learning_rate=rungs / 4, num_envs=64, training_episodes=150,
    )  # fmt: skip
    (one,) = play(game, config, (1,), rungs)
    assert judged_mixed(game, one.last.numbers, one.last.weight).exploitability < 240.0


# --- the rules of all algorithms -----------------------------------------------------------------


def test_the_reference_follows_the_policies():
    ours = learner(AGENTS, reference_share=0.25, **SMALL)
    (net, *_) = ours.nets["actor"]
    before = net.online.buffer.clone()
    assert torch.equal(net.target.buffer, before)
    ours.observe(random_joint(ours, 12))
    ours.update(0.5)
    torch.testing.assert_close(net.target.buffer, before.lerp(net.online.buffer, 0.25 * 0.5))
