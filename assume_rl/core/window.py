"""Reading and writing stretches of steps, without copies where the stretch is contiguous."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from assume_rl.core.time import Step


@dataclass(frozen=True)
class Run:
    """Products `[first, last)` of equal length that deliver one right after the other."""

    first: int
    last: int
    start: int  # offset of the first delivery step
    length: int  # steps of each product


@lru_cache(maxsize=256)
def runs(offsets: tuple[int, ...], lengths: tuple[int, ...]) -> tuple[Run, ...]:
    """The products of an auction, as few runs as possible, in order."""
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
    """Rows `start + offsets`. With a tensor `start (...)`, `table` is a calendar `(row unit)`.

    :raises IndexError: a row lies outside the table
    """
    if not isinstance(start, int):
        return table[start[..., None] + torch.tensor(offsets, device=table.device)]
    first, size = start + offsets[0], len(offsets)
    if _contiguous(offsets):
        return rows(table, first, size)
    _check(table, start + min(offsets), start + max(offsets) + 1)
    return table.index_select(-2, torch.tensor(offsets, device=table.device) + start)


def rows(
    table: Float[Tensor, "... row unit"], start: int, size: int
) -> Float[Tensor, "... chosen unit"]:
    """Rows `[start, start + size)`.

    :raises IndexError: a row lies outside the table
    """
    _check(table, start, start + size)
    return table.narrow(-2, start, size)


def products(
    table: Float[Tensor, "... product slot"], run: Run
) -> Float[Tensor, "... chosen slot"]:
    """The rows of a run's products."""
    count = run.last - run.first
    return table if count == table.shape[-2] else table.narrow(-2, run.first, count)


def copies(values: Float[Tensor, "..."], batch: tuple[int, ...], own: int) -> Float[Tensor, "..."]:
    """The same values for every copy, without copying them; `own`: axes that are not batch."""
    if values.ndim - own == len(batch):
        return values
    return values.expand(*batch, *values.shape)


def put(
    table: Float[Tensor, "... row unit"], start: int, new: Float[Tensor, "... chosen unit"]
) -> Float[Tensor, "... row unit"]:
    """The table with `new` from row `start` on.

    :raises IndexError: it does not fit
    """
    stop = start + new.shape[-2]
    _check(table, start, stop)
    return table.slice_scatter(new, -2, start, stop)


def spread(
    values: Shaped[Tensor, "... product slot"], length: int
) -> Shaped[Tensor, "... row slot"]:
    """Each product's value at every step of the product."""
    return values if length == 1 else values.repeat_interleave(length, dim=-2)


def _check(table: Tensor, start: int, stop: int) -> None:
    # Python and torch would take a row from the other end, or fewer rows, without a word.
    if start < 0 or stop > table.shape[-2]:
        raise IndexError(
            f"steps [{start}, {stop}) are not all among the {table.shape[-2]} steps that are kept; "
            "a larger lookback or horizon would keep them"
        )


@lru_cache(maxsize=256)
def _contiguous(offsets: tuple[int, ...]) -> bool:
    return offsets == tuple(range(offsets[0], offsets[0] + len(offsets)))
