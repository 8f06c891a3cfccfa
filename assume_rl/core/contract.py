"""Check the results of the parts of a simulation: bidders, rules, technologies, forecasts, tables.

A part may be anybody's, so its results are checked where they enter. What is wrong is a
`ContractError` that knows the function, by which plug-ins are named with file and line.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

from assume_rl.errors import ContractError

T = TypeVar("T")
Function = Callable[..., object]


def of_kind(function: Function, found: object, kind: type[T]) -> T:
    """Return the result of a function if it is of the type in its contract.

    :param function: that returned it
    :param found: returned
    :param kind: type that it must have
    :raises ContractError: it is not
    """
    if not isinstance(found, kind):
        raise ContractError(function, f"{type(found).__name__}, not {kind.__name__}")
    return found


def pair(function: Function, found: object) -> tuple[Any, Any]:
    """Return the result of a function if it is a pair.

    :raises ContractError: it is not
    """
    if not isinstance(found, tuple) or len(found) != 2:
        raise ContractError(function, f"{type(found).__name__}, not a tuple of two")
    return found


def shaped(
    function: Function, found: object, shape: tuple[int, ...], part: str = "", *, whole: bool = True
) -> Tensor:
    """Return a tensor that a function returned, if it has the shape that its contract says.

    :param function: that returned it
    :param found: returned, or a part of that
    :param shape: that it must have
    :param part: which part it is, for the message; empty: all of it
    :param whole: whether `shape` is all of it; else any axes may come before
    :raises ContractError: it is no tensor, or has another shape
    """
    where = f" as {part}" if part else ""
    if not isinstance(found, Tensor):
        raise ContractError(function, f"{type(found).__name__}{where}, not a tensor")
    got = tuple(found.shape)
    if got != shape and (whole or got[-len(shape) :] != shape):
        free = "" if whole else "..., "
        inside = ", ".join(map(str, shape))
        raise ContractError(function, f"the shape {got}{where}, not ({free}{inside})")
    return found
