"""Write the events of one copy of a market as rows of the result tables."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.orders import BlockTerms
from assume_rl.core.team import Policy
from assume_rl.core.time import Auction, Tick
from assume_rl.core.units.fleet import fleet_from, profiles_from
from assume_rl.envs.draws_ahead import CHUNK
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.state import Happened, State
from assume_rl.episodes.calendar import Calendar, EpisodeKey
from assume_rl.episodes.rows.dated import DATED, Sink
from assume_rl.episodes.rows.dispatch import TABLES as DISPATCH_TABLES
from assume_rl.episodes.rows.dispatch import DispatchLog
from assume_rl.episodes.rows.orders import TABLES as ORDER_TABLES
from assume_rl.episodes.rows.orders import ClearedAuctions, OrderLog
from assume_rl.episodes.rows.policies import PolicyLog
from assume_rl.episodes.rows.routines import RoutineLog
from assume_rl.episodes.teams import COPIES, Separate
from assume_rl.scenario.compile.compiled import Compiled, to_device

T = TypeVar("T")


@dataclass(frozen=True)
class Play:
    """An episode that is recorded: the seed of its draws, its fixed policies, where rows go."""

    seed: int
    policies: Mapping[str, Policy]  # by agent, one for each learned bidder
    sink: Sink


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
    tables: Collection[str] | None = None,
) -> None:
    """Play the calendar once, every bidder on a rule or a fixed policy, and write the tables.

    :param compiled: the scenario
    :param seed: of the draws
    :param policies: fixed policies by agent, one for each learned bidder
    :param sink: takes the rows
    :param flush_hours: simulated hours between two batches of rows; None: only at the end
    :param on_share: called with the share of the calendar that is done
    :param episode: number of the episode
    :param evaluation: whether draws are those of evaluation episodes
    :param tables: those whose rows are made; None: all
    """
    play_side_by_side(
        compiled,
        [Play(seed, policies, sink)],
        flush_hours=flush_hours,
        on_share=on_share,
        episode=episode,
        evaluation=evaluation,
        tables=tables,
    )


@torch.inference_mode()  # nothing learns: without gradients operations are faster
def play_side_by_side(
    compiled: Compiled,
    plays: Sequence[Play],
    *,
    flush_hours: int | None = None,
    on_share: Callable[[float], None] = lambda share: None,
    episode: int = 0,
    evaluation: bool = False,
    tables: Collection[str] | None = None,
) -> None:
    """Play the calendar once for several seeds at once, each a copy with policies of its own.

    :param compiled: the scenario
    :param plays: one per seed; agents with a policy are the same in all
    :param flush_hours: see `play_recorded`, likewise all that follows
    """
    env = MarketEnv(
        compiled,
        num_envs=1,
        seeds=tuple(play.seed for play in plays),
        policies=_by_copy([play.policies for play in plays]),
        evaluation=evaluation,
        record=True,
    )
    state = env.reset(torch.full((env.copies,), episode))
    recordings = [
        Recording(
            env, play.sink, EpisodeKey(play.seed, episode, evaluation), state, copy=k, tables=tables
        )
        for k, play in enumerate(plays)
    ]
    every = None if flush_hours is None else flush_hours * 3600 // compiled.step_seconds
    cadence = Cadence(every)
    if env.setting.routine and len(plays) == 1:
        for stretch in _stretches(env.setting.plan, cadence):
            _clear_stretch(env, state, stretch, recordings[0])
            recordings[0].flush()
            on_share(stretch[-1].step / compiled.steps)
        return
    while not env.done(state):
        state, happened = env.step(state, ())
        due = cadence.take(state.step)
        for recording in recordings:
            recording.add(happened)
            if due:
                recording.flush()
        on_share(state.step / compiled.steps)
    for recording in recordings:
        recording.flush()


def _by_copy(policies: Sequence[Mapping[str, Policy]]) -> Mapping[str, Policy]:
    """Return policies by agent, each of which decides for a copy by that of the copy."""
    if len(policies) == 1:
        return policies[0]
    return {agent: Separate(tuple(own[agent] for own in policies), COPIES) for agent in policies[0]}


@dataclass
class Cadence:
    """The interval between batches of rows, and the step of the last one."""

    every: int | None  # steps between two batches at least; None: one batch at the end
    last: int = 0  # step of the last batch

    def take(self, step: int) -> bool:
        """Return whether a batch is due at a step; if so, it is the last one from now on."""
        if self.every is None or step < self.last + self.every:
            return False
        self.last = step
        return True


def _stretches(plan: Sequence[Tick], cadence: Cadence) -> Iterator[Sequence[Tick]]:
    """Yield the ticks between two batches of rows."""
    begin = 0
    for end, tick in enumerate(plan, 1):
        if cadence.take(tick.step):
            yield plan[begin:end]
            begin = end
    if begin < len(plan):
        yield plan[begin:]


def _clear_stretch(
    env: MarketEnv, state: State, ticks: Sequence[Tick], recording: "Recording"
) -> None:
    """Clear the auctions of a stretch, as many in one call as memory allows."""
    markets = env.setting.markets
    closing = [auction for tick in ticks for auction in tick.closing if auction.market in markets]
    for name, own in groupby(sorted(closing, key=_market), _market):
        auctions = list(own)
        size = max(1, CHUNK // (len(auctions[0].first) * len(markets[name].unit_ids)))
        for first in range(0, len(auctions), size):
            cleared = env.clear_ahead(state.episodes, auctions[first : first + size])
            recording.add_all(name, cleared)


def _market(auction: Auction) -> str:
    return auction.market


class Recording:
    """The rows of one copy, kept until they are flushed to a sink.

    :param env: made with `record=True`
    :param sink: takes the rows
    :param key: of the episode that the copy plays
    :param state: at the start of the episode
    :param copy: index of the copy
    :param tables: those whose rows are made; None: all
    """

    def __init__(
        self,
        env: MarketEnv,
        sink: Sink,
        key: EpisodeKey,
        state: State,
        *,
        copy: int = 0,
        tables: Collection[str] | None = None,
    ) -> None:
        setting = env.setting
        self._sink = sink
        start = state.start if isinstance(state.start, int) else int(state.start[copy])
        self._calendar = Calendar.of(setting.compiled).later(start)
        self._copy = copy
        self._markets = setting.markets
        kept = ORDER_TABLES if tables is None else ORDER_TABLES.intersection(tables)
        self._orders = {name: OrderLog(m.spec, kept) for name, m in setting.markets.items()}
        self._policies = PolicyLog(key)
        self._dispatch: dict[int, DispatchLog] = {}
        self._routines: dict[int, RoutineLog] = {}
        delivered = tables is None or not DISPATCH_TABLES.isdisjoint(tables)
        for i, cohort in enumerate(setting.cohorts if delivered else ()):
            portfolio = to_device(cohort.portfolio, "cpu")
            portfolio = replace(
                portfolio,
                fleet=fleet_from(portfolio.fleet, start),
                profiles=profiles_from(portfolio.profiles, start),
            )
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
            if executed.cohort in self._dispatch:
                self._dispatch[executed.cohort].add(self._own(executed.steps))
        for earned in happened.fixed:
            team = self._markets[earned.auction.market].parts[earned.team].team
            first = earned.auction.first[0]
            action = earned.action[self._copy].cpu()
            self._policies.add(team.agents, first, action, self._own(earned.reward))

    def add_all(self, market: str, cleared: ClearedAuctions) -> None:
        """Keep auctions of a market that were cleared in one call for this copy."""
        self._orders[market].add_all(self._markets[market].unit_ids, cleared)
        steps = torch.tensor([auction.first[0] for auction in cleared.auctions])
        accepted, paid = cleared.clearing.accepted.cpu(), cleared.clearing.paid.cpu()
        for share in self._markets[market].shares:
            if share.cohort in self._routines:
                own = accepted[..., share.slots], paid[..., share.slots]
                self._routines[share.cohort].add_all(steps, *own)

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

    Numbers have an axis of copies; indices (integers) and terms of orders are the same for all.
    """
    if isinstance(value, Tensor):
        return (value[copy] if value.is_floating_point() else value).cpu()
    if isinstance(value, dict):
        return {key: copy_of(item, copy) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(copy_of(item, copy) for item in value)
    if isinstance(value, Auction | BlockTerms) or not hasattr(value, "__dataclass_fields__"):
        return value
    return replace(value, **{f.name: copy_of(getattr(value, f.name), copy) for f in fields(value)})
