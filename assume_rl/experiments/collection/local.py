"""Episodes that are played in this process, when their pieces are asked for."""

from collections.abc import Callable

from assume_rl.experiments.collection.orders import Order, Piece, Stage
from assume_rl.experiments.collection.player import Player
from assume_rl.learning.acting import Policies


class Local:
    """A pool of one worker: this process. It is never lost.

    :param stage: of the training
    :param opening: called before each decision, with the seconds since the episodes began
    """

    workers = 1
    reliable = True

    def __init__(self, stage: Stage, opening: Callable[[int], None] | None = None) -> None:
        self._player = Player(stage, stage.task.device, opening)

    def publish(self, policies: Policies) -> Policies:
        """Return the policies: they are here."""
        return policies

    def send(self, worker: int, order: Order, policies: Policies) -> tuple[Order, Policies]:
        """Keep an order until its result is asked for."""
        return order, policies

    def result(self, worker: int, ticket: tuple[Order, Policies]) -> Piece:
        """Carry out an order."""
        return self._player.play(*ticket)

    def renew(self, worker: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
