"""Games whose answer is known, played by the learners of `assume_rl.learning`.

The numbers are those of docs/games.md. `GAMES` makes each of them by name; `judged` says how far
what players do is from an equilibrium.
"""

from collections.abc import Callable, Mapping

from assume_rl.testing.games.auctions import (
    competitive,
    lipschitz,
    pivotal,
    pivotal_as_bid,
)
from assume_rl.testing.games.base import Equilibrium, Game
from assume_rl.testing.games.formulas import (
    cournot,
    intercepts,
    logit_demand,
    supply_slopes,
    tender,
)
from assume_rl.testing.games.judging import Judged, judged, judged_mixed
from assume_rl.testing.games.supply_curves import supply_curves

GAMES: Mapping[str, Callable[[], Game]] = {
    "E1": cournot,
    "E1-3": lambda: cournot("E1-3", (10.0, 20.0, 25.0)),
    "E2": logit_demand,
    "E3": competitive,
    "E4": pivotal,
    "E5": pivotal_as_bid,
    "E6-2": lambda: supply_slopes(2, 0.5, 1.0, 2.0),
    "E6-3": lambda: supply_slopes(3, 0.5, 1.0, 2.0),
    "E6-5": lambda: supply_slopes(5, 1.0, 0.2, 8.0),
    "E7-8": lambda: supply_curves(8),
    "E7-32": lambda: supply_curves(32),
    "E8-2": lambda: tender(2),
    "E8-3": lambda: tender(3),
    "E8-5": lambda: tender(5),
    "E9": intercepts,
    "E11": lipschitz,
}
"""Games by name; several of a kind have the number of players, or of steps, behind it."""

__all__ = ["GAMES", "Equilibrium", "Game", "Judged", "judged", "judged_mixed"]
