"""Does one step of runs, like `assume-rl train`, `run` or `evaluate` by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from assume_rl.experiments.case import Places
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.marks import NotResumable
from assume_rl.experiments.observer import Observer
from assume_rl.experiments.run import run as run_case
from assume_rl.experiments.train import train_places
from assume_rl.experiments.train_places import Place, is_finished
from assume_rl.results.files import POLICIES
from assume_rl.studies.jobs import scenario_of, trains_alike
from assume_rl.studies.records import run_folder
from assume_rl.studies.types import Run, Step


def do_steps(
    runs: Sequence[Run], folder: Path, track: Sequence[str], observer: Observer | None = None
) -> Mapping[str, Exception]:
    """Do all steps of runs that differ in their seeds; return failures by run id.

    Steps that are finished are not repeated; a training that is half done resumes.

    :param folder: of the study.
    :param observer: of trainings.
    """
    failures: dict[str, Exception] = {}
    for number in range(len(runs[0].steps)):
        going = [run for run in runs if run.id not in failures]
        failures |= _do_step(number, going, folder, track, observer)
    return failures


def _do_step(
    number: int,
    runs: Sequence[Run],
    folder: Path,
    track: Sequence[str],
    observer: Observer | None,
) -> dict[str, Exception]:
    left = _unfinished(number, runs, folder)
    if len(left) > 1 and trains_alike(left[0], number):
        try:
            _train(number, left, folder, track, observer)
            return {}
        except Exception:
            left = _unfinished(number, left, folder)  # whose fault it is turns out one by one
    failures: dict[str, Exception] = {}
    for run in left:
        try:
            if run.steps[number].kind == "train":
                _train_one(number, run, folder, track, observer)
            else:
                _play(number, run, folder)
        except Exception as error:
            failures[run.id] = error
    return failures


def _unfinished(number: int, runs: Sequence[Run], folder: Path) -> list[Run]:
    return [run for run in runs if not is_finished(_step_folder(number, run, folder))]


def _train_one(
    number: int, run: Run, folder: Path, track: Sequence[str], observer: Observer | None
) -> None:
    """Train one run; start anew if its earlier training cannot be resumed."""
    try:
        _train(number, [run], folder, track, observer)
    except NotResumable:
        _train(number, [run], folder, track, observer, resume=False)


def _train(
    number: int,
    runs: Sequence[Run],
    folder: Path,
    track: Sequence[str],
    observer: Observer | None,
    *,
    resume: bool = True,
) -> None:
    """Train the seeds of these runs side by side; without `resume` replace earlier results."""
    first, step = runs[0], runs[0].steps[number]
    places = [
        # The folder that the case copies policies to would be that of all runs.
        Place(
            Places(_step_folder(number, run, folder), overwrite=not resume), run.seed, copies=False
        )
        for run in runs
    ]
    train_places(
        scenario_of(step),
        places,
        policies=policy_source(first, step, folder),
        device=first.device,
        engine=first.engine,
        resume=resume,
        track=track,
        observer=observer,
    )


def _play(number: int, run: Run, folder: Path) -> None:
    """Play a step without training, from the start if it was interrupted."""
    step = run.steps[number]
    play = run_case if step.kind == "run" else evaluate
    play(
        scenario_of(step),
        policies=policy_source(run, step, folder),
        seed=run.seed,
        engine=run.engine,
        out=_step_folder(number, run, folder),
        overwrite=True,
    )


def policy_source(run: Run, step: Step, folder: Path) -> Path | None:
    """Return the source of a step's policies: an earlier step of the run, or a folder."""
    if step.policies is None:
        return None
    if step.policies in {other.name for other in run.steps}:
        return run_folder(folder, run.id) / step.policies / POLICIES / step.which
    return Path(step.policies)


def _step_folder(number: int, run: Run, folder: Path) -> Path:
    return run_folder(folder, run.id) / run.steps[number].name
