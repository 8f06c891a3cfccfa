"""Values that change as training proceeds."""

from collections.abc import Callable


def progress(
    episodes_done: int, initial_episodes: int, training_episodes: int, elapsed: float = 0.0
) -> float:
    """What is left of training: 1 during initial experience, then falling linearly to 0.

    `episodes_done` counts finished episodes, `elapsed` in [0, 1] is the finished share of the
    running one. Clipped at 0, where all episodes of the plan are done.
    """
    if episodes_done < initial_episodes:
        return 1.0
    done = episodes_done - initial_episodes + elapsed
    return max(1.0 - done / max(training_episodes - initial_episodes, 1), 0.0)


def constant(initial: float, progress: float) -> float:
    """`initial`, always."""
    return initial


def linear(initial: float, progress: float) -> float:
    """From `initial` at the start of training (`progress` 1) to 0 at its end."""
    return initial * progress


SCHEDULES: dict[str, Callable[[float, float], float]] = {"constant": constant, "linear": linear}
