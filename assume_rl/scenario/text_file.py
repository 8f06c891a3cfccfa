"""Read text files that users name, regular files only; one sentence on those that are not read."""

import stat
from pathlib import Path

from assume_rl.errors import AssumeRlError, ConfigurationError

UTF_8 = "utf-8-sig"
"""UTF-8, with the mark at its beginning that spreadsheets write, or without."""


class UnreadableFile(AssumeRlError):
    """A file cannot be read; the message says why, but not which file."""


def read_text(path: Path, encoding: str = UTF_8) -> str:
    """Return the content of a file; every kind of line end becomes a line feed.

    :param path: of the file
    :param encoding: of its text
    :raises UnreadableFile: it is missing, no regular file (a pipe or a device never ends), may not
        be read, or is no such text
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise UnreadableFile("is a folder, not a file")
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableFile("is a pipe or a device, not a file")
        return path.read_text(encoding=encoding)
    except UnicodeError:
        name = "UTF-8" if encoding == UTF_8 else encoding
        raise UnreadableFile(f"is not {name} text") from None
    except (OSError, ValueError) as error:  # the latter: a zero in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFile(f"cannot be read: {reason[:1].lower()}{reason[1:]}") from None


def read_named(path: Path) -> str:
    """Return the content of a file that a command names; `ConfigurationError` if it is not read."""
    try:
        return read_text(path)
    except UnreadableFile as error:
        raise ConfigurationError(f"{path} {error}") from None


def is_there(path: Path) -> bool:
    """Return whether there is something at a path; also of paths that no file system takes."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
