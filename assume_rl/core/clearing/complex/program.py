"""Decide what is accepted: the second phase of complex clearing, as a mixed-integer program.

It maximises what demand would pay less what supply asks. Columns, in this order: MW of each step
of the free orders; shares of tied orders and of blocks; yes or no of tied orders, of blocks and of
complex orders; MW on each line in each product.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from assume_rl.core.clearing.complex.book import Book, Flags, Floats, Ints, Simple, sums
from assume_rl.core.clearing.complex.highs import Program, Rows, Solver
from assume_rl.core.clearing.complex.ladder import EXACT
from assume_rl.core.clearing.complex.steps import (
    WIDER,
    WINDOW,
    Steps,
    coarse,
    near,
    places,
    steps_of,
)


@dataclass(frozen=True)
class Removed:
    """Orders that may not be accepted any more, since they would lose."""

    tied: Flags
    blocks: Flags
    offers: Flags

    def __or__(self, other: "Removed") -> "Removed":
        """Return the orders that either of two names."""
        return Removed(
            self.tied | other.tied, self.blocks | other.blocks, self.offers | other.offers
        )

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.tied.any() or self.blocks.any() or self.offers.any())


def none_removed(book: Book) -> Removed:
    """Return that all orders may be accepted."""
    sizes = (len(book.tied), len(book.blocks), len(book.fixed_cost))
    return Removed(*(np.zeros(size, dtype=bool) for size in sizes))


@dataclass(frozen=True)
class Decision:
    """What a program says of orders that are more than simple, and of lines."""

    tied: Floats  # share of each tied order
    on: Flags  # whether each tied order may trade: its complex order is accepted, or itself
    blocks: Floats  # share of each block
    offers: Flags  # whether each complex order is accepted
    flows: Floats  # (product line) MW
    steps: Floats  # (cell) MW of steps of free orders


@dataclass(frozen=True)
class Columns:
    """Where the columns of a program begin."""

    tied: int
    blocks: int
    tied_on: int
    blocks_on: int
    offers: int
    flows: int
    stop: int


def columns_of(book: Book, steps: Steps) -> Columns:
    """Return where the columns of the program of a book begin."""
    tied, blocks = len(book.tied), len(book.blocks)
    flows = book.products * len(book.grid.lines)
    sizes = (len(steps.cell), tied, blocks, tied, blocks, len(book.fixed_cost), flows)
    return Columns(*np.cumsum(sizes).tolist())


def decide(book: Book, removed: Removed, solver: Solver) -> Decision:
    """Return the decision that maximises welfare, to a relative gap of `highs.GAP`.

    :param book: the orders
    :param removed: those that may not be accepted
    :param solver: solves the programs
    """
    steps = steps_of(_free(book), book.cells)
    middle = _middle(book, steps, removed, solver)
    reach = np.full(book.cells, WINDOW)
    while True:
        ladder, tails = near(steps, middle, reach)
        found = _solved(book, ladder, removed, solver)
        outside = tails.outside(ladder, found[: len(ladder.cell)], EXACT)
        if not len(outside):
            return _decision(book, ladder, found)
        reach[outside] *= WIDER


def program_of(book: Book, steps: Steps, removed: Removed) -> Program:
    """Return the program of a book.

    :param book: the orders
    :param steps: of the free orders
    :param removed: orders that may not be accepted
    """
    at = columns_of(book, steps)
    tied, blocks = book.simple.of(book.tied), book.blocks
    cost, lower, upper = np.zeros(at.stop), np.zeros(at.stop), np.ones(at.stop)
    whole = np.zeros(at.stop, dtype=bool)
    cost[: at.tied], upper[: at.tied] = steps.price, steps.width
    cost[at.tied : at.blocks] = tied.price * tied.volume
    cost[at.blocks : at.tied_on] = blocks.cost
    cost[at.offers : at.flows] = book.fixed_cost
    whole[at.tied_on : at.tied_on + len(tied)] = _indivisible(tied)
    whole[at.blocks_on : at.blocks_on + len(blocks)] = blocks.least > 0
    whole[at.offers : at.flows] = True
    gone = np.concatenate([removed.tied, removed.blocks] * 2 + [removed.offers])
    upper[at.tied : at.flows] = np.where(gone, 0.0, 1.0)
    capacity = np.tile([line.capacity for line in book.grid.lines], book.products)
    lower[at.flows :], upper[at.flows :] = -capacity, capacity
    return Program(cost, lower, upper, whole, _rows(book, steps, at))


def settled(program: Program, found: Floats) -> Program:
    """Return a program whose whole numbers are as they were found."""
    fixed = np.round(found[program.whole])
    lower, upper = program.lower.copy(), program.upper.copy()
    lower[program.whole] = upper[program.whole] = fixed
    return replace(program, lower=lower, upper=upper, whole=np.zeros_like(program.whole))


def _free(book: Book) -> Simple:
    free = np.ones(len(book.simple), dtype=bool)
    free[book.tied] = False
    return book.simple.of(free)


def _indivisible(tied: Simple) -> Flags:
    """Return which tied orders trade at least a share of their own accord or nothing."""
    return (tied.least > 0) & (tied.offer < 0)


def _middle(book: Book, steps: Steps, removed: Removed, solver: Solver) -> Ints:
    """Return in each cell the place of the step that is expected to set the price."""
    rough = coarse(steps)
    if (steps.counts <= WINDOW).all():
        return np.zeros(book.cells, dtype=np.int64)
    program = program_of(book, rough, removed)
    found = solver.solve(replace(program, whole=np.zeros_like(program.whole)))
    return places(steps, _by_cell(rough, found))


def _by_cell(steps: Steps, found: Floats) -> Floats:
    used = found[: len(steps.cell)]
    return sums(steps.cell, used, len(steps.start) - 1)


def _solved(book: Book, steps: Steps, removed: Removed, solver: Solver) -> Floats:
    """Return a best solution whose numbers that need not be whole are those of a vertex."""
    program = program_of(book, steps, removed)
    found = solver.solve(program)
    return solver.solve(settled(program, found)) if program.whole.any() else found


def _decision(book: Book, steps: Steps, found: Floats) -> Decision:
    at = columns_of(book, steps)
    tied = book.simple.of(book.tied)
    on = np.ones(len(tied), dtype=bool)
    offers = found[at.offers : at.flows] > 0.5
    apart = _indivisible(tied)
    on[apart] = found[at.tied_on : at.blocks_on][apart] > 0.5
    on[tied.offer >= 0] = offers[tied.offer[tied.offer >= 0]]
    return Decision(
        tied=found[at.tied : at.blocks],
        on=on,
        blocks=_shares(found[at.blocks : at.tied_on]),
        offers=offers,
        flows=found[at.flows :].reshape(book.products, -1),
        steps=_by_cell(steps, found),
    )


def _shares(found: Floats) -> Floats:
    """Return shares in [0, 1] that are not off these by rounding."""
    near_whole = np.abs(found - np.round(found)) < 1e-9
    return np.clip(np.where(near_whole, np.round(found), found), 0.0, 1.0)


def _rows(book: Book, steps: Steps, at: Columns) -> Rows:
    parts = list(_parts(book, steps, at))
    starts = np.cumsum([0, *(len(part.lower) for part in parts)])
    return Rows(
        row=np.concatenate([part.row + start for part, start in zip(parts, starts, strict=False)]),
        column=np.concatenate([part.column for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        lower=np.concatenate([part.lower for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
    )


def _parts(book: Book, steps: Steps, at: Columns) -> Iterator[Rows]:
    tied, blocks = book.simple.of(book.tied), book.blocks
    yield _balance(book, steps, at)
    for own, shares, on in ((tied, at.tied, at.tied_on), (blocks, at.blocks, at.blocks_on)):
        yield from _follow(shares, np.flatnonzero(own.parent >= 0), own.parent, at.blocks)
        member = np.flatnonzero(own.offer >= 0)
        yield from _follow(shares, member, own.offer, at.offers, own.least)
        apart = np.flatnonzero((own.least > 0) & (own.offer < 0))
        yield from _follow(shares, apart, np.arange(len(own)), on, own.least)
    yield _exclusive(blocks.group, at.blocks)


def _balance(book: Book, steps: Steps, at: Columns) -> Rows:
    """Return that supply and demand of each cell are equal."""
    tied, lines = book.simple.of(book.tied), book.grid.lines
    block, cell = np.nonzero(book.blocks.volume)
    first = np.arange(book.products)[:, None] * book.zones
    flow = at.flows + np.arange(book.products * len(lines))
    out, into = (
        (first + np.array([getattr(line, end) for line in lines], dtype=np.int64)).ravel()
        for end in ("start", "stop")
    )
    return Rows(
        row=np.concatenate([steps.cell, tied.cell, cell, out, into]),
        column=np.concatenate(
            [np.arange(at.tied), at.tied + np.arange(len(tied)), at.blocks + block, flow, flow]
        ),
        value=np.concatenate(
            [
                np.ones(at.tied),
                tied.volume,
                book.blocks.volume[block, cell],
                -np.ones(len(flow)),
                np.ones(len(flow)),
            ]
        ),
        lower=steps.wanted,
        upper=steps.wanted,
    )


def _follow(
    shares: int, own: Ints, leader: Ints, leaders: int, least: Floats | None = None
) -> Iterator[Rows]:
    """Yield that shares are at most those of a leader, and at least a part of them.

    :param shares: column of the first share
    :param own: which of them
    :param leader: of each share
    :param leaders: column of the first leader
    :param least: part of each share; None: 0
    """
    row = np.concatenate([np.arange(len(own))] * 2)
    column = np.concatenate([shares + own, leaders + leader[own]])
    zero, free = np.zeros(len(own)), np.full(len(own), np.inf)
    one = np.ones(len(own))
    yield Rows(row, column, np.concatenate([one, -one]), -free, zero)
    if least is not None:
        yield Rows(row, column, np.concatenate([one, -least[own]]), zero, free)


def _exclusive(group: Ints, shares: int) -> Rows:
    """Return that the shares of a group add up to one at most."""
    member = np.flatnonzero(group >= 0)
    _, row = np.unique(group[member], return_inverse=True)
    count = int(row.max()) + 1 if len(row) else 0
    one = np.ones(len(member))
    return Rows(row, shares + member, one, np.full(count, -np.inf), np.ones(count))
