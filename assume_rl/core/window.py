"""Reading and writing stretches of steps, without copies where the stretch is contiguous."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.types import Step


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
    first, last = start + offsets[0], start + offsets[-1]
    if min(offsets) + start < 0 or max(offsets) + start >= table.shape[-2]:
        raise IndexError(f"steps {first} to {last} are not all among the {table.shape[-2]} kept")
    if _contiguous(offsets):
        return table[..., first : last + 1, :]
    return table.index_select(-2, _tensor(offsets, table.device) + start)


def circular(
    table: Float[Tensor, "series row"],
    series: Int[Tensor, " unit"],
    start: Step,
    size: int,
) -> Float[Tensor, "... unit window"]:
    """`size` entries of each unit's series from `start` on; after the end comes the beginning."""
    ahead = ranks(size, table.device)
    index = ahead + (start if isinstance(start, int) else start[..., None, None])
    return table[series[:, None], index % table.shape[-1]]


def of_units(
    table: Float[Tensor, "... unit"], units: Int[Tensor, " chosen"] | None
) -> Float[Tensor, "... chosen"]:
    """Columns of some units; None: all."""
    return table if units is None else table.index_select(-1, units)


def put(
    table: Float[Tensor, "... row unit"], start: int, rows: Float[Tensor, "... chosen unit"]
) -> Float[Tensor, "... row unit"]:
    """The table with `rows` from row `start` on.

    :raises IndexError: they do not fit
    """
    stop = start + rows.shape[-2]
    if start < 0 or stop > table.shape[-2]:
        raise IndexError(f"steps {start} to {stop - 1} are not all among {table.shape[-2]} kept")
    return table.slice_scatter(rows, -2, start, stop)


def spread(
    products: Float[Tensor, "... product slot"], length: int
) -> Float[Tensor, "... row slot"]:
    """Each product's value at every step of the product."""
    return products if length == 1 else products.repeat_interleave(length, dim=-2)


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
