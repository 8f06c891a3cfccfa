"""Trains one or several seeds, on either shell."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import torch

from assume_rl.agents.learning.rows import rl_grad_params
from assume_rl.durations import duration_seconds
from assume_rl.envs.memory import available_bytes, check_memory, waiting_bytes
from assume_rl.episodes.plan import Plan
from assume_rl.episodes.selection import Scores, Selection
from assume_rl.errors import ConfigurationError
from assume_rl.experiments.batch_policies import save_policies_of, start_policies
from assume_rl.experiments.case import Experiment
from assume_rl.experiments.collection.batch_player import training_market
from assume_rl.experiments.collection.collector import Collector
from assume_rl.experiments.collection.local import Local
from assume_rl.experiments.collection.orders import Pool, Stage
from assume_rl.experiments.collection.players import player_of
from assume_rl.experiments.episode_progress import EpisodeProgress
from assume_rl.experiments.judge import Judge, Movement, Probe, by_agent
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.experiments.provenance import EPISODES, SCORES, origin
from assume_rl.experiments.train_task import Task
from assume_rl.experiments.training import Advance, waves
from assume_rl.experiments.validations import Validated, scores_of, validation_of
from assume_rl.learning.acting import Acting
from assume_rl.learning.bytes import estimate
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.learner import Learner
from assume_rl.learning.processes import joined
from assume_rl.results.files import POLICIES


class TrainingEngine:
    """A learner of all seeds, which others play for: this process, or workers elsewhere.

    :param experiments: one per seed.
    :param observer: of the training; None: there is none
    :param open_pool: returns who plays; None: this process does
    """

    def __init__(
        self,
        task: Task,
        experiments: Sequence[Experiment],
        observer: Observer | None = None,
        open_pool: Callable[[Stage], Pool] | None = None,
    ) -> None:
        heard = observer or Silent()
        self._progress = EpisodeProgress(heard)
        self._task = task
        self._runs = tuple(experiments)
        self._plan = Plan.of(task.config, task.compiled.scenario.start, _end(task))
        seeds = [run.seed for run in experiments]
        specs, self._device = task.agents, torch.device(task.device)
        self._learner = Learner(
            task.config, specs, seeds=seeds, device=self._device, processes=joined()
        )
        self._learner.listener = heard
        self._experienced = start_policies(self._learner, task)
        stage = Stage(task, tuple(seeds), specs, self._experienced)
        self._validation = validation_of(stage, self._progress.opening)
        self._pool = open_pool(stage) if open_pool else self._local(stage)
        self._collector = Collector(self._pool, self._plan, self._following)
        window, threshold = task.config.early_stopping_window, task.config.early_stopping_threshold
        self._selections = tuple(Selection(window, threshold) for _ in experiments)
        self._judges = tuple(Judge(task.compiled) for _ in experiments)
        self._movements = tuple(Movement() for _ in experiments)
        self._probes: tuple[Probe, ...] = ()  # by seed, made with the first evaluation
        self._settled: set[int] = set()  # seeds that are played on, but no longer train
        self._episodes_done = 0
        self._owed = 0.0  # iterations that updates have not done yet, less than one

    @property
    def seeds(self) -> int:
        """See `Engine.seeds`."""
        return len(self._runs)

    @property
    def width(self) -> int:
        """See `Engine.width`."""
        return self._task.config.num_envs

    # --- episodes ------------------------------------------------------------------------------

    def train(self, episodes: range, advance: Advance) -> list[list[Scores]]:
        """See `Engine.train`."""
        versions, stale = set[int](), 0
        self._progress.begin(advance, self._plan.end - self._plan.start)
        for segment in self._collector.wave(episodes, self._learner.light):
            versions.add(segment.version)
            stale = max(stale, self._learner.updates - segment.version)
            for columns in segment.rows:
                self._runs[0].training_sink.write("rl_params", columns)
            if segment.cut:
                self._learner.cut(len(episodes))
            if segment.joint is not None:
                self._learner.observe(segment.joint.to(self._device))
            if segment.due is not None:
                self._update(self._plan.start + segment.due, episodes)
                self._progress.reach(segment.due)
        self._episodes_done += len(episodes)
        played = scores_of(segment.scores, self.seeds)
        return [
            [replace(own, version=max(versions), staleness=stale) for own in row] for row in played
        ]

    def evaluate(self, number: int, advance: Advance) -> list[Scores]:
        """See `Engine.evaluate`."""
        watched = [k for k, _ in self._training() if self._judges[k].able]
        index = self._task.compiled.scenario.index
        whole = int((index[-1] - index[0]).total_seconds())
        self._progress.begin(advance, whole)
        played = self._validation.play(number, self._learner, watched)
        self._progress.reach(whole)
        for seed, run in self._training():
            for table, rows in played[seed].rows:
                run.training_sink.write(table, rows)
        return [self._judged(seed, own) for seed, own in enumerate(played)]

    def _judged(self, seed: int, played: Validated) -> Scores:
        """Return scores with exploitability and movement, as far as known."""
        if seed in self._settled:
            return played.scores
        if not self._probes:
            self._probes = self._validation.probes()
        actors, known, moved = self._learner.actors(seed), None, None
        if played.memory is not None:
            policies = self._task.fixed | by_agent(actors)
            run_seed = self._runs[seed].seed
            known = self._judges[seed].exploitability(played.memory(), policies, run_seed)
        if self._probes:
            moved = self._movements[seed].since(self._probes[seed], actors)
        return replace(played.scores, exploitability=known, movement=moved)

    def _update(self, now: int, episodes: range) -> None:
        """Make the updates that each copy would have made alone."""
        done, config = self._episodes_done, self._task.config
        if done < self._plan.initial_episodes:
            return
        left = self._plan.progress(done, now, side_by_side=len(episodes))
        self._owed += len(episodes) * config.gradient_steps * config.update_ratio
        count = math.floor(self._owed + 1e-9)  # what rounding takes off a whole number counts
        self._owed -= count
        first = self._learner.iterations
        metrics = self._learner.update(left, count)
        units = [spec.unit_id for spec in self._learner.agents]
        for seed, run in self._training():
            own = metrics.of_seed(seed)
            columns = rl_grad_params(own, units, first=first, episode=episodes[0])
            run.training_sink.write("rl_grad_params", columns)

    def _training(self) -> list[tuple[int, Experiment]]:
        """Return position and run of the seeds that still train."""
        return [(k, run) for k, run in enumerate(self._runs) if k not in self._settled]

    def _local(self, stage: Stage) -> Local:
        """Return the pool of this process."""
        return Local(player_of(stage, self._task.device, self._progress.opening))

    # --- policies ------------------------------------------------------------------------------

    def keep(self, seed: int, scores: Scores) -> bool:
        """See `Engine.keep`."""
        for name in self._selections[seed].improved(scores.merits):
            self._save(seed, f"best_{name}", {SCORES: scores.merits}, critics=False)
        self.save(seed)
        if self._selections[seed].settled(scores.reward):
            self._settled.add(seed)
        return seed in self._settled

    def save(self, seed: int) -> None:
        """See `Engine.save`."""
        if self._episodes_done > 0:
            self._save(seed, "last", {}, critics=True)

    def _save(self, seed: int, name: str, notes: Mapping[str, Any], *, critics: bool) -> None:
        run, task = self._runs[seed], self._task
        whole = {EPISODES: self._episodes_done, **notes}
        whole |= origin(task.compiled, task.learners, run.seed)
        folder = run.folder / POLICIES / name
        save_policies_of(self._learner, seed, folder, whole, critics=critics)

    # --- checkpoints ---------------------------------------------------------------------------

    def replay(self) -> Replay:
        """See `Engine.replay`."""
        return self._learner.replay

    def state_of(self, seed: int) -> dict[str, Any]:
        """See `Engine.state_of`."""
        return {
            "learner": self._learner.state_of(seed),
            "selection": self._selections[seed].state_dict(),
            "judge": self._judges[seed].state_dict(),
            "movement": self._movements[seed].state_dict(),
            "episodes_done": self._episodes_done,
            "owed": self._owed,
            "collector": self._collector.state_of(seed, self._scratch()),
            "experienced": list(self._experienced),
        }

    def load(self, states: Sequence[Mapping[str, Any]], refill: Callable[[Replay], None]) -> None:
        """See `Engine.load`."""
        for seed, state in enumerate(states):
            self._learner.load_state_of(seed, state["learner"])
            self._selections[seed].load_state_dict(state["selection"])
            self._judges[seed].load_state_dict(state["judge"])
            self._movements[seed].load_state_dict(state["movement"])
        self._episodes_done, self._owed = states[0]["episodes_done"], states[0]["owed"]
        self._experienced = tuple(states[0]["experienced"])
        self._collector.load([state["collector"] for state in states], self._scratch())
        refill(self._learner.replay)

    def close(self) -> None:
        """Stop those who play; each of them, whatever the other raises."""
        with ExitStack() as stack:
            stack.callback(self._validation.close)
            stack.callback(self._pool.close)

    def _following(self, first: int) -> range | None:
        """Return the wave that begins with an episode; None: there is none."""
        return next(waves(self._task.config, self.width, first=first), None)

    def _scratch(self) -> Acting:
        """Return actors that may be overwritten."""
        return Acting(
            self._task.config, self._learner.agents, seeds=self._learner.seeds, device=self._device
        )


def check_markets(task: Task, seeds: Sequence[int]) -> None:
    """Raise `ConfigurationError` unless the training can be done in memory; keep nothing."""
    widest = min(task.config.num_envs, task.config.validation_interval)
    market, device = training_market(task, seeds, widest, task.device), torch.device(task.device)
    plan = Plan.of(task.config, task.compiled.scenario.start, _end(task))
    updates = [time - plan.start for time in plan.update_times]
    ahead, element = task.config.settings.needs_next, torch.float32.itemsize
    waiting = waiting_bytes(market.setting, updates, element, ahead=ahead)
    check_memory(market.setting, len(seeds), widest, device, waiting)


def check_learner(task: Task, seeds: int) -> None:
    """Raise `ConfigurationError` unless there is memory for the learner; keep nothing.

    :param task: the training
    :param seeds: that train side by side
    """
    config, device = task.config, torch.device(task.device)
    widest = min(config.num_envs, config.validation_interval) if task.engine == "batch" else 1
    needed = estimate(config, task.agents, seeds=seeds, device=device, copies=widest)
    there = available_bytes(device)
    if there is None or needed.total <= there:
        return
    parts = {
        "networks; set smaller learning_config.actor_hidden and critic_hidden, another critic, or "
        "observe less": needed.of_networks,
        f"a replay of {config.replay_buffer_size} transitions; set a smaller "
        "learning_config.replay_buffer_size": needed.replay,
        f"the batches of an update; set a smaller learning_config.batch_size, {config.batch_size} "
        f"now, or fewer gradient_steps, {config.gradient_steps} now": needed.batches,
    }
    raise ConfigurationError(
        f"{len(task.agents)} learners with critic {config.critic} need about "
        f"{needed.total / 1e9:.1f} GB, but {device} has {there / 1e9:.1f} GB available; "
        f"{max(parts.values()) / 1e9:.1f} GB are for {max(parts, key=parts.__getitem__)}"
    )


def _end(task: Task) -> datetime:
    """Return the end of a training episode that begins with the calendar."""
    scenario, length = task.compiled.scenario, task.config.episode_length
    if length is None:
        return scenario.index[-1].to_pydatetime()
    return scenario.start + timedelta(seconds=duration_seconds(length))
