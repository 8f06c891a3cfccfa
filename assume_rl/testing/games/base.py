"""Games with a known answer: players, actions, chance, payoffs and the equilibrium.

An action is one number, or several (`entries`), between two bounds. Chance is a row of uniform
draws; what they decide, costs, a demand or ties, is the game's affair. Where costs are private a
player sees its own draw, otherwise nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class Rules(Protocol):
    """The payoffs of actions; every function takes leading axes."""

    def payoff(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Float[Tensor, "... player"]:
        """Return the payoff of each player."""
        ...

    def price(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Float[Tensor, "..."]:
        """Return the price of the market."""
        ...

    def tried(
        self,
        player: int,
        action: Float[Tensor, "... player entry"],
        chance: Float[Tensor, "... chance"],
        own: Float[Tensor, "... rung entry"],
    ) -> Float[Tensor, "... rung"]:
        """Return the payoff of a player with each of some actions of its own."""
        ...


Curve = Callable[
    [
        int,
        Float[Tensor, "... player entry"],
        Float[Tensor, "... chance"],
        Float[Tensor, " rung"],
    ],
    Float[Tensor, "... _"],
]
"""What a player would have received on each rung of each entry, see `Game.curve`."""

Wins = Callable[
    [int, Float[Tensor, "... play player entry"], Float[Tensor, " rung"]], Float[Tensor, "... rung"]
]
"""The chance of a player to win on each rung, when plays of others meet in any combination."""


@dataclass(frozen=True)
class Equilibrium:
    """The answer of a game. Means over chance."""

    price: float
    profit: tuple[float, ...]  # of each player
    action: Callable[[Float[Tensor, "... chance"]], Float[Tensor, "... player entry"]] | None
    """What players do, by what they see of chance; None: no pure equilibrium is known."""


@dataclass(frozen=True)
class Game:
    """A game whose answer is known.

    :param name: key of `GAMES`
    :param title: what it is, in a few words
    :param source: where it was published
    :param bounds: lowest and highest number that each player may choose
    :param rules: what actions bring
    :param equilibrium: the answer
    :param cases: draws of chance, equally likely, over which figures are means
    :param scale: of payoffs: about what is at stake
    :param entries: numbers of an action
    :param wins: the chance to win with each price of a ladder, where the draw of its own number is
        what a player sees, and its cost: it receives its price less that, if it wins; None: players
        see nothing
    :param mixed: whether the equilibrium is in mixed strategies only
    :param faster: works out `curve`, as `rules` would, where these take long
    """

    name: str
    title: str
    source: str
    bounds: tuple[tuple[float, float], ...]
    rules: Rules
    equilibrium: Equilibrium
    cases: Float[Tensor, "case chance"]
    scale: float
    entries: int = 1
    wins: Wins | None = None
    mixed: bool = False
    faster: Curve | None = None

    @property
    def private(self) -> bool:
        """Return whether players see their own draw."""
        return self.wins is not None

    @property
    def players(self) -> tuple[str, ...]:
        """Return the names of the players."""
        return tuple(f"player_{i + 1}" for i in range(len(self.bounds)))

    def numbers(self, place: Float[Tensor, "... player entry"]) -> Float[Tensor, "... _ _"]:
        """Return the numbers that places in [-1, 1] stand for: -1 is the lowest, 1 the highest."""
        low, high = torch.tensor(self.bounds, dtype=torch.float64).unsqueeze(-1).unbind(1)
        return low + (high - low) * (place.to(torch.float64).clamp(-1.0, 1.0) + 1.0) / 2.0

    def curve(
        self,
        player: int,
        action: Float[Tensor, "... player entry"],
        chance: Float[Tensor, "... chance"],
        ladder: Float[Tensor, " rung"],
    ) -> Float[Tensor, "... _"]:
        """Return the payoff of a player on each rung of each entry, entry by entry.

        Its other entries, and all others, are as they were played.
        """
        if self.faster is not None:
            return self.faster(player, action, chance, ladder)
        entry = torch.eye(self.entries, dtype=torch.bool).unsqueeze(-2)
        own = torch.where(entry, ladder.unsqueeze(-1), action[..., player, None, None, :])
        return self.rules.tried(player, action, chance, own.flatten(-3, -2))

    def grid(self, player: int, points: int) -> Float[Tensor, " point"]:
        """Return numbers at equal distances that a player may choose."""
        return torch.linspace(*self.bounds[player], points, dtype=torch.float64)


def with_own(
    action: Float[Tensor, "... player entry"],
    player: int,
    own: Float[Tensor, "... rung entry"],
) -> Float[Tensor, "... rung player entry"]:
    """Return actions of all in which one player does something else on every rung."""
    shape = np.broadcast_shapes(action.shape[:-2], own.shape[:-2])
    rungs = own.shape[-2]
    every = action.unsqueeze(-3).expand(*shape, rungs, *action.shape[-2:]).clone()
    every[..., player, :] = own
    return every


@dataclass(frozen=True)
class Formula:
    """Rules of a game whose payoffs and price are a formula.

    :param formula: of actions `(... player)` of one entry and chance; returns payoffs and price
    """

    formula: Callable[
        [Float[Tensor, "... player"], Float[Tensor, "... chance"]],
        tuple[Float[Tensor, "... player"], Float[Tensor, "..."]],
    ]

    def payoff(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Float[Tensor, "... player"]:
        """Return the payoff of each player."""
        return self.formula(action.squeeze(-1), chance)[0]

    def price(
        self, action: Float[Tensor, "... player entry"], chance: Float[Tensor, "... chance"]
    ) -> Float[Tensor, "..."]:
        """Return the price."""
        return self.formula(action.squeeze(-1), chance)[1]

    def tried(
        self,
        player: int,
        action: Float[Tensor, "... player entry"],
        chance: Float[Tensor, "... chance"],
        own: Float[Tensor, "... rung entry"],
    ) -> Float[Tensor, "... rung"]:
        """Return the payoff of a player with each of some actions of its own."""
        every = with_own(action, player, own).squeeze(-1)
        return self.formula(every, chance.unsqueeze(-2))[0][..., player]


NOTHING = torch.zeros(1, 0, dtype=torch.float64)
"""The only case of a game without chance."""


def always(*numbers: float) -> Callable[[Tensor], Tensor]:
    """Return players that do the same whatever they see, one number each."""
    fixed = torch.tensor(numbers, dtype=torch.float64).unsqueeze(-1)
    return lambda chance: fixed.expand(*chance.shape[:-1], *fixed.shape)


def evenly(points: int, size: int) -> Float[Tensor, "points size"]:
    """Return points that lie evenly in the unit cube: the Kronecker sequence of Roberts (2018).

    :param points: how many
    :param size: dimensions
    """
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (size + 1))
    step = torch.tensor([root ** -(i + 1) for i in range(size)], dtype=torch.float64)
    return (0.5 + torch.arange(1, points + 1, dtype=torch.float64).unsqueeze(-1) * step) % 1.0
