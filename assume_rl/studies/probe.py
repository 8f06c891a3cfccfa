"""Tries a step, with few episodes on a part of the calendar, to measure its cost.

Times are those of the processor, so that a busy machine counts less; with a GPU they are real time.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from assume_rl.episodes.plan import pick_device
from assume_rl.errors import ConfigurationError, ScenarioError
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.observer import EpisodeReport, Silent
from assume_rl.experiments.run import run as run_case
from assume_rl.experiments.train import train
from assume_rl.learning.config import learning_keys
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import Reader
from assume_rl.scenario.types import Scenario
from assume_rl.studies.checks import is_number
from assume_rl.studies.costs import PlayCost, TrainCost, episode_seconds, hours
from assume_rl.studies.costs import iterations as iterations_of
from assume_rl.studies.types import Step, StepKind

STEPS = 48  # of the calendar in a trial, if that has three auctions of each market
WAVES = 4  # of training episodes in a trial
ITERATIONS = 40  # gradient steps of an update; fewer with many learners, for which each takes long
REPLAY = 5_000  # transitions
ACTORS = ("learning_config.actor_architecture", "learning_config.actor_hidden")
"""Settings of learning that decide how long acting takes."""

Clock = Callable[[], float]


class Stamps(Silent):
    """An observer that notes when episodes end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0.0
        self.episodes: list[float] = []  # s since what was noted before
        self.evaluations: list[float] = []

    def begin(self, episodes: int, done: int = 0) -> None:
        """Start the clock."""
        self._last = self._clock()

    def episode(self, report: EpisodeReport) -> None:
        """Record the time of an episode; the first episode of a wave has the time of all."""
        now = self._clock()
        (self.evaluations if report.evaluation else self.episodes).append(now - self._last)
        self._last = now


class Probe:
    """Makes trials.

    :param place: folder for what they write.
    :param device: that is meant; where it is not there, the CPU is tried.
    """

    def __init__(self, place: Path, engine: EngineName, device: str) -> None:
        self._place = place
        self._engine = engine
        self._device, self._clock = _device(device)
        self._reader = Reader()
        self._cold = True
        self._played: dict[str, PlayCost] = {}

    def load(self, step: Step, more: Mapping[str, Any] | None = None) -> Scenario:
        """Return the scenario of a step."""
        settings = {**step.settings, **(more or {})}
        return self._reader.load(
            step.scenario, step.case, overrides=settings, plugins=step.plugin_names
        )

    def is_brief(self, step: Step) -> bool:
        """Return whether a training takes no longer than a trial of it."""
        scenario = self.load(step)
        episodes = scenario.learning.training_episodes
        return (
            hours(scenario) <= hours(self._part(step, 1.0))
            and episodes <= WAVES * scenario.learning.num_envs
            and iterations_of(scenario) <= 2 * ITERATIONS
        )

    def train(self, step: Step, seed: int, policies: Path | None) -> TrainCost:
        """Return the cost of four waves of training, two with updates; three if agents are many."""
        part = self._part(step, 1.0)
        learners = len(compile_scenario(part).learners)
        width = min(part.learning.num_envs, part.learning.validation_interval)
        iterations = max(2, min(ITERATIONS, 200 // max(1, learners)))
        waves = WAVES if iterations > 2 else WAVES - 1
        length = min(episode_seconds(part), round(hours(part) * 3600))
        trial = self.load(step, _end(part) | _training(part, width, waves, iterations, length))
        if self._cold:  # the first one loads libraries, too
            self._train(trial, seed, policies, self._folder())
            self._cold = False
        out = self._folder()
        stamps, total = self._train(trial, seed, policies, out)
        play = self.play(step, seed, out, "evaluate")
        played = [sum(stamps.episodes[k * width : (k + 1) * width]) for k in range(waves)]
        per_hour = played[0] / length * 3600
        rest = total - sum(played) - sum(stamps.evaluations) - 2 * play.seconds(trial)
        return TrainCost(
            once=max(0.0, rest),
            per_hour=per_hour,
            saving=max(0.0, played[1] - played[0]),  # nothing has been saved before the first
            iteration=max(0.0, played[-1] - played[1]) / iterations,
            judging=max(0.0, stamps.evaluations[-1] - per_hour * hours(trial)),
            play=play,
            policies=out,
        )

    def play(self, step: Step, seed: int, policies: Path | None, kind: StepKind) -> PlayCost:
        """Return the cost of an episode; equally expensive ones are tried once."""
        key = _played_alike(step, kind)
        if key not in self._played:
            self._played[key] = self._play_twice(step, seed, policies, kind)
        return self._played[key]

    def _play_twice(self, step: Step, seed: int, policies: Path | None, kind: StepKind) -> PlayCost:
        """Return the cost of a whole and a half episode, the better of two times each."""
        half, part = self._part(step, 0.5), self._part(step, 1.0)
        short, long = (
            min(self._play(calendar, seed, policies, kind) for _ in range(2))
            for calendar in (half, part)
        )
        more = hours(part) - hours(half)
        per_hour = max(0.0, long - short) / more if more > 0 else long / hours(part)
        return PlayCost(max(0.0, long - per_hour * hours(part)), per_hour)

    def _train(
        self, trial: Scenario, seed: int, policies: Path | None, out: Path
    ) -> tuple[Stamps, float]:
        """Return the time at which each part ended, and the seconds of all."""
        stamps, begun = Stamps(self._clock), self._clock()
        train(
            trial,
            policies=policies,
            seed=seed,
            device=self._device,
            engine=self._engine,
            out=out,
            observer=stamps,
        )
        return stamps, self._clock() - begun

    def _play(self, part: Scenario, seed: int, policies: Path | None, kind: StepKind) -> float:
        begun = self._clock()
        work = run_case if kind == "run" else evaluate
        work(part, policies=policies, seed=seed, engine=self._engine, out=self._folder())
        return self._clock() - begun

    def _part(self, step: Step, share: float) -> Scenario:
        """Return the scenario with a part of its calendar, or all of it if it cannot be cut."""
        whole = self.load(step)
        markets = whole.config.markets_config.values()
        period = max(
            m.opening_frequency + p.first_delivery + p.count * p.duration
            for m in markets
            for p in m.products
        )
        long = max(STEPS * whole.config.time_step, 3 * period)
        steps = round(long * share) // whole.config.time_step
        if steps >= len(whole.index) - 1:
            return whole
        end = whole.start + timedelta(seconds=steps * whole.config.time_step)
        try:
            return self.load(step, {"end_date": str(end)})
        except ScenarioError:  # a market has an end of its own
            return whole

    def _folder(self) -> Path:
        return Path(mkdtemp(dir=self._place)) / "out"


def _played_alike(step: Step, kind: StepKind) -> str:
    """Return a key of the settings that an episode's time depends on: not those of training."""
    settings = {
        key: value
        for key, value in step.settings.items()
        if not is_number(key) and (key in ACTORS or not key.startswith("learning_config."))
    }
    content = (step.scenario, step.case, settings, step.plugin_names, kind)
    return json.dumps(content, sort_keys=True, default=str)


def _end(part: Scenario) -> dict[str, Any]:
    return {"end_date": str(part.config.end_date)}


def _training(
    part: Scenario, width: int, waves: int, iterations: int, length: int
) -> dict[str, Any]:
    """Return settings of `waves` waves of training, two of which collect initial experience."""
    learning = part.learning
    settings = {
        "training_episodes": waves * width,
        "episodes_collecting_initial_experience": 2 * width,
        "validation_episodes_interval": width,
        "episode_length": None if learning.episode_length is None else f"{length}s",
        "train_freq": f"{length}s",
        "gradient_steps": iterations,
        "update_ratio": 1 / width,
        "early_stopping_steps": None,
        "replay_buffer_size": min(REPLAY, learning.replay_buffer_size),
        "trained_policies_save_path": None,
    }
    if "learning_starts" in learning_keys(learning.algorithm):
        settings["learning_starts"] = 0
    return {f"learning_config.{key}": value for key, value in settings.items()}


def _device(name: str) -> tuple[str, Clock]:
    """Return an available device, and the clock that fits it."""
    try:
        device = pick_device(name)
    except ConfigurationError:
        return "cpu", time.process_time
    return name, time.process_time if device.type == "cpu" else time.perf_counter
