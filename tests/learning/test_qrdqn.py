"""QR-DQN: its loss and its head against loops, quantiles of a known law, and attitudes to risk."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from same_learning import continues_from_a_state, learns_as_alone
from test_fictitious_play import draw
from test_q_learning import AGENTS, LADDER, bounds, joint, observations, random_choices
from toys import learner

from assume_rl.errors import PolicyError
from assume_rl.learning.algorithms.qrdqn import quantile_loss, quantile_target
from assume_rl.learning.nets.heads import RULED_OUT, Quantiles, head_of, mostly_best
from assume_rl.learning.policies.folder import load_policies, save_policies

pytestmark = pytest.mark.unchecked

SMALL = {"algorithm": "qrdqn", "actor_hidden": (8, 8), "batch_size": 8, "gradient_steps": 2,
         "quantiles": 5}  # fmt: skip


def form_of(head, obs):
    """A form whose parameters are the outputs of its networks."""
    return SimpleNamespace(law=head, outputs=lambda nets, _: head.masked(nets, obs))


def test_the_loss_is_that_of_a_loop_over_quantiles_and_outcomes():
    head, obs = Quantiles(4, 3), bounds(4, 1, 0, 3, 2).expand(1, 2, 5, -1)
    out, target, weight = draw(1, 2, 5, 24), draw(1, 2, 5, 3, seed=1), draw(1, 5, seed=2).abs()
    out.requires_grad_()
    action = draw(1, 2, 5, 2, seed=3)
    given = (form_of(head, obs), out, obs, action, target)
    loss, errors = quantile_loss(*given, weight)
    plain, _ = quantile_loss(*given)
    for agent in range(2):
        weighted = whole = 0.0
        for row in range(5):
            quantiles = [0.0] * 3
            for entry, own in enumerate(([1, 2, 3], [0, 1, 2])):
                place = float(action[0, agent, row, entry])
                rung = min(own, key=lambda k, p=place: abs(k / 1.5 - 1.0 - p))
                for i in range(3):
                    quantiles[i] += out[0, agent, row, 12 * entry + 3 * rung + i].item()
            pulls = 0.0
            for i, quantile in enumerate(quantiles):
                for outcome in target[0, agent, row].tolist():
                    above, share = outcome - quantile, (i + 0.5) / 3
                    pulls += (share if above > 0 else share - 1.0) * above / 3
            mean = target[0, agent, row].mean().item() - sum(quantiles) / 3
            assert errors[0, agent, row].item() == pytest.approx(mean)
            weighted += float(weight[0, row]) * pulls / 5
            whole += pulls / 5
        assert loss[0, agent].item() == pytest.approx(weighted)
        assert plain[0, agent].item() == pytest.approx(whole)
    plain.sum().backward()
    by_rung = out.grad.unflatten(-1, (2, 4, 3))
    assert not by_rung[..., 0, 0, :].any()
    assert not by_rung[..., 1, 3, :].any()


def test_nothing_follows_a_termination():
    reward, following = draw(1, 2, 2), draw(1, 2, 2, 3, seed=1)
    ended = torch.tensor([[True, False]])
    found = quantile_target(reward, torch.tensor([[0.5, 0.5]]), following, ended)
    torch.testing.assert_close(found[:, :, 0], reward[:, :, :1].expand(-1, -1, 3))
    expected = reward[:, :, 1, None] + 0.5 * following[:, :, 1]
    torch.testing.assert_close(found[:, :, 1], expected)


@pytest.mark.parametrize(("worst", "expected"), [(1.0, 3.0), (0.25, 0.0), (0.5, 0.5), (0.4, 0.375)])
def test_a_rung_is_worth_the_mean_of_its_worst_share(worst, expected):
    # GIVEN quantiles 1, 0, 7, 4 of the first rung, and two that are worse or ruled out
    head = Quantiles(3, 4, worst)
    out = torch.tensor([1.0, 0.0, 7.0, 4.0, *[-1.0] * 4, *[9.0] * 4])
    out = head.masked(out, torch.tensor([-1.0, 0.0]))
    assert (head.outputs(1), head.act_size(12)) == (12, 1)
    # THEN the first is worth 0 + 1 + 4 + 7 over 4, or what is left of the sum
    values = head.values(out)
    assert values[0, 0].item() == pytest.approx(expected)
    assert (values[0, 1].item(), values[0, 2].item()) == pytest.approx((-1.0, RULED_OUT))
    assert head.mean(out).item() == -1.0
    z = torch.randn(200, 1, generator=torch.Generator().manual_seed(1))
    for drawn in (
        mostly_best(head, out.expand(200, -1), z, 1.0),
        head.draw(out.expand(200, -1), z),
    ):
        assert set(drawn.raw.flatten().tolist()) <= {0.0, 1.0}
        assert drawn.log_prob.isfinite().all()


def test_names_of_heads_tell_quantiles_and_attitude(tmp_path):
    assert head_of("quantile-32-0.1_21") == Quantiles(21, 32, 0.1)
    broken = ("quantile-32-1.2.3_21", "quantile-32--_21", "quantile-0-0.5_21", "quantile-32-0_21")
    for wrong in ("quantile-32_21", "quantile-x-1.0_21", "quantile-32-0.1_1", *broken):
        with pytest.raises(PolicyError, match=f"unknown head '{wrong}'"):
            head_of(wrong)
    ours = learner(AGENTS, worst_share=0.3, **SMALL)
    save_policies(tmp_path, ours.policies(), AGENTS, algorithm="qrdqn")
    for own, found in zip(ours.actors(), load_policies(tmp_path).actors, strict=True):
        assert found.head == own.head == f"quantile-5-0.3_{head_of(own.head).rungs}"
        assert found.sizes() == own.sizes()


@pytest.mark.slow
def test_quantiles_of_a_known_law_are_recovered_and_the_cautious_bidder_takes_what_is_sure():
    """Rung 1 brings 0.25 for sure, 4 between -0.3 and 0.9, all alike, others nothing."""
    generator, rounds = torch.Generator().manual_seed(1), 60
    ours = learner(
        [LADDER], algorithm="qrdqn", quantiles=8, gamma=0.0, batch_size=64, actor_hidden=(32,),
        gradient_steps=20, learning_rate=0.003,
    )  # fmt: skip
    obs = observations(ours, torch.zeros(1, 48, dtype=torch.long))
    for k in range(rounds):
        rung = torch.randint(6, (1, 48, 1), generator=generator)
        luck = 1.2 * torch.rand((1, 48, 1), generator=generator) - 0.3
        reward = torch.where(rung == 1, 0.25, torch.where(rung == 4, luck, 0.0)).double()
        ours.observe(joint(obs, [(0.4 * rung - 1.0).double()[..., None]], [reward], obs))
        ours.update(1.0 - k / rounds)
    (head,), (out,) = ours.heads, ours.outputs([part[:, :1] for part in obs])
    found = head.by_rung(out)[0, 0, 0, 0].sort(dim=-1).values
    middle = (torch.arange(8).double() + 0.5) / 8
    torch.testing.assert_close(found[4], 1.2 * middle - 0.3, rtol=0, atol=0.1)
    torch.testing.assert_close(found[1], torch.full((8,), 0.25).double(), rtol=0, atol=0.05)
    # Without a later reward the attitude matters for the choice alone.
    for worst, best in ((1.0, 4.0), (0.25, 1.0)):
        rung = (replace(head, worst=worst).mean(out) + 1) * 2.5
        assert rung.item() == pytest.approx(best)


@pytest.mark.parametrize("double", [None, "main_chooses", "random_roles"])
def test_it_continues_from_a_state_with_the_same_bytes(double):
    more = {"double": double, "sampling": "prioritised", "n_step": 3, "worst_share": 0.5}
    given = (learner(AGENTS, **SMALL, **more) for _ in range(2))
    names = {"actor", "actor_target", "twin", "twin_target"}
    expected = names if double == "random_roles" else {"actor", "actor_target"}
    assert continues_from_a_state(*given, random_choices) == expected


def test_a_seed_among_others_learns_the_same_as_alone():
    more = {"double": "main_chooses", "noisy": "independent"}
    learns_as_alone(lambda seeds: learner(AGENTS, seeds=seeds, **SMALL, **more), random_choices)
