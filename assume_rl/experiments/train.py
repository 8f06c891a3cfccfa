"""Trains the learning bidders of a study case, keeps the best policies and shows what they do."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from assume_rl.episodes.draws import draw_seed
from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.experiments.agents_engine import AgentsEngine
from assume_rl.experiments.batch_engine import BatchEngine, check_markets
from assume_rl.experiments.case import Experiment, Places, open_experiment
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.evaluate import KEPT, Evaluation, score
from assume_rl.experiments.observer import EpisodeReport, Observer, Silent
from assume_rl.experiments.outputs import (
    MANIFEST,
    METRICS,
    POLICIES,
    check_policy_copy,
    copy_policies,
)
from assume_rl.experiments.policies import folder_policies
from assume_rl.experiments.train_task import Task, training_task
from assume_rl.experiments.training import training
from assume_rl.results.metrics import JsonLines, write_kpis
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class TrainResult:
    """Where a training's results are, and how good its last and its best policies were."""

    folder: Path
    database: str  # SQLAlchemy URL
    seed: int
    engine: str  # the shell that trained: agents or batch
    policies: tuple[Path, ...]  # `policies` of the folder, then `trained_policies_save_path`
    episodes: tuple[EpisodeReport, ...]
    last: Evaluation
    best: Evaluation
    warnings: tuple[str, ...]


def train(
    scenario: Scenario | Path | str,
    *,
    policies: Path | str | None = None,
    seed: int | None = None,
    device: str | None = None,
    engine: EngineName = "auto",
    out: Path | str | None = None,
    db: str | None = None,
    csv: Path | str | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> TrainResult:
    """Train, evaluate at intervals, keep the best; then record a run on the last policies.

    Units that the study case names a policy for act on it and do not learn.

    :param policies: folder to start from; likewise `trained_policies_load_path` with
        `continue_learning`.
    :param device: `auto`, `cpu`, `cuda`; None: `learning_config.device`.
    :param engine: `batch` plays whole markets as tensors, `agents` as agents that exchange
        messages; `auto`: `batch` where it supports the whole scenario. The run that is recorded in
        the end is always one of agents.
    :param out: see `Places`, likewise `db`, `csv`, `overwrite`.
    :raises AssumeRlError: something the user can mend.
    """
    task = training_task(scenario, policies, device, engine)
    chosen = draw_seed(task.compiled.scenario, seed)
    place = Place(Places(out, db, csv, overwrite), chosen, None)
    return _train(task, [place], observer or Silent())[0]


def train_seeds(
    scenario: Scenario | Path | str,
    *,
    seeds: Sequence[int],
    policies: Path | str | None = None,
    device: str | None = None,
    engine: EngineName = "auto",
    out: Path | str | None = None,
    db: str | None = None,
    csv: Path | str | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> tuple[TrainResult, ...]:
    """Train once per seed, as `train` does; the batch engine trains all of them at once.

    On a CPU each seed gives, byte for byte, what it gives alone.

    :param out: gets a folder `seed_<seed>` for each, as do `csv` and `trained_policies_save_path`;
        in a common `db` the simulations are called `<simulation id>_seed_<seed>`.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigurationError(f"seeds must be different numbers, got {list(seeds)}")
    task = training_task(scenario, policies, device, engine)
    common = Path(out or Path("runs") / task.compiled.scenario.simulation_id)
    if (common / MANIFEST).is_file():
        raise ResultsError(f"'{common}' holds another run, not seeds; choose another --out")
    places = [_seed_place(task, Places(out, db, csv, overwrite), seed) for seed in seeds]
    watcher = observer or Silent()
    if task.engine == "batch":
        return _train(task, places, watcher)
    return tuple(result for place in places for result in _train(task, [place], watcher))


@dataclass(frozen=True)
class Place:
    """One seed of a training and where its results go."""

    places: Places
    seed: int
    name: str | None  # of its folder among those of other seeds; None: there are no others

    def simulation(self, task: Task) -> str:
        """Its name in the result tables."""
        simulation = task.compiled.scenario.simulation_id
        return simulation if self.name is None else f"{simulation}_{self.name}"

    def policy_copy(self, task: Task) -> Path | None:
        """Folder of the user's own that policies are copied to."""
        path = task.config.trained_policies_save_path
        if path is None:
            return None
        return Path(path) if self.name is None else Path(path) / self.name


def _seed_place(task: Task, common: Places, seed: int) -> Place:
    name = f"seed_{seed}"
    out = Path(common.out or Path("runs") / task.compiled.scenario.simulation_id) / name
    csv = None if common.csv is None else Path(common.csv) / name
    return Place(replace(common, out=out, csv=csv), seed, name)


def _train(task: Task, places: Sequence[Place], observer: Observer) -> tuple[TrainResult, ...]:
    """Train all seeds at once."""
    for place in places:
        copy = place.policy_copy(task)
        if copy is not None:
            check_policy_copy(copy, overwrite=place.places.overwrite)
    if task.engine == "batch":
        check_markets(task, [place.seed for place in places])
    with ExitStack() as stack:
        experiments = [
            stack.enter_context(
                open_experiment(
                    task.compiled,
                    "train",
                    place.places,
                    seed=place.seed,
                    device=task.device,
                    engine=task.engine,
                    keep=KEPT,
                    reads=task.start_from,
                    simulation=place.simulation(task),
                )
            )
            for place in places
        ]
        reports = _collect(task, experiments, observer)
        pairs = zip(experiments, places, reports, strict=True)
        return tuple(_finish(task, run, place, found) for run, place, found in pairs)


def _collect(
    task: Task, experiments: Sequence[Experiment], observer: Observer
) -> list[tuple[EpisodeReport, ...]]:
    """Run all episodes; whatever stops them, the policies of that moment are saved."""
    observer.begin(task.config.training_episodes)
    engine = (
        BatchEngine(task, experiments)
        if task.engine == "batch"
        else AgentsEngine(task, experiments[0])
    )
    reports: list[list[EpisodeReport]] = [[] for _ in experiments]
    with ExitStack() as stack:
        files = [stack.enter_context(JsonLines(run.folder / METRICS)) for run in experiments]
        for found in training(engine, task.config, observer.advance):
            for seed, report in found.items():
                reports[seed].append(report)
                files[seed].write(asdict(report))
            observer.episode(_mean(found))
    return [tuple(own) for own in reports]


def _mean(found: Mapping[int, EpisodeReport]) -> EpisodeReport:
    """What an episode brought on average over the seeds."""
    reports = list(found.values())
    names = ("reward", "profit", "regret")
    means = {name: sum(getattr(r, name) for r in reports) / len(reports) for name in names}
    return replace(reports[0], **means, best=any(r.best for r in reports))


def _finish(
    task: Task, experiment: Experiment, place: Place, reports: tuple[EpisodeReport, ...]
) -> TrainResult:
    """Score the saved policies on agents and record the run on the last ones."""
    saved, scores = experiment.folder / POLICIES, {}
    for name in ("best_reward", "last"):
        actors = task.fixed | folder_policies(task.compiled, saved / name, task.learners)
        # What is recorded for good is the run on the last policies, as users expect it.
        run = experiment if name == "last" else experiment.unrecorded(KEPT)
        scores[name] = score(run, actors, Silent())
    write_kpis(experiment.database)
    experiment.results["scores"] = {
        name: {"reward": s.reward, "profit": s.profit, "regret": s.regret}
        for name, s in scores.items()
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
        scores["last"],
        scores["best_reward"],
        (*task.compiled.scenario.warnings, *task.warnings),
    )
