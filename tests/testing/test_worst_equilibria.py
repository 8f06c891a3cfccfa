"""The worst equilibrium price where bids are paid as they are lies below that of a uniform price.

Caragiannis, Jiang and Skoulakis 2025, arXiv:2507.06035, for all markets; here a few small ones.
The worst correlated equilibrium, a linear programme, is at least as bad as any Nash equilibrium.
"""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from assume_rl import keyed
from assume_rl.core.clearing import Slots, pay_as_bid, pay_as_clear
from assume_rl.core.orders import unit_major
from assume_rl.testing import toy_market

pytestmark = pytest.mark.unchecked

CAP, RUNGS = 100.0, 17
LADDER = torch.linspace(0, CAP, RUNGS, dtype=torch.float64)


def market(seed: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Capacities, costs, and a demand that no seller can serve alone."""
    u = keyed.array((5,), seed, "worst equilibria")
    size, cost = 30 + 40 * u[:2], 5 + 25 * u[2:4]
    most = size.max().item()
    return size, cost, most + (0.85 * size.sum().item() - most) * (0.1 + 0.8 * u[4].item())


def cleared(rule: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Profits (seller, rung, rung) and prices (rung, rung), mean over who goes first in a tie."""
    size, cost, demand = market(seed)
    spec = toy_market(rule)
    bids = torch.cartesian_prod(LADDER, LADDER)
    price = torch.cat([bids, torch.full_like(bids[:, :1], 3000)], -1).unsqueeze(-2)
    volume = torch.tensor([*size.tolist(), -demand]).double().expand(len(bids), 1, 3)
    orders = unit_major(price, volume, 3)
    profits, prices = [], []
    for ties in ((0.1, 0.2, 0.5), (0.2, 0.1, 0.5)):
        found = spec.clear(
            orders,
            torch.tensor(ties).double().expand_as(volume),
            spec.rule.setup(spec, Slots(node=orders.node)),
        )
        profits.append(((found.paid - torch.cat([cost, cost[:1]])) * found.accepted)[:, 0, :2])
        prices.append(found.price[:, 0, 0])
    profit = torch.stack(profits).mean(0).T.reshape(2, RUNGS, RUNGS)
    return profit.numpy(), torch.stack(prices).mean(0).view(RUNGS, RUNGS).numpy()


def worst_pure(profit: np.ndarray, price: np.ndarray) -> float:
    """The highest price of a pair of bids from which nobody gains alone."""
    stays = (profit[0] >= profit[0].max(0) - 1e-9) & (
        profit[1] >= profit[1].max(1, keepdims=True) - 1e-9
    )
    return float(price[stays].max())


def worst_correlated(profit: np.ndarray, price: np.ndarray) -> float:
    """The highest expected price at which nobody gains by doing other than it is advised."""
    optimize = pytest.importorskip("scipy.optimize", reason="solves linear programmes")
    gains = []
    for advised, other in itertools.permutations(range(RUNGS), 2):
        first, second = np.zeros_like(price), np.zeros_like(price)
        first[advised] = profit[0, other] - profit[0, advised]
        second[:, advised] = profit[1, :, other] - profit[1, :, advised]
        gains += [first.ravel(), second.ravel()]
    found = optimize.linprog(
        -price.ravel(), A_ub=np.stack(gains), b_ub=np.zeros(len(gains)),
        A_eq=np.ones((1, price.size)), b_eq=[1.0],
    )  # fmt: skip
    assert found.status == 0
    return -float(found.fun)


@pytest.mark.parametrize("seed", range(8))
def test_paid_as_bid_the_worst_equilibrium_is_less_bad(seed: int) -> None:
    uniform = worst_pure(*cleared(pay_as_clear, seed))
    assert uniform == CAP  # a pivotal seller asks it
    as_bid = worst_correlated(*cleared(pay_as_bid, seed))
    assert as_bid < uniform - 1
    assert as_bid > market(seed)[1].max()
