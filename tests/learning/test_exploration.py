import pytest
import torch

from assume_rl.learning.config import LearningConfig, Schedule
from assume_rl.learning.exploration import (
    OFF,
    Exploration,
    NormalActionNoise,
    OUNoise,
    exploration_at,
    explore,
)
from assume_rl.learning.schedules import progress, scheduled

MEAN, CENTRE = torch.tensor([0.9, -0.2]), torch.tensor([0.3, 0.3])
Z = torch.tensor([2.0, -1.0])


def test_without_exploration_the_actor_acts():
    action, noise = explore(MEAN, CENTRE, Z, OFF)
    assert torch.equal(action, MEAN)
    assert not noise.any()


def test_noise_is_scaled_and_the_action_kept_in_bounds():
    action, noise = explore(MEAN, CENTRE, Z, Exploration("noise", std=9.0, scale=0.1))
    torch.testing.assert_close(noise, torch.tensor([0.2, -0.1]))
    torch.testing.assert_close(action, torch.tensor([1.0, -0.3]))


def test_initial_experience_is_centred_and_not_limited():
    action, noise = explore(MEAN, CENTRE, Z, Exploration("initial", std=0.5, scale=9.0))
    torch.testing.assert_close(noise, torch.tensor([1.0, -0.5]))
    torch.testing.assert_close(action, torch.tensor([1.3, -0.2]))


def test_exploration_of_an_episode_follows_the_settings():
    config = LearningConfig(
        noise_sigma=0.2, noise_scale=3, noise_dt=0.5, action_noise_schedule="linear"
    )
    assert exploration_at(config, initial=True, progress=1.0).mode == "initial"
    later = exploration_at(config, initial=False, progress=0.25)
    assert (later.mode, later.std) == ("noise", 0.2)
    assert later.scale == pytest.approx(0.2 * 3 * 0.5 * 0.25)
    fixed = config.model_copy(update={"action_noise_schedule": None})
    assert exploration_at(fixed, initial=False, progress=0.25).scale == pytest.approx(0.3)


def test_moments_of_normal_noise():
    noise = NormalActionNoise(
        100_000, mu=0.5, sigma=0.2, scale=2.0, dt=0.5, generator=torch.Generator().manual_seed(0)
    )
    draws = noise.noise()
    assert float(draws.mean()) == pytest.approx(0.5, abs=0.003)
    assert float(draws.std()) == pytest.approx(0.2, abs=0.003)
    noise.update_noise_decay(0.0)
    assert not noise.noise().any()


def test_ou_noise_has_its_stationary_variance():
    # GIVEN x' = (1 - theta dt) x + sigma sqrt(dt) z, whose variance tends to the one below
    noise = OUNoise(
        20_000, sigma=0.5, theta=1.5, dt=0.1, generator=torch.Generator().manual_seed(0)
    )
    for _ in range(60):
        draws = noise.noise()
    keep = 1 - 1.5 * 0.1
    assert float(draws.var()) == pytest.approx(0.5**2 * 0.1 / (1 - keep**2), rel=0.04)
    noise.reset()
    assert not noise.state.any()


def test_noise_with_default_arguments():
    assert NormalActionNoise(3).noise().shape == OUNoise(3).noise().shape == (3,)


def test_progress():
    # GIVEN 2 initial episodes of 10
    assert [progress(e, 2, 10) for e in (0, 1, 2, 6, 10)] == [1, 1, 1, 0.5, 0]
    assert progress(2, 2, 10, elapsed=0.5) == pytest.approx(1 - 0.5 / 8)
    assert progress(1, 2, 10, elapsed=0.9) == 1
    assert progress(12, 2, 10) == 0


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (None, (0.4, 0.4, 0.4)),
        ("constant", (0.4, 0.4, 0.4)),
        ("linear", (0.4, 0.2, 0.0)),
        ("cosine", (0.4, 0.2, 0.0)),
        ("polynomial", (0.4, 0.1, 0.0)),
        (Schedule(schedule="linear", end=0.5), (0.4, 0.3, 0.2)),
        (Schedule(schedule="cosine", end=0.5), (0.4, 0.3, 0.2)),
        (Schedule(schedule="polynomial", power=3), (0.4, 0.05, 0.0)),
        (Schedule(schedule="exponential", end=0.25), (0.4, 0.2, 0.1)),
        (Schedule(schedule="piecewise", steps=((0.4, 0.5), (0.9, 0.1))), (0.4, 0.2, 0.04)),
    ],
)
def test_schedules_at_the_start_in_the_middle_and_at_the_end(schedule, values):
    found = [scheduled(schedule, 0.4, left) for left in (1.0, 0.5, 0.0)]
    assert found == pytest.approx(values)
