"""Values that change as training proceeds."""

import math
from collections.abc import Callable

from assume_rl.learning.config import Schedule, ScheduleName


def progress(
    episodes_done: int, initial_episodes: int, training_episodes: int, elapsed: float = 0.0
) -> float:
    """Return what is left of training: 1 during initial experience, then falling linearly to 0.

    Clipped at 0, where all episodes of the plan are done.

    :param episodes_done: finished episodes
    :param initial_episodes: those of initial experience
    :param training_episodes: all of the plan
    :param elapsed: finished share of the running episode, in [0, 1]
    """
    if episodes_done < initial_episodes:
        return 1.0
    done = episodes_done - initial_episodes + elapsed
    return max(1.0 - done / max(training_episodes - initial_episodes, 1), 0.0)


def scheduled(schedule: ScheduleName | Schedule | None, initial: float, progress: float) -> float:
    """Return a value at some time of training.

    :param schedule: how it changes; a name alone goes by the defaults of `Schedule`; None: not
    :param initial: the value at the start
    :param progress: what is left of training, from 1 to 0
    """
    if schedule is None:
        return initial
    chosen = schedule if isinstance(schedule, Schedule) else Schedule(schedule=schedule)
    return initial * SCHEDULES[chosen.schedule](chosen, progress)


def _piecewise(chosen: Schedule, left: float) -> float:
    reached = [share for start, share in chosen.steps if start <= 1.0 - left]
    return reached[-1] if reached else 1.0


SCHEDULES: dict[ScheduleName, Callable[[Schedule, float], float]] = {
    "constant": lambda chosen, left: 1.0,
    "cosine": lambda chosen, left: (
        chosen.end + (1.0 - chosen.end) * (1.0 - math.cos(math.pi * left)) / 2.0
    ),
    "exponential": lambda chosen, left: chosen.end ** (1.0 - left),
    "linear": lambda chosen, left: chosen.end + (1.0 - chosen.end) * left,
    "piecewise": _piecewise,
    "polynomial": lambda chosen, left: chosen.end + (1.0 - chosen.end) * left**chosen.power,
}
"""Share of the initial value, of the settings and what is left of training."""
