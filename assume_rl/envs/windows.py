"""Parts of the calendar as episodes: their auction plan and their starts."""

from dataclasses import dataclass
from datetime import timedelta
from math import lcm

import torch
from jaxtyping import Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.core.time import Tick
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.compile.plan import auction_plan, market_problems


@dataclass(frozen=True)
class Window:
    """Episodes of `steps` steps with `starts` possible first steps, `period` steps apart."""

    steps: int
    period: int
    starts: int


def window_plan(compiled: Compiled, steps: int) -> tuple[Tick, ...]:
    """Return the plan of a window: that of a calendar of `steps` steps.

    :raises ConfigurationError: the window cannot be played.
    """
    config = compiled.scenario.config
    if steps < 1:
        raise ConfigurationError(f"a window must have at least one step, got {steps}")
    if steps > compiled.steps:
        raise ConfigurationError(
            f"a window of {steps} steps is longer than the calendar, which has {compiled.steps}"
        )
    end = config.start_date + timedelta(seconds=(steps - 1) * compiled.step_seconds)
    for name, market in config.markets_config.items():
        later = market.start_date not in (None, config.start_date)
        if later or market.end_date not in (None, config.end_date):
            raise ConfigurationError(
                f"market '{name}' has a start or end date of its own, so that windows of the "
                "calendar would not be alike; play the whole calendar"
            )
        if market.opening_duration > market.opening_frequency:
            raise ConfigurationError(
                f"auctions of the market '{name}' open before the one before has closed, so that "
                "observations at the end of a window are not known; play the whole calendar"
            )
    markets = {
        name: market.model_copy(update={"start_date": None, "end_date": None})
        for name, market in config.markets_config.items()
    }
    shorter = config.model_copy(update={"end_date": end, "markets_config": markets})
    for name, market in markets.items():
        for _, problem in market_problems(market, shorter):
            raise ConfigurationError(
                f"a window of {steps} steps is too short for the market '{name}': {problem}"
            )
    return auction_plan(shorter)


def windows_of(compiled: Compiled, steps: int) -> Window:
    """Return all windows of `steps` steps, aligned to the period of the auction plan."""
    markets = compiled.scenario.config.markets_config.values()
    seconds = lcm(compiled.step_seconds, *(market.opening_frequency for market in markets))
    period = seconds // compiled.step_seconds
    return Window(steps, period, (compiled.steps - steps) // period + 1)


def starts(
    window: Window, seeds: tuple[int, ...], episodes: Int[Tensor, " copy"]
) -> Int[Tensor, " copy"]:
    """Return the first calendar step of each copy's window, drawn by seed and episode.

    :param window: the possible windows
    :param seeds: of the environment
    :param episodes: numbers, (copy), seed-major
    """
    own = torch.tensor([keyed.key(seed, "window") for seed in seeds], device=episodes.device)
    keys = keyed.combine(own.repeat_interleave(len(episodes) // len(seeds)), episodes)
    return keyed.below(window.starts, keys, 1)[:, 0] * window.period
