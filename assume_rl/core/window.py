"""Reading and writing stretches of steps, without copies where the stretch is contiguous."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int, Shaped
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
        return table[start[..., None] + _tensor(offsets, table.device)]
    first, size = start + offsets[0], len(offsets)
    if _contiguous(offsets):
        return rows(table, first, size)
    _check(table, start + min(offsets), start + max(offsets) + 1)
    return table.index_select(-2, _tensor(offsets, table.device) + start)


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


def circular(
    table: Float[Tensor, "series row"],
    series: Int[Tensor, " unit"],
    start: Step,
    size: int,
) -> Float[Tensor, "... unit window"]:
    """`size` entries of each unit's series from `start` on; after the end comes the beginning."""
    ahead = ranks(size, table.device)
    index = (ahead + (start if isinstance(start, int) else start[..., None])) % table.shape[-1]
    if len(table) == 1:
        return table[0][index].unsqueeze(-2).expand(*index.shape[:-1], len(series), size)
    return table[series[:, None], index.unsqueeze(-2)]


def of_units(
    table: Float[Tensor, "... unit"], units: Int[Tensor, " chosen"] | None
) -> Float[Tensor, "... chosen"]:
    """Columns of some units; None: all."""
    return table if units is None else table.index_select(-1, units)


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


@lru_cache(maxsize=64)
def zeros(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Shared zeros, float64: a placeholder for what nobody asked for."""
    return torch.zeros(shape, dtype=torch.float64, device=device)


@lru_cache(maxsize=64)
def ranks(size: int, device: torch.device) -> Int[Tensor, " size"]:
    """0, 1, ..., size - 1."""
    return torch.arange(size, device=device)


@lru_cache(maxsize=256)
def _tensor(values: tuple[int, ...], device: torch.device) -> Int[Tensor, " value"]:
    return torch.tensor(values, dtype=torch.long, device=device)


@lru_cache(maxsize=256)
def _contiguous(offsets: tuple[int, ...]) -> bool:
    return offsets == tuple(range(offsets[0], offsets[0] + len(offsets)))
