"""Complex clearing: orders that couple products, and zones with lines between them.

Phases, each a function: `read` the orders, `decide` what is accepted, `priced`, and remove what
would lose until nothing does. Semantics: docs/complex-clearing.md.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor

from assume_rl.core.clearing.complex.book import Book, Floats, read
from assume_rl.core.clearing.complex.highs import Solver, missing
from assume_rl.core.clearing.complex.prices import Cleared, priced, traded
from assume_rl.core.clearing.complex.program import (
    Decision,
    Removed,
    decide,
    none_removed,
)
from assume_rl.core.clearing.grid import Grid, one_zone
from assume_rl.core.clearing.rule import Clearing, MarketSpec, Need, Slots
from assume_rl.core.orders import Orders


class ComplexParams(BaseModel):
    """Parameters of complex clearing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pricing_mechanism: Literal["pay_as_clear", "pay_as_bid"] = "pay_as_clear"
    network_path: str | None = None
    """Folder of buses.csv and lines.csv, which the scenario reads; without it there is one zone."""
    zones_identifier: str | None = None
    """Column of buses.csv that says in which zone a bus lies; by default each is one."""

    @model_validator(mode="after")
    def _check_solver(self) -> "ComplexParams":
        """Refuse the mechanism where its solver is not installed, with the scenario's checks."""
        hint = missing()
        if hint is not None:
            raise ValueError(hint)
        return self


@dataclass(frozen=True)
class Setup:
    """What all auctions of a market share."""

    grid: Grid
    zone: Int[Tensor, " slot"]
    limits: tuple[float, float]  # EUR/MWh
    as_bid: bool
    ratios: bool  # whether least shares count
    solver: Solver


@dataclass(frozen=True)
class ComplexClearing:
    """Maximise welfare over simple orders, blocks, links, complex orders and zones."""

    name: str = "complex_clearing"
    Params: type[ComplexParams] = ComplexParams
    couples_products: bool = True
    needs: frozenset[Need] = field(default_factory=lambda: frozenset[Need]({"node", "blocks"}))
    batched: bool = False

    def setup(self, spec: MarketSpec[ComplexParams], slots: Slots) -> Setup:
        """Return grid, zones, limits and solver of a market.

        :raises ConfigurationError: HiGHS is not installed
        """
        grid = spec.grid or one_zone(len(spec.nodes))
        return Setup(
            grid=grid,
            zone=grid.of_slots(slots.node),
            limits=(spec.min_price, spec.max_price),
            as_bid=spec.params.pricing_mechanism == "pay_as_bid",
            ratios=spec.reads_ratios,
            solver=Solver(),
        )

    def clear(self, orders: Orders, tie: Float[Tensor, "product slot"], setup: Setup) -> Clearing:
        """Return the `Clearing` of an auction.

        :param orders: (product slot)
        :param tie: in [0, 1), orders equal prices
        :param setup: of the market
        """
        book = read(orders, tie, setup.grid, ratios=setup.ratios)
        return _clearing(orders, book, cleared(book, setup.limits, setup.solver), setup)


def cleared(book: Book, limits: tuple[float, float], solver: Solver) -> Cleared:
    """Return what a book trades: the best decision in which no accepted order loses.

    Orders that lose at the prices of the best decision are removed for good, and so on until none
    does. That there is no better decision without losses is not proven.

    :param book: the orders
    :param limits: least and greatest price of the market, EUR/MWh
    :param solver: of the market
    """
    removed = none_removed(book)
    while True:
        decision = _decided(book, removed, solver)
        filled = traded(book, decision, removed)
        price, losing = priced(book, decision, filled, limits, solver)
        if not losing:
            return Cleared(filled.accepted, decision.blocks, decision.flows, price)
        removed = removed | losing


def _decided(book: Book, removed: Removed, solver: Solver) -> Decision:
    """Return the best decision; of simple orders in one zone there is nothing to decide."""
    if len(book.blocks) or len(book.tied) or book.grid.lines:
        return decide(book, removed, solver)
    none = np.zeros(0)
    return Decision(
        none, none.astype(bool), none, none.astype(bool), np.zeros((book.products, 0)), none
    )


def _clearing(orders: Orders, book: Book, found: Cleared, setup: Setup) -> Clearing:
    products, zones = book.products, book.zones
    shape = tuple(orders.volume.shape)
    flat = np.zeros(orders.volume.numel())
    flat[book.simple.place] = found.simple
    volume = orders.volume.detach().cpu().numpy()
    accepted = flat.reshape(shape)
    slots = book.blocks.slot
    accepted[:, slots] = volume[:, slots] * found.blocks
    zone = setup.zone.cpu().numpy()
    supply, demand = (
        _by_zone(part, zone, zones) for part in (accepted.clip(0), -accepted.clip(None, 0))
    )
    moved = np.zeros((products, zones), dtype=bool)
    for i, line in enumerate(setup.grid.lines):
        flows = np.abs(found.flows[:, i]) > 0
        moved[:, line.start] |= flows
        moved[:, line.stop] |= flows
    idle = (supply == 0) & (demand == 0) & ~moved
    price = np.where(idle, 0.0, found.price.reshape(products, zones))
    own = price[:, zone]
    lowest = highest = price
    if setup.as_bid:
        asked = orders.price.detach().cpu().numpy()
        own = np.where(accepted != 0, asked, own)
        lowest, highest = _extremes(asked, accepted > 0, zone, price)

    def tensor(values: Floats) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float64, device=orders.price.device)

    return Clearing(
        accepted=tensor(accepted),
        paid=tensor(own),
        price=tensor(price),
        supply_volume=tensor(supply),
        demand_volume=tensor(demand),
        min_price=tensor(lowest),
        max_price=tensor(highest),
        zone=setup.zone,
        flows=tensor(found.flows) if setup.grid.lines else None,
        zones=setup.grid.zones,
    )


def _by_zone(volume: Floats, zone: Any, zones: int) -> Floats:
    """Return the sums of (product slot) in each zone."""
    found = np.zeros((len(volume), zones))
    np.add.at(found.T, zone, volume.T)
    return found


def _extremes(asked: Floats, sells: Any, zone: Any, price: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest price of accepted supply; without any, the zone's."""
    low, high = np.full_like(price, np.inf), np.full_like(price, -np.inf)
    np.minimum.at(low.T, zone, np.where(sells, asked, np.inf).T)
    np.maximum.at(high.T, zone, np.where(sells, asked, -np.inf).T)
    none = np.isinf(low)
    return np.where(none, price, low), np.where(none, price, high)


complex_clearing = ComplexClearing()
