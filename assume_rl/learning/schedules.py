"""Values that change as training proceeds."""

import math
from collections.abc import Callable, Iterable

from assume_rl.errors import ContractError
from assume_rl.learning.config import KlAdaptive, LearningConfig, Schedule, ScheduleName


def progress(
    episodes_done: int, initial_episodes: int, training_episodes: int, elapsed: float = 0.0
) -> float:
    """Return the share of training that is left: 1 in initial experience, then linearly to 0.

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


def rate_schedule(
    config: LearningConfig, network: str
) -> ScheduleName | Schedule | KlAdaptive | None:
    """Return the schedule of the learning rate of the networks of a name."""
    found = config.learning_rate_schedule
    chosen = found.get(network) if isinstance(found, dict) else found
    return config.settings.usual_rates.get(network) if chosen is None else chosen


def initial_rate(config: LearningConfig, network: str) -> float:
    """Return the learning rate at the start of the networks of a name."""
    return config.learning_rates.get(network, config.learning_rate)


def learning_rate(config: LearningConfig, network: str, progress: float) -> float:
    """Return the learning rate of the networks of a name; without its adaption to divergence.

    :param config: all settings
    :param network: name of the networks; one that is not among the settings has the usual rate
    :param progress: share of training that is left, from 1 to 0
    """
    schedule = rate_schedule(config, network)
    initial = initial_rate(config, network)
    return initial if isinstance(schedule, KlAdaptive) else scheduled(schedule, initial, progress)


def own_rates(config: LearningConfig, networks: Iterable[str]) -> frozenset[str]:
    """Return the networks whose learning rate may differ from that of others."""
    found = config.learning_rate_schedule
    adaptive = {name for name in networks if isinstance(rate_schedule(config, name), KlAdaptive)}
    named = found if isinstance(found, dict) else ()
    return frozenset(adaptive) | frozenset(config.learning_rates) | frozenset(named)


def scheduled(schedule: ScheduleName | Schedule | None, initial: float, progress: float) -> float:
    """Return a value at some time of training.

    :param schedule: how it changes; a name alone goes by the defaults of `Schedule`; None: not
    :param initial: the value at the start
    :param progress: share of training that is left, from 1 to 0
    """
    if schedule is None:
        return initial
    chosen = schedule if isinstance(schedule, Schedule) else Schedule(schedule=schedule)
    share = SCHEDULES[chosen.schedule]
    found = share(chosen, progress)
    if not isinstance(found, float | int) or not 0 <= found < math.inf:
        raise ContractError(share, f"{found!r}, not a share of the value at the start")
    return initial * found


def _piecewise(chosen: Schedule, left: float) -> float:
    reached = [share for start, share in chosen.steps if start <= 1.0 - left]
    return reached[-1] if reached else 1.0


Share = Callable[[Schedule, float], float]

SCHEDULES: dict[str, Share] = {
    "constant": lambda chosen, left: 1.0,
    "cosine": lambda chosen, left: (
        chosen.end + (1.0 - chosen.end) * (1.0 - math.cos(math.pi * left)) / 2.0
    ),
    "exponential": lambda chosen, left: chosen.end ** (1.0 - left),
    "linear": lambda chosen, left: chosen.end + (1.0 - chosen.end) * left,
    "piecewise": _piecewise,
    "polynomial": lambda chosen, left: chosen.end + (1.0 - chosen.end) * left**chosen.power,
}
"""Share of the initial value, from the settings and the share of training that is left."""
