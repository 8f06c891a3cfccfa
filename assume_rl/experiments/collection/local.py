"""Episodes that are played in this process, when their pieces are asked for."""

from assume_rl.experiments.collection.orders import Order, Piece, Player
from assume_rl.learning.acting import Policies


class Local:
    """A pool of one worker: this process. It is never lost.

    :param player: carries out the orders
    """

    workers = 1
    reliable = True

    def __init__(self, player: Player) -> None:
        self._player = player

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
        """Leave all episodes."""
        self._player.close()
