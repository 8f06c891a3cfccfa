"""A learner's whole state on disk: nested dictionaries of tensors and plain values, no pickle.

One safetensors file holds the tensors; its header holds the nesting as JSON and a hash of both.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.files import replacing
from assume_rl.learning.policies.files import writing

FILE = "trainer_state.safetensors"
FORMAT_VERSION = 6
_KEY = "trainer_state"


def save_trainer_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write `state` to `folder`; see `save_state`."""
    save_state(Path(folder) / FILE, state)


def load_trainer_state(folder: Path) -> dict[str, Any]:
    """Return the state that `save_trainer_state` wrote; see `load_state`."""
    return load_state(Path(folder) / FILE)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state`: mappings, lists, tuples, tensors, numbers, strings, None.

    The file is there whole or, if writing fails, as it was before. Raises `PolicyError`.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_encode(state, tensors))
    header = {"version": FORMAT_VERSION, "tree": tree, "digest": _digest(tree, tensors)}
    with writing(path), replacing(path, PolicyError) as temporary:
        # safetensors writes the keys of its metadata in any order: one key makes equal states equal
        # files.
        save_file(tensors, temporary, {_KEY: json.dumps(header)})


def load_state(path: Path) -> dict[str, Any]:
    """Return the state that `save_state` wrote, tensors on the CPU; `PolicyError` if damaged."""
    if not path.is_file():
        raise PolicyError(f"trainer state '{path}' does not exist")
    try:
        with safe_open(path, "pt") as file:
            noted = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(noted[_KEY]) if _KEY in noted else noted
        version, tree, digest = int(header["version"]), header["tree"], header["digest"]
    except (SafetensorError, OSError, KeyError, ValueError):
        raise PolicyError(f"trainer state '{path}' is damaged or not a trainer state") from None
    if version > FORMAT_VERSION:
        raise PolicyError(
            f"trainer state '{path}' has format version {version}, this version of assume-rl "
            f"reads up to {FORMAT_VERSION}"
        )
    if version < FORMAT_VERSION:
        raise PolicyError(
            f"trainer state '{path}' has format version {version}, which this version of assume-rl "
            "no longer reads; the policies beside it can still be loaded"
        )
    if _digest(tree, tensors) != digest:
        raise PolicyError(f"trainer state '{path}' was changed since it was saved")
    state: dict[str, Any] = _decode(json.loads(tree), tensors)
    return state


def _encode(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return the JSON form of `value`, its tensors moved to `tensors`; lists stay lists."""
    match value:
        case Tensor():
            name = str(len(tensors))
            tensors[name] = _owned(value)
            return {"tensor": name}
        case Mapping():
            return {"map": [[key, _encode(item, tensors)] for key, item in value.items()]}
        case tuple():
            return {"tuple": [_encode(item, tensors) for item in value]}
        case list():
            return [_encode(item, tensors) for item in value]
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"a trainer state cannot hold a {type(value).__name__}")


def _decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    match value:
        case {"tensor": str(name)}:
            return tensors[name]
        case {"map": list(items)}:
            return {key: _decode(item, tensors) for key, item in items}
        case {"tuple": list(items)}:
            return tuple(_decode(item, tensors) for item in items)
        case list(items):
            return [_decode(item, tensors) for item in items]
    return value


def _owned(tensor: Tensor) -> Tensor:
    """Return a contiguous CPU tensor with a buffer of its own: safetensors stores no views."""
    tensor = tensor.detach().cpu().contiguous()
    shares = tensor.untyped_storage().nbytes() != tensor.nbytes
    # With fewer than two entries any strides count as contiguous, but bytes cannot be viewed.
    odd = tensor.numel() < 2
    return tensor.clone(memory_format=torch.contiguous_format) if shares or odd else tensor


def _digest(tree: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(tree.encode())
    for name in sorted(tensors):
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
