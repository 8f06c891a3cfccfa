"""Copies of a training's policies, in a folder of the user's."""

from pathlib import Path

from assume_rl.errors import PolicyError, ResultsError
from assume_rl.learning.policies.files import write_set
from assume_rl.learning.policies.places import MANIFEST
from assume_rl.results.owner import LOCK


def check_policy_copy(folder: Path, *, overwrite: bool) -> None:
    """Raise `ResultsError` unless a training may copy its policies to `folder`."""
    key = f"learning_config.trained_policies_save_path '{folder}'"
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{key} is a file, not a folder")
    if folder.is_dir() and {file.name for file in folder.iterdir()} - {LOCK} and not overwrite:
        raise ResultsError(f"{key} is not empty; choose another one or add --overwrite")


def copy_policies(source: Path, folder: Path) -> None:
    """Copy a run's policies to a folder of the user's; other files there stay.

    :param source: holds a policy folder for each kind, which is copied whole or not at all
    :raises ResultsError: a policy folder cannot be copied; the earlier one is there still
    """
    try:
        for kind in sorted(source.iterdir()):
            files = {file.name: file.read_bytes() for file in kind.iterdir()}
            write_set(folder / kind.name, files, files.pop(MANIFEST))
    except PolicyError as error:
        raise ResultsError(f"policies cannot be copied: {error}") from None
    except OSError as error:
        raise ResultsError(f"policies cannot be copied to '{folder}': {error.strerror}") from None
