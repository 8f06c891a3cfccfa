"""Encode every message for TCP or MQTT without loss.

JSON with tagged values: a message or a value in it is `{"__type__": [name, fields]}`, a tensor its
dtype, shape and raw bytes in base64. Floats are written with all their digits, so that they are
read back exactly.
"""

import base64
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import numpy as np
import torch
from mango import JSON
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.agents import messages


def make_codec() -> JSON:
    """Return a mango codec for all messages of `agents.messages` and the types of their fields."""
    codec = JSON()
    codec.add_serializer(tuple, _unused, tuple, "tuple")
    codec.add_serializer(Tensor, _pack_tensor, _unpack_tensor, "tensor")
    codec.add_serializer(np.ndarray, _pack_array, _unpack_array, "array")
    for kind in carried_types():
        codec.add_serializer(kind, _pack_fields, _builder(kind), kind.__name__)
    return codec


def message_types() -> tuple[type, ...]:
    """Return the types of messages: all dataclasses that `agents.messages` defines."""
    return tuple(
        kind
        for kind in vars(messages).values()
        if dataclasses.is_dataclass(kind)
        and isinstance(kind, type)
        and kind.__module__ == messages.__name__
    )


def carried_types() -> tuple[type, ...]:
    """Return the types of messages and the dataclasses in their fields, each once."""
    found: dict[type, None] = {}
    waiting = list(message_types())
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found[kind] = None
            waiting += [t for hint in get_type_hints(kind).values() for t in _dataclasses_in(hint)]
    return tuple(found)


def _dataclasses_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for part in get_args(hint):
        yield from _dataclasses_in(part)


def _builder(kind: type) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: kind(**fields)


def _pack_fields(value: Any) -> dict[str, Any]:
    return {f.name: _pack(getattr(value, f.name)) for f in dataclasses.fields(value)}


def _pack(value: Any) -> Any:
    """Tag tuples, which JSON would turn into lists; the codec tags all other types itself."""
    if isinstance(value, tuple):
        return {"__type__": ["tuple", [_pack(item) for item in value]]}
    if isinstance(value, list):
        return [_pack(item) for item in value]
    if isinstance(value, dict):
        return {key: _pack(item) for key, item in value.items()}
    return value


def _unused(value: tuple[Any, ...]) -> Any:
    """Raise, since JSON never calls the serializer of a tuple; `_pack` tags them."""
    raise AssertionError(value)


def _pack_tensor(tensor: Tensor) -> list[Any]:
    raw = tensor.detach().cpu().contiguous()
    content = raw.reshape(-1).view(torch.uint8).numpy().tobytes() if raw.numel() else b""
    return [str(raw.dtype).removeprefix("torch."), list(raw.shape), _text(content)]


def _unpack_tensor(packed: list[Any]) -> Tensor:
    name, shape, text = packed
    dtype: torch.dtype = getattr(torch, name)
    content = bytearray(base64.b64decode(text))  # writable, as torch requires
    if not content:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(shape)


def _pack_array(array: NDArray[Any]) -> list[Any]:
    if array.dtype == object:
        return ["object", list(array.shape), [_pack(item) for item in array.ravel()]]
    return [array.dtype.str, list(array.shape), _text(np.ascontiguousarray(array).tobytes())]


def _unpack_array(packed: list[Any]) -> NDArray[Any]:
    dtype, shape, content = packed
    if dtype == "object":
        array = np.empty(len(content), dtype=object)
        array[:] = content
        return array.reshape(shape)
    return np.frombuffer(bytearray(base64.b64decode(content)), dtype=dtype).reshape(shape)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
