"""Updates that are recorded and done again, on the CPU by a tape that knows what a graph knows."""

import pytest
import torch
from tape import Refused, TapeRecorder, watched
from toys import fleet, learner, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import SETTINGS
from assume_rl.learning.graphs import WARM_UP, Graphs
from assume_rl.learning.states import states
from assume_rl.learning.types import AgentSpec, Earnings

EARNINGS = Earnings(-1.0, 2.0, 24)
BOXES = fleet((5, 2, 2), (5, 2, 2), (4, 1, 1))  # two groups
LADDERS = tuple(AgentSpec(f"unit_{k}", 6, 2, 4, rungs=5, earnings=EARNINGS) for k in range(2))
RECORDABLE = [name for name, own in SETTINGS.items() if own().recordable]
VARIANTS = {
    **{name: {"algorithm": name} for name in RECORDABLE},
    "matd3, all that changes": {
        "algorithm": "matd3",
        "learning_rate_schedule": "cosine",
        "target_noise_schedule": "linear",
        "sampling": "prioritised",
        "n_step": 2,
        "target_interval": 3,
        "normalise": ["observations", "critic_input", "values", "returns"],
    },
    "matd3, clipped": {"algorithm": "matd3", "clip_targets": True},
    "matd3 with memory": {"algorithm": "matd3", "actor_architecture": "gru"},
    "matd3 shared": {"algorithm": "matd3", "critic": "shared"},
    "maddpg pooled, sgd": {"algorithm": "maddpg", "critic": "pooled", "optimizer": "sgd"},
    "matd3, rmsprop": {"algorithm": "matd3", "optimizer": "rmsprop"},
    "dqn twice": {"algorithm": "dqn", "double": "random_roles", "clip_targets": True},
    "a2c with one trunk": {"algorithm": "a2c", "shared_trunk": True},
    "ippo, early ends": {"algorithm": "ippo", "target_kl": 0.01},
    "matd3 in bfloat16": {"algorithm": "matd3", "autocast": True},
}


def pair(settings):
    """Two learners of the same; the second records its updates."""
    ladders = "box" not in ALGORITHMS[settings["algorithm"]].networks()["actor"].actions
    agents = LADDERS if ladders or settings.get("clip_targets") else BOXES
    if settings.get("clip_targets") and not ladders:
        agents = [AgentSpec(f"unit_{k}", 5, 2, 2, earnings=EARNINGS) for k in range(2)]
    small = {"batch_size": 8, "gradient_steps": 4, "actor_hidden": (8, 8), "critic_hidden": (8,)}
    if "epochs" in SETTINGS[settings["algorithm"]].model_fields:
        small |= {"epochs": 2, "minibatches": 2}
    if settings.get("actor_architecture") == "gru" or settings["algorithm"] == "r2d2":
        small["actor_hidden"] = (4, 8)
    plain, recorded = (learner(agents, seeds=(1, 2), **small | settings) for _ in range(2))
    recorder = TapeRecorder()
    recorded.graphs = Graphs(recorder)
    return plain, recorded, recorder


def parts(ours):
    """Networks, targets, optimisers and statistics of all seeds, by name."""
    flat = {}

    def walk(name, value):
        if isinstance(value, torch.Tensor):
            flat[name] = value.clone()
        elif isinstance(value, dict):
            for key, own in value.items():
                walk(f"{name}.{key}", own)

    for k in range(len(ours.seeds)):
        walk(f"{k}", states(ours.nets, k))
        walk(f"{k}.statistics", ours.normaliser.state_of(k))
        if ours._batches.priorities is not None:
            walk(f"{k}.priorities", ours._batches.priorities.state_of(k))
    return flat


QUICK = ("maddpg", "dqn", "reinforce")


@pytest.mark.unchecked
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(own, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, own in VARIANTS.items()
    ],
)
def test_updates_done_again_equal_plain_ones(settings):
    """Networks, targets, optimisers, statistics, priorities and metrics; rates fall meanwhile."""
    plain, recorded, recorder = pair(settings)
    kinds = max(plain.config.settings.period // 3, 1)  # of updates, by when targets move
    count = 3 if kinds > 1 else 2
    for number in range(kinds * (WARM_UP + 2)):
        joint = random_joint(plain, 12, seed=number)
        ours, theirs = (
            updated(each, joint, count, 1.0 - number / 10) for each in (plain, recorded)
        )
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            torch.testing.assert_close(
                theirs[name], value, rtol=1e-12, atol=1e-14, equal_nan=True, msg=name
            )
    assert recorder.recordings == kinds


def updated(ours, joint, count, progress):
    """All numbers after transitions and an update."""
    ours.observe(joint)
    metrics = ours.update(progress, count)
    return parts(ours) | dict(metrics.values)


def test_an_update_that_is_done_again_runs_no_python():
    _, recorded, _ = pair({"algorithm": "isac"})
    recorded.observe(random_joint(recorded, 20))
    for _ in range(WARM_UP + 1):
        recorded.update(1.0, 2)

    def called(_: object) -> object:
        raise AssertionError("steps are made by Python")

    recorded.compiled = called  # whoever makes steps asks for it
    assert recorded.update(1.0, 2).iterations == 2


def test_numbers_of_python_are_what_they_were_and_tensors_are_read():
    # GIVEN a function that is recorded with one number of each kind
    given, total = torch.tensor(1.0), torch.zeros(())
    numbers = [10.0]
    graphs = Graphs(TapeRecorder())

    def add():
        return total.add_(given * 2 + numbers[0])

    # WHEN both have changed since then
    for number in range(WARM_UP + 2):
        given.fill_(float(number))
        numbers[0] = 10.0 if number <= WARM_UP else 1000.0
        before = float(total)
        found = graphs.run("key", add)
    # THEN only the tensor counts
    assert float(found) - before == 2 * (WARM_UP + 1) + 10.0


@pytest.mark.parametrize(
    "waits",
    [
        lambda x: x.tolist(),
        lambda x: bool(x.any()),
        lambda x: x[x > 0],
        lambda x: x.new_tensor([1.0]),
        lambda x: x.nonzero(),
        lambda x: torch.tensor([1.0]) + x,
    ],
)
def test_what_waits_for_the_device_is_refused(waits):
    with pytest.raises(Refused), watched():
        waits(torch.ones(3))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"algorithm": "curve_actor_critic"}, "updates of curve_actor_critic cannot be recorded"),
        ({"algorithm": "dqn", "noisy": "factorised"}, "updates of dqn with these settings cannot"),
    ],
)
def test_algorithms_that_cannot_be_recorded_are_refused_by_name(settings, why):
    with pytest.raises(ConfigurationError, match=why):
        learner(LADDERS, cuda_graphs=True, **settings)


def test_on_a_cpu_nothing_is_recorded():
    assert learner(BOXES, cuda_graphs=True).graphs is None
