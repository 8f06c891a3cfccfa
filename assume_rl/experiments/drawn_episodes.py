"""Episodes of policies that draw their bids, played side by side with different draws."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from assume_rl.core.money import Reward
from assume_rl.core.reward_curve import OwnBook, book_of_one_product
from assume_rl.core.team import Policy
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.state import Happened
from assume_rl.scenario.compile.compiled import Compiled


@dataclass(frozen=True)
class DrawnEpisodes:
    """The products of the only market, each as an auction of its own, in the order of delivery."""

    unit_ids: tuple[str, ...]  # of each slot
    book: OwnBook  # (draw auction product slot), sorted, nobody's own
    earned: Mapping[str, Reward]  # (draw auction), by agent

    def book_of(self, unit: str) -> OwnBook:
        """Return the book as a unit sees it."""
        own = [k for k, name in enumerate(self.unit_ids) if name == unit]
        return replace(self.book, own=torch.tensor(own))


@torch.inference_mode()
def play_draws(
    compiled: Compiled, seed: int, policies: Mapping[str, Policy], draws: int
) -> DrawnEpisodes:
    """Return evaluations of fixed policies.

    :param compiled: scenario of one market, which the batch shell supports
    :param seed: of the draws
    :param policies: of all learned bidders, by agent
    :param draws: how many episodes
    """
    env = MarketEnv(compiled, num_envs=draws, seeds=(seed,), policies=policies, evaluation=True)
    (market,) = env.setting.markets.values()
    state = env.reset(torch.arange(1, draws + 1))
    happened = Happened()
    while not env.done(state):
        state, now = env.step(state, ())
        happened.cleared += now.cleared
        happened.fixed += now.fixed
    sold = {
        first: (one.book, product)
        for one in happened.cleared
        for product, first in enumerate(one.book.auction.first)
    }
    place = {first: k for k, first in enumerate(sorted(sold))}
    books = [sold[first] for first in place]
    zero = torch.zeros(draws, len(place), dtype=torch.float64)
    earned: dict[str, Reward] = {}
    for got in happened.fixed:
        at = place[got.auction.first[0]]  # of all products of the auction
        for unit, agent in enumerate(market.parts[got.team].team.agents):
            own = earned.setdefault(agent, Reward(zero.clone(), zero.clone(), zero.clone()))
            for name, column in vars(own).items():
                column[:, at] = getattr(got.reward, name)[:, unit]
    book = book_of_one_product(
        market.spec,
        torch.stack([book.orders.price[:, product] for book, product in books], 1),
        torch.stack([book.orders.volume[:, product] for book, product in books], 1),
        torch.zeros(0, dtype=torch.long),
    )
    return DrawnEpisodes(market.unit_ids, book.ordered(), earned)
