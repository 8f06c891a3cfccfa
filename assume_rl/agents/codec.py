"""Encode every message for TCP or MQTT without loss, and check messages that arrive.

JSON with tagged values: a message or a value in it is `{"__type__": [name, fields]}`, a tensor its
dtype, shape and raw bytes in base64. Floats are written with all their digits, so that they are
read back exactly. With a shared secret, 32 bytes of HMAC-SHA256 precede the JSON.

What arrives is checked field by field against the annotations of its type. Anything else becomes an
`Unreadable`, which says what is wrong: a stranger's bytes raise nothing.
"""

import base64
import dataclasses
import hashlib
import hmac
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import numpy as np
import torch
from mango import JSON
from mango.messages.message import MangoMessage
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.agents import messages
from assume_rl.agents.annotations import fits, misfit
from assume_rl.errors import AssumeRlError

SEAL_BYTES = hashlib.sha256().digest_size


class Unfit(AssumeRlError):
    """Bytes from another container that are no message of ours."""


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """A placeholder for a message that could not be read."""

    reason: str


class Codec(JSON):  # type: ignore[misc]
    """A mango codec for all messages of `agents.messages` and the types of their fields.

    :param secret: that all containers share, which signs every message; None: nothing is signed
    """

    def __init__(self, secret: str | None = None) -> None:
        super().__init__()
        self._secret = None if secret is None else secret.encode()
        self.add_serializer(tuple, _unused, tuple, "tuple")
        self.add_serializer(Tensor, _pack_tensor, _unpack_tensor, "tensor")
        self.add_serializer(np.ndarray, _pack_array, _unpack_array, "array")
        for kind in carried_types():
            self.add_serializer(kind, _pack_fields, _builder(kind), kind.__name__)

    def encode(self, data: Any) -> bytes:
        """Return the bytes of a message."""
        content: bytes = super().encode(data)
        return content if self._secret is None else _seal(self._secret, content) + content

    def decode(self, data: bytes) -> Any:
        """Return the message in `data`; of one that cannot be read, an `Unreadable`."""
        content = bytes(data)
        if self._secret is not None:
            seal, content = content[:SEAL_BYTES], content[SEAL_BYTES:]
            if not hmac.compare_digest(seal, _seal(self._secret, content)):
                return MangoMessage(Unreadable("it is not signed with our secret"), {})
        try:
            message = super().decode(content)
            if not (isinstance(message, MangoMessage) and isinstance(message.meta, dict)):
                raise Unfit("it is no message of mango")
        except Exception as error:
            return MangoMessage(Unreadable(_reason(error)), _meta_of(content))
        return message

    def deserialize_obj(self, obj_repr: dict[str, Any]) -> Any:
        """Return the value of a tagged mapping; other mappings as they are."""
        if "__type__" in obj_repr and obj_repr["__type__"][0] not in self._deserializers:
            raise Unfit(f"no message has the type {obj_repr['__type__'][0]!r}")
        return super().deserialize_obj(obj_repr)


def make_codec(secret: str | None = None) -> Codec:
    """Return a `Codec`; see there."""
    return Codec(secret)


def _seal(secret: bytes, content: bytes) -> bytes:
    return hmac.new(secret, content, hashlib.sha256).digest()


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Unfit) else f"it is no JSON of ours ({error!r:.200})"


def _meta_of(content: bytes) -> dict[str, Any]:
    """Return who sent an unreadable message to whom, if that much can be read."""
    try:
        meta = json.loads(content)["__type__"][1]["meta"]
    except Exception:
        return {}
    return meta if isinstance(meta, dict) else {}


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


def _builder(kind: type) -> Callable[[Any], Any]:
    """Return a function that makes a `kind` of its fields, or raises `Unfit`."""

    def build(fields: Any) -> Any:
        fault = misfit(kind, fields if isinstance(fields, dict) else {})
        if fault is not None:
            raise Unfit(fault)
        return kind(**fields)

    return build


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
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise Unfit(f"a tensor has no type {name!r}")
    content = bytearray(base64.b64decode(text))  # writable, as torch requires
    _check_size(shape, dtype.itemsize, content)
    if dtype is torch.bool and max(content, default=0) > 1:
        raise Unfit("a tensor of truth values has others")
    if not content:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(shape)


def _check_size(shape: Any, itemsize: int, content: bytearray) -> None:
    """Raise `Unfit` unless bytes fill a shape exactly."""
    if not fits(shape, list[int]) or min(shape, default=0) < 0:
        raise Unfit(f"a tensor has no shape {shape!r:.50}")
    if math.prod(shape) * itemsize != len(content):
        raise Unfit(f"{len(content)} bytes are no tensor of shape {shape!r:.50}")


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
    raw, kind = bytearray(base64.b64decode(content)), np.dtype(dtype)
    _check_size(shape, kind.itemsize, raw)
    return np.frombuffer(raw, dtype=kind).reshape(shape)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
