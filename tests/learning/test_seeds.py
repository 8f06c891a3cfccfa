"""Several seeds side by side: each learns as it would alone."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from toys import changed, fleet, learner, one_seed, random_joint

from assume_rl.learning.algorithms import able
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.states import states

FLEETS = {
    "one agent": [(38, 2, 2)],
    "several alike": [(5, 2, 2)] * 3,
    "more than a block": [(5, 1, 2)] * 12,
    "mixed shapes": [(5, 2, 2), (4, 1, 3), (5, 2, 2), (6, 1, 0), (1, 1, 1)],
}
SEEDS = (7, 3, 11)

pytestmark = pytest.mark.unchecked  # other tests of the package check shapes


def assert_same_bits(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, theirs[key]), key
        else:
            assert_same_bits(value, theirs[key])


def of_all(algorithm, critic, name):
    """A combination; all of them are tried in the long tests, here each of its parts."""
    usual = sum((algorithm != "matd3", critic != "concat", name != "mixed shapes")) <= 1
    return pytest.param(algorithm, critic, name, marks=[] if usual else pytest.mark.slow)


@pytest.mark.parametrize(
    ("algorithm", "critic", "name"),
    [of_all(*each) for each in product(["matd3", "maddpg"], CRITICS, FLEETS)],
)
def test_a_seed_among_others_learns_the_same_bits_as_alone(algorithm, critic, name):
    learns_the_same_bits(FLEETS[name], {"algorithm": algorithm, "critic": critic})


@pytest.mark.parametrize("shapes", [[(38, 2, 2)] * 7, [(8, 2, 2), (6, 1, 0), (8, 2, 2)]])
def test_a_seed_among_others_learns_the_same_bits_with_lstm_actors(shapes):
    learns_the_same_bits(shapes, {"actor_architecture": "lstm"})


def learns_the_same_bits(shapes, settings):
    settings = {
        **settings,
        "batch_size": 24,
        "gradient_steps": 3,
        "replay_buffer_size": 60,
        "dtype": torch.float32,
    }
    together = learner(fleet(*shapes), seeds=SEEDS, **settings)
    joint = random_joint(together, 60)
    together.observe(joint)
    metrics = [together.update(1.0) for _ in range(2)]
    for k, seed in enumerate(SEEDS):
        alone = learner(fleet(*shapes), seeds=(seed,), **settings)
        alone.observe(alone_joint(one_seed(joint, k), alone, together))
        for update in metrics:
            own, its = alone.update(1.0).of_seed(0), update.of_seed(k)
            for name, value in own.values.items():
                assert value.nan_to_num().equal(its.values[name].nan_to_num()), name
        assert_same_bits(states(alone.nets, 0), states(together.nets, k))


@pytest.mark.parametrize(
    "algorithm",
    [
        n if n in ("itd3", "masac", "mappo", "vpg") else pytest.param(n, marks=pytest.mark.slow)
        for n in able("box")
        if n not in ("matd3", "maddpg")
    ],
)
@pytest.mark.parametrize(
    "shapes",
    [
        pytest.param(FLEETS["more than a block"], marks=pytest.mark.slow, id="more than a block"),
        pytest.param(FLEETS["mixed shapes"], id="mixed shapes"),
    ],
)
def test_a_seed_among_others_learns_the_same_as_alone(shapes, algorithm):
    settings = {"algorithm": algorithm, "batch_size": 12, "gradient_steps": 2}
    settings |= {"actor_hidden": (16, 8), "replay_buffer_size": 40}
    settings |= {"epochs": 1, "minibatches": 2} if "ppo" in algorithm else {}
    together = learner(fleet(*shapes), seeds=SEEDS, **settings)
    joint = random_joint(together, 20)
    together.observe(joint)
    together.update(1.0)
    for k, seed in enumerate(SEEDS):
        alone = learner(fleet(*shapes), seeds=(seed,), **settings)
        alone.observe(alone_joint(one_seed(joint, k), alone, together))
        alone.update(1.0)
        assert_close(states(alone.nets, 0), states(together.nets, k))


def assert_close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, theirs[key], rtol=1e-9, atol=1e-11)
        else:
            assert_close(value, theirs[key])


def alone_joint(joint, alone, together):
    """The same transitions in the groups of `alone`."""
    parts = {}
    for group, part in zip(together.groups, joint.groups, strict=True):
        for k, position in enumerate(group.positions):
            parts[position] = changed(part, lambda value, k=k: value[:, :, k : k + 1])
    groups = tuple(side_by_side([parts[p] for p in group.positions]) for group in alone.groups)
    return replace(joint, groups=groups)


def side_by_side(parts):
    """Transitions of one agent each as those of a group."""
    found = {
        name: torch.cat([getattr(part, name) for part in parts], dim=2)
        for name in ("obs", "action", "reward", "next_obs")
    }
    extras = {n: torch.cat([part.extras[n] for part in parts], dim=2) for n in parts[0].extras}
    return replace(parts[0], **found, extras=extras)


@pytest.mark.parametrize("architecture", TRUNKS)
def test_actions_of_a_seed_among_others_are_the_same_bits_as_alone(architecture):
    features = (("residual_load", 2, ""), ("price_forecast", 2, ""), ("own", 4, ""))
    together = learner(
        [replace(spec, features=features) for spec in fleet((8, 1, 2), (8, 1, 2))],
        seeds=SEEDS,
        dtype=torch.float32,
        actor_architecture=architecture,
    )
    obs = torch.randn(3, 1, 2, 8)  # one copy: the product of a single row
    acted = together.actions([obs[:, :, list(g.positions)] for g in together.groups])
    for k in range(3):
        alone = together.single(k).actions([obs[k : k + 1]])[0]
        assert torch.equal(alone[0], torch.cat(acted, dim=2)[k])


def test_seeds_differ():
    ours = learner(fleet((5, 2, 2)), seeds=(1, 2))
    first, second = ours.actors(0)[0], ours.actors(1)[0]
    assert not torch.equal(first.weights["FC1.weight"], second.weights["FC1.weight"])


@pytest.mark.parametrize("critic", CRITICS)
def test_a_single_seed_taken_out_and_put_back_goes_on(critic):
    # GIVEN two learners that have learned the same
    shapes = [(5, 2, 2)] * 7 + [(4, 1, 3)]
    pair = [learner(fleet(*shapes), seeds=SEEDS, critic=critic, batch_size=8) for _ in range(2)]
    joint = random_joint(pair[0], 20)
    for each in pair:
        each.observe(joint)
        each.update(1.0, 3)
    # WHEN one seed of the second is forgotten and put back
    single = pair[1].single(1)
    assert single.seeds == (3,)
    assert (single.updates, single.iterations) == (1, 3)
    pair[1].put(1, learner(fleet(*shapes), seeds=(0,), critic=critic))
    pair[1].put(1, single)
    # THEN both continue alike
    for each in pair:
        each.update(1.0, 3)
    for k in range(3):
        assert_same_bits(states(pair[0].nets, k), states(pair[1].nets, k))
