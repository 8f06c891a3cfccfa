"""Games whose answer is known."""

import pytest
import torch
from toys import USUAL_SIZES, fleet, learner

from assume_rl.learning.critics import CRITICS
from assume_rl.learning.nets.net import GradientStep
from assume_rl.learning.types import Joint, Transitions

pytestmark = pytest.mark.unchecked


def _column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1)


def freeze(actor) -> None:
    """Let the policies of a group answer 0 for ever."""
    for flat in (actor.online, actor.target):
        flat.buffer.zero_()
    object.__setattr__(actor, "descend", _stand_still)


def _stand_still(losses, rate, max_grad_norm) -> list[GradientStep]:
    return [GradientStep(*[loss.detach()] * 3, rate) for loss in losses]


def one_group(obs, action, reward, ended) -> Joint:
    """Transitions of one seed and one group, next observations being the observations."""
    part = Transitions(obs[None], action[None], reward[None], obs[None])
    return Joint((part,), ended[None], ~ended[None])


@pytest.mark.slow
def test_q_values_of_a_two_step_problem():
    # GIVEN state 0, where action a brings 0.1 a and leads to state 1, where it brings 1 + a^2 and
    # ends; actions are the ones of a frozen policy (learning rate of actors is shared, so tau and
    # delay keep the policy where it is)
    ours = learner(
        fleet((1, 1, 1)),
        gamma=0.5,
        tau=1.0,
        batch_size=64,
        gradient_steps=1,
        learning_rate=3e-3,
        target_policy_noise=0.0,
    )
    freeze(ours.nets["actor"][0])
    a = torch.linspace(-1, 1, 41, dtype=torch.float64).reshape(-1, 1, 1)
    n = len(a)
    obs = torch.cat([torch.zeros(n), torch.ones(n)]).double().reshape(-1, 1, 1)
    reward = torch.cat([0.1 * a, 1.0 + a.square()]).squeeze(-1)
    ended = obs.flatten() == 1
    part = Transitions(obs[None], torch.cat([a, a])[None], reward[None], torch.ones_like(obs)[None])
    ours.observe(Joint((part,), terminated=ended[None], truncated=torch.zeros_like(ended)[None]))
    # WHEN critics learn
    for _ in range(700):
        ours.update(1.0)
    # THEN Q(1, a) = 1 + a^2, and Q(0, a) = 0.1 a + 0.5 Q(1, 0): the end of state 1 is the end
    x = torch.cat([obs, torch.cat([a, a])], dim=-1).transpose(0, 1)
    (critic,) = ours.nets["critic"]
    known = torch.cat([0.1 * a + 0.5, 1.0 + a.square()]).flatten()
    error = (critic.form.snapshot(critic.online, 0)(x)[:, 0] - known).abs()
    assert error.max() < 0.06
    assert error.mean() < 0.02


def test_a_truncated_row_bootstraps_and_a_terminated_one_does_not():
    # GIVEN one state that brings 1 and leads to itself; ever after, or never again
    q = {}
    for kind in ("terminated", "truncated"):
        ours = learner(
            fleet((1, 1, 1)),
            gamma=0.5,
            tau=1.0,
            gradient_steps=120,
            batch_size=4,
            policy_delay=1,
            learning_rate=3e-3,
        )
        one = _column(1.0)
        flags = {"terminated": torch.tensor([[False]]), "truncated": torch.tensor([[False]])}
        flags[kind] = torch.tensor([[True]])
        part = Transitions(one[None], _column(0.0)[None], one[None, ..., 0], one[None])
        ours.observe(Joint((part,), **flags))
        freeze(ours.nets["actor"][0])
        ours.update(1.0)
        ours.update(1.0)
        x = torch.cat([one, _column(0.0)], dim=-1)
        (critic,) = ours.nets["critic"]
        q[kind] = float(critic.form.snapshot(critic.online, 0)(x)[0, 0, 0])
    assert q["terminated"] == pytest.approx(1.0, abs=0.02)
    assert q["truncated"] == pytest.approx(2.0, abs=0.05)


# maddpg differs in its target, not in its critics.
@pytest.mark.parametrize(
    ("algorithm", "critic"),
    [
        pytest.param("maddpg", "shared", marks=pytest.mark.slow),
        *(pytest.param("matd3", c, marks=pytest.mark.slow) for c in CRITICS),
    ],
)
def test_an_agent_finds_the_best_action_of_each_state(algorithm, critic):
    # GIVEN a one-step game: the best action is half the observation, nothing follows
    ours = learner(
        fleet((1, 1, 1)),
        dtype=torch.float32,
        algorithm=algorithm,
        critic=critic,
        **USUAL_SIZES,
        gradient_steps=500,
        batch_size=64,
        learning_rate=2e-3,
    )
    draw = torch.Generator().manual_seed(0)
    obs, action = (2 * torch.rand(1000, 1, 1, generator=draw) - 1 for _ in range(2))
    reward = -(action - obs / 2).square().squeeze(-1)
    ended = torch.ones(1000, dtype=torch.bool)
    ours.observe(one_group(obs, action, reward, ended))
    # WHEN it learns
    ours.update(1.0)
    # THEN it comes close everywhere
    probe = torch.linspace(-0.9, 0.9, 19).reshape(-1, 1, 1)
    regret = (ours.actors()[0](probe) - probe / 2).square()
    assert regret.max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("critic", CRITICS)
def test_learners_of_different_shapes_learn_together(critic):
    # GIVEN two agents of unlike sizes whose best actions are their own observations
    ours = learner(
        fleet((1, 1, 1), (2, 1, 1)),
        critic=critic,
        dtype=torch.float32,
        gradient_steps=250,
        batch_size=64,
        learning_rate=4e-3,
    )
    draw = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=draw) - 0.5

    parts = []
    for size in (1, 2):
        obs, action = uniform(1000, 1, size), 2 * uniform(1000, 1, 1)
        reward = -(action - obs[..., -1:]).square()[..., 0]
        parts.append(Transitions(obs[None], action[None], reward[None], obs[None]))
    ended = torch.ones(1, 1000, dtype=torch.bool)
    ours.observe(Joint(tuple(parts), ended, ~ended))
    ours.update(1.0)
    for stack, part in zip(ours.actors(), parts, strict=True):
        assert (stack(part.obs[0]) - part.obs[0, ..., -1:]).square().mean() < 0.01
