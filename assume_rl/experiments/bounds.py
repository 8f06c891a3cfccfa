"""Best responses of learning plants, each alone, given the orders of all others."""

from dataclasses import dataclass

import torch
from torch import Tensor

from assume_rl.evaluation.best_response import (
    BestResponse,
    Sale,
    best_constant,
    best_response,
    clear_at,
    sale,
)
from assume_rl.evaluation.exploitability import Response
from assume_rl.experiments.recorded_plants import (
    RecordedPlant,
    received,
    recorded_plant,
    unknown_response,
)
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled


@dataclass(frozen=True)
class Earned:
    """A way of bidding over the whole calendar, auction by auction."""

    reward: Tensor  # (auction,)
    profit: Tensor  # (auction,) EUR
    price: Tensor  # (auction,) EUR/MWh
    bid: Tensor  # (auction,) EUR/MWh


@dataclass(frozen=True)
class Bounds:
    """Bidding marginal cost, and the best response of each auction on its own."""

    truthful: Earned
    best: Earned


def single_plant_bounds(compiled: Compiled, memory: MemorySink) -> Bounds | None:
    """Return the bounds of the only learning plant, from the orders of a recorded episode.

    Exact where auctions do not depend on each other; None where they may, see `unknown_bounds`.
    Best with one price for all of its orders.
    """
    if unknown_bounds(compiled) is not None:
        return None
    plant = recorded_plant(compiled, memory, compiled.learners[0])

    def earned(got: Sale, bid: Tensor) -> Earned:
        brought = plant.earn(got)
        return Earned(brought.reward[:, 0], brought.profit[:, 0], got.price[:, 0], bid)

    best = best_response(
        plant.book,
        lambda got: plant.earn(got).reward,
        marginal_cost=plant.cost,
        min_price=-plant.limit,
        max_price=plant.limit,
    )
    honest = plant.cost[:, None, None].expand(-1, 1, len(plant.book.own))
    return Bounds(
        earned(sale(clear_at(plant.book, honest)), plant.cost),
        earned(_on_one_rung(best.sale), best.bid[:, 0]),
    )


def unknown_bounds(compiled: Compiled) -> str | None:
    """Return why the bounds of the only learner are not known; None: they are."""
    if len(compiled.learners) != 1:
        return f"there are {len(compiled.learners)} learning bidders"
    return unknown_response(compiled, compiled.learners[0])


def responses(compiled: Compiled, memory: MemorySink) -> tuple[Response, ...]:
    """Return what each learner received in a recorded episode, and could have alone."""
    return tuple(_response(compiled, memory, agent) for agent in compiled.learners)


def _response(compiled: Compiled, memory: MemorySink, agent: str) -> Response:
    """Return the `Response` of a learner.

    Where the best response that was found is not better than what it bid, its own bid is the best.
    """
    own = received(memory, agent)
    total = float(own.profit.sum())
    unknown = unknown_response(compiled, agent)
    if unknown is not None:
        return Response(agent, total, unknown=unknown)
    plant = recorded_plant(compiled, memory, agent)
    cost, limit = plant.cost, plant.limit
    best = best_response(
        plant.book,
        plant.payoff,
        marginal_cost=cost,
        min_price=-limit,
        max_price=limit,
        one_price=False,
    )
    constant = best_constant(
        plant.book, plant.payoff, marginal_cost=cost, min_price=-limit, max_price=limit
    )
    gap = (best.value - plant.rewarded(own)).clamp(min=0)
    profit = torch.where(gap > 0, _profit(plant, best), own.profit)
    return Response(
        agent,
        total,
        best_profit=float(profit.sum()),
        gap=float(gap.sum()),
        exact=best.exact,
        constant_bid=float(constant.bid[0, 0]),
        constant_profit=float(_profit(plant, constant).sum()),
    )


def _on_one_rung(got: Sale) -> Sale:
    """Return sales of auctions with an axis of rungs, of length 1."""
    return Sale(*(column.unsqueeze(-1) for column in vars(got).values()))


def _profit(plant: RecordedPlant, best: BestResponse) -> Tensor:
    """Return the profit (auction,) of a response, EUR."""
    return plant.earn(_on_one_rung(best.sale)).profit[:, 0]
