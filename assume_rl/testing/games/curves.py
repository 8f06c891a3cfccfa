"""The payoffs that players' rungs would have given them: means over the plays of an episode."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.testing.games.base import Game


def curves(
    game: Game,
    action: Float[Tensor, "seed play player entry"],
    chance: Float[Tensor, "seed play chance"],
    rungs: int,
) -> Float[Tensor, "seed row player _"]:
    """Return the payoff of every rung of each entry, with other entries as they were played.

    Where players see their own costs there is a row for each of these, in which it meets what
    others did in all plays, in any combination; else one row.

    :param game: that is played
    :param action: of all players
    :param chance: that they met
    :param rungs: of the ladders
    """
    found = []
    for player in range(len(game.players)):
        ladder = game.grid(player, rungs)
        if game.wins is not None:
            chances = game.wins(player, action, ladder).unsqueeze(1)
            mean = (ladder - chance[..., player, None]) * chances
        else:
            mean = game.curve(player, action, chance, ladder).mean(1, keepdim=True)
        found.append(mean)
    return torch.stack(found, -2) / game.scale


def curve_table(game: Game, rungs: int) -> Float[Tensor, "player rung rung"] | None:
    """Return the payoffs of own rungs (last axis) against each rung of a single rival.

    Mean over the cases of chance. None: there are several rivals or entries, or costs are private.

    :param game: that is played
    :param rungs: of the ladders
    """
    if len(game.players) != 2 or game.entries > 1 or game.private:
        return None
    ladders = torch.stack([game.grid(player, rungs) for player in range(2)])
    actions = ladders.T.unsqueeze(-1)
    found = [
        game.curve(player, action.expand(len(game.cases), -1, -1), game.cases, ladders[player])
        for player in range(2)
        for action in actions
    ]
    return torch.stack([curve.mean(0) for curve in found]).view(2, rungs, rungs) / game.scale


def looked_up(
    table: Float[Tensor, "player rung rung"], rung: Int[Tensor, "seed play player"]
) -> Float[Tensor, "seed 1 player rung"]:
    """Return `curves` of two players, of their table.

    :param table: see `curve_table`
    :param rung: that each played, counted from 0
    """
    met = [table[player][rung[..., 1 - player]].mean(1, keepdim=True) for player in range(2)]
    return torch.stack(met, -2)
