"""The end of an episode: that of the calendar, or of a window that the calendar continues."""

from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from assume_rl.core.time import Auction
from assume_rl.core.trade import execute
from assume_rl.envs.bidding import no_observations, with_views
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Executed, Happened, State, moved_to
from assume_rl.scenario.compile.plan import auctions_of


def deliver_rest(setting: Setting, state: State, happened: Happened) -> None:
    """Add to `happened` the deliveries that were sold for steps after the last clearing.

    :param setting: of the environment
    :param state: after the last tick; it is not changed, since the next observations must not
        depend on later deliveries
    :param happened: takes the executed steps
    """
    for index, (cohort, own) in enumerate(zip(setting.cohorts, state.positions, strict=True)):
        if own is not None:
            _, executed = execute(cohort.portfolio, own, setting.sold[index])
            if executed is not None:
                happened.executed.append(Executed(index, executed))


def at_end(setting: Setting, state: State) -> State:
    """Return the state with the observations that the learners would have at the next opening.

    They are the real next observations of a window that another auction follows, else zeros.
    """
    if setting.window is None or not setting.learners:
        return _nothing_follows(setting, state)
    step_seconds = setting.compiled.step_seconds
    last = [setting.auctions(market)[-1] for market in setting.learners_markets]
    opens = _next_opening(setting, last[0]) // step_seconds
    state = moved_to(setting, state, max(state.step, opens), setting.learners_markets)
    following = tuple(_shifted(auction, state.step, step_seconds) for auction in last)
    ended = ends_calendar(setting, state)
    # Where no auction follows, the series may end before its deliveries.
    reach = setting.compiled.steps - 1 - max(max(a.first) - state.step for a in following)
    seen = with_views(setting, state, following, torch.as_tensor(state.now).clamp(max=reach))
    kept = tuple(obs * ~ended[:, None, None] for obs in seen.observations)
    return replace(seen, views=(), observations=kept)


def next_auctions(setting: Setting, market: str) -> tuple[Auction | None, ...]:
    """Return the successor of each auction of a market, after a window as well; None: no successor.

    :param setting: of the environment
    :param market: whose auctions are numbered from 0
    """
    own = setting.auctions(market)
    if setting.window is None or not own:
        return (*own[1:], None)
    opens, step_seconds = _next_opening(setting, own[-1]), setting.compiled.step_seconds
    after = _shifted(own[-1], opens // step_seconds, step_seconds)
    return (*own[1:], replace(after, opens=opens))


def reach(setting: Setting, auction: Auction) -> int:
    """Return the last step of the calendar at which an auction like this may open."""
    opens = auction.opens // setting.compiled.step_seconds
    return setting.compiled.steps - 1 - (max(auction.first) - opens)


def _shifted(auction: Auction, step: int, step_seconds: int) -> Auction:
    """Return `auction` moved to an opening at `step`, counted from the start of the episodes."""
    passed = step - auction.opens // step_seconds
    return replace(auction, first=tuple(first + passed for first in auction.first))


def ends_calendar(setting: Setting, state: State) -> Bool[Tensor, " copy"]:
    """Return for each copy whether its episode is followed by no auction of the learners."""
    if setting.window is None or not setting.learners:
        return torch.ones_like(state.episodes, dtype=torch.bool)
    market = setting.learners_markets[0]
    last = auctions_of(setting.compiled.plan, market)[-1]
    follows = _next_opening(setting, setting.auctions(market)[-1])
    start = torch.as_tensor(state.start, device=state.episodes.device)
    return start * setting.compiled.step_seconds + follows > last.opens


def _next_opening(setting: Setting, last: Auction) -> int:
    """Return the seconds from the start of an episode to the first opening after it."""
    config = setting.compiled.scenario.config.markets_config[last.market]
    return last.opens + config.opening_frequency


def _nothing_follows(setting: Setting, state: State) -> State:
    zeros = no_observations(setting, len(state.episodes))
    return replace(state, views=(), observations=zeros)
