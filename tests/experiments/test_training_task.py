"""What a training is refused for, or warned of, before anything is played."""

from pathlib import Path
from typing import Any

import pytest

from assume_rl.episodes.plan import most_waiting
from assume_rl.errors import ConfigurationError
from assume_rl.experiments import scales
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.train_task import (
    check_training,
    ready,
    training_task,
    training_warnings,
)
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from assume_rl.studies.checks import Checks
from assume_rl.studies.types import Step

pytestmark = pytest.mark.unchecked

SCENARIO = Path(__file__).parents[2] / "scenarios" / "single_learner"
ENGINES: tuple[EngineName, ...] = ("agents", "batch")


def case(**settings: Any) -> Scenario:
    chosen = {"train_freq": "24h", **settings}
    overrides = {f"learning_config.{key}": value for key, value in chosen.items()}
    return load_scenario(SCENARIO, "tiny", overrides=overrides)


def test_an_episode_leaves_over_what_waits_for_the_first_update_of_the_next() -> None:
    assert most_waiting([0, 1, 2, 3], [2, 4]) == 2
    assert most_waiting([0, 1, 2, 3, 4, 5, 6], [2, 4]) == 5
    assert most_waiting([0, 1, 2, 3], [1, 4]) == 3
    assert most_waiting([], [1]) == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_replay_that_is_too_small_for_an_update_is_refused_at_the_start(
    engine: EngineName,
) -> None:
    few = case(algorithm="vpg", replay_buffer_size=23)  # of 24 auctions a day
    with pytest.raises(ConfigurationError, match="size: is 23, but 24 transitions wait"):
        training_task(few, None, None, engine)
    training_task(case(algorithm="matd3", replay_buffer_size=23), None, None, engine)


def test_copies_of_the_market_wait_too() -> None:
    settings = {"algorithm": "vpg", "replay_buffer_size": 24}
    training_task(case(**settings), None, None, "batch")
    wide = {"num_envs": 2, "validation_episodes_interval": 2, "training_episodes": 4}
    with pytest.raises(ConfigurationError, match="but 48 transitions wait"):
        training_task(case(**settings | wide), None, None, "batch")


def test_a_check_plays_no_market(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for the prices that a ladder is made of either: those a training looks at, once."""
    ladder = {
        "units.learner.bidding_EOM": "powerplant_energy_learning_ladder",
        "bidding_strategy_params.rung_prices": "seen_prices",
        "learning_config.algorithm": "q_learning",
        "learning_config.learning_mode": True,
    }
    played: list[object] = []
    play = scales.played_in_memory

    def counted(*given: Any) -> MemorySink:
        played.append(given)
        return play(*given)

    monkeypatch.setattr(scales, "played_in_memory", counted)
    scenario = load_scenario(SCENARIO, "tiny", overrides=ladder)
    step = Step("one", "train", str(SCENARIO), "tiny", {})
    Checks("auto").check(step, scenario, trained=False)
    task = training_task(scenario, None, None, "auto")
    assert not played
    ready(task)
    assert len(played) == 2


def test_an_experimental_algorithm_is_warned_of_once() -> None:
    sentence = "learning_config.algorithm: masac is experimental; matd3 has been used more"
    assert training_warnings(case(algorithm="masac")).count(sentence) == 1
    assert training_task(case(algorithm="masac"), None, None, "auto").warnings.count(sentence) == 1
    assert not any("experimental" in one for one in training_warnings(case()))


def test_a_start_of_learning_that_is_never_reached_is_warned_of_once() -> None:
    never, reached = case(learning_starts=10**6), case(learning_starts=24)
    for found in (training_warnings(never), training_task(never, None, None, "auto").warnings):
        (sentence,) = (one for one in found if "learning_starts" in one)
        assert sentence.startswith("learning_config.learning_starts: is 1000000, but all ")
    assert not any("learning_starts" in one for one in training_warnings(reached))


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"clip_targets": True, "reward": {"scale": 2}},
        "clip_targets: targets are clipped to the range",
    ),
    ({"algorithm": "reinforce", "normalise": ["values"]}, "reinforce has no critic of its own"),
    ({"learning_rates": {"aktor": 0.1}}, "no network 'aktor', did you mean 'actor'"),
    ({"learning_rate_schedule": {"aktor": "linear"}}, "no network 'aktor'"),
    ({"bidder": "ladder"}, "matd3 cannot choose rungs of a ladder, as unit 'learner' with the bid"),
]


@pytest.mark.parametrize(("settings", "sentence"), REFUSED)
def test_settings_that_no_learner_can_have_are_found_without_a_training(
    settings: dict[str, Any], sentence: str
) -> None:
    def loaded(**more: Any) -> Scenario:
        own = {f"learning_config.{k}": v for k, v in (settings | more).items() if k != "bidder"}
        if kind := settings.get("bidder"):
            own["units.learner.bidding_EOM"] = f"powerplant_energy_learning_{kind}"
        return load_scenario(SCENARIO, "tiny", overrides=own)

    with pytest.raises(ConfigurationError, match=sentence):
        check_training(compile_scenario(loaded()))
    with pytest.raises(ConfigurationError, match=sentence):
        training_task(loaded(), None, None, "auto")
    # Bidders on finished policies do not learn.
    acting = loaded(learning_mode=False, trained_policies_load_path="learned")
    check_training(compile_scenario(acting))


UNPLAYABLE: list[tuple[dict[str, Any], str]] = [
    ({"training_episodes": 1}, "training_episodes: is 1, but .* the first evaluation takes place"),
    ({"train_freq": "72h"}, "train_freq: is 72h, longer than the simulated 48 h"),
    ({"algorithm": "vpg", "replay_buffer_size": 23}, "size: is 23, but 24 transitions wait"),
    ({"episode_length": "90min"}, "episode_length: is 90min, not a multiple of time_step"),
    ({"episode_length": "7d"}, "episode_length: is 7d, longer than the simulated 48 h"),
]


@pytest.mark.parametrize(("settings", "sentence"), UNPLAYABLE)
def test_a_schedule_that_cannot_be_played_is_refused_where_training_is_meant(
    settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        check_training(compile_scenario(case(**settings)))
    with pytest.raises(ConfigurationError, match=sentence):
        training_task(case(**settings), None, None, "auto")
    check_training(compile_scenario(case(**settings, learning_mode=False)))


def test_a_market_with_dates_of_its_own_has_no_parts_of_the_calendar() -> None:
    overrides = {
        "markets_config.EOM.end_date": "2019-03-05 00:00",
        "learning_config.episode_length": "12h",
        "learning_config.train_freq": "12h",
    }
    scenario = load_scenario(SCENARIO, "tiny", overrides=overrides)
    with pytest.raises(ConfigurationError, match="is 12h: market 'EOM' has a start"):
        check_training(compile_scenario(scenario))


def test_that_the_bidder_does_not_fit_is_said_before_what_else_is_wrong() -> None:
    wrong = {"training_episodes": 1, "learning_rates": {"critic": 0.1}}
    scenario = case(algorithm="fictitious_play", **wrong)
    for check in (
        lambda: check_training(compile_scenario(scenario)),
        lambda: training_task(scenario, None, None, "auto"),
    ):
        with pytest.raises(ConfigurationError, match="fictitious_play cannot choose numbers, as"):
            check()


def test_a_refused_setting_is_named_with_its_override_or_with_file_and_case() -> None:
    scenario = load_scenario(SCENARIO, "base", overrides={"end_date": "2019-03-04 12:00"})
    with pytest.raises(ConfigurationError) as refused:
        training_task(scenario, None, None, "auto")
    expected = (
        "config.yaml, base.learning_config.train_freq: is 24h, longer than the simulated 12 h"
    )
    assert str(refused.value) == expected
    with pytest.raises(ConfigurationError, match=r"^override learning_config.train_freq: is 72h"):
        training_task(case(train_freq="72h"), None, None, "auto")
