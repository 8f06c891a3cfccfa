"""The end of an episode: of the calendar, or of a window, after which the market would go on."""

from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from assume_rl.core.step import ahead, execute
from assume_rl.core.types import Auction
from assume_rl.envs.bidding import offsets_of, with_views
from assume_rl.envs.cohorts import auctions_of
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Executed, Happened, State, moved_to


def deliver_rest(setting: Setting, state: State, happened: Happened) -> None:
    """Note in `happened` how cohorts deliver what is sold for later than their last clearing.

    :param state: after the last tick; it stays as it is, since what the learners see next must not
        depend on deliveries that are still to come.
    """
    for index, (own, units) in enumerate(zip(setting.cohorts, state.units, strict=True)):
        until = setting.sold[index]
        due, later = until - state.executed[index], until - state.step
        if units is not None and due > 0:
            last = state.now + later
            sold = ahead(units, later)
            done = execute(own.fleet, own.profiles, sold, last, due, elapsed=until)
            happened.executed.append(Executed(index, done, until, due))


def at_end(setting: Setting, state: State) -> State:
    """The state with what the learners would see when their market opens next.

    That is the real next observation of a window that is followed by another auction, and zeros
    where nothing follows.
    """
    if setting.window is None or not setting.learners:
        return _nothing_follows(setting, state)
    last = setting.auctions(setting.learners_market)[-1]
    step_seconds = setting.compiled.step_seconds
    offsets = offsets_of(last, last.opens // step_seconds)
    state = moved_to(state, max(state.step, _next_opening(setting, last) // step_seconds))
    ended = ends_calendar(setting, state)
    # Where nothing follows there may be no series to look at, either.
    reach = setting.compiled.steps - 1 - max(offsets)
    now = torch.as_tensor(state.now).clamp(max=reach)
    seen = with_views(setting, state, offsets, now)
    kept = tuple(obs * ~ended[:, None, None] for obs in seen.observations)
    return replace(seen, views=(), observations=kept)


def ends_calendar(setting: Setting, state: State) -> Bool[Tensor, " copy"]:
    """Whether the calendar has no auction of the learners after each copy's episode."""
    if setting.window is None or not setting.learners:
        return torch.ones_like(state.episodes, dtype=torch.bool)
    market = setting.learners_market
    last = auctions_of(setting.compiled.plan, market)[-1]
    follows = _next_opening(setting, setting.auctions(market)[-1])
    start = torch.as_tensor(state.start, device=state.episodes.device)
    return start * setting.compiled.step_seconds + follows > last.opens


def _next_opening(setting: Setting, last: Auction) -> int:
    """Seconds from the start of an episode to the first auction that is not part of it."""
    config = setting.compiled.scenario.config.markets_config[last.market]
    return last.opens + config.opening_frequency


def _nothing_follows(setting: Setting, state: State) -> State:
    copies = len(state.episodes)
    zeros = tuple(
        torch.zeros(
            (copies, len(part.team.unit_ids), part.team.strategy.layout.size),
            dtype=torch.float64,
            device=state.episodes.device,
        )
        for part in setting.learners
    )
    return replace(state, views=(), observations=zeros)
