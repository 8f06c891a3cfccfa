"""Write the events of one copy of a market as rows of the result tables."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.time import Auction
from assume_rl.core.trade import Policy
from assume_rl.core.units.fleet import profiles_from
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.state import Happened, State
from assume_rl.episodes.calendar import Calendar, EpisodeKey
from assume_rl.episodes.rows.dated import DATED, Sink
from assume_rl.episodes.rows.dispatch import DispatchLog
from assume_rl.episodes.rows.orders import OrderLog
from assume_rl.episodes.rows.policies import PolicyLog
from assume_rl.episodes.rows.routines import RoutineLog
from assume_rl.scenario.compile.compiled import Compiled, to_device

T = TypeVar("T")


def play_recorded(
    compiled: Compiled,
    *,
    seed: int,
    policies: Mapping[str, Policy],
    sink: Sink,
    flush_hours: int | None = None,
    on_share: Callable[[float], None] = lambda share: None,
    episode: int = 0,
    evaluation: bool = False,
) -> None:
    """Play the calendar once, every bidder on a rule or a fixed policy, and write all tables.

    :param compiled: the scenario
    :param seed: of the draws
    :param policies: fixed policies by agent, one for each learned bidder
    :param sink: takes the rows
    :param flush_hours: simulated hours between two batches of rows; None: only at the end
    :param on_share: called with the share of the calendar that is done
    :param episode: number of the episode
    :param evaluation: whether draws are those of evaluation episodes
    """
    env = MarketEnv(
        compiled,
        num_envs=1,
        seeds=(seed,),
        policies=policies,
        evaluation=evaluation,
        record=True,
    )
    state = env.reset(torch.tensor([episode]))
    recording = Recording(env, sink, EpisodeKey(seed, episode, evaluation), state)
    every = None if flush_hours is None else flush_hours * 3600 // compiled.step_seconds
    flushed = 0
    while not env.done(state):
        state, happened = env.step(state, ())
        recording.add(happened)
        on_share(state.step / compiled.steps)
        if every is not None and state.step >= flushed + every:
            flushed = state.step
            recording.flush()
    recording.flush()


class Recording:
    """The rows of one copy, kept until they are flushed to a sink.

    :param env: made with `record=True`
    :param sink: takes the rows
    :param key: of the episode that the copy plays
    :param state: at the start of the episode
    :param copy: index of the copy
    """

    def __init__(
        self, env: MarketEnv, sink: Sink, key: EpisodeKey, state: State, *, copy: int = 0
    ) -> None:
        setting = env.setting
        self._sink = sink
        start = state.start if isinstance(state.start, int) else int(state.start[copy])
        self._calendar = Calendar.of(setting.compiled).later(start)
        self._copy = copy
        self._markets = setting.markets
        self._orders = {name: OrderLog(market.spec) for name, market in setting.markets.items()}
        self._policies = PolicyLog(key)
        self._dispatch: dict[int, DispatchLog] = {}
        self._routines: dict[int, RoutineLog] = {}
        for i, cohort in enumerate(setting.cohorts):
            portfolio = to_device(cohort.portfolio, "cpu")
            portfolio = replace(portfolio, profiles=profiles_from(portfolio.profiles, start))
            if not cohort.routine:
                self._dispatch[i] = DispatchLog(portfolio)
                continue
            (market,) = portfolio.teams
            shares = setting.markets[market].shares
            unit = next(share.unit for share in shares if share.cohort == i).cpu()
            self._routines[i] = RoutineLog(portfolio, unit)

    def add(self, happened: Happened) -> None:
        """Keep the events of a step."""
        for cleared in happened.cleared:
            book = self._own(cleared.book)
            market = self._markets[cleared.market]
            self._orders[cleared.market].add(market.unit_ids, book)
            for share in market.shares:
                if share.cohort in self._routines:
                    accepted = book.clearing.accepted[..., share.slots]
                    paid = book.clearing.paid[..., share.slots]
                    self._routines[share.cohort].add(book.auction.first[0], accepted, paid)
        for executed in happened.executed:
            self._dispatch[executed.cohort].add(self._own(executed.steps))
        for earned in happened.fixed:
            team = self._markets[earned.auction.market].parts[earned.team].team
            first = earned.auction.first[0]
            action = earned.action[self._copy].cpu()
            self._policies.add(team.agents, first, action, self._own(earned.reward))

    def flush(self) -> None:
        """Write everything kept so far."""
        waiting: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = {}
        for table, columns in self._drain():
            dated = DATED[table](columns, self._calendar)
            waiting.setdefault((table, tuple(dated)), []).append(dated)
        for (table, names), parts in waiting.items():
            self._sink.write(table, {n: np.concatenate([part[n] for part in parts]) for n in names})

    def _drain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for orders in self._orders.values():
            yield from orders.drain()
        for dispatched in self._dispatch.values():
            yield from dispatched.drain()
        for routine in self._routines.values():
            yield from routine.drain()
        yield from self._policies.drain()

    def _own(self, value: T) -> T:
        """Return this copy's part of a value, on the CPU."""
        return cast("T", copy_of(value, self._copy))


def copy_of(value: Any, copy: int) -> Any:
    """Return `value` with one copy's entry of every tensor in it, on the CPU.

    Numbers have an axis of copies; indices (integers) are the same for all copies.
    """
    if isinstance(value, Tensor):
        return (value[copy] if value.is_floating_point() else value).cpu()
    if isinstance(value, dict):
        return {key: copy_of(item, copy) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(copy_of(item, copy) for item in value)
    if isinstance(value, Auction) or not hasattr(value, "__dataclass_fields__"):
        return value
    return replace(value, **{f.name: copy_of(getattr(value, f.name), copy) for f in fields(value)})
