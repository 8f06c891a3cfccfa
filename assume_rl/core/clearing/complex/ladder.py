"""Simple orders of a cell by price: what they trade beside given volumes, and at which prices.

What supply and demand do together is one ladder of steps: a step of supply sells when the price
rises to what it asks, a step of demand stops buying. The ladder takes what demand wants in all,
less what blocks, lines and conditions inject, from its cheapest steps.
"""

from dataclasses import dataclass

import numpy as np

from assume_rl.core.clearing.complex.book import Floats, Simple, sums

EXACT = 1e-7
"""MW that are taken for rounding of the solver."""


@dataclass(frozen=True)
class Filled:
    """What simple orders trade, and the prices at which they would not trade anything else."""

    accepted: Floats  # MW, sign of the order
    lowest: Floats  # EUR/MWh of each cell; minus infinity: no order says
    highest: Floats  # likewise, plus infinity


def fill(
    simple: Simple, least: Floats, most: Floats, injected: Floats, *, exact: float = EXACT
) -> Filled:
    """Return what simple orders trade that may trade between `least` and `most`.

    :param simple: the orders
    :param least: MW, positive, that each must trade
    :param most: MW, positive, that each may trade
    :param injected: MW of each cell that others supply, less than 0: that they want
    :param exact: MW by which solvers may be wrong
    """
    cells = len(injected)
    sells = simple.volume > 0
    fixed = np.where(sells, least, -most)
    width = most - least
    wanted = -injected - sums(simple.cell, fixed, cells)
    ends = np.searchsorted(simple.cell, np.arange(cells), side="right")
    used = np.empty_like(width)
    lowest, highest = np.full(cells, -np.inf), np.full(cells, np.inf)
    start = 0
    for cell, stop in enumerate(ends):
        own = width[start:stop]
        until = np.cumsum(own)
        taken = np.clip(wanted[cell] - (until - own), 0.0, own)
        partly = np.flatnonzero((taken > 0) & (taken < own))
        for at in partly:  # at most one
            whole = taken[at] > own[at] - exact
            taken[at] = own[at] if whole else 0.0 if taken[at] < exact else taken[at]
        used[start:stop] = taken
        some, room = np.flatnonzero(taken > 0), np.flatnonzero(taken < own)
        if len(some):
            lowest[cell] = simple.price[start + some[-1]]
        if len(room):
            highest[cell] = simple.price[start + room[0]]
        start = stop
    return Filled(np.where(sells, least + used, used - most), lowest, highest)
