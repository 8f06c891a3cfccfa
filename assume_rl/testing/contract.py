"""The common part of the contracts of plug-ins: shapes, precision, purity, batches."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def check_tensor(value: Tensor, shape: tuple[int, ...], name: str) -> None:
    """Check shape, precision and that all numbers are finite.

    :param value: what a method returned
    :param shape: what it must have
    :param name: of the method, for messages
    """
    assert tuple(value.shape) == shape, (
        f"`{name}` has shape {tuple(value.shape)}, expected {shape}: leading axes are free, the "
        "last ones are those of the protocol"
    )
    check_precision(value, name)
    assert value.isfinite().all(), f"`{name}` holds NaN or infinity"


def check_precision(value: Tensor, name: str) -> None:
    """Check that a floating-point number is float64; `name` is for messages."""
    assert not value.is_floating_point() or value.dtype == torch.float64, (
        f"`{name}` is {value.dtype}; economics is float64, only networks are float32"
    )


def same(one: Tensor, other: Tensor, message: str) -> None:
    """Check that two tensors agree to 1e-9, infinities included.

    :param one: to compare
    :param other: to compare with
    :param message: of the `AssertionError` where they differ
    """
    close = one.shape == other.shape and torch.allclose(
        one.double(), other.double(), rtol=0, atol=1e-9, equal_nan=True
    )
    assert close, message


def alone(name: str) -> str:
    """Return the message where one market differs from the same market in a batch."""
    return (
        f"`{name}` of one market differs from the same market in a batch; leading axes are free, "
        "each copy stands alone"
    )


def pure(call: Callable[[], T], arguments: object, name: str) -> T:
    """Call twice, check that answers agree and arguments are untouched, and return the answer.

    :param call: calls the method
    :param arguments: all that the method is given, directly or within dataclasses
    :param name: of the method, for messages
    """
    before = [x.clone() for x in tensors(arguments)]
    first, second = call(), call()
    untouched = all(map(_equal, tensors(arguments), before))
    assert untouched, f"`{name}` wrote into its arguments; other calls share them"
    equal = all(map(_equal, tensors(first), tensors(second)))
    assert equal, f"`{name}` gives another answer when called again; randomness enters as an action"
    return first


def _equal(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are equal; NaN equals NaN."""
    alike = one.shape == other.shape and one.dtype == other.dtype
    return alike and bool(((one == other) | (one.isnan() & other.isnan())).all())


def tensors(value: Any) -> list[Tensor]:
    """Return all tensors in a tensor, a dataclass, a mapping or a tuple of these."""
    if isinstance(value, Tensor):
        return [value]
    if is_dataclass(value):
        return [x for f in fields(value) for x in tensors(getattr(value, f.name))]
    if isinstance(value, Mapping):
        return [x for part in value.values() for x in tensors(part)]
    return [x for part in value for x in tensors(part)] if isinstance(value, tuple) else []
