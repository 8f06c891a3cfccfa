"""Who plays on which shell."""

from collections.abc import Callable

from assume_rl.experiments.collection.batch_player import BatchPlayer
from assume_rl.experiments.collection.message_player import MessagePlayer
from assume_rl.experiments.collection.orders import Player, Stage


def player_of(
    stage: Stage, device: str = "cpu", opening: Callable[[int], None] | None = None
) -> Player:
    """Return who plays a training's episodes, on the shell of its task.

    :param stage: of the training
    :param device: of markets and actors on the batch shell; agents act on a CPU
    :param opening: called before each decision, with the seconds since the episodes began
    :raises ConfigurationError: the episodes cannot be played
    """
    if stage.task.engine == "batch":
        return BatchPlayer(stage, device, opening)
    return MessagePlayer(stage, opening)
