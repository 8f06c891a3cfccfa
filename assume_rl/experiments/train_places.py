"""Where the seeds of a training go, and where each of them resumes."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from assume_rl.episodes.draws import draw_seed
from assume_rl.experiments.archive import policy_digests
from assume_rl.experiments.case import Places
from assume_rl.experiments.claim import claim
from assume_rl.experiments.description import description
from assume_rl.experiments.outputs import MANIFEST, check_simulation
from assume_rl.experiments.policies import policy_sources
from assume_rl.experiments.policy_copies import check_policy_copy
from assume_rl.experiments.resuming import (
    Found,
    check_same,
    together,
    whole_checkpoints,
)
from assume_rl.experiments.train_task import Task
from assume_rl.results.files import POLICIES, read_manifest
from assume_rl.results.owner import Hold, owned


@dataclass(frozen=True)
class Place:
    """One seed of a training and where its results go.

    :param name: of its folder among those of other seeds; None: there are no others.
    :param copies: whether policies go to `trained_policies_save_path` too.
    """

    places: Places
    seed: int
    name: str | None = None
    copies: bool = True

    def simulation(self, task: Task) -> str:
        """Return its name in the result tables."""
        simulation = task.compiled.scenario.simulation_id
        return simulation if self.name is None else f"{simulation}_{self.name}"

    def folder(self, task: Task) -> Path:
        """Return its output folder."""
        return Path(self.places.out or Path("runs") / self.simulation(task))

    def policy_copy(self, task: Task) -> Path | None:
        """Return the user's folder that policies are copied to, None if there is none."""
        path = task.config.trained_policies_save_path
        if path is None or not self.copies:
            return None
        return Path(path) if self.name is None else Path(path) / self.name


def seed_place(task: Task, common: Places, seed: int) -> Place:
    """Return the place of one of several seeds."""
    name = f"seed_{seed}"
    out = Path(common.out or Path("runs") / task.compiled.scenario.simulation_id) / name
    csv = None if common.csv is None else Path(common.csv) / name
    return Place(replace(common, out=out, csv=csv), seed, name)


@dataclass(frozen=True)
class Start:
    """A place, and the checkpoint that its training resumes from, if there is one."""

    place: Place
    found: Found | None = None

    @property
    def over(self) -> bool:
        """Return whether all its episodes have been played, but its results may be incomplete."""
        return self.found is not None and self.found.mark.standing.over

    @property
    def episodes(self) -> int:
        """Return the number of training episodes that have ended."""
        return 0 if self.found is None else self.found.mark.standing.episodes


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds a finished run."""
    return bool(read_manifest(folder).get("state") == "finished")


@contextmanager
def hold(task: Task, place: Place, *, resume: bool) -> Iterator[Hold]:
    """Hold a training's folders as the only process that writes to them; they must be free.

    :raises TakenError: another process writes there
    :raises ResultsError: a folder, or the database, holds something that would be lost
    """
    places, copy = place.places, place.policy_copy(task)
    draw_seed(task.compiled.scenario, place.seed)
    if places.db is not None and not resume:
        check_simulation(places.db, place.simulation(task), overwrite=places.overwrite)
    needed = policy_sources(task.compiled.scenario, task.start_from)
    folder = place.folder(task)
    out = folder if place.name is None else folder.parent
    own = claim(folder, overwrite=places.overwrite, needed=needed, resume=resume, out=out)
    with own as held, ExitStack() as copying:
        if copy is not None and copy.resolve() != (folder / POLICIES).resolve():
            check_policy_copy(copy, overwrite=places.overwrite)
            copying.enter_context(owned(copy))
        yield held


def starts(task: Task, places: Sequence[Place], *, resume: bool) -> list[Start]:
    """Return where each training resumes; without `resume` at the beginning.

    :raises ResultsError: a folder holds something else.
    """
    return _checkpoints(task, places) if resume else [Start(place) for place in places]


def groups(all_starts: Sequence[Start], task: Task) -> Iterator[list[int]]:
    """Yield the positions of trainings that can resume side by side."""
    keys = [(s.over, s.episodes) for s in all_starts]
    for key in dict.fromkeys(keys):
        members = [k for k, own in enumerate(keys) if own == key]
        if task.engine == "batch" or key[0]:
            yield members
        else:
            yield from ([k] for k in members)


def _checkpoints(task: Task, places: Sequence[Place]) -> list[Start]:
    held = [{own.mark.standing.episodes: own for own in _held(task, p)} for p in places]
    side_by_side = task.engine == "batch"
    numbers = [list(own) for own in held]
    chosen = together(numbers) if side_by_side else [own[0] if own else 0 for own in numbers]
    # What has no checkpoint starts in the folder that it may have begun.
    return [
        Start(place, own[episode]) if episode else Start(_afresh(place, task))
        for place, own, episode in zip(places, held, chosen, strict=True)
    ]


def _held(task: Task, place: Place) -> list[Found]:
    """Return the checkpoints that a training can resume from, the latest first.

    Of one that has stopped early only the last: all of its episodes have been played.
    """
    folder = place.folder(task)
    if not (folder / MANIFEST).is_file():
        return []
    expected = description(
        task.compiled,
        "train",
        place.simulation(task),
        seed=place.seed,
        engine=task.engine,
        device=task.device,
    )
    sources = policy_sources(task.compiled.scenario, task.start_from)
    check_same(folder, expected | {"policies_read": policy_digests(sources)})
    whole = whole_checkpoints(folder)
    over = bool(whole) and whole[0].mark.standing.over
    return whole[:1] if over else whole


def _afresh(place: Place, task: Task) -> Place:
    begun = (place.folder(task) / MANIFEST).is_file()
    return replace(place, places=replace(place.places, overwrite=True)) if begun else place
