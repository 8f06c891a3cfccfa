"""What complex clearing takes: 100,000 orders in 24 hours, some of them blocks of 3 to 12 hours.

Prints the processor time of each book, and of that the time in HiGHS, whose relative gap is 1e-6.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import torch

from assume_rl.core.clearing import Slots, complex_clearing
from assume_rl.core.clearing.complex.highs import GAP, Program, Solver
from assume_rl.core.orders import Orders, no_terms
from assume_rl.testing import toy_market
from benchmarks.timing import machine

HOURS = 24
Solve = tuple[int, float]  # whole numbers, seconds


def book(orders: int, blocks: int, seed: int) -> Orders:
    """Return a random book: prices around 40 EUR/MWh, blocks that ask about as much."""
    rng = np.random.default_rng(seed)
    slots = (orders - blocks) // HOURS
    shape = (HOURS, slots)
    sells = rng.random(slots) < 0.6
    price = np.where(sells, rng.gamma(4, 15, shape) - 10, rng.normal(60, 40, shape)).round(2)
    price[:, ~sells & (rng.random(slots) < 0.03)] = 3000.0
    volume = (rng.exponential(8, shape) + 0.1).round(1) * np.where(sells, 1, -1)
    ask, size = rng.normal(40, 4, blocks).round(2), np.zeros((HOURS, blocks))
    for block in range(blocks):
        first = rng.integers(0, HOURS - 3)
        size[first : first + rng.integers(3, 13), block] = rng.uniform(20, 300)
    count = slots + blocks
    zero = torch.zeros(count, dtype=torch.int64)
    is_block = torch.arange(count) >= slots
    terms = replace(no_terms(count), block=is_block, min_acceptance=is_block.double())
    return Orders(
        torch.tensor(np.concatenate([price, np.broadcast_to(ask, size.shape)], 1)),
        torch.tensor(np.concatenate([volume, size], 1)),
        zero,
        zero,
        terms,
    )


@contextmanager
def watched() -> Iterator[list[Solve]]:
    """Note what is solved, and the processor time that HiGHS takes for it."""
    solves: list[Solve] = []
    solve = Solver.solve

    def timed(self: Solver, program: Program) -> np.ndarray:
        start = time.process_time()
        found = solve(self, program)
        solves.append((int(program.whole.sum()), time.process_time() - start))
        return found

    with patch.object(Solver, "solve", timed):
        yield solves


def main() -> None:
    """Print a line per number of blocks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--blocks", type=int, nargs="+", default=[0, 100, 300, 1000])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}; relative gap {GAP:g}")
    spec = toy_market(complex_clearing)
    for blocks in given.blocks:
        orders = book(given.orders, blocks, given.seed)
        setup = spec.rule.setup(spec, Slots(orders.node))
        with watched() as solves:
            start = time.process_time()
            found = spec.clear(orders, torch.rand_like(orders.price), setup)
            seconds = time.process_time() - start
        highs = sum(took for _, took in solves)
        rounds = sum(1 for whole, _ in solves if whole)
        assert orders.terms is not None
        trade = (found.accepted[:, orders.terms.block] != 0).any(0).sum()
        print(
            f"{given.orders:,} orders, {blocks} blocks: {seconds:.2f} s, of these HiGHS "
            f"{highs:.2f} s in {rounds} rounds, the rest {seconds - highs:.2f} s; "
            f"{int(trade)} blocks trade",
            flush=True,
        )


if __name__ == "__main__":
    main()
