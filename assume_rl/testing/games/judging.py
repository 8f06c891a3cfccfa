"""How far players are from an equilibrium, by brute force over all actions of each."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.testing.games.base import Game

POINTS = 401  # of the grid over what a player could do
OWN_CASES = 16  # draws of its own that a player is judged at
PAIRS = 1 << 15  # auctions of mixes that are worked out together
UNLIKELY = 1e-5  # rungs that are less likely than that are left out
AT_ONCE = 1 << 22  # numbers worked on together


@dataclass(frozen=True)
class Judged:
    """The results of players, means over chance."""

    price: float
    profit: tuple[float, ...]
    gap: tuple[float, ...]  # what each could gain alone, at least 0
    distance: float | None  # to the action of the equilibrium: root of the mean square

    @property
    def exploitability(self) -> float:
        """Return the largest gap."""
        return max(self.gap)


Policy = Callable[[Float[Tensor, "... player"]], Float[Tensor, "... player entry"]]
"""What players do, by what each sees."""


def judged(game: Game, policy: Policy, points: int = POINTS, draws: int = 1) -> Judged:
    """Return the figures of players by their actions in each case.

    Where an action has several entries, a player is compared with one that knows chance and has
    all entries at one number: its gap is an upper bound of what it could gain.

    :param game: that is played
    :param policy: what players do
    :param points: of the grid over what a player could do
    :param draws: how often each case is played, by players that mix
    """
    game = replace(game, cases=game.cases.repeat_interleave(draws, 0))
    action = policy(game.cases)
    profit = game.rules.payoff(action, game.cases).mean(-2)
    price = game.rules.price(action, game.cases).mean()
    gap = [_gap(game, policy, player, points) for player in range(len(game.bounds))]
    return Judged(
        float(price),
        tuple(profit.tolist()),
        tuple(max(own, 0.0) for own in gap),
        _distance(game, action),
    )


def _distance(game: Game, action: Float[Tensor, "case player entry"]) -> float | None:
    """Return the distance to the equilibrium; which entry has which number does not matter."""
    if game.equilibrium.action is None:
        return None
    known = game.equilibrium.action(game.cases)
    return float((action.sort(-1).values - known.sort(-1).values).square().mean().sqrt())


def _gap(game: Game, policy: Policy, player: int, points: int) -> float:
    """Return a player's gain from the best action of the grid for each observation."""
    action = policy(game.cases)
    grid = game.grid(player, points).unsqueeze(-1).expand(-1, game.entries)
    if game.private:
        return _private_gap(game, policy, player, grid)
    value = _tried(game, player, action, game.cases, grid)
    own = game.rules.payoff(action, game.cases)[..., player].mean()
    best = value.amax(-1).mean() if game.entries > 1 else value.mean(-2).amax()
    return float(best - own)


def _private_gap(
    game: Game, policy: Policy, player: int, grid: Float[Tensor, "rung entry"]
) -> float:
    """Return the mean gap over draws of a player's own, each against all draws of others."""
    gaps = []
    for seen in torch.linspace(0.0, 1.0, 2 * OWN_CASES + 1, dtype=torch.float64)[1::2]:
        chance = game.cases.clone()
        chance[:, player] = seen
        action = policy(chance)
        best = _tried(game, player, action, chance, grid).mean(-2).amax()
        gaps.append(best - game.rules.payoff(action, chance)[..., player].mean())
    return float(torch.stack(gaps).mean())


def _tried(
    game: Game,
    player: int,
    action: Float[Tensor, "case player entry"],
    chance: Float[Tensor, "case chance"],
    grid: Float[Tensor, "rung entry"],
) -> Float[Tensor, "case rung"]:
    """Return the payoff of a player on the grid, in parts that fit into memory."""
    size = max(1, AT_ONCE // (len(grid) * action.shape[-2] * action.shape[-1]))
    parts = zip(torch.split(action, size), torch.split(chance, size), strict=True)
    return torch.cat([game.rules.tried(player, own, draws, grid) for own, draws in parts])


def judged_mixed(
    game: Game,
    numbers: Float[Tensor, "player rung"],
    weight: Float[Tensor, "player rung"],
    points: int = POINTS,
) -> Judged:
    """Return the figures of two players that mix, each for itself, and see nothing.

    :param game: that is played; actions have one entry
    :param numbers: that a player may choose, each with a probability
    :param weight: the probabilities
    :param points: of the grid over what a player could do
    """
    weight = torch.where(weight < UNLIKELY, 0.0, weight)
    weight = weight / weight.sum(-1, keepdim=True)
    pairs = torch.stack(torch.meshgrid(numbers[0], numbers[1], indexing="ij"), -1)
    action, odds = pairs.flatten(0, 1).unsqueeze(-1), torch.outer(weight[0], weight[1]).flatten()
    likely = odds > 0
    action, odds = action[likely].unsqueeze(1), odds[likely].unsqueeze(-1)
    profit, price = torch.zeros(2, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    size = max(1, PAIRS // len(game.cases))
    for own, chance in zip(torch.split(action, size), torch.split(odds, size), strict=True):
        profit += (chance * game.rules.payoff(own, game.cases).mean(-2)).sum(0)
        price += (chance * game.rules.price(own, game.cases)).mean(-1).sum()
    gap = []
    for player in range(2):
        rival = numbers[1 - player][weight[1 - player] > 0]
        odds = weight[1 - player][weight[1 - player] > 0]
        others = torch.zeros(len(rival), 1, 2, 1, dtype=torch.float64)
        others[:, 0, 1 - player, 0] = rival
        grid = game.grid(player, points)
        value = game.curve(player, others, game.cases, grid).mean(-2)
        gap.append(float((odds @ value).amax() - profit[player]))
    return Judged(float(price), tuple(profit.tolist()), tuple(max(own, 0.0) for own in gap), None)
