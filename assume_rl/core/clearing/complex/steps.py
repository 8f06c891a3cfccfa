"""The steps of free orders that a solver has to know.

A book has a hundred thousand steps, of which a solution uses a few near the price. Steps far below
are put together into one that is as dear as the dearest of them, those far above into one as cheap
as the cheapest: then no use of the ladder costs more than it does, and one that takes all of the
former and nothing of the latter costs as much. So a best solution of the shorter ladder that does
that is a best solution of the whole one; where it does not, the window is widened.
"""

from dataclasses import dataclass

import numpy as np

from assume_rl.core.clearing.complex.book import Floats, Ints, Simple, sums

COARSE = 64
"""Steps per cell of the ladder that finds the windows."""

WINDOW = 48
"""Steps on either side of the expected price that a solver sees at first."""

WIDER = 4
"""Factor by which a window grows that was too narrow."""


@dataclass(frozen=True)
class Steps:
    """Ladders of all cells one after the other, prices rising."""

    cell: Ints
    price: Floats  # EUR/MWh
    width: Floats  # MW
    start: Ints  # (cells + 1) of each cell, and the end
    wanted: Floats  # (cell) MW that demand wants if it is given up nowhere

    @property
    def counts(self) -> Ints:
        """Return how many steps each cell has."""
        found: Ints = np.diff(self.start)
        return found


def steps_of(simple: Simple, cells: int) -> Steps:
    """Return the steps of orders that nothing binds; equal prices are one step.

    :param simple: in the order of cells and prices
    :param cells: how many
    """
    size = np.abs(simple.volume)
    wanted = sums(simple.cell, np.where(simple.volume < 0, size, 0.0), cells)
    new = np.ones(len(simple), dtype=bool)
    new[1:] = (np.diff(simple.cell) > 0) | (np.diff(simple.price) > 0)
    first = np.flatnonzero(new)
    cell = simple.cell[first]
    width = np.add.reduceat(size, first) if len(first) else size
    start = np.searchsorted(cell, np.arange(cells + 1))
    return Steps(cell, simple.price[first], width, start, wanted)


def coarse(steps: Steps) -> Steps:
    """Return ladders of at most `COARSE` steps, whose prices are means."""
    place = np.arange(len(steps.cell)) - steps.start[steps.cell]
    counts = np.maximum(steps.counts, 1)[steps.cell]
    part = place * np.minimum(COARSE, counts) // counts
    return _joined(steps, part, mean=True)


def near(steps: Steps, middle: Ints, reach: Ints) -> tuple[Steps, "Tails"]:
    """Return ladders on which the steps far from a middle are two, and which these are.

    :param steps: all
    :param middle: (cell) place of the step in the middle
    :param reach: (cell) steps on either side that are kept
    """
    place = np.arange(len(steps.cell)) - steps.start[steps.cell]
    first = np.maximum(middle - reach, 0)[steps.cell]
    last = np.minimum(middle + reach, steps.counts - 1)[steps.cell]
    part = np.clip(place, first - 1, last + 1)
    kept = _joined(steps, part, mean=False)
    low = np.flatnonzero(middle - reach > 0)
    high = np.flatnonzero(middle + reach < steps.counts - 1)
    below, above = kept.start[low], kept.start[high + 1] - 1
    # The joined steps below come with the price of the dearest of them.
    dearest = steps.price[steps.start[low] + (middle - reach)[low] - 1]
    price = kept.price.copy()
    price[below] = dearest
    return Steps(kept.cell, price, kept.width, kept.start, kept.wanted), Tails(below, above)


@dataclass(frozen=True)
class Tails:
    """The steps of a ladder that stand for many: all used if below, none if above."""

    below: Ints
    above: Ints

    def outside(self, steps: Steps, used: Floats, exact: float) -> Ints:
        """Return the cells in which a solution leaves the window.

        :param steps: of which these are the tails
        :param used: MW of each
        :param exact: MW that are rounding
        """
        spare = used[self.below] < steps.width[self.below] - exact
        over = used[self.above] > exact
        cells = np.concatenate([steps.cell[self.below[spare]], steps.cell[self.above[over]]])
        found: Ints = np.unique(cells)
        return found


def places(steps: Steps, used: Floats) -> Ints:
    """Return in each cell the place of the step at which a volume is used up.

    :param steps: the ladders
    :param used: MW of each cell
    """
    until = np.cumsum(steps.width)
    before = np.concatenate([[0.0], until])[steps.start[:-1]]
    found = np.searchsorted(until, before + used) - steps.start[:-1]
    inside: Ints = np.clip(found, 0, np.maximum(steps.counts - 1, 0))
    return inside


def _joined(steps: Steps, part: Ints, *, mean: bool) -> Steps:
    """Return ladders on which neighbouring steps of one part are one.

    :param part: of each step, rising in each cell
    :param mean: whether the price is the mean, else that of the cheapest
    """
    new = np.ones(len(part), dtype=bool)
    new[1:] = (np.diff(part) != 0) | (np.diff(steps.cell) != 0)
    first = np.flatnonzero(new)
    if not len(first):
        return steps
    width, price = np.add.reduceat(steps.width, first), steps.price[first]
    if mean:
        price = np.add.reduceat(steps.width * steps.price, first) / width
    cell = steps.cell[first]
    start = np.searchsorted(cell, np.arange(len(steps.start)))
    return Steps(cell, price, width, start, steps.wanted)
