"""Who writes to a folder: one process at a time, whose lock the operating system ends with it.

The lock is on a file in the folder, which says who holds it and goes when the work is done. What a
process that was killed leaves of it is not locked, and so no obstacle.
"""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, SoftFileLock, Timeout

from assume_rl.errors import ResultsError
from assume_rl.files import reason

LOCK = ".assume-rl.lock"
"""File that is locked, in the folder that has an owner; a name that nobody else's file has."""

PATIENCE = 0.5
"""Seconds for a lock: whoever only asks who holds it has let go of it by then."""


class TakenError(ResultsError):
    """Another process writes there."""


@dataclass(frozen=True)
class Owner:
    """A process that writes to a folder."""

    process: int
    host: str
    since: str  # ISO, UTC

    @classmethod
    def here(cls) -> "Owner":
        """Return this process."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), platform.node(), now)

    def __str__(self) -> str:
        """Return how messages name it."""
        return f"process {self.process} on host '{self.host}' (since {self.since})"


@dataclass(frozen=True)
class Hold:
    """A lock that this process has.

    :param path: of the file that is locked
    :param file: what tells that file from another one at the same path
    """

    path: Path
    file: tuple[int, int]

    def check(self) -> None:
        """Raise `ResultsError` if the folder, or the lock in it, was taken away meanwhile."""
        if _file(self.path) != self.file:
            raise ResultsError(
                f"'{self.path.parent}' was removed or replaced while this process wrote to it: "
                "its results are not there"
            )


@contextmanager
def owned(folder: Path, patience: float = PATIENCE, what: str = "") -> Iterator[Hold]:
    """Hold `folder` as the only process that writes to it.

    Folders are made; those that are still empty in the end are removed again.

    :param folder: to be written to
    :param patience: seconds to wait for another process
    :param what: how messages name it; by default its path
    :raises TakenError: another process writes there, which the message names
    :raises ResultsError: nothing can be written there
    """
    name = what or f"'{folder}'"
    with _made(folder, name), locked(folder / LOCK, name, patience) as hold:
        yield hold


@contextmanager
def locked(path: Path, what: str, patience: float = PATIENCE) -> Iterator[Hold]:
    """Hold the lock on a file, which is made and removed.

    :param path: of the file
    :param what: it stands for, as messages name it
    :param patience: seconds to wait for another process
    :raises TakenError: another process holds it
    :raises ResultsError: the file cannot be written
    """
    lock = FileLock(path, timeout=patience)
    try:
        lock.acquire()
    except Timeout:
        raise TakenError(f"{what} is being written by {_named(path)}") from None
    except OSError as error:
        raise ResultsError(f"{what} cannot be written: {error.strerror}") from None
    try:
        if not isinstance(lock, SoftFileLock):  # whose file says it, without which it is no lock
            with suppress(OSError):  # a full disk: the lock holds all the same
                path.write_text(json.dumps(asdict(Owner.here())) + "\n", encoding="utf-8")
        hold = Hold(path, _file(path) or (0, 0))
        yield hold
    finally:
        with suppress(OSError):
            if _file(path) == hold.file:
                path.unlink()  # before it is released: later it may be that of another process
        lock.release()


def owner_of(folder: Path) -> Owner | None:
    """Return who writes to a folder; None: nobody.

    Where that cannot be found out, since the folder may only be read, it is whoever wrote last.
    """
    path = folder / LOCK
    if not path.is_file():
        return None
    try:
        with FileLock(path, timeout=0):
            return None
    except (Timeout, OSError):
        return _read(path) or Owner(0, "unknown", "unknown")


def _named(path: Path) -> str:
    """Return who holds a lock, as messages name it."""
    found = _read(path)
    return "another process" if found is None else f"another process: {found}"


def _read(path: Path) -> Owner | None:
    """Return the owner in a locked file; None if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        content: Any = json.loads(text) if text.startswith("{") else _soft(path, text)
        return Owner(int(content["process"]), str(content["host"]), str(content["since"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _soft(path: Path, text: str) -> dict[str, str]:
    """Return the owner in a file that is the lock on a file system without `flock`."""
    process, host, *_ = text.splitlines()
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return {"process": process, "host": host, "since": made.isoformat(timespec="seconds")}


def _file(path: Path) -> tuple[int, int] | None:
    """Return device and number of a file; None: it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _made(folder: Path, what: str) -> Iterator[None]:
    """Make a folder; remove it, and those above it that were made, if they are empty at the end."""
    missing = [own for own in (folder, *folder.parents) if not own.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{what} cannot be written: {reason(error)}") from None
    try:
        yield
    finally:
        with suppress(OSError):  # not empty, as it should be
            for own in missing:
                own.rmdir()
