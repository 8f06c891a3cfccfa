"""Trains the learning bidders of a study case, keeps the best policies and plays them."""

from collections.abc import Sequence
from pathlib import Path

from assume_rl.episodes.draws import draw_seed
from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.experiments.case import Places
from assume_rl.experiments.collection.workers import Workers
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.observer import Observer
from assume_rl.experiments.outputs import MANIFEST
from assume_rl.experiments.train_group import TrainResult, train_all
from assume_rl.experiments.train_places import Place, is_finished, seed_place
from assume_rl.experiments.train_task import ready, training_task
from assume_rl.scenario.types import Scenario

__all__ = ["Place", "TrainResult", "train", "train_places", "train_seeds"]


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
    resume: bool = False,
    track: Sequence[str] = (),
    rollout_workers: int | None = None,
    address: str | None = None,
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
    :param resume: resume the training that `out` holds, which must be of the same settings,
        from its latest checkpoint; if there is none yet, start. The results are those of a training
        that was never interrupted.
    :param track: names of `results.tracking.TRACKERS` that show the numbers of the training, beside
        `metrics.jsonl`.
    :param rollout_workers: processes on a Ray cluster that play the episodes of training; None:
        this process does. Results are the same on a CPU; workers play on CPUs, so that those
        of a trainer on a GPU differ by rounding.
    :param address: of a cluster that is running; None: one of this machine, of just these workers.
    :raises AssumeRlError: something the user can mend.
    """
    workers = Workers.of(rollout_workers, address)
    task = ready(training_task(scenario, policies, device, engine))
    chosen = draw_seed(task.compiled.scenario, seed)
    place = Place(Places(out, db, csv, overwrite), chosen)
    return train_all(task, [place], resume, track, observer, workers)[0]


MOST_SEEDS = 10_000
"""Seeds that are trained side by side."""


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
    resume: bool = False,
    track: Sequence[str] = (),
    rollout_workers: int | None = None,
    address: str | None = None,
    observer: Observer | None = None,
) -> tuple[TrainResult, ...]:
    """Train once per seed, as `train` does; the batch engine trains all of them at once.

    On a CPU each seed gives, byte for byte, what it gives alone.

    :param out: gets a folder `seed_<seed>` for each, as do `csv` and `trained_policies_save_path`;
        in a common `db` the simulations are called `<simulation id>_seed_<seed>`.
    :param resume: see `train`; seeds whose training is finished are left out.
    :param rollout_workers: see `train`, likewise `address`; each plays for all seeds.
    """
    workers = Workers.of(rollout_workers, address)
    if len(seeds) > MOST_SEEDS:
        raise ConfigurationError(f"--seeds: must be at most {MOST_SEEDS:,}, not {len(seeds):,}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigurationError(f"seeds must be different numbers, got {list(seeds)}")
    task = ready(training_task(scenario, policies, device, engine))
    common = Path(out or Path("runs") / task.compiled.scenario.simulation_id)
    if (common / MANIFEST).is_file():
        raise ResultsError(f"'{common}' holds another run, not seeds; choose another --out")
    places = [seed_place(task, Places(out, db, csv, overwrite), seed) for seed in seeds]
    if resume:
        places = [place for place in places if not is_finished(place.folder(task))]
        if not places:
            raise ResultsError(f"all trainings in '{common}' are finished; nothing to resume")
    return train_all(task, places, resume, track, observer, workers)


def train_places(
    scenario: Scenario | Path | str,
    places: Sequence[Place],
    *,
    policies: Path | str | None = None,
    device: str | None = None,
    engine: EngineName = "auto",
    resume: bool = False,
    track: Sequence[str] = (),
    observer: Observer | None = None,
) -> tuple[TrainResult, ...]:
    """Train once per place, as `train` does; the batch engine trains all of them at once."""
    task = ready(training_task(scenario, policies, device, engine))
    return train_all(task, places, resume, track, observer)
