"""Best responses of learners, each alone, given the orders of all others."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.money import Reward
from assume_rl.core.units.base import ZERO_VOLUME
from assume_rl.evaluation.best_response import (
    MOST_CONSTANT,
    BestResponse,
    Sale,
    best_constant,
    best_response,
    chosen,
    clear_at,
    sale,
)
from assume_rl.evaluation.exploitability import Response
from assume_rl.evaluation.starts import Delivery, best_of_two
from assume_rl.evaluation.storage_response import ABOUT_RUNGS, best_trades
from assume_rl.experiments.drawn_episodes import play_draws
from assume_rl.experiments.recorded_episode import RecordedEpisode
from assume_rl.experiments.recorded_market import unknown_auctions
from assume_rl.experiments.recorded_plants import (
    RecordedPlant,
    pays_for_starts,
    recorded_plant,
    unknown_response,
    unlike_plant,
)
from assume_rl.experiments.recorded_storages import (
    is_storage,
    planned,
    recorded_storage,
    unlike_storage,
)
from assume_rl.experiments.sampled_responses import response_to_draws, unlike_sampled
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.agents import owner_of
from assume_rl.scenario.compile.compiled import Compiled

AT_THE_END = 1 << 31
"""Most work for responses in the end, see `orders_to_clear`: about a minute (an estimate)."""

PASSES = 5
"""How often auctions are gone through one after the other for a plant whose starts cost something:
to choose between its best bids, and for their value, their profit, and, twice, constant prices."""

ORDERS_OF_A_STEP = 1 << 14
"""Orders that take about as long to clear as one auction takes in such a pass: some 0.5 ms."""

MOST_DRAWS, FEWEST_DRAWS = 128, 32
"""Episodes over which what rivals draw is averaged: as many as work allows."""

ORDERS_OF_A_PLAN = 24 * ORDERS_OF_A_STEP
"""Likewise of a plan that a storage makes before an auction, of 24 deliveries, a step each."""

SCANS = 24
"""How often the orders of a book are gone through for the best response of a plant: its own prices
are inserted, two of them beside each order of others at most, and others are sorted only once."""

SCANS_OF_CONSTANT = 3
"""The same for a price that is the same in all auctions: own orders, two at most, and one."""

ORDERS_OF_A_DRAW = 1 << 13
"""Orders that take about as long to clear as an auction of one of them, with all prices: 0.5 ms."""

SCANS_OF_A_DRAW = 4
"""How often its book is gone through beside that: it is sorted once for all learners."""

LEFT_OUT = "assume-rl evaluate --best-response does it"


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

    None where they are not known, see `unknown_bounds`. Best with one price for all of its orders.
    """
    if unknown_bounds(compiled) is not None:
        return None
    plant = recorded_plant(RecordedEpisode(compiled, memory), compiled.learners[0])

    def earned(got: Sale, bid: Tensor) -> Earned:
        brought = plant.earn(got)
        return Earned(brought.reward[:, 0], brought.profit[:, 0], got.price[:, 0], bid)

    best = best_of_plant(plant, lambda brought: brought.reward, one_price=True)
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


def responses(
    compiled: Compiled,
    memory: MemorySink,
    most: int | None = None,
    policies: Mapping[str, ActorStack] | None = None,
    seed: int = 0,
    *,
    beside: bool = True,
    of: Collection[str] | None = None,
    doing: Callable[[str, float], None] = lambda what, share: None,
) -> tuple[Response, ...]:
    """Return each learner's result in a recorded episode, and its possible one alone.

    A response to the bids that rivals drew in one episode would exploit what nobody can know. So of
    the rivals of policies that draw, it is what they get, and could get, on average over episodes.

    :param compiled: scenario
    :param memory: tables of the episode
    :param most: orders that may be cleared for it; where it would take more, responses that could
        be worked out are not. None: any number
    :param policies: that played it, by agent; None: none of them draws
    :param seed: of the draws
    :param beside: whether what stands beside it is wanted, the best constant bid or, of storages,
        what plans bring; with many rivals it takes most of the time
    :param of: learners that are asked about; None: all
    :param doing: called with the name of the current step and the share of it that is done
    """
    learners = [agent for agent in compiled.learners if of is None or agent in of]
    if not learners:
        return ()
    unlike = unknown_auctions(compiled)
    drawing = {agent for agent, own in (policies or {}).items() if own.mixed}
    guessing = [agent for agent in learners if drawing - {agent}]
    unknown = {agent: unlike or _unlike(compiled, agent) for agent in learners}
    unknown |= {agent: unknown[agent] or unlike_sampled(compiled, agent) for agent in guessing}
    known = [agent for agent, why in unknown.items() if why is None]
    storages = [agent for agent in known if is_storage(compiled, agent)]
    starting = [agent for agent in known if pays_for_starts(compiled, agent)]
    sampled = [agent for agent in known if agent in guessing]
    count = orders_to_clear(memory, set(known).difference(sampled), storages, starting)
    each, draws = orders_of_draws(memory, sampled), MOST_DRAWS
    if most is not None and each:
        draws = min(draws, max(FEWEST_DRAWS, (most - count) // each))
    count += draws * each
    if most is not None and count > most:
        why = f"it would take {count:.1g} cleared orders; {LEFT_OUT}"
        unknown, sampled = unknown | dict.fromkeys(known, why), []
    episode = RecordedEpisode(compiled, memory)
    markets = [market.name for market in compiled.markets]
    owners = {owner_of(agent, markets) for agent in learners}
    what = f"best responses of {len(owners)} learner{'s' if len(owners) > 1 else ''}"
    found: dict[str, Response] = {}
    for agent, reason in unknown.items():
        if agent not in sampled:
            doing(what, len(found) / len(learners))
            found[agent] = _response(episode, agent, reason, beside)
    if sampled:
        assert policies is not None  # some of them draw
        doing(f"{what}, to draws of others", 0.0)
        played = play_draws(compiled, seed, policies, draws)
        found |= {
            agent: response_to_draws(recorded_plant(episode, agent), agent, played)
            for agent in sampled
        }
    return tuple(found[agent] for agent in learners)


def _unlike(compiled: Compiled, agent: str) -> str | None:
    """Return why the response of a learner is not known; None: it is.

    :param compiled: scenario of one market, whose auctions can be cleared again
    :param agent: the learner
    """
    return (unlike_storage if is_storage(compiled, agent) else unlike_plant)(compiled, agent)


def orders_to_clear(
    memory: MemorySink,
    learners: Collection[str],
    storages: Collection[str] = (),
    starting: Collection[str] = (),
) -> int:
    """Return about how many orders `responses` would go through.

    The book of an auction is gone through as often for each plant as `SCANS` says, its rungs
    included, that of a storage once on each rung. Deliveries that are worked out one after the
    other count as orders that take as long.

    :param memory: tables of the episode
    :param learners: whose best responses can be worked out
    :param storages: those of them that are storages
    :param starting: those of them that are plants whose starts cost something
    """
    _, sizes = np.unique(memory.table("market_orders")["start_time"], return_counts=True)
    if not len(sizes) or not learners:
        return 0
    largest = int(sizes.max())
    plants = len(learners) - len(storages)
    of_plants = plants * (largest * SCANS + MOST_CONSTANT * SCANS_OF_CONSTANT)
    cleared = of_plants + len(storages) * (largest * ABOUT_RUNGS + ORDERS_OF_A_PLAN)
    return len(sizes) * (cleared + len(starting) * PASSES * ORDERS_OF_A_STEP)


def orders_of_draws(memory: MemorySink, sampled: Collection[str]) -> int:
    """Return about how many orders take as long as all auctions of one more episode.

    :param memory: tables of an episode
    :param sampled: learners whose rivals draw their bids
    """
    _, sizes = np.unique(memory.table("market_orders")["start_time"], return_counts=True)
    largest = int(sizes.max(initial=0))
    return len(sizes) * len(sampled) * (ORDERS_OF_A_DRAW + largest * SCANS_OF_A_DRAW)


def _response(episode: RecordedEpisode, agent: str, unknown: str | None, beside: bool) -> Response:
    """Return the `Response` of a learner.

    Where the best response that was found is not better than what it bid, its own bid is the best.
    """
    own = episode.received(agent)
    total = float(own.profit.sum())
    if unknown is not None:
        return Response(agent, total, unknown=unknown)
    if is_storage(episode.compiled, agent):
        trades = best_trades(recorded_storage(episode, agent))
        most = max(float(trades.profit.sum()), total)
        found = Response(agent, total, most, most - total, "grid", trades.error)
        if not beside:
            return found
        return replace(found, planned_profit=planned(episode, agent))
    plant = recorded_plant(episode, agent)
    best = best_of_plant(plant, plant.rewarded, one_price=False)
    # Of starts only whole calendars can be compared.
    whole = torch.sum if plant.has_starts else plant.by_auction
    gap = whole(best.value - plant.rewarded(own))
    profit = torch.where(gap > 0, whole(_profit(plant, best)), whole(own.profit))
    found = Response(
        agent,
        total,
        best_profit=float(profit.sum()),
        gap=float(gap.clamp(min=0).sum()),
        kind="exact" if best.exact else "lower_bound",
    )
    return _with_constant(found, plant) if beside else found


def _with_constant(response: Response, plant: RecordedPlant) -> Response:
    """Return a response with the one price for all auctions that earns most."""
    best = best_constant(
        plant.book,
        lambda got: _earn(plant, got).profit,
        marginal_cost=plant.cost,
        min_price=-plant.limit,
        max_price=plant.limit,
    )
    bid, profit = float(best.bid[0, 0]), float(best.value.sum())
    return replace(response, constant_bid=bid, constant_profit=profit)


def best_of_plant(
    plant: RecordedPlant, aim: Callable[[Reward], Tensor], *, one_price: bool
) -> BestResponse:
    """Return the best response of a plant, with the value of each auction.

    :param plant: in a recorded episode
    :param aim: what is maximised of what it earns
    :param one_price: for all of its orders
    """

    def best(allowed: Callable[[Tensor], Tensor]) -> BestResponse:
        return best_response(
            plant.book,
            lambda got: torch.where(allowed(got.sold), aim(plant.earn_alone(got)), -torch.inf),
            marginal_cost=plant.cost,
            min_price=-plant.limit,
            max_price=plant.limit,
            one_price=one_price,
        )

    if not plant.starts_rewarded:
        return best(lambda sold: torch.ones_like(sold, dtype=torch.bool))
    idle, runs = best(lambda sold: sold <= ZERO_VOLUME), best(lambda sold: sold > ZERO_VOLUME)
    two = Sale(
        price=torch.stack((idle.sale.price, runs.sale.price), -1),
        revenue=torch.stack((idle.sale.revenue, runs.sale.revenue), -1),
        sold=torch.stack((idle.sale.sold, runs.sale.sold), -1),
    )
    possible = torch.stack((idle.value, runs.value), -1).isfinite()

    def value(choice: Tensor, delivered: Delivery) -> Tensor:
        got = Sale(two.price[:, choice], two.revenue[:, choice], two.sold[:, choice])
        brought = aim(plant.earn_delivering(got, delivered))
        return torch.where(possible[:, choice], brought, -torch.inf)

    found = chosen(best_of_two(plant.plant, two.sold, value) > 0, runs, idle)
    return replace(found, value=aim(plant.earn(_on_one_rung(found.sale)))[:, 0])


def _on_one_rung(got: Sale) -> Sale:
    """Return sales of auctions with an axis of rungs, of length 1."""
    return Sale(*(column.unsqueeze(-1) for column in vars(got).values()))


def _profit(plant: RecordedPlant, best: BestResponse) -> Tensor:
    """Return the profit (auction,) of a response, EUR."""
    return _earn(plant, _on_one_rung(best.sale)).profit[:, 0]


def _earn(plant: RecordedPlant, got: Sale) -> Reward:
    """Return the earnings of sales (auction rung), by auction only if starts are rewarded."""
    return plant.earn(got) if plant.has_starts else plant.earn_alone(got)
