"""Every algorithm on a game whose answer is known, and the rules that all of them follow."""

import pytest
import torch
from toys import fleet, learner

from assume_rl.learning.algorithms import able
from assume_rl.learning.algorithms.unread import unread_keys
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, decide
from assume_rl.learning.states import states
from assume_rl.learning.types import Joint, Transitions

pytestmark = pytest.mark.unchecked

BEST = {0.0: 0.5, 1.0: -0.3}
"""Best action in each of two states that follow each other at random."""
SHAPES = {
    "mlp": [(1, 1, 1), (2, 2, 1)],
    "lstm": [(4, 1, 1), (8, 2, 2)],  # windows of one step and of two
}
ONE_OF_A_FAMILY = ("matd3", "isac", "ippo", "vpg")
QUICK = {  # others have the updates of these, with critics of their own, or less of them
    ("mappo", "mlp"),
    ("matd3", "mlp"),  # the usual one, with its usual critic
}
NUMBERS = able("box")
LEARNED = [*((name, "mlp") for name in NUMBERS), *((name, "lstm") for name in ONE_OF_A_FAMILY)]
OFF = Exploration("off")
LAW = Exploration("noise", scale=0.2)
USUAL = {"learning_rate": 3e-3}
PPO = {"learning_rate": 2e-3, "minibatches": 2}
SETTINGS = {
    "a2c": {"learning_rate": 5e-3},
    "ippo": PPO,
    "mappo": PPO,
    "reinforce": {"learning_rate": 1e-3, "entropy_weight": 0.1},
    "vpg": {"learning_rate": 5e-3},
}
ROUNDS = {  # of 24 elsewhere
    **{"a2c": 100, "ippo": 32, "mappo": 32, "reinforce": 250, "vpg": 100},
    **{"itd3": 36, "matd3": 36},  # their actors move every second step
    "maddpg": 48,
}
# Without a baseline the gradient is noisy.
ROWS = {"a2c": 64, "ippo": 64, "mappo": 64, "reinforce": 128, "vpg": 64}  # of 32 elsewhere
ENOUGH = {"reinforce": 0.06}  # of 0.04 elsewhere
SMALL = {"batch_size": 8, "gradient_steps": 2, "actor_hidden": (8, 8)}


def observations(ours, rows, generator):
    """The state of each time, which is every entry of all agents' observations."""
    state = torch.randint(2, (1, rows, 1, 1), generator=generator).double()
    return [state.expand(1, rows, len(g.specs), g.obs_size) for g in ours.groups]


def played(ours, rows, generator):
    """Transitions of a game in which each agent earns by its own action alone."""
    obs = observations(ours, rows + 1, generator)
    outs = ours.outputs([part[:, :-1] for part in obs])
    groups = []
    for part, out in zip(obs, outs, strict=True):
        act = ours.heads[0].act_size(out.shape[-1])
        z = torch.randn((*out.shape[:-1], act), generator=generator, dtype=out.dtype)
        decision = decide(ours.heads[0], out, torch.zeros_like(z), z, LAW)
        best = torch.where(part[:, :-1, :, :1] == 0, BEST[0.0], BEST[1.0])
        reward = 1.0 - (decision.action - best).square().sum(-1)
        extras = {name: decision.extras[name] for name in ours.algorithm.extras}
        groups.append(Transitions(part[:, :-1], decision.action, reward, part[:, 1:], extras))
    flags = torch.zeros(1, rows, dtype=torch.bool)
    return Joint(tuple(groups), flags, flags)


def regret(ours):
    """Distance of the worst agent's evaluated actions from the best ones, squared."""
    state = torch.tensor(list(BEST)).double().view(1, 2, 1, 1)
    actions = ours.actions([state.expand(1, 2, len(g.specs), g.obs_size) for g in ours.groups])
    best = torch.tensor(list(BEST.values())).view(1, 2, 1, 1)
    return max(float((action - best).square().sum(-1).max()) for action in actions)


@pytest.mark.parametrize(
    ("name", "architecture"),
    [own if own in QUICK else pytest.param(*own, marks=pytest.mark.slow) for own in LEARNED],
)
def test_it_finds_the_best_action_of_each_state(name, architecture):
    generator = torch.Generator().manual_seed(1)
    ours = learner(
        fleet(*SHAPES[architecture]),
        algorithm=name,
        actor_architecture=architecture,
        gamma=0.0,
        batch_size=32,
        gradient_steps=10,
        actor_hidden=(32, 32),
        **SETTINGS.get(name, USUAL),
    )
    before = regret(ours)
    for _ in range(ROUNDS.get(name, 24)):
        with torch.no_grad():
            ours.observe(played(ours, ROWS.get(name, 32), generator))
        ours.update(1.0)
    assert regret(ours) < ENOUGH.get(name, 0.04) < before


@pytest.mark.parametrize("architecture", SHAPES)
@pytest.mark.parametrize(
    "name",
    [n if n in ONE_OF_A_FAMILY else pytest.param(n, marks=pytest.mark.slow) for n in NUMBERS],
)
def test_it_continues_from_a_state_with_the_same_bytes(name, architecture):
    def fresh():
        return learner(
            fleet(*SHAPES[architecture]),
            algorithm=name,
            actor_architecture=architecture,
            **SMALL,
        )

    generator = torch.Generator().manual_seed(2)
    first, second = fresh(), fresh()
    untrained = states(first.nets, 0)["networks"]["actor"]
    with torch.no_grad():
        before, waiting, after = (played(first, 12, generator) for _ in range(3))
    first.observe(before)
    first.update(1.0)
    first.observe(waiting)  # in the state too: on-policy algorithms have not learned from it yet
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        each.observe(after)
        each.update(0.5)
    assert same(states(first.nets, 0), states(second.nets, 0))
    for unit, state in states(first.nets, 0)["networks"]["actor"].items():
        for parameter, value in state.items():
            assert not torch.equal(value, untrained[unit][parameter]), parameter


def same(ours, theirs):
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    return ours.keys() == theirs.keys() and all(same(v, theirs[k]) for k, v in ours.items())


@pytest.mark.parametrize("name", NUMBERS)
def test_metrics_have_a_value_for_each_agent(name):
    ours = learner(fleet(*SHAPES["mlp"]), algorithm=name, **SMALL)
    with torch.no_grad():
        ours.observe(played(ours, 24, torch.Generator().manual_seed(3)))
    metrics = ours.update(1.0)
    for net in ours.nets:
        assert f"{net}_loss" in metrics.values
    for values in metrics.values.values():
        assert values.shape == (metrics.iterations, 1, 2)
    assert metrics["actor_loss"][-1].isfinite().all()


@pytest.mark.parametrize(
    ("name", "set_too"),
    [*((name, {}) for name in NUMBERS), ("a2c", {"shared_trunk": True})],
)
def test_keys_that_it_does_not_read_change_nothing(name, set_too):
    others = {
        **{"action_noise_schedule": "linear", "noise_dt": 0.5, "noise_scale": 0.5},
        **{"noise_sigma": 0.5, "exploration_noise_std": 0.5, "update_ratio": 0.5},
        **{"episodes_collecting_initial_experience": 2, "batch_size": 5, "gradient_steps": 3},
        **{"initial_actions": "uniform", "critic": "pooled", "critic_hidden": [8]},
        **{"tau": 0.5, "policy_delay": 3},
        **{"target_policy_noise": 0.5, "target_noise_clip": 0.1},
        **{"priority_exponent": 0.9, "importance_exponent": 0.9, "value_weight": 0.9},
    }
    given = SMALL | set_too
    unread = {key: others[key] for key in unread_keys(LearningConfig(algorithm=name, **given))}
    generator = torch.Generator().manual_seed(3)
    ours, same = (
        learner(fleet(*SHAPES["mlp"]), algorithm=name, **given | more) for more in ({}, unread)
    )
    with torch.no_grad():
        joint = played(ours, 12, generator)
    for own in (ours, same):
        own.observe(joint)
        own.update(1.0)
    assert all(
        torch.equal(one.online.buffer, other.online.buffer)
        for one, other in zip(ours.all_nets(), same.all_nets(), strict=True)
    )


@pytest.mark.parametrize(
    ("read", "unread", "key"),
    [
        ({"algorithm": "a2c"}, {"algorithm": "a2c", "shared_trunk": True}, "critic_hidden"),
        ({"algorithm": "a2c", "shared_trunk": True}, {"algorithm": "a2c"}, "value_weight"),
        ({}, {"initial_actions": "uniform"}, "exploration_noise_std"),
        ({"sampling": "prioritised"}, {}, "priority_exponent"),
        ({"sampling": "prioritised"}, {}, "importance_exponent"),
    ],
)
def test_other_settings_decide_whether_a_key_is_read(read, unread, key):
    assert key not in unread_keys(LearningConfig(**read))
    assert key in unread_keys(LearningConfig(**unread))
