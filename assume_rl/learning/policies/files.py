"""Reading and writing tensors on disk: atomic, without pickle, one sentence for whatever is wrong.

A folder of files that belong together is replaced as a whole: new files gather in a hidden
subfolder, are complete once its manifest is there, and only then move over the old ones. A reader
looks into that subfolder first, so a writer that dies leaves either the old set or the new one.
"""

import hashlib
import pickle
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.files import sync, write_file
from assume_rl.learning.nets.moments import STATISTICS
from assume_rl.learning.policies.places import MANIFEST, PENDING


def sha256(content: bytes) -> str:
    """Return the sha256 of a file's content, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_set(folder: Path, files: Mapping[str, bytes], manifest: bytes) -> None:
    """Replace the set of files that `folder` holds; files of others stay where they are.

    :param folder: to write; created if it does not exist
    :param files: content by name
    :param manifest: content, written last
    :raises PolicyError: the folder cannot be written
    """
    pending = folder / PENDING
    with writing(folder):
        _finish(folder)  # what an earlier writer did not come to
        shutil.rmtree(pending, ignore_errors=True)
        pending.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():  # half a file is in no set: the manifest comes last
            (pending / name).write_bytes(content)
            sync(pending / name)
        sync(pending)
        write_file(pending / MANIFEST, manifest, PolicyError)
        _finish(folder)


def _finish(folder: Path) -> None:
    """Move a complete new set into place, its manifest last."""
    pending = folder / PENDING
    if not (pending / MANIFEST).is_file():
        return
    names = sorted((file.name for file in pending.iterdir()), key=lambda name: name == MANIFEST)
    for name in names:
        (pending / name).replace(folder / name)
    sync(folder)
    pending.rmdir()


def read_file(path: Path) -> bytes:
    """Return the content of a file; `PolicyError` if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise PolicyError(f"policy file '{path}' does not exist") from None
    except OSError as error:
        raise PolicyError(f"policy file '{path}' cannot be read: {error.strerror}") from None


def parse_safetensors(content: bytes, path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, on the CPU; `PolicyError` if it is none."""
    try:
        return safetensors.torch.load(content)
    except (SafetensorError, KeyError, ValueError):
        # Asked only now: the length with which a safetensors file begins may have a pickle's byte.
        pickled = content[:1] == b"\x80" or content[:4] == b"PK\x03\x04"
        wrong = "is a pickle, not safetensors; it was not opened"
        what = wrong if pickled else "is damaged or not a safetensors file"
        raise PolicyError(f"policy file '{path}' {what}") from None


def check_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise `PolicyError` unless these are dense tensors of finite numbers, all of one float type.

    Statistics of observations may be of another type than weights.

    :param weights: of a network
    :param path: of the file that they are from
    """
    for name, own in weights.items():
        kind = str(own.dtype).removeprefix("torch.")
        if own.is_meta or own.layout != torch.strided:
            raise PolicyError(f"policy file '{path}': {name} is no dense tensor with numbers in it")
        if own.dtype not in (torch.float32, torch.float64):
            raise PolicyError(f"policy file '{path}': {name} is {kind}, not float32 or float64")
        if wrong := int((~own.isfinite()).sum()):
            raise PolicyError(
                f"policy file '{path}' has {wrong} of {own.numel()} numbers of {name} that are "
                "not finite"
            )
    kinds = {own.dtype: name for name, own in weights.items() if name not in STATISTICS}
    if len(kinds) > 1:
        named = ", ".join(f"{name} is {str(k).removeprefix('torch.')}" for k, name in kinds.items())
        raise PolicyError(f"policy file '{path}' mixes types of numbers: {named}")


def load_torch(path: Path) -> dict[str, Any]:
    """Return the dictionary in a `.pt` file, on the CPU, without running code in the file."""
    if not path.is_file():
        raise PolicyError(f"policy file '{path}' does not exist")
    try:
        with warnings.catch_warnings(action="ignore"):  # torch warns of pickles it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise PolicyError(
            f"policy file '{path}' is damaged or holds code or objects beside tensors; "
            "nothing in it was run"
        ) from None
    except Exception:  # a damaged file fails anywhere in torch's parser, with any exception
        raise PolicyError(f"policy file '{path}' is damaged or not a torch file") from None
    if not isinstance(content, dict):
        raise PolicyError(f"policy file '{path}' holds a {type(content).__name__}, not networks")
    return content


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors while tensors are written to `path` into `PolicyError`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PolicyError(f"'{path}' cannot be written: {reason}") from None
