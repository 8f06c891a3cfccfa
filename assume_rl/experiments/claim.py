"""Claims an output folder, and puts a run that is there aside until the new one counts."""

import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.experiments.outputs import CHECKPOINTS, DATABASE, MANIFEST, METRICS, simulations
from assume_rl.files import is_part
from assume_rl.results.database import create_engine, readable_errors
from assume_rl.results.files import POLICIES, SCENARIO, read_manifest
from assume_rl.results.owner import LOCK, Hold, owned
from assume_rl.results.tables import metadata, table_of

TENSORBOARD = "tensorboard"
HELD = {"run": "an earlier run", "evaluate": "an earlier evaluation"}
"""Kinds of runs that can be done again at any time, in words."""
KINDS = (*HELD, "train")
OURS = (
    *(POLICIES, CHECKPOINTS, TENSORBOARD, SCENARIO),
    *(METRICS, DATABASE, f"{DATABASE}-journal", MANIFEST),
)
"""What a run leaves in its folder, and another one replaces; what else is there stays."""
REPLACED, DISCARDED = ".replaced", ".discarded"
"""Subfolders for a run that is replaced: until the new one has begun, and while it is removed."""
PASSING = {LOCK, DISCARDED}
"""What a process that was killed leaves in a folder that counts as empty."""


@contextmanager
def claim(
    folder: Path,
    *,
    overwrite: bool,
    needed: Iterable[Path] = (),
    resume: bool = False,
    out: Path | None = None,
) -> Iterator[Hold]:
    """Hold `folder` as the only process that writes a run to it; it must be free for it.

    :param overwrite: whether a run that is there may be replaced
    :param needed: policies that the run reads; `overwrite` would delete them in the folder
    :param resume: whether a run that is there is resumed
    :param out: what `--out` names, of which `folder` is a part; None: `folder`
    :raises TakenError: another process writes there
    :raises ResultsError: the folder holds something that would be lost; nothing is written then
    """
    needed = tuple(needed)

    def check() -> None:
        if not (resume and holds_run(folder)):
            check_folder(folder, overwrite=overwrite, needed=needed, out=out)

    if not (folder / LOCK).exists():  # else whoever holds it is named first
        check()
    with owned(folder) as hold:
        put_back(folder)
        check()  # nobody else changes it from now on
        yield hold


def check_folder(
    folder: Path, *, overwrite: bool, needed: Iterable[Path] = (), out: Path | None = None
) -> None:
    """Raise `ResultsError` unless a run may be written to `folder`; change nothing.

    :param needed: policies that the run reads; `overwrite` would delete them in the folder.
    :param out: see `claim`
    """
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"'{folder}' is a file, not an output folder")
    if not folder.is_dir() or _is_free(folder, {file.name for file in folder.iterdir()}):
        return
    if not holds_run(folder):
        raise ResultsError(f"'{folder}' is not empty and holds no run; choose another --out")
    if not overwrite:
        raise ResultsError(_held(folder, read_manifest(folder), out or folder))
    for path in needed:
        if path.resolve().is_relative_to(folder.resolve()):
            raise ResultsError(
                f"the policies in '{path}' would be deleted by --overwrite; choose another --out"
            )
    _check_guests(folder)


def _held(folder: Path, manifest: Mapping[str, Any], out: Path) -> str:
    """Return what a folder holds, and how to keep it; last how to replace it.

    :param manifest: of the run in the folder
    :param out: see `claim`
    """
    elsewhere = f"--out {shlex.quote(str(_free_beside(out)))}"
    if manifest.get("kind") != "train":
        held = HELD.get(manifest.get("kind", ""), "a run")
        return f"'{folder}' holds {held}; choose another folder, {elsewhere}, or add --overwrite"
    if manifest.get("state") != "finished":
        return (
            f"'{folder}' holds a training that is not finished; 'assume-rl train --resume' "
            f"continues it, {elsewhere} leaves it as it is, --overwrite deletes it"
        )
    return (
        f"'{folder}' holds a training and its policies; choose another folder, {elsewhere}, or "
        "have the training deleted by --overwrite"
    )


def _free_beside(folder: Path) -> Path:
    """Return the first of `folder`_2, `folder`_3, ... that is not there."""
    own = folder if folder.name.strip(".") else folder.resolve()  # of `.` and `..`
    names = (own.with_name(f"{own.name}_{number}") for number in count(2))
    return next(name for name in names if not name.exists())


def holds_run(folder: Path) -> bool:
    """Return whether a folder holds a run of ours, whatever became of it."""
    return (folder / REPLACED).is_dir() or is_run(read_manifest(folder))


def is_run(manifest: Mapping[str, Any]) -> bool:
    """Return whether a manifest is that of a run; those of policies, and others', are not."""
    return manifest.get("kind") in KINDS and manifest.keys() >= {"simulation", "configuration"}


def _is_free(folder: Path, names: AbstractSet[str]) -> bool:
    """Return whether a folder is empty, except for files of a process that was killed as it began.

    :param names: of the files in it
    """
    names = {name for name in names if not is_part(name)}
    if names <= PASSING:
        return True
    if not names <= PASSING | {DATABASE, f"{DATABASE}-journal"}:
        return False
    engine = create_engine(f"sqlite:///{folder / DATABASE}")
    try:
        with readable_errors(engine.url), engine.connect() as connection:
            tables = set(sa.inspect(connection).get_table_names())
            runs = sa.select(sa.func.count()).select_from(table_of("runs"))
            empty = "runs" not in tables or connection.execute(runs).scalar_one() == 0
            return tables <= metadata().tables.keys() and empty
    except ResultsError:
        return False
    finally:
        engine.dispose()


def _check_guests(folder: Path) -> None:
    """Raise `ResultsError` if the database of a run holds other runs too."""
    if not (folder / DATABASE).is_file():
        return
    own, found = read_manifest(folder).get("simulation"), list[str]()
    with suppress(ResultsError):  # it is damaged: nothing can be lost
        found = simulations(f"sqlite:///{folder / DATABASE}")
    others = [name for name in found if name != own]
    if others:
        raise ResultsError(
            f"'{folder / DATABASE}' holds the results of {', '.join(map(repr, others))} too, which "
            "--overwrite would delete; choose another --out"
        )


@contextmanager
def replacing(folder: Path) -> Iterator[None]:
    """Put the run in `folder` aside; restore it if the body fails, else remove it.

    :raises ResultsError: the folder cannot be written
    """
    try:
        _put_aside(folder)
    except OSError as error:
        raise ResultsError(f"output folder '{folder}' cannot be written: {error}") from None
    try:
        yield
    except BaseException:
        _remove(folder, OURS)  # what has begun
        put_back(folder)
        raise
    discarded = folder / DISCARDED
    with suppress(OSError):
        (folder / REPLACED).replace(discarded)  # at once: from here on the new run counts
        shutil.rmtree(discarded, ignore_errors=True)


def put_back(folder: Path) -> None:
    """Restore a run put aside by a process that was killed before its own run began."""
    shutil.rmtree(folder / DISCARDED, ignore_errors=True)
    aside = folder / REPLACED
    if not aside.is_dir():
        return
    try:
        if (aside / MANIFEST).is_file():  # put aside last: all that is in the folder is newer
            _remove(folder, OURS)
        for name in reversed(OURS):
            if (aside / name).exists():
                (aside / name).replace(folder / name)
        aside.rmdir()
    except OSError as error:
        raise ResultsError(f"output folder '{folder}' cannot be written: {error}") from None


def _put_aside(folder: Path) -> None:
    """Move a run's files, its manifest last."""
    present = [name for name in OURS if (folder / name).exists()]
    if present:
        (folder / REPLACED).mkdir()
    for name in present:
        (folder / name).replace(folder / REPLACED / name)


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        path = folder / name
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
