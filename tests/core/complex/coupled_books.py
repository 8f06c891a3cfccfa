"""Random books of orders that couple products, and what is true of them, worked out in other ways.

Everything here is written in shares of orders, whatever they are: the rule is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from libraries import Later

from assume_rl.core.clearing.grid import Grid, Line, one_zone
from assume_rl.core.orders import BlockTerms, Orders, fault_of_terms, no_terms

optimize: Any = Later("scipy.optimize")

FREE = ("block", "least", "parent", "group", "offer", "zones")
TOLERANCE = 1e-6


def drawn(
    seed: int, *, products: int = 3, slots: int = 8, parts: tuple[str, ...] = FREE
) -> "Coupled":
    """Return a random book.

    :param parts: which conditions there may be
    """
    rng = np.random.default_rng(seed)
    sells = rng.random(slots) < 0.6
    price = rng.integers(0, 40, (products, slots)) + rng.random((products, slots))
    price += np.where(sells, 0.0, 15.0)
    volume = rng.integers(1, 30, (products, slots)) * np.where(sells, 1.0, -1.0)
    volume[rng.random((products, slots)) < 0.15] = 0.0
    block = rng.random(slots) < 0.5 if "block" in parts else np.zeros(slots, dtype=bool)
    terms = no_terms(slots)
    least = rng.choice([0.0, 0.0, 0.5, 1.0], slots) if "least" in parts else np.zeros(slots)
    parent = np.full(slots, -1)
    if "parent" in parts:
        for slot in range(1, slots):
            above = np.flatnonzero(block[:slot])
            if len(above) and rng.random() < 0.4:
                parent[slot] = rng.choice(above)
    group = np.full(slots, -1)
    if "group" in parts and block.sum() > 1 and rng.random() < 0.6:
        some = np.flatnonzero(block)[: rng.integers(2, 4)]
        group[some] = some[0]
    offer, cost = np.full(slots, -1), np.zeros(slots)
    if "offer" in parts and rng.random() < 0.6:
        some = np.flatnonzero(sells & (parent < 0))[-2:]
        if len(some):
            offer[some], cost[some[0]] = some[0], rng.integers(0, 300)
    terms = BlockTerms(*(torch.tensor(x) for x in (block, least, parent, group, offer, cost)))
    assert fault_of_terms(terms, slots) is None
    node, grid = np.zeros(slots, dtype=np.int64), one_zone(1)
    if "zones" in parts and rng.random() < 0.5:
        node = rng.integers(0, 3, slots)
        lines = tuple(
            Line(f"{a}-{b}", a, b, float(rng.integers(0, 25))) for a, b in ((0, 1), (2, 1), (0, 2))
        )
        grid = Grid(("a", "b", "c"), (0, 1, 2), lines)
    orders = Orders(
        torch.tensor(price),
        torch.tensor(volume),
        torch.zeros(slots, dtype=torch.int64),
        torch.tensor(node),
        terms,
    )
    tie = torch.tensor(rng.random((products, slots)))
    return Coupled(orders, tie, grid)


@dataclass(frozen=True)
class Coupled:
    """A book with numbers of its own: shares of blocks, and of (product, slot) of all others."""

    orders: Orders
    tie: torch.Tensor
    grid: Grid

    @property
    def terms(self) -> BlockTerms:
        assert self.orders.terms is not None
        return self.orders.terms

    def without(self, *columns: str) -> "Coupled":
        """Return the book without some of its conditions."""
        plain = no_terms(self.orders.unit.shape[0])
        terms = replace(self.terms, **{name: getattr(plain, name) for name in columns})
        return replace(self, orders=replace(self.orders, terms=terms))

    def program(self) -> "Shares":
        return Shares(self)


class Shares:
    """The book as a program whose columns are shares, then yes or no of all that may need it."""

    def __init__(self, book: Coupled) -> None:
        price, volume = book.orders.price.numpy(), book.orders.volume.numpy()
        self.products, self.slots = price.shape
        terms, grid = book.terms, book.grid
        block, zone = terms.block.numpy(), np.array(grid.zone_of)[book.orders.node.numpy()]
        shape = (self.products, self.slots)
        self.share = np.zeros(shape, dtype=int)  # column of each order
        count = 0
        for p, s in product(*map(range, shape)):
            if block[s] and p > 0:
                self.share[p, s] = self.share[0, s]
            else:
                self.share[p, s], count = count, count + 1
        self.on = count + self.share
        self.offer = {int(o): 2 * count + i for i, o in enumerate(np.unique(terms.offer)) if o >= 0}
        self.flow = (
            2 * count
            + len(np.unique(terms.offer))
            + np.arange(self.products * len(grid.lines)).reshape(self.products, -1)
        )
        size = 2 * count + len(np.unique(terms.offer)) + self.flow.size
        self.cost, self.low, self.high = np.zeros(size), np.zeros(size), np.ones(size)
        self.whole = np.zeros(size, dtype=bool)
        np.add.at(self.cost, self.share, price * volume)
        for lead, column in self.offer.items():
            self.cost[column] = float(terms.fixed_cost[lead])
            self.whole[column] = True
        capacity = np.tile([line.capacity for line in grid.lines], self.products)
        self.low[self.flow.ravel()], self.high[self.flow.ravel()] = -capacity, capacity
        balance = np.zeros((self.products * len(grid.zones), size))
        for p, s in product(*map(range, shape)):
            balance[p * len(grid.zones) + zone[s], self.share[p, s]] += volume[p, s]
        for p, (i, line) in product(range(self.products), enumerate(grid.lines)):
            balance[p * len(grid.zones) + line.start, self.flow[p, i]] -= 1
            balance[p * len(grid.zones) + line.stop, self.flow[p, i]] += 1
        self.balance = balance
        self.rows = np.array([*self._rows(terms, volume)]).reshape(-1, size)
        self.bound = np.array([1.0 if row.min() >= 0 else 0.0 for row in self.rows])

    def _rows(self, terms: BlockTerms, volume: np.ndarray) -> Iterator[np.ndarray]:
        def row(entries: dict[int, float]) -> np.ndarray:
            made = np.zeros(len(self.cost))
            for column, value in entries.items():
                made[column] += value
            return made

        empty = (volume == 0).all(0)
        for p, s in product(range(self.products), range(self.slots)):
            share, on, least = self.share[p, s], self.on[p, s], float(terms.min_acceptance[s])
            if (terms.block[s] and p > 0) or (volume[p, s] == 0 and not terms.block[s]) or empty[s]:
                continue
            parent, lead = int(terms.parent[s]), int(terms.offer[s])
            if parent >= 0 and not empty[parent]:
                yield row({share: 1, self.share[0, parent]: -1})
            leader = self.offer[lead] if lead >= 0 else on
            if lead >= 0 or least > 0:
                self.whole[leader] = True
                yield row({share: 1, leader: -1})
                yield row({share: -1, leader: least})
        for lead in np.unique(terms.group):
            if lead >= 0:
                members = [s for s in range(self.slots) if terms.group[s] == lead and not empty[s]]
                if members:
                    yield row({self.share[0, s]: 1 for s in members})

    def best(self) -> float:
        """Return the greatest welfare, by mixed-integer programming."""
        found = optimize.milp(
            self.cost,
            integrality=self.whole.astype(int),
            bounds=optimize.Bounds(self.low, self.high),
            constraints=self._constraints(),
            options={"mip_rel_gap": 1e-9},
        )
        assert found.status == 0, found.message
        return -float(found.fun)

    def relaxed(self) -> float:
        """Return the greatest welfare if shares may be anything."""
        return self._linear(self.low, self.high)

    def tried(self) -> float:
        """Return the greatest welfare over all patterns of yes and no."""
        columns = np.flatnonzero(self.whole)
        best = -np.inf
        for pattern in product((0.0, 1.0), repeat=len(columns)):
            low, high = self.low.copy(), self.high.copy()
            low[columns] = high[columns] = pattern
            best = max(best, self._linear(low, high))
        return best

    def _linear(self, low: np.ndarray, high: np.ndarray) -> float:
        found = optimize.linprog(
            self.cost,
            A_ub=self.rows if len(self.rows) else None,
            b_ub=self.bound if len(self.rows) else None,
            A_eq=self.balance,
            b_eq=np.zeros(len(self.balance)),
            bounds=np.stack([low, high], 1),
        )
        return -float(found.fun) if found.status == 0 else -np.inf

    def _constraints(self) -> list[Any]:
        found = [optimize.LinearConstraint(self.balance, 0, 0)]
        if len(self.rows):
            found.append(optimize.LinearConstraint(self.rows, -np.inf, self.bound))
        return found
