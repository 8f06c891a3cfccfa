from pathlib import Path
from typing import ClassVar, get_args

import pytest
import torch
from toys import CPU, fleet, random_joint

import assume_rl
from assume_rl.core.money import REWARDS
from assume_rl.durations import duration_seconds
from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import (
    SETTINGS,
    WITH_MEMORY,
    DdpgConfig,
    LearningConfig,
    Reward,
    RewardType,
    Td3Config,
    learning_keys,
)
from assume_rl.learning.config.names import ACTOR_NAMES, CRITIC_NAMES, SCHEDULE_NAMES
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.exploration import exploration_at
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.recurrent import Recurrent
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.schedules import SCHEDULES

LEARNER = {
    "action_noise_schedule",
    "activation",
    "actor_architecture",
    "actor_hidden",
    "algorithm",
    "autocast",
    "batch_size",
    "block_size",
    "compile",
    "critic",
    "critic_hidden",
    "cuda_graphs",
    "exploration_noise_std",
    "gamma",
    "initial_actions",
    "gradient_steps",
    "learning_rate",
    "learning_rate_schedule",
    "learning_rates",
    "max_grad_norm",
    "noise_dt",
    "noise_scale",
    "noise_sigma",
    "normalise",
    "optimizer",
    "replay_buffer_size",
    "reward",
    "settings",
    "weight_decay",
}
# One is there for compatibility, one is a path of a whole run.
ELSEWHERE = {"min_bid_price", "trained_policies_save_path"}


class Watched(LearningConfig):
    """A configuration that remembers which settings were read."""

    _read: ClassVar[set[str]] = set()

    def __getattribute__(self, name):
        if name in LearningConfig.model_fields:
            self._read.add(name)
        return super().__getattribute__(name)


def test_defaults_are_those_of_the_format():
    c = LearningConfig()
    assert (c.learning_mode, c.evaluation_mode, c.continue_learning) == (False, False, False)
    assert (c.algorithm, c.actor_architecture, c.device) == ("matd3", "mlp", "cpu")
    assert (c.min_bid_price, c.max_bid_price) == (-100, 100)
    assert (c.episodes_collecting_initial_experience, c.exploration_noise_std) == (5, 0.2)
    assert (c.training_episodes, c.validation_episodes_interval) == (100, 5)
    assert (c.train_freq, c.batch_size, c.gradient_steps) == ("24h", 128, 100)
    assert (c.replay_buffer_size, c.gamma) == (50_000, 0.99)
    assert (c.settings.tau, c.settings.policy_delay) == (0.005, 2)
    assert (c.noise_sigma, c.noise_scale, c.noise_dt) == (0.1, 1, 1)
    assert (c.action_noise_schedule, c.learning_rate_schedule) == (None, None)
    assert (c.settings.target_policy_noise, c.settings.target_noise_clip) == (0.2, 0.5)
    assert (c.learning_rate, c.max_grad_norm, c.actor_hidden) == (0.001, 1.0, None)
    assert (c.early_stopping_steps, c.early_stopping_threshold) == (None, 0.05)
    assert (c.trained_policies_save_path, c.trained_policies_load_path) == (None, None)
    assert (c.critic, c.num_envs, c.update_ratio, c.episode_length) == ("concat", 1, 1, None)
    assert c.parameter_sharing is None
    assert (c.compile, c.autocast, c.cuda_graphs) == (False, False, False)
    assert (c.normalise, c.reward) == ((), Reward(type="opportunity_cost", scale=1, clip=None))
    assert (c.sequence_length, c.burn_in) == (8, 2)


def test_every_setting_of_learning_is_read_by_the_learner():
    watched = Watched(gradient_steps=2, batch_size=4)
    watched._read.clear()
    agent = Learner(watched, fleet((3, 1, 1)), seeds=(1,), device=CPU, dtype=torch.float64)
    agent.observe(random_joint(agent, 8))
    agent.update(0.5)
    exploration_at(watched, initial=False, progress=0.5)
    assert watched._read >= LEARNER


@pytest.mark.parametrize("field", sorted({*LearningConfig.model_fields} - LEARNER - ELSEWHERE))
def test_every_other_setting_is_read_somewhere(field):
    sources = "".join(p.read_text() for p in Path(assume_rl.__file__).parent.rglob("*.py"))
    assert f".{field}" in sources or f'info.data.get("{field}")' in sources


def test_every_setting_is_described():
    assert all(field.description for field in learning_keys().values())


def test_keys_of_the_algorithm_stand_among_the_others():
    config = LearningConfig(algorithm="itd3", tau=0.1)
    assert config.settings == Td3Config(tau=0.1)
    assert LearningConfig.model_validate(config.model_dump()) == config


def test_every_problem_is_named_at_once():
    with pytest.raises(ConfigurationError) as error:
        LearningConfig.from_mapping({"tau": -1, "gamma": 2})
    assert {line.split(":")[0] for line in str(error.value).splitlines()} == {
        "learning_config.tau",
        "learning_config.gamma",
    }


def test_keys_of_assume_may_stand_beside_an_algorithm_that_does_not_read_them():
    assert LearningConfig(algorithm="maddpg", policy_delay=3).settings == DdpgConfig()


def test_each_algorithm_has_settings():
    assert SETTINGS.keys() == ALGORITHMS.keys()


def test_each_type_of_reward_is_there():
    assert set(get_args(RewardType)) == set(REWARDS)


def test_each_architecture_has_a_trunk():
    assert list(TRUNKS) == ACTOR_NAMES
    assert {n for n, trunk in TRUNKS.items() if isinstance(trunk, Recurrent)} == set(WITH_MEMORY)


def test_each_critic_and_each_schedule_is_there():
    assert set(CRITICS) == set(CRITIC_NAMES)
    assert list(SCHEDULES) == SCHEDULE_NAMES


def test_the_schema_is_flat():
    properties = LearningConfig.model_json_schema()["properties"]
    assert properties.keys() == learning_keys().keys()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gama": 0.9}, "learning_config.gama: unknown key, did you mean 'gamma'?"),
        ({"algorithm": "mtd3"}, "unknown algorithm 'mtd3', did you mean 'matd3'?"),
        (
            {"critic": "share"},
            "learning_config.critic: unknown critic 'share', did you mean 'shared'?",
        ),
        (
            {"actor_architecture": "lsmt"},
            "learning_config.actor_architecture: unknown actor_architecture 'lsmt', did you mean",
        ),
        ({"actor_architecture": ["mlp"]}, "unknown actor_architecture"),
        ({"gamma": 1.1}, "learning_config.gamma: Input should be less than or equal to 1"),
        ({"tau": -0.1}, "learning_config.tau: Input should be greater than or equal to 0"),
        ({"batch_size": 0}, "learning_config.batch_size: Input should be greater than 0"),
        ({"gradient_steps": 0}, "learning_config.gradient_steps"),
        ({"policy_delay": 0}, "learning_config.policy_delay"),
        ({"replay_buffer_size": -1}, "learning_config.replay_buffer_size"),
        ({"training_episodes": 0}, "learning_config.training_episodes"),
        ({"learning_rate": 0}, "learning_config.learning_rate"),
        (
            {"learning_rate": "fast"},
            "learning_config.learning_rate: Input should be a valid number",
        ),
        ({"noise_sigma": float("nan")}, "learning_config.noise_sigma"),
        ({"learning_rate_schedule": "cosin"}, "unknown schedule 'cosin', did you mean 'cosine'?"),
        ({"learning_rate_schedule": "exponential"}, "needs more: write {schedule: exponential"),
        (
            {"action_noise_schedule": {"schedule": "exponential"}},
            "learning_config.action_noise_schedule: an exponential schedule needs an end above 0",
        ),
        (
            {"learning_rate_schedule": {"schedule": "linear", "ends": 0.1}},
            "learning_config.learning_rate_schedule.ends: unknown key, did you mean 'end'?",
        ),
        ({"algorithm": ["matd3"]}, "learning_config.algorithm: unknown algorithm '['matd3']'"),
        ({"settings": 5}, "learning_config.settings: is no section"),
        ({"actor_hidden": [8, -3]}, "learning_config.actor_hidden.1: "),
        ({"learning_rate_schedule": ["linear"]}, "must be the name of a schedule or {schedule:"),
        (
            {"action_noise_schedule": {"schedule": "piecewise"}},
            "steps belong to a piecewise schedule",
        ),
        ({"learning_rates": {"actor": 0}}, "learning_config.learning_rates.actor"),
        ({"train_freq": "24"}, "'24' is not a duration such as '1h', '15min' or '7d'"),
        ({"train_freq": "0h"}, "train_freq must be longer than zero"),
        ({"device": "gpu"}, "learning_config.device"),
        ({"max_bid_price": -5}, "learning_config.max_bid_price"),
        (
            {"burn_in": 1},
            "burn_in is for actors with memory (gru, lstm_memory); actor_architecture",
        ),
        (
            {"sequence_length": 4, "actor_architecture": "lstm"},
            "sequence_length is for actors with",
        ),
        (
            {"actor_architecture": "gru", "sequence_length": 2},
            "burn_in 2 leaves nothing to learn from of sequence_length 2",
        ),
        ({"actor_architecture": "gru", "burn_in": -1}, "learning_config.burn_in"),
        (
            {"actor_architecture": "gru", "actor_hidden": []},
            "actor_hidden needs a first size, that of the cell of 'gru'",
        ),
        ({"min_bid_price": 200}, "min_bid_price 200 is above max_bid_price 100"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ConfigurationError) as error:
        LearningConfig.from_mapping(settings)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(ConfigurationError) as error:
        LearningConfig.from_mapping({"gama": 1, "tau": 2})
    assert len(str(error.value).splitlines()) == 2


def test_continuing_implies_learning():
    assert LearningConfig(continue_learning=True).learning_mode
    assert LearningConfig(learning_mode=False, continue_learning=True).learning_mode
    assert not LearningConfig(continue_learning=False).learning_mode


def test_initial_episodes_count_at_least_one():
    assert (
        LearningConfig(
            episodes_collecting_initial_experience=-3
        ).episodes_collecting_initial_experience
        == 1
    )


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        LearningConfig().gamma = 0.5


@pytest.mark.parametrize(
    ("episodes", "interval", "steps", "window"), [(100, 5, None, 21), (3, 9, None, 2), (9, 3, 4, 4)]
)
def test_early_stopping_window(episodes, interval, steps, window):
    config = LearningConfig(
        training_episodes=episodes,
        validation_episodes_interval=interval,
        early_stopping_steps=steps,
    )
    assert config.early_stopping_window == window


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h", 3600),
        ("15min", 900),
        ("90m", 5400),
        ("24h", 86400),
        ("1d", 86400),
        ("1 day", 86400),
        ("100h", 360_000),
        ("1.5h", 5400),
        ("2w", 1_209_600),
        ("30s", 30),
        ("0h", 0),
    ],
)
def test_durations(text, seconds):
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1", "-1h", "1x", "1.5s", "1h30m", "1M", "one hour"])
def test_what_is_no_duration(text):
    with pytest.raises(ConfigurationError, match="duration"):
        duration_seconds(text)


def test_the_order_in_which_things_are_normalised_says_nothing():
    one = LearningConfig(normalise=["values", "observations", "values"])
    assert one.normalise == ("observations", "values")
