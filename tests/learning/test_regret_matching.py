"""Regret matching: its updates against sums of regrets, and a game without pure equilibrium."""

from types import SimpleNamespace

import pytest
import torch

from assume_rl.learning.algorithms.fitting import distance
from assume_rl.learning.algorithms.regret_matching import aim_of
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import OFF, Exploration, decide
from assume_rl.learning.nets.heads import Averaged, head_of
from assume_rl.testing.games import GAMES, judged_mixed
from assume_rl.testing.games.playing import play

pytestmark = pytest.mark.unchecked


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def form_of(rungs, bounds):
    """A form whose parameters are its outputs, of which those above a bound are ruled out."""
    head = Averaged(rungs)

    def outputs(nets, obs):
        places = torch.tensor([0] * len(bounds) + bounds) * (2.0 / (rungs - 1)) - 1.0
        return head.masked(nets, places.expand(*nets.shape[:-1], -1))

    return SimpleNamespace(law=head, outputs=outputs)


# --- the head ------------------------------------------------------------------------------------


def test_it_explores_by_one_choice_and_is_evaluated_by_the_other():
    head = head_of("averaged_3")
    out = torch.tensor([1.0, 3.0, -7.0, 0.0, 0.0, 2.0]).double().expand(20_000, 6)
    z = draw(20_000, 1)
    evaluated = decide(head, out, z, z, OFF).action
    assert (evaluated == 0.0).double().mean().item() == pytest.approx(0.75, abs=0.01)
    assert (evaluated == 1.0).sum() == 0
    for temperature in (1.0, 0.5):
        explored = decide(head, out, z, z, Exploration("noise", temperature=temperature)).action
        assert (explored == 1.0).all()


def test_where_no_weight_is_positive_all_legal_rungs_are_alike():
    head = Averaged(4)
    obs = torch.tensor([-1.0, 1.0 / 3.0]).double()  # the lowest three
    out = head.masked(-torch.ones(8).double(), obs)
    assert head.shares(out).tolist() == [pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.0])]
    assert head.entropy(out).item() == pytest.approx(torch.tensor(3.0).log().item())
    assert (head.outputs(2), head.act_size(16)) == (16, 2)


# --- updates -------------------------------------------------------------------------------------


def test_updates_are_those_of_regret_matching_plus():
    """Three updates of two entries, one rung ruled out, against a loop over rungs."""
    form, obs, bounds = form_of(4, [2, 3]), torch.zeros(1, 1, 5, 1), [2, 3]
    out = torch.cat([torch.ones(1, 1, 1, 8), torch.zeros(1, 1, 1, 8)], -1).double()
    curves = [draw(1, 1, 5, 8, seed=k) for k in range(3)]
    regret = [[0.0] * 4, [0.0] * 4]
    played = []
    for number, curve in enumerate(curves, 1):
        shared = out.clone().requires_grad_()
        aim = aim_of(form, shared.detach().expand(1, 1, 5, 16), obs, curve, torch.tensor(number))
        distance(form, shared.expand(1, 1, 5, 16), obs, aim.outputs).sum().backward()
        out = (shared - 16.0 * shared.grad).detach()  # an update at once
        mix = []
        for entry, top in enumerate(bounds):
            mean = curve[0, 0, :, entry * 4 : entry * 4 + 4].mean(0).tolist()
            own = regret[entry][: top + 1]
            p = [r / sum(own) for r in own] if sum(own) > 0 else [1 / (top + 1)] * (top + 1)
            level = sum(a * b for a, b in zip(p, mean, strict=False))
            regret[entry] = [
                max(regret[entry][k] + mean[k] - level, 0.0) if k <= top else 0.0 for k in range(4)
            ]
            mix.append(p + [0.0] * (3 - top))
        played.append(torch.tensor(mix))
    average = sum(number * mix for number, mix in enumerate(played, 1)) / 6.0
    found = form.outputs(out, obs)[0, 0, 0]
    torch.testing.assert_close(form.law.shares(found), average, check_dtype=False)
    summed = torch.tensor(regret).flatten()
    torch.testing.assert_close(found[8:].clamp(min=0.0), summed, check_dtype=False)
    assert (out[..., 3] == 1.0).all()
    assert (out[..., 11] == 0.0).all()


def test_measures_are_those_of_the_policy_before():
    out = torch.tensor([1.0, 1.0, 0.0, 4.0, 2.0, 2.0]).double().expand(1, 1, 2, 6)
    curve = torch.tensor([[0.0, 4.0, 0.0], [2.0, 0.0, 4.0]]).double()[None, None]
    aim = aim_of(form_of(3, [2]), out, torch.zeros(1, 1, 2, 1), curve, torch.tensor(5))
    # It bid rungs with probabilities 1/2, 1/4 and 1/4; the second and the third one bring 2.
    assert aim.measures["expected_reward"].item() == pytest.approx((1.0 + 2.0) / 2)
    assert aim.measures["gain"].item() == pytest.approx(2.0 - 1.5)
    assert aim.measures["entropy"].item() == pytest.approx(torch.tensor(2.0).log().item())
    assert aim.measures["regret"].item() == pytest.approx(4.0 / 4)


# --- a game without an equilibrium in prices that are certain ------------------------------------


def test_averages_are_hard_to_exploit_where_prices_that_are_certain_are_not():
    """One table: the learning rate is what takes an update at once."""
    game, rungs = GAMES["E5"](), 51
    config = LearningConfig(
        algorithm="regret_matching", actor_hidden=(), optimizer="sgd", max_grad_norm=0.0, passes=1,
        learning_rate=2 * rungs / 4, num_envs=64, training_episodes=200,
    )  # fmt: skip
    (one,) = play(game, config, (1,), rungs)
    assert judged_mixed(game, one.last.numbers, one.last.weight).exploitability < 120.0
