"""Writes exported policies: earlier exports are replaced, and nothing else unasked."""

from collections.abc import Mapping
from pathlib import Path

from assume_rl.errors import PolicyError, ResultsError
from assume_rl.experiments.policies_on_disk import light_policy
from assume_rl.experiments.policies_on_disk.about import FORMAT, PRODUCER
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.files import write_file
from assume_rl.learning.policies.places import MANIFEST, check_folder, find
from assume_rl.results.destinations import Ours, check_replaceable, head_of
from assume_rl.results.owner import owned


def check_apart(out: Path, folder: Path) -> None:
    """Check that exports to a folder leave policies as they are.

    :param out: folder for exports
    :param folder: of the policies, or of their training
    :raises PolicyError: there are no policies
    :raises ResultsError: policies, or results of a run, are in `out`
    """
    check_folder(folder)
    inside = (folder, policy_folder(folder))
    if find(out, MANIFEST).exists() or out.resolve() in [own.resolve() for own in inside]:
        raise ResultsError(
            f"'{out}' is a folder of policies or of a run, whose files exports would replace: name "
            "another --out"
        )


def write_exported(out: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write all files, or none where one of them may not be replaced.

    :param out: folder, made if need be
    :param files: content by name
    :param overwrite: whether files may be replaced that are none of ours
    :raises ResultsError: one may not be, or another process writes there
    :raises PolicyError: one cannot be written
    """
    with owned(out):
        for name in files:
            check_replaceable(out / name, _ours(name), overwrite=overwrite)
        for name, content in files.items():
            write_file(out / name, content, PolicyError)


def _ours(name: str) -> Ours:
    """Return a function that recognises an earlier export of a name."""
    marks = {
        ".onnx": b"\x12" + bytes([len(PRODUCER)]) + PRODUCER.encode(),  # second field of the file
        ".py": str(light_policy.__doc__).partition("\n")[0].encode(),
        ".safetensors": f'"format":"{FORMAT}"'.encode(),
    }
    mark = marks[Path(name).suffix]
    return lambda path: mark in head_of(path)
