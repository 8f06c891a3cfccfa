"""Recordings on the CPU that know as little as a CUDA graph: addresses and numbers.

Every operation of torch is written down as it is done. Done again, it reads and writes the same
memory, and Python's numbers are what they were; Python itself is not asked again. What a graph
cannot hold is refused: operations that wait for the device, or copy to it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

T = TypeVar("T")

WAITS = (
    "_local_scalar_dense",
    "bincount",
    "equal",
    "is_nonzero",
    "item",
    "lift_fresh",  # a tensor of Python's numbers: on CUDA a copy from the host
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
    "_unique2",
)
"""Operations that read from the device, or copy to it."""


class Refused(Exception):
    """An operation that no graph can hold."""


class Watch(TorchDispatchMode):
    """Refuses operations that wait for the device."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            with self:  # without autograd it comes whole, and may hide what it consists of
                return func.decompose(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        masks = name.startswith("index") and any(map(_is_mask, _tensors(args[1:2])))
        if name in WAITS or masks:
            raise Refused(name)
        if name == "repeat_interleave" and not (kwargs or {}).get("output_size"):
            raise Refused(name)  # by numbers in a tensor
        return self.seen(func, args, kwargs or {})

    def seen(self, func: Any, args: Any, kwargs: Any) -> object:
        """Do an operation that is allowed."""
        return func(*args, **kwargs)


class WatchCalls(TorchFunctionMode):
    """Refuses methods that read memory without an operation, where it is that of the host."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        if getattr(func, "__name__", "") in ("numpy", "tolist"):
            raise Refused(func.__name__)
        return func(*args, **(kwargs or {}))


@contextmanager
def watched() -> Iterator[None]:
    """Refuse in a block all that waits for the device."""
    with WatchCalls(), Watch():
        yield


class Tape(Watch):
    """Writes down all operations, and keeps what was in the memory that they write to."""

    def __init__(self) -> None:
        super().__init__()
        # Operation, arguments and, by place among its results, the tensors that it made.
        self._done: list[tuple[Any, Any, Any, list[tuple[int, Tensor]]]] = []
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._made: set[int] = set()

    def seen(self, func: Any, args: Any, kwargs: Any) -> object:
        """Do an operation and write it down, with the tensors that it makes."""
        known = {_memory(value) for value in _tensors((args, kwargs))}
        for value in _written(func, args, kwargs):
            place = value.untyped_storage()
            if _memory(value) not in self._made:
                self._before.setdefault(_memory(value), (place, place.clone()))
        found = func(*args, **kwargs)
        results = enumerate(_tensors(found))
        own = [(place, value) for place, value in results if _memory(value) not in known]
        self._made |= {_memory(value) for _, value in own}
        if own or func._schema.is_mutable:
            self._done.append((func, args, kwargs, own))
        return found

    def take_back(self) -> None:
        """Write back what was in memory before."""
        for place, before in self._before.values():
            place.copy_(before)

    @torch.no_grad()
    def again(self) -> None:
        """Do all operations again."""
        for func, args, kwargs, own in self._done:
            found = _tensors(func(*args, **kwargs))
            for place, value in own:
                value.copy_(found[place])


class TapeRecorder:
    """Records on the CPU, as `CudaRecorder` does on a GPU."""

    def __init__(self) -> None:
        self.recordings = 0

    def plain(self, function: Callable[[], T]) -> T:
        """Call a function, which may still make what later calls need."""
        return function()

    def record(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Record a function without effect."""
        self.recordings += 1
        with WatchCalls(), Tape() as tape:
            found = function()
        tape.take_back()
        return found, tape.again


def _tensors(values: Any) -> list[Tensor]:
    """Return the tensors of arguments or results, in order."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    if not isinstance(values, list | tuple):
        return []
    return [value for own in values for value in _tensors(own)]


def _written(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """Return the arguments that an operation writes to."""
    own = func._schema.arguments
    pairs = [*zip(own, args, strict=False), *((a, kwargs[a.name]) for a in own if a.name in kwargs)]
    return _tensors([v for a, v in pairs if a.alias_info is not None and a.alias_info.is_write])


def _memory(value: Tensor) -> int:
    return value.untyped_storage()._cdata


def _is_mask(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype in (torch.bool, torch.uint8)
