"""Price what is accepted, and find what would lose: the last two phases of complex clearing.

Prices are those of the program with its whole numbers as they are: simple orders trade what they
want at them, cells that a line could bring closer have one price, and a block that trades a part
gains nothing, unless the limits of the market forbid such prices. Of these prices, those at which
accepted blocks and complex orders lose least, and of those the lowest.
"""

from dataclasses import dataclass

import numpy as np

from assume_rl.core.clearing.complex.book import Book, Flags, Floats, Ints, sums
from assume_rl.core.clearing.complex.highs import Program, Rows, Solver
from assume_rl.core.clearing.complex.ladder import EXACT, Filled, fill
from assume_rl.core.clearing.complex.program import Decision, Removed, none_removed
from assume_rl.core.units.base import ZERO_VOLUME

PART = 1e-7
"""Share by which one that is all, or the least, may be off."""

LOSS = 1e-6
"""EUR/MWh that an accepted order may lose: rounding of the solver."""

UNFAIR = 1e5
"""EUR/MWh of price that a EUR/MWh of loss weighs as much as."""

UNEQUAL = 100
"""EUR/MWh of loss that a EUR/MWh weighs as much as by which a block that trades a part is off."""


@dataclass(frozen=True)
class Cleared:
    """What an auction trades, and at which prices."""

    simple: Floats  # MW of each simple order, sign of the order
    blocks: Floats  # share of each block
    flows: Floats  # (product line) MW
    price: Floats  # (cell) EUR/MWh


@dataclass(frozen=True)
class Wish:
    """Conditions on the prices: each sum of volume times price is at least what is asked.

    In proportion to the volume, so that a loss is one of EUR/MWh. Those that are `equal` gain
    nothing either, where the limits of the market let them.
    """

    volume: Floats  # (condition cell)
    asked: Floats  # (condition)
    equal: Flags
    # Which tied order, block or complex order would lose: index, the others being -1.
    tied: Ints
    block: Ints
    offer: Ints


def traded(book: Book, decision: Decision, removed: Removed) -> Filled:
    """Return what simple orders trade beside the blocks and lines of a decision."""
    least, most = bounds(book, decision, removed)
    blocks, flows = book.blocks, decision.flows
    injected = decision.blocks @ blocks.volume
    for i, line in enumerate(book.grid.lines):
        np.subtract.at(injected, np.arange(book.products) * book.zones + line.start, flows[:, i])
        np.add.at(injected, np.arange(book.products) * book.zones + line.stop, flows[:, i])
    parts = ((decision.blocks > 0) & (decision.blocks < 1)).any() or flows.size > 0
    exact = EXACT if parts else ZERO_VOLUME
    return fill(book.simple, least, most, injected, exact=exact)


def bounds(book: Book, decision: Decision, removed: Removed) -> tuple[Floats, Floats]:
    """Return the least and the most that each simple order may trade, MW, positive."""
    most = np.abs(book.simple.volume)
    least = np.zeros_like(most)
    tied = book.simple.of(book.tied)
    size = most[book.tied]
    open_ = decision.on & ~removed.tied
    share = np.ones(len(tied))
    linked = tied.parent >= 0
    share[linked] = decision.blocks[tied.parent[linked]]
    least[book.tied] = np.where(open_, tied.least, 0.0) * size
    most[book.tied] = np.where(open_, np.maximum(share, tied.least), 0.0) * size
    return least, most


def priced(
    book: Book,
    decision: Decision,
    filled: Filled,
    limits: tuple[float, float],
    solver: Solver,
) -> tuple[Floats, Removed]:
    """Return the price of each cell, and the orders that lose at these.

    :param book: the orders
    :param decision: of blocks, complex orders and lines
    :param filled: what simple orders trade beside these
    :param limits: least and greatest price of the market, EUR/MWh
    :param solver: for the prices where conditions couple cells
    """
    floor, ceiling = filled.lowest.clip(*limits), filled.highest.clip(*limits)
    ordered = _borders(book, decision)
    lowest = _raised(floor, ordered)
    wish = wishes(book, decision, filled)
    if not len(wish.asked):
        return lowest, none_removed(book)
    gain = wish.volume @ lowest - wish.asked
    if (gain >= -LOSS).all() and (gain[wish.equal] <= LOSS).all():
        return lowest, none_removed(book)
    price = _fairest(floor, ceiling, ordered, wish, solver)
    return price, _losing(book, wish, wish.volume @ price - wish.asked < -2 * LOSS)


def wishes(book: Book, decision: Decision, filled: Filled) -> Wish:
    """Return what accepted blocks, tied orders and complex orders ask of the prices."""
    own = [
        *_of_blocks(book, decision, filled),
        *_of_tied(book, decision, filled),
        *_of_offers(book, decision, filled),
    ]
    if not own:
        none = np.zeros(0, dtype=np.int64)
        empty = np.zeros(0)
        return Wish(np.zeros((0, book.cells)), empty, empty.astype(bool), none, none, none)
    volume, asked, equal, who = (list(column) for column in zip(*own, strict=True))
    table = np.array(volume)
    size = np.abs(table).sum(1)
    scale = np.where(size > ZERO_VOLUME, size, 1.0)
    tied, block, offer = np.array(who, dtype=np.int64).T
    return Wish(
        table / scale[:, None], np.array(asked) / scale, np.array(equal), tied, block, offer
    )


_One = tuple[Floats, float, bool, tuple[int, int, int]]


def _of_blocks(book: Book, decision: Decision, filled: Filled) -> list[_One]:
    """Return what blocks ask, with what children that are held back by their share earn."""
    blocks, share = book.blocks, decision.blocks
    volume, asked = blocks.volume.copy(), blocks.cost.copy()
    simple = book.simple.of(book.tied)
    accepted = np.abs(filled.accepted[book.tied])
    for i in np.flatnonzero(simple.parent >= 0):
        bound = share[simple.parent[i]] * abs(simple.volume[i])
        if accepted[i] > 0 and accepted[i] >= bound - EXACT:
            volume[simple.parent[i], simple.cell[i]] += simple.volume[i]
            asked[simple.parent[i]] += simple.volume[i] * simple.price[i]
    for child in _children_first(blocks.parent):
        parent = blocks.parent[child]
        if parent >= 0 and share[child] > 0 and share[child] >= share[parent] - PART:
            volume[parent] += volume[child]
            asked[parent] += asked[child]
    free = _between(book, decision)
    return [
        (volume[i], float(asked[i]), bool(free[i]), (-1, int(i), -1))
        for i in np.flatnonzero((share > 0) & (free | (blocks.offer < 0)))
    ]


def _between(book: Book, decision: Decision) -> Flags:
    """Return which blocks trade a part that nothing but prices holds where it is."""
    blocks, share = book.blocks, decision.blocks
    tied = book.simple.of(book.tied)
    least, most = blocks.least.copy(), np.where(blocks.parent >= 0, share[blocks.parent], 1.0)
    # A child that trades holds its parent's share above its own least one.
    trades = share > 0
    for parent, own in (
        (blocks.parent[trades], blocks.least[trades]),
        (tied.parent[decision.on], tied.least[decision.on]),
    ):
        np.maximum.at(least, parent[parent >= 0], own[parent >= 0])
    inside = (share > least + PART) & (share < most - PART)
    return inside & ~_full_groups(blocks.group, share)


def _of_tied(book: Book, decision: Decision, filled: Filled) -> list[_One]:
    """Return what indivisible orders ask; those of complex orders only ask together."""
    simple, found = book.simple, []
    for number, i in enumerate(book.tied):
        if simple.offer[i] < 0 and simple.least[i] > 0 and filled.accepted[i] != 0:
            volume = np.zeros(book.cells)
            volume[simple.cell[i]] = simple.volume[i]
            asked = float(simple.volume[i] * simple.price[i])
            found.append((volume, asked, False, (number, -1, -1)))
    return found


def _of_offers(book: Book, decision: Decision, filled: Filled) -> list[_One]:
    """Return what complex orders ask: their fixed cost, and what their orders ask."""
    simple, blocks, found = book.simple, book.blocks, []
    for i in np.flatnonzero(decision.offers):
        own, mine = np.flatnonzero(simple.offer == i), np.flatnonzero(blocks.offer == i)
        sold, share = filled.accepted[own], decision.blocks[mine]
        volume = sums(simple.cell[own], sold, book.cells)
        volume += share @ blocks.volume[mine]
        asked = book.fixed_cost[i] + simple.price[own] @ sold + share @ blocks.cost[mine]
        if np.abs(volume).sum() > EXACT:
            found.append((volume, float(asked), False, (-1, -1, int(i))))
    return found


def _children_first(parent: Ints) -> Ints:
    """Return blocks in an order in which children come before their parents."""
    depth, above = np.zeros(len(parent), dtype=np.int64), parent.copy()
    while (above >= 0).any():
        depth[above >= 0] += 1
        above = np.where(above >= 0, parent[above], -1)
    found: Ints = np.argsort(-depth, kind="stable")
    return found


def _full_groups(group: Ints, share: Floats) -> Flags:
    """Return which blocks are in an exclusive group whose shares add up to one."""
    member = group >= 0
    total = np.bincount(group[member], share[member], minlength=int(group.max(initial=-1)) + 1)
    found = np.zeros(len(group), dtype=bool)
    found[member] = total[group[member]] >= 1 - PART
    return found


def _borders(book: Book, decision: Decision) -> Ints:
    """Return pairs of cells: the price of the first is at most that of the second.

    A line leads to a price that is no lower while it is full; else, the other way round too.
    """
    pairs = [np.zeros((2, 0), dtype=np.int64)]
    first = np.arange(book.products) * book.zones
    for number, line in enumerate(book.grid.lines):
        if line.capacity <= EXACT:
            continue
        ends, flow = np.stack([first + line.start, first + line.stop]), decision.flows[:, number]
        pairs.append(ends[:, flow > -line.capacity + EXACT])
        pairs.append(ends[::-1, flow < line.capacity - EXACT])
    return np.concatenate(pairs, axis=1)


def _raised(floor: Floats, ordered: Ints) -> Floats:
    """Return the lowest prices that are at least `floor` and rise along all pairs of cells."""
    price = floor.copy()
    while True:
        raised = price.copy()
        np.maximum.at(raised, ordered[1], price[ordered[0]])
        if (raised == price).all():
            return price
        price = raised


def _fairest(floor: Floats, ceiling: Floats, ordered: Ints, wish: Wish, solver: Solver) -> Floats:
    """Return the prices at which the sum of losses is least, and of these the lowest.

    What parts of blocks gain counts like losses. Columns: prices, losses, gains.
    """
    cells, count, pairs = len(floor), len(wish.asked), ordered.shape[1]
    row, column = np.nonzero(wish.volume)
    each, pair = np.arange(count), count + np.arange(pairs)
    gains = np.flatnonzero(wish.equal)
    gain = cells + count + np.arange(len(gains))
    one = np.ones(pairs)
    rows = Rows(
        row=np.concatenate([row, each, gains, pair, pair]),
        column=np.concatenate([column, cells + each, gain, *ordered]),
        value=np.concatenate(
            [wish.volume[row, column], np.ones(count), -np.ones(len(gains)), -one, one]
        ),
        lower=np.concatenate([wish.asked, np.zeros(pairs)]),
        upper=np.concatenate([np.where(wish.equal, wish.asked, np.inf), np.full(pairs, np.inf)]),
    )
    weight = np.where(wish.equal, UNEQUAL * UNFAIR, UNFAIR)
    free = np.full(count + len(gains), np.inf)
    program = Program(
        cost=np.concatenate([np.ones(cells), weight, weight[gains]]),
        lower=np.concatenate([floor, np.zeros(len(free))]),
        upper=np.concatenate([ceiling, free]),
        whole=np.zeros(cells + len(free), dtype=bool),
        rows=rows,
    )
    return solver.solve(program)[:cells]


def _losing(book: Book, wish: Wish, loses: Flags) -> Removed:
    """Return the orders that do not get what they ask."""
    found = []
    sizes = (len(book.tied), len(book.blocks), len(book.fixed_cost))
    for who, size in zip((wish.tied, wish.block, wish.offer), sizes, strict=True):
        mask = np.zeros(size, dtype=bool)
        mask[who[loses & (who >= 0)]] = True
        found.append(mask)
    return Removed(*found)
