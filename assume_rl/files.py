"""Write files that are there whole, or not at all.

What is written gathers in a hidden file beside, which then takes the name. A process that is killed
meanwhile leaves that one, and the earlier file as it was.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assume_rl.errors import AssumeRlError


@contextmanager
def replacing(path: Path, failure: type[AssumeRlError]) -> Iterator[Path]:
    """Yield a temporary path whose file then atomically replaces `path`; folders are created.

    :raises failure: it cannot be written; what was there is there still
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            sync(part)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)  # on a full disk, half a file is in the way
            raise
        sync(path.parent)
    except OSError as error:
        raise failure(f"'{path}' cannot be written: {reason(error)}") from None


def reason(error: OSError) -> str:
    """Return why a file or folder cannot be written, for the end of a message."""
    if isinstance(error, FileExistsError):
        return f"'{error.filename}' is a file, not a folder"
    return error.strerror or str(error)


def write_file(path: Path, content: bytes, failure: type[AssumeRlError]) -> None:
    """Write a file; see `replacing`."""
    with replacing(path, failure) as part:
        part.write_bytes(content)


def is_part(name: str) -> bool:
    """Return whether a file is what a killed process has left of one that it wrote.

    >>> is_part(".manifest.json.4711.tmp")
    True
    """
    return name.startswith(".") and name.endswith(".tmp")


def sync(path: Path) -> None:
    """Flush a file or folder from the operating system to the disk."""
    if os.name == "nt":  # only POSIX opens folders, and files for reading, to do that
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
