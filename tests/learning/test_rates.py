"""Learning rates: schedules of single networks, and rates that follow how far policies move."""

from typing import Any

import pytest
import torch
from toys import fleet, learner, one_seed, random_joint

from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms import ALGORITHMS, able
from assume_rl.learning.algorithms.adaptive import adapted
from assume_rl.learning.config import KlAdaptive, LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.states import networks, states

pytestmark = pytest.mark.unchecked

SHAPES = ((3, 1, 1), (3, 1, 1), (4, 2, 1))
SMALL: dict[str, Any] = {"batch_size": 8, "gradient_steps": 2, "actor_hidden": (8, 8)}
ON_POLICY = [name for name in able("box") if ALGORITHMS[name].on_policy]
STILL = {"schedule": "piecewise", "steps": [[0.0, 0.0]]}


def trained(progress: float = 1.0, seed: int = 0, **settings: Any) -> Learner:
    """A learner after one update."""
    ours = learner(fleet(*SHAPES), **SMALL, **settings)
    ours.observe(random_joint(ours, 12, seed=seed))
    ours.update(progress)
    return ours


def moved(ours: Learner) -> set[str]:
    """The names of networks that have changed since the beginning."""
    fresh = networks(learner(fleet(*SHAPES), **SMALL, algorithm=ours.config.algorithm).nets, 0)
    return {
        name
        for name, own in networks(ours.nets, 0).items()
        if any(not torch.equal(w, fresh[name][u][k]) for u in own for k, w in own[u].items())
    }


def test_each_network_has_its_schedule_and_its_rate_is_a_metric() -> None:
    ours = learner(
        fleet(*SHAPES),
        **SMALL,
        algorithm="masac",
        learning_rates={"critic": 0.01},
        learning_rate_schedule={"actor": "linear", "critic": {"schedule": "cosine", "end": 0.5}},
    )
    ours.observe(random_joint(ours, 12))
    metrics = ours.update(0.25)
    assert metrics.learning_rate == 0.001
    assert "log_temperature_learning_rate" not in metrics.values
    assert (metrics["actor_learning_rate"] == 0.00025).all()
    assert metrics["actor_learning_rate"].shape == (2, 1, 3)
    share = 0.5 + 0.5 * (1.0 - 0.5**0.5) / 2.0
    torch.testing.assert_close(metrics["critic_learning_rate"][0, 0, 0].item(), 0.01 * share)


def test_a_network_without_a_rate_stands_still_while_others_learn() -> None:
    ours = trained(learning_rate_schedule={"actor": STILL}, policy_delay=1)
    assert moved(ours) == {"critic", "critic_target"}
    assert moved(trained(policy_delay=1)) == {"actor", "actor_target", "critic", "critic_target"}


def test_the_noise_of_targets_falls_on_a_schedule() -> None:
    ended = trained(progress=0.0, target_noise_schedule="linear")
    without = trained(progress=0.0, target_policy_noise=0.0)
    for ours, theirs in zip(ended.all_nets(), without.all_nets(), strict=True):
        assert torch.equal(ours.online.buffer, theirs.online.buffer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate_schedule": "kl_adaptiv"}, "did you mean 'kl_adaptive'?"),
        ({"learning_rate_schedule": "kl_adaptive"}, "for on-policy algorithms, not for matd3"),
        ({"learning_rate_schedule": {"actor": "kl_adaptive"}}, "not for matd3"),
        ({"learning_rate_schedule": {"actor": "linea"}}, "schedule.actor: unknown schedule"),
        (
            {"learning_rate_schedule": {"actor": {"schedule": "linear", "ends": 0.1}}},
            "schedule.actor.ends: unknown key, did you mean 'end'?",
        ),
        ({"action_noise_schedule": "kl_adaptive"}, "unknown schedule 'kl_adaptive'"),
        (
            {"algorithm": "ippo", "learning_rate_schedule": {"schedule": "kl_adaptive", "kl": 0}},
            "learning_config.learning_rate_schedule.kl: Input should be greater than 0",
        ),
        (
            {"learning_rate_schedule": {"schedule": "kl_adaptive", "least": 1, "most": 0.1}},
            "least 1 is above most 0.1",
        ),
    ],
)
def test_wrong_schedules_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        LearningConfig.from_mapping(settings)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_schedule_of_a_network_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"learning_rate_schedule: matd3 has .* 'actr'"):
        learner(fleet(*SHAPES), learning_rate_schedule={"actr": "linear"})


def test_another_algorithm_is_checked_too() -> None:
    config = LearningConfig(algorithm="ippo", learning_rate_schedule="kl_adaptive")
    assert config.with_algorithm("mappo").algorithm == "mappo"
    with pytest.raises(ConfigurationError, match="not for matd3"):
        config.with_algorithm("matd3")


def test_rates_follow_divergences_within_bounds() -> None:
    chosen = KlAdaptive(kl=0.01, least=0.5, most=4.0)
    rate = torch.tensor([3.0, 3.0, 3.0, 3.0, 0.6, 3.0, 1.5])
    kl = torch.tensor([0.021, 0.019, 0.006, 0.004, 0.03, torch.nan, 0.0])
    expected = torch.tensor([2.0, 3.0, 3.0, 4.0, 0.5, 3.0, 2.25])
    torch.testing.assert_close(adapted(rate, kl, chosen), expected)


@pytest.mark.parametrize(
    ("name", "critic"),
    [
        *(pytest.param(name, "concat", marks=pytest.mark.slow) for name in ON_POLICY[1:]),
        (ON_POLICY[0], "concat"),
        ("mappo", "shared"),
    ],
)
def test_rates_rise_and_fall_with_what_is_aimed_at(name: str, critic: str) -> None:
    bounds = {"schedule": "kl_adaptive", "least": 1e-4, "most": 2e-3}
    for kl, factor, bound in ((1e-12, 1 / 1.5, 1e-4), (1e9, 1.5, 2e-3)):
        ours = learner(
            fleet(*SHAPES),
            **SMALL,
            algorithm=name,
            critic=critic,
            learning_rate_schedule={**bounds, "kl": kl},
        )
        rates = []
        for k in range(3):
            ours.observe(random_joint(ours, 12, seed=k))
            metrics = ours.update(1.0)
            rates.append(metrics["actor_learning_rate"][-1, 0])
            assert metrics["kl"].isfinite().all()
        if "value" in ours.nets:  # they follow the actors
            last = {net.pace.min().item() for own in ours.nets.values() for net in own}
            assert len(last) == 1
        if name not in ("ippo", "mappo"):  # these have several passes in an update
            torch.testing.assert_close(rates[0], torch.full_like(rates[0], 1e-3))
            torch.testing.assert_close(rates[1], rates[0] * factor)
        else:
            torch.testing.assert_close(rates[2], torch.full_like(rates[2], bound))


def test_a_pace_of_one_changes_nothing_and_one_of_a_half_halves_steps() -> None:
    plain = trained(algorithm="vpg")
    start = learner(fleet(*SHAPES), **SMALL, algorithm="vpg")
    for pace in (1.0, 0.5):
        ours = learner(
            fleet(*SHAPES), **SMALL, algorithm="vpg", learning_rate_schedule="kl_adaptive"
        )
        for net in ours.nets["actor"]:
            net.pace.fill_(pace)
        ours.observe(random_joint(ours, 12))
        ours.update(1.0)
        for one, two, old in zip(ours.all_nets(), plain.all_nets(), start.all_nets(), strict=True):
            step = two.online.buffer - old.online.buffer
            torch.testing.assert_close(one.online.buffer, old.online.buffer + pace * step)


def adaptive(name: str, seeds: tuple[int, ...]) -> Learner:
    return learner(
        fleet(*SHAPES),
        **SMALL,
        seeds=seeds,
        algorithm=name,
        critic="pooled",
        learning_rate=0.01,
        learning_rate_schedule={"actor": "kl_adaptive", **values(name)},
    )


def values(name: str) -> dict[str, Any]:
    there = "value" in ALGORITHMS[name].networks()
    return {"value": {"schedule": "kl_adaptive", "kl": 1e-4}} if there else {}


@pytest.mark.parametrize("name", ON_POLICY)
def test_rates_go_on_from_a_state_with_the_same_bytes(name: str) -> None:
    first, second = adaptive(name, (3,)), adaptive(name, (3,))
    first.observe(random_joint(first, 12))
    first.update(1.0)
    second.load_state_dict(first.state_dict())
    joint = random_joint(first, 12, seed=1)
    for ours in (first, second):
        ours.observe(joint)
        ours.update(0.5)
    assert any(net.pace is not None and (net.pace != 1.0).any() for net in first.all_nets())
    for one, two in zip(first.all_nets(), second.all_nets(), strict=True):
        assert torch.equal(one.online.buffer, two.online.buffer)
        assert one.pace is two.pace is None or torch.equal(one.pace, two.pace)


@pytest.mark.parametrize("name", ["mappo", "a2c"])
def test_a_seed_among_others_has_the_rates_of_one_alone(name: str) -> None:
    single = adaptive(name, (5,))
    again = adaptive(name, (3, 5))
    for k in range(2):
        joint = random_joint(again, 12, seed=k)
        again.observe(joint)
        single.observe(one_seed(joint, 1))
        again.update(1.0)
        single.update(1.0)
    assert same(states(single.nets, 0), states(again.nets, 1))


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    return ours.keys() == theirs.keys() and all(same(v, theirs[k]) for k, v in ours.items())
