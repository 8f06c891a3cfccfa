"""The cost of a step as a formula: its parts, times how often they happen."""

from dataclasses import dataclass
from pathlib import Path

from assume_rl.durations import duration_seconds
from assume_rl.episodes.plan import update_interval
from assume_rl.experiments.training import first_evaluation, waves
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class PlayCost:
    """An episode that is recorded."""

    once: float  # s
    per_hour: float  # s per simulated hour

    def seconds(self, scenario: Scenario) -> float:
        """Return the seconds for the whole calendar."""
        return self.once + self.per_hour * hours(scenario)


@dataclass(frozen=True)
class TrainCost:
    """A training."""

    once: float  # s
    per_hour: float  # s per simulated hour of all episodes that are played side by side
    saving: float  # s, after such a wave of episodes
    iteration: float  # s, of all learners
    judging: float  # s, after an evaluation
    play: PlayCost  # of each of the two episodes in the end
    policies: Path  # what came of the trial

    def seconds(self, scenario: Scenario) -> float:
        """Return the seconds of a training that does not stop early."""
        config, length = scenario.learning, episode_seconds(scenario)
        played = len(list(waves(config, config.num_envs)))
        first, interval = first_evaluation(config), config.validation_interval
        evaluations = len(range(first, config.training_episodes + 1, interval))
        return (
            self.once
            + played * (self.per_hour * length / 3600 + self.saving)
            + iterations(scenario) * self.iteration
            + evaluations * (self.per_hour * hours(scenario) + self.judging)
            + 2 * self.play.seconds(scenario)
        )


def iterations(scenario: Scenario) -> float:
    """Return the gradient steps of a training that does not stop early."""
    config, length = scenario.learning, episode_seconds(scenario)
    learning = max(0, config.training_episodes - config.initial_episodes)
    updates = learning * (length // update_interval(config.train_freq, length))
    return updates * config.gradient_steps * config.update_ratio


def hours(scenario: Scenario) -> float:
    """Return the length of the calendar in hours."""
    return float((scenario.index[-1] - scenario.index[0]).total_seconds()) / 3600


def episode_seconds(scenario: Scenario) -> int:
    """Return the length of a training episode in seconds."""
    length = scenario.learning.episode_length
    return round(hours(scenario) * 3600) if length is None else duration_seconds(length)
