"""Read and write ranges of steps, without copies where a range is contiguous."""

from dataclasses import dataclass
from functools import lru_cache

from jaxtyping import Float, Shaped
from torch import Tensor

from assume_rl.core.constant import constant
from assume_rl.core.time import Step


@dataclass(frozen=True)
class Run:
    """Products `[first, last)` of equal length that deliver directly one after the other."""

    first: int
    last: int
    start: int  # offset of the first delivery step
    length: int  # steps of each product


@lru_cache(maxsize=256)
def runs(offsets: tuple[int, ...], lengths: tuple[int, ...]) -> tuple[Run, ...]:
    """Return the products of an auction as the smallest number of runs, in order.

    :param offsets: first step of each product, relative to any step
    :param lengths: steps of each product
    """
    found: list[Run] = []
    for i, (start, length) in enumerate(zip(offsets, lengths, strict=True)):
        run = found[-1] if found else None
        if run and run.length == length and start == run.start + (i - run.first) * length:
            found[-1] = Run(run.first, i + 1, run.start, length)
        else:
            found.append(Run(i, i + 1, start, length))
    return tuple(found)


def at(
    table: Float[Tensor, "... row unit"], start: Step, offsets: tuple[int, ...]
) -> Float[Tensor, "... chosen unit"]:
    """Return the rows `start + offsets`.

    :param table: (... row unit); with a tensor `start` a calendar (row unit)
    :param start: an integer, or a tensor (...)
    :param offsets: of the rows
    :raises IndexError: a row lies outside the table
    """
    if not isinstance(start, int):
        if len(offsets) == 1:
            return table[start + offsets[0]].unsqueeze(-2)
        return table[start[..., None] + constant(offsets, table.device)]
    first, size = start + offsets[0], len(offsets)
    if _contiguous(offsets):
        return rows(table, first, size)
    _check(table, start + min(offsets), start + max(offsets) + 1)
    return table.index_select(-2, constant(offsets, table.device) + start)


def rows(
    table: Float[Tensor, "... row unit"], start: int, size: int
) -> Float[Tensor, "... chosen unit"]:
    """Return the rows `[start, start + size)` of a table.

    :param table: (... row unit)
    :param start: first row
    :param size: number of rows
    :raises IndexError: a row lies outside the table
    """
    _check(table, start, start + size)
    return table.narrow(-2, start, size)


def products(
    table: Float[Tensor, "... product slot"], run: Run
) -> Float[Tensor, "... chosen slot"]:
    """Return the rows of a run's products."""
    count = run.last - run.first
    return table if count == table.shape[-2] else table.narrow(-2, run.first, count)


def copies(values: Float[Tensor, "..."], batch: tuple[int, ...], own: int) -> Float[Tensor, "..."]:
    """Return `values` expanded to the axes of a batch, without copying them.

    :param values: with or without these axes
    :param batch: sizes of the leading axes
    :param own: number of axes that are not batch
    """
    if values.ndim - own == len(batch):
        return values
    return values.expand(*batch, *values.shape)


def put(
    table: Float[Tensor, "... row unit"], start: int, new: Float[Tensor, "... chosen unit"]
) -> Float[Tensor, "... row unit"]:
    """Return the table with `new` from row `start` on.

    :param table: (... row unit)
    :param start: first row that is replaced
    :param new: (... chosen unit)
    :raises IndexError: it does not fit
    """
    stop = start + new.shape[-2]
    _check(table, start, stop)
    return table.slice_scatter(new, -2, start, stop)


def spread(
    values: Shaped[Tensor, "... product slot"], length: int
) -> Shaped[Tensor, "... row slot"]:
    """Return each product's value at every step of the product, `length` steps."""
    return values if length == 1 else values.repeat_interleave(length, dim=-2)


def _check(table: Tensor, start: int, stop: int) -> None:
    # Python and torch would silently take a row from the other end, or fewer rows.
    if start < 0 or stop > table.shape[-2]:
        raise IndexError(
            f"steps [{start}, {stop}) are not all among the {table.shape[-2]} steps that are kept; "
            "a larger lookback or horizon would keep them"
        )


@lru_cache(maxsize=256)
def _contiguous(offsets: tuple[int, ...]) -> bool:
    return offsets == tuple(range(offsets[0], offsets[0] + len(offsets)))
