"""The folder of policies that the folder of a training stands for."""

from pathlib import Path

from assume_rl.errors import PolicyError
from assume_rl.learning.policies.places import check_folder, is_assume_layout, manifest_of
from assume_rl.results.files import POLICIES, read_manifest


def policy_folder(folder: Path) -> Path:
    """Return `folder`, or the last policies of the training that it holds.

    :raises PolicyError: it is the output folder of a run that has no policies.
    """
    for last in (folder / POLICIES / "last", folder / "last"):
        if last.is_dir():
            return last
    # The manifest of a run; policies have one of another kind.
    if "simulation" in read_manifest(folder):
        raise PolicyError(f"'{folder}' is the output folder of a run, but it holds no policies")
    return folder


def check_policies(folder: Path) -> None:
    """Raise `PolicyError` unless a folder is one of policies, or of a training that has some."""
    check_folder(folder)
    own = policy_folder(folder)
    if not is_assume_layout(own):
        manifest_of(own)
