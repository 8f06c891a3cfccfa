"""The best response of a plant whose rivals draw their bids."""

from dataclasses import replace

from assume_rl.envs.support import unsupported
from assume_rl.evaluation.best_response import best_constant
from assume_rl.evaluation.exploitability import Response
from assume_rl.evaluation.sampled_response import sampled_response
from assume_rl.experiments.drawn_episodes import DrawnEpisodes
from assume_rl.experiments.recorded_plants import RecordedPlant, pays_for_starts
from assume_rl.experiments.recorded_storages import is_storage
from assume_rl.scenario.compile.compiled import Compiled


def unlike_sampled(compiled: Compiled, agent: str) -> str | None:
    """Return why the best response to rivals that draw their bids is not known; None: it is.

    :param compiled: scenario
    :param agent: a learner whose best response to known bids is known
    """
    if is_storage(compiled, agent):
        return f"rivals draw their bids, and sales of {agent} depend on earlier purchases"
    if pays_for_starts(compiled, agent):
        return f"rivals draw their bids, and {agent} has start costs"
    why = unsupported(compiled)
    return None if why is None else f"rivals draw their bids, and {why}"


def response_to_draws(plant: RecordedPlant, agent: str, played: DrawnEpisodes) -> Response:
    """Return a plant's `Response` to rivals that draw their bids, and its mean result.

    The error is the larger of two: the standard error of the gap, and how much more the bids
    promised on the draws that they were chosen by.

    :param plant: in a recorded episode of the same policies
    :param agent: its name
    :param played: several of them
    """
    book = played.book_of(agent)
    plant, draws = replace(plant, book=book), len(book.orders.price)
    earned = played.earned[agent]
    known = {"min_price": -plant.limit, "max_price": plant.limit}
    best = sampled_response(
        book,
        lambda got: plant.rewarded(plant.earn_alone(got)),
        marginal_cost=plant.cost,
        one_price=False,
        **known,
    )
    constant = best_constant(
        book,
        lambda got: plant.earn_alone(got).profit,
        marginal_cost=plant.cost.expand(draws, -1),
        **known,
    )
    received = plant.rewarded(earned).sum(-1)
    gain = best.value.sum(-1) - received
    gap, profit = max(0.0, float(gain.mean())), float(earned.profit.sum(-1).mean())
    alone = plant.earn_alone(best.sale).profit.sum((-1, -2)).mean()
    promised = float(best.promised.sum() - received.mean())
    return Response(
        agent,
        profit,
        best_profit=float(alone) if gap > 0 else profit,
        gap=gap,
        kind="sampled",
        error=max(float(gain.std()) / draws**0.5, promised - gap),
        constant_bid=float(constant.bid[0, 0, 0]),
        constant_profit=float(constant.value.sum() / draws),
    )
