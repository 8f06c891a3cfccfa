"""Trains seeds that are equally far, side by side where the engine can."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assume_rl.experiments.case import Experiment, open_experiment
from assume_rl.experiments.collection.workers import OpenPool, Workers, opened
from assume_rl.experiments.evaluate import KEPT, Evaluation, more_kpis, scored
from assume_rl.experiments.marks import Mark
from assume_rl.experiments.meta import pay_as_bid_markets
from assume_rl.experiments.observer import Afterwards, EpisodeReport, Observer, with_plugins
from assume_rl.experiments.outputs import CHECKPOINTS, METRICS
from assume_rl.experiments.policies import folder_policies
from assume_rl.experiments.policy_copies import copy_policies
from assume_rl.experiments.resuming import Resumable, restore, write_checkpoint
from assume_rl.experiments.run import play_all
from assume_rl.experiments.together import shared_places
from assume_rl.experiments.train_places import Place, Start, groups, hold, starts
from assume_rl.experiments.train_task import Task
from assume_rl.experiments.training import Standing, training
from assume_rl.experiments.training_engine import TrainingEngine, check_learner, check_markets
from assume_rl.learning.policies.manifest import read_manifest
from assume_rl.results.files import POLICIES
from assume_rl.results.metrics import JsonLines, read_episodes, write_kpis
from assume_rl.results.owner import Hold
from assume_rl.results.tracking import track_episode

SCORED = ("best_reward", "best_exploitability", "last")
"""Folders of policies that are scored after a training, those that there are."""


@dataclass(frozen=True)
class TrainResult:
    """Where a training's results are, and how good its last and its best policies were."""

    folder: Path
    database: str  # SQLAlchemy URL
    seed: int
    engine: str  # the shell that trained: agents or batch
    policies: tuple[Path, ...]  # `policies` of the folder, then `trained_policies_save_path`
    episodes: tuple[EpisodeReport, ...]
    evaluations: Mapping[str, Evaluation]  # of the policies of `SCORED`, by name
    warnings: tuple[str, ...]

    @property
    def last(self) -> Evaluation:
        """Return the evaluation of the policies at the end."""
        return self.evaluations["last"]

    @property
    def movement(self) -> float | None:
        """Return how far policies moved between the last two validations, see `judge.Movement`."""
        return _movement(self.episodes)

    @property
    def best(self) -> Evaluation:
        """Return the evaluation of the policies with the highest reward of all validations."""
        return self.evaluations["best_reward"]


def train_all(
    task: Task,
    places: Sequence[Place],
    resume: bool,
    track: Sequence[str],
    observer: Observer | None,
    workers: Workers | None = None,
) -> tuple[TrainResult, ...]:
    """Train all seeds; those that are equally far side by side if the engine can.

    :param workers: who play the episodes of training; None: this process does
    """
    with shared_places(places, task.engine, resume=resume) as own:
        return _train_all(task, own, resume, track, observer, workers)


def _train_all(
    task: Task,
    places: Sequence[Place],
    resume: bool,
    track: Sequence[str],
    observer: Observer | None,
    workers: Workers | None,
) -> tuple[TrainResult, ...]:
    observers = with_plugins(task.compiled.scenario, observer)
    with ExitStack() as stack:  # nobody else writes there from the first look to the last word
        holds = [stack.enter_context(hold(task, place, resume=resume)) for place in places]
        begun = starts(task, places, resume=resume)
        if task.engine == "batch":
            check_markets(task, [place.seed for place in places])
        check_learner(task, len(places) if task.engine == "batch" else 1)
        open_pool = stack.enter_context(opened(workers, task))
        results: dict[int, TrainResult] = {}
        for group in groups(begun, task):
            chosen = [(begun[k], holds[k]) for k in group]
            results |= zip(group, _train(task, chosen, track, observers, open_pool), strict=True)
        return tuple(results[k] for k in range(len(places)))


def _train(
    task: Task,
    chosen: Sequence[tuple[Start, Hold]],
    track: Sequence[str],
    observer: Observer,
    open_pool: OpenPool | None,
) -> tuple[TrainResult, ...]:
    """Train a group, then finish the results of each seed."""
    begun = [start for start, _ in chosen]
    with ExitStack() as stack:
        runs = [stack.enter_context(_open(task, start, held, track)) for start, held in chosen]
        reports = [_reports(run, start) for run, start in zip(runs, begun, strict=True)]
        if not begun[0].over:
            _play(task, runs, begun, reports, observer, open_pool)
        scores = _scores(task, runs, observer)
        results = tuple(
            _finish(task, run, start.place, tuple(own), found)
            for run, start, own, found in zip(runs, begun, reports, scores, strict=True)
        )
    for result in results:  # finished, so that nothing resumes from these
        shutil.rmtree(result.folder / CHECKPOINTS, ignore_errors=True)
    return results


def _open(
    task: Task, start: Start, held: Hold, track: Sequence[str]
) -> AbstractContextManager[Experiment]:
    place = start.place
    return open_experiment(
        task.compiled,
        "train",
        place.places,
        seed=place.seed,
        device=task.device,
        engine=task.engine,
        keep=KEPT,
        reads=task.start_from,
        simulation=place.simulation(task),
        resumed=None if start.found is None else start.found.mark,
        track=track,
        held=held,
    )


def _reports(run: Experiment, start: Start) -> list[EpisodeReport]:
    """Return the reports before the moment that a training resumes from."""
    if start.found is None:
        return []
    return [EpisodeReport(**line) for line in read_episodes(run.folder / METRICS)]


def _play(
    task: Task,
    runs: Sequence[Experiment],
    begun: Sequence[Start],
    reports: Sequence[list[EpisodeReport]],
    observer: Observer,
    open_pool: OpenPool | None,
) -> None:
    """Play all episodes that are left; whatever stops them, the policies are saved."""
    engine: Resumable = TrainingEngine(task, runs, observer, open_pool)

    def save(seed: int, standing: Standing) -> None:
        run = runs[seed]
        rows, hashed = run.training_sink.rows, run.fingerprint.digest
        mark = Mark(standing, len(reports[seed]), rows, hashed)
        write_checkpoint(run.folder, engine, seed, mark)

    with ExitStack() as stack:
        stack.callback(engine.close)
        found = [start.found for start in begun if start.found is not None]
        if found:
            restore(engine, [run.folder for run in runs], found)
        standings = [own.mark.standing for own in found] or [Standing()] * len(runs)
        observer.begin(task.config.training_episodes, standings[0].episodes)
        files = [stack.enter_context(JsonLines(run.folder / METRICS)) for run in runs]
        episodes = training(engine, task.config, observer.advance, standings, save, observer.doing)
        # Whatever stops it, the policies of that moment are saved before others learn of it.
        stack.enter_context(closing(episodes))
        for played in episodes:
            for seed, report in played.items():
                reports[seed].append(report)
                files[seed].write(report.line)
                done = next(r.episode for r in reversed(reports[seed]) if not r.evaluation)
                track_episode(runs[seed].trackers, report.line, done)
            observer.episode(_mean(played))


def _mean(found: Mapping[int, EpisodeReport]) -> EpisodeReport:
    """Return an episode's means over the seeds; None where a seed lacks the value."""
    reports = list(found.values())
    names = ("reward", "profit", "regret", "exploitability", "movement")
    columns = {name: [getattr(report, name) for report in reports] for name in names}
    means: dict[str, Any] = {
        name: None if None in values else sum(values) / len(values)
        for name, values in columns.items()
    }
    return replace(reports[0], **means, best=any(r.best for r in reports))


def _finish(
    task: Task,
    experiment: Experiment,
    place: Place,
    reports: tuple[EpisodeReport, ...],
    scores: dict[str, Evaluation],
) -> TrainResult:
    """Write a training's results, and copy its policies to the study case's folder."""
    saved = experiment.folder / POLICIES
    more = more_kpis(task.compiled, scores["last"])
    write_kpis(experiment.database, pay_as_bid_markets(task.compiled), more)
    experiment.results["scores"] = {
        name: {"reward": s.reward, "profit": s.profit, "regret": s.regret, **s.equilibrium}
        for name, s in scores.items()
    }
    if (movement := _movement(reports)) is not None:
        experiment.results["evaluation"]["movement"] = movement
    experiment.results["best_response_of_kept"] = {
        name: s.best_responses for name, s in scores.items() if name != "last"
    }
    copy = place.policy_copy(task)
    if copy is not None and copy.resolve() != saved.resolve():
        copy_policies(saved, copy)
    return TrainResult(
        experiment.folder,
        experiment.url,
        place.seed,
        task.engine,
        (saved,) if copy is None else (saved, copy),
        reports,
        scores,
        (*task.compiled.scenario.warnings, *task.warnings),
    )


def _scores(
    task: Task, runs: Sequence[Experiment], observer: Observer
) -> list[dict[str, Evaluation]]:
    """Return, of each seed, the evaluations of the policies in folders of `SCORED`.

    All are played on the shell that trained, all seeds at once where it can; those that equal ones
    which were scored are not played again. What is recorded for good is the run on the last ones.
    """
    hashes = [_hashes(run.folder / POLICIES) for run in runs]
    found: list[dict[str, Evaluation]] = [{} for _ in runs]
    for name in reversed(SCORED):  # the last ones first
        played = []
        for run, own, scores in zip(runs, hashes, found, strict=True):
            if name not in own:
                continue
            twin = next((other for other in scores if own[other] == own[name]), None)
            if twin is not None:
                scores[name] = scores[twin]
                continue
            folder = run.folder / POLICIES / name
            actors = task.fixed | folder_policies(task.compiled, folder, task.learners)
            recorded = run if name == "last" else run.unrecorded(KEPT)
            played.append((scores, recorded, actors))
        if played:
            about = Afterwards(observer, f"{name} policies")
            play_all([(run, actors) for _, run, actors in played], about)
        for scores, run, actors in played:
            about = Afterwards(observer, f"seed {run.seed}, {name} policies")
            scores[name] = scored(run, actors, about, of=task.learners)
    return [{name: own[name] for name in SCORED if name in own} for own in found]


def _hashes(saved: Path) -> dict[str, dict[str, str]]:
    """Return those of the policies in each folder of `SCORED` that there is, by agent."""
    return {
        name: {unit: own.sha256 for unit, own in read_manifest(saved / name).units.items()}
        for name in SCORED
        if (saved / name).is_dir()
    }


def _movement(reports: Sequence[EpisodeReport]) -> float | None:
    """Return that of the last validation."""
    return next((report.movement for report in reversed(reports) if report.evaluation), None)
