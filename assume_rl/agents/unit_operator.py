"""Owns units: bids for them, runs what was sold, learns what it earned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from mango import AgentAddress, Role, sender_addr
from torch import Tensor

from assume_rl.agents.messages import (
    Acted,
    AuctionResult,
    EpisodeEnd,
    MarketOpened,
    Observed,
    OrderBook,
    PolicyUpdate,
    RegisterBidder,
    RegisterUnit,
    Rewarded,
    Rows,
)
from assume_rl.agents.portfolio import Portfolio
from assume_rl.agents.routine import routine_of
from assume_rl.agents.transport import Failures, Handler, post, subscribe
from assume_rl.core.orders import Orders, beside
from assume_rl.core.step import advance, ahead, dispatch, execute, initial_state, look, outcome
from assume_rl.core.types import Auction, Fleet
from assume_rl.episodes.calendar import Calendar, EpisodeKey
from assume_rl.episodes.dispatch_log import DispatchLog
from assume_rl.episodes.draws import noise, noise_keys, of_episode
from assume_rl.episodes.policy_log import PolicyLog
from assume_rl.episodes.teams import Team
from assume_rl.learning.exploration import OFF, Exploration, explore
from assume_rl.learning.networks import ActorStack


@dataclass(frozen=True)
class Part:
    """One team's share of an order book."""

    team: Team
    orders: Orders
    action: Tensor  # (unit, act); act is 0 for a rule


@dataclass(frozen=True)
class Pending:
    """Orders whose result is still to come."""

    auction: Auction
    orders: Orders
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Settled:
    """Orders and their result."""

    pending: Pending
    result: AuctionResult


@dataclass
class Noise:
    """One episode's standard normal draws of a team, (auction, unit, act)."""

    z: dict[tuple[str, tuple[str, ...]], Tensor] = field(default_factory=dict)

    def row(self, market: str, team: Team, number: int, auctions: int, key: EpisodeKey) -> Tensor:
        """Draws for one auction; a pure function of seed, episode and unit."""
        name = (market, team.unit_ids)
        if name not in self.z:
            keys = of_episode(noise_keys(key.seed, key.phase, market, team.unit_ids), key)
            drawn = noise(keys, 0, auctions, team.strategy.act_size)
            self.z[name] = drawn.transpose(0, 1)
        return self.z[name][number]


class UnitOperator(Role):  # type: ignore[misc]
    """Trades for its units in every market they take part in.

    :param markets: address of each market's operator.
    :param auctions: all auctions of each market over the calendar.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        calendar: Calendar,
        markets: Mapping[str, AgentAddress],
        auctions: dict[str, tuple[Auction, ...]],
        key: EpisodeKey,
        failures: Failures,
        *,
        recorder: AgentAddress | None = None,
        flush_every: int | None = None,
    ) -> None:
        super().__init__()
        self._own = portfolio
        self._calendar = calendar
        self._markets = markets
        self._auctions = auctions
        self._key = key
        self._failures = failures
        self._learning: AgentAddress | None = None
        self._recorder = recorder
        self._flush_every = flush_every
        self._next_flush = flush_every or 0
        self._routine = routine_of(portfolio, calendar, auctions)
        self._log = (
            DispatchLog(portfolio.fleet, portfolio.profiles, calendar.step_hours)
            if recorder is not None
            else None
        )
        self._policy_log = PolicyLog(key) if recorder is not None else None
        self._slots = {m: _slots(teams, portfolio.fleet) for m, teams in portfolio.teams.items()}
        self._no_action = {
            team.unit_ids: torch.zeros((len(team.unit_ids), 0), dtype=torch.float64)
            for teams in portfolio.teams.values()
            for team in teams
        }
        self._state = initial_state(
            portfolio.fleet,
            portfolio.lookback,
            portfolio.horizon,
            keep_prices=portfolio.remembers_prices,
            keep_money=recorder is not None,
            keep_downtime=portfolio.remembers_downtime,
        )
        self._step = 0
        self._executed = -1  # last executed step
        self._sold = -1  # last step that an auction with a result delivers
        self._pending: dict[tuple[str, int], Pending] = {}
        self._results: list[Settled] = []  # of one instant, not settled yet
        self._answered: dict[str, int] = {}  # the latest auction of each market that was bid in
        self._noise = Noise()
        self._actors: dict[tuple[str, ...], ActorStack] = {}
        self._exploration: Exploration = OFF
        self._experienced: frozenset[str] = frozenset()
        self.policy_version = -1
        self.records_sent = 0

    def setup(self) -> None:
        """Subscribe by message type."""
        handlers: dict[type, Handler] = {
            MarketOpened: self._bid,
            AuctionResult: self._settle,
            PolicyUpdate: self._adopt,
            EpisodeEnd: self._finish,
        }
        subscribe(self, self._failures, handlers)

    def on_ready(self) -> None:
        """Register with the markets."""
        for market in self._own.teams:
            bidder = RegisterBidder(market, self._own.name, self._own.fleet.ids)
            post(self.context, bidder, self._markets[market])

    @property
    def learning_units(self) -> tuple[RegisterUnit, ...]:
        """The units whose policies come from a Learning role, each once."""
        found = {
            unit_id: RegisterUnit(unit_id, team.strategy.layout, team.strategy.act_size)
            for teams in self._own.teams.values()
            for team in teams
            if team.learns
            for unit_id in team.unit_ids
        }
        return tuple(found.values())

    async def register_learners(self, learning: AgentAddress) -> None:
        """Introduce the learning units to the Learning role, all at once."""
        self._learning = learning
        await self.context.send_message(self.learning_units, learning)

    # --- bidding -------------------------------------------------------------------------------

    def _bid(self, content: MarketOpened, meta: dict[str, Any]) -> None:
        auction = content.auction
        place = (auction.market, auction.number)
        repeated = auction.number <= self._answered.get(auction.market, -1)
        if repeated or auction.market not in self._own.teams:
            return
        self._answered[auction.market] = auction.number
        self._take_stock()  # a result that is missing by now does not come
        if self._routine is not None:
            self._pending[place] = Pending(auction, self._routine.orders(auction), ())
        else:
            self._pending[place] = self._consider(auction)
        orders = self._pending[place].orders
        book = OrderBook(auction.market, auction.number, self._own.name, orders)
        post(self.context, book, sender_addr(meta))

    def _consider(self, auction: Auction) -> Pending:
        """Orders that depend on what happened so far."""
        self._move_to(auction.opens)
        parts = tuple(self._orders(team, auction) for team in self._own.teams[auction.market])
        made = [part.orders for part in parts]
        return Pending(auction, beside(made, *self._slots[auction.market]), parts)

    def _orders(self, team: Team, auction: Auction) -> Part:
        view = look(
            self._own.fleet,
            self._own.profiles,
            self._state,
            self._step,
            self._offsets(auction),
            auction.market,
            team.members,
            team.strategy,
        )
        action = self._no_action[team.unit_ids]
        if team.strategy.act_size > 0:
            action = self._act(team, auction, team.strategy.observe(view))
        return Part(team, team.strategy.bids(view, action), action)

    def _act(self, team: Team, auction: Auction, observation: Tensor) -> Tensor:
        actors = self._actors[team.unit_ids] if team.learns else team.policy
        assert actors is not None
        seen = observation.to(actors.dtype)
        mean = actors(seen)
        if not team.learns:
            return mean
        centre = team.strategy.explore_around(observation).to(mean.dtype)
        z = self._noise.row(
            auction.market, team, auction.number, len(self._auctions[auction.market]), self._key
        )
        action, noise = self._explore(team, mean, centre, z.to(mean.dtype))
        self._report_action(team, self._calendar.time(auction.first[0]), seen, action, noise)
        return action

    def _explore(
        self, team: Team, mean: Tensor, centre: Tensor, z: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Units with a loaded policy skip the random initial experience."""
        law = self._exploration
        action, noise = explore(mean, centre, z, law)
        if law.mode != "initial" or not self._experienced:
            return action, noise
        trained = torch.tensor([[unit in self._experienced] for unit in team.unit_ids])
        other_action, other_noise = explore(mean, centre, z, replace(law, mode="noise"))
        return torch.where(trained, other_action, action), torch.where(trained, other_noise, noise)

    def _report_action(
        self, team: Team, time: float, seen: Tensor, action: Tensor, noise: Tensor
    ) -> None:
        messages: list[Observed | Acted] = []
        for i, unit in enumerate(team.unit_ids):
            messages += [Observed(unit, time, seen[i]), Acted(unit, time, action[i], noise[i])]
        self._report(tuple(messages))

    def _report(self, records: tuple[Observed | Acted | Rewarded, ...]) -> None:
        assert self._learning is not None
        self.records_sent += len(records)
        post(self.context, records, self._learning)

    # --- results -------------------------------------------------------------------------------

    def _settle(self, content: AuctionResult, meta: dict[str, Any]) -> None:
        """Settle once the results of all auctions that close at this instant are there.

        An auction that refused the operator's book sends none; the next opening, result of another
        instant or end of the episode settles the others.
        """
        auction = content.auction
        pending = self._pending.pop((auction.market, auction.number), None)
        if pending is None:
            return  # a repeated message, or not ours
        if self._routine is not None:
            self._routine.settle(auction, content.accepted, content.paid)
        else:
            if self._results and self._results[0].result.auction.closes != auction.closes:
                self._take_stock()
            self._results.append(Settled(pending, content))
            if any(other.auction.closes == auction.closes for other in self._pending.values()):
                return
            self._take_stock()
        if self._flush_every is not None and auction.closes >= self._next_flush:
            self._next_flush = auction.closes + self._flush_every
            self._flush()

    def _take_stock(self) -> None:
        """Book what the auctions of an instant sold, execute up to it once, then reward each."""
        results, self._results = self._results, []
        if not results:
            return
        self._move_to(results[0].result.auction.closes)
        # Of two prices for the same step the last one is kept: in the order of the names, so that
        # it does not depend on the order of the markets in the configuration.
        for one in sorted(results, key=lambda one: one.result.auction.market):
            self._book(one.pending.orders, one.result)
        self._execute(self._step)
        for one in results:
            self._reward_all(one.pending.parts, one.result)

    def _book(self, orders: Orders, result: AuctionResult) -> None:
        """Note what an auction sold, and the money it brings."""
        auction = result.auction
        self._state = dispatch(
            self._state,
            orders,
            result.accepted,
            result.paid,
            self._offsets(auction),
            auction.length,
            self._calendar.step_hours,
        )
        self._sold = max(self._sold, auction.last)

    def _reward_all(self, parts: tuple[Part, ...], result: AuctionResult) -> None:
        """Reward each team that acts on a policy."""
        slot = 0
        for part in parts:
            slots = slice(slot, slot + part.orders.price.shape[-1])
            slot = slots.stop
            if part.team.strategy.act_size > 0:
                accepted, paid = result.accepted[:, slots], result.paid[:, slots]
                self._reward(part, result.auction, accepted, paid, result.price)

    def _execute(self, until: int) -> None:
        """Execute the steps in (last, until] and count from `until` on."""
        due = until - self._executed
        if due <= 0:
            return
        own = self._own
        state = ahead(self._state, until - self._step)
        self._state = execute(own.fleet, own.profiles, state, until, due)
        self._executed = self._step = until
        if self._log is not None:
            self._log.add(self._state, until, due)

    def _reward(
        self, part: Part, auction: Auction, accepted: Tensor, paid: Tensor, price: Tensor
    ) -> None:
        team = part.team
        result = outcome(
            self._own.fleet,
            self._own.profiles,
            self._state,
            self._step,
            team.members,
            part.orders,
            accepted,
            paid,
            price,
            self._offsets(auction),
            auction.length,
            self._calendar.step_hours,
        )
        got = team.strategy.reward(result)
        if not team.learns:
            if self._policy_log is not None:
                self._policy_log.add(team.unit_ids, auction.first[0], part.action, got)
            return
        time = self._calendar.time(auction.first[0])
        rows = zip(
            team.unit_ids,
            got.reward.tolist(),
            got.profit.tolist(),
            got.regret.tolist(),
            strict=True,
        )
        self._report(tuple(Rewarded(unit, time, r, p, g) for unit, r, p, g in rows))

    # --- housekeeping --------------------------------------------------------------------------

    def _offsets(self, auction: Auction) -> tuple[int, ...]:
        return tuple(first - self._step for first in auction.first)

    def _move_to(self, seconds: int) -> None:
        """Let the state's window follow the clock."""
        step = seconds // self._calendar.step_seconds
        if step > self._step:
            self._state = advance(self._state, step - self._step)
            self._step = step

    def _adopt(self, content: PolicyUpdate, meta: dict[str, Any]) -> None:
        """Act on newer policies from now on."""
        if content.version <= self.policy_version:
            return
        for teams in self._own.teams.values():
            for team in teams:
                if team.learns:
                    self._actors[team.unit_ids] = _pick(content.actors, team.unit_ids)
        self._exploration = content.exploration
        self._experienced = frozenset(content.experienced)
        self.policy_version = content.version

    def _flush(self) -> None:
        if self._recorder is None:
            return
        log = self._routine or self._log
        for table, columns in log.drain() if log is not None else ():
            post(self.context, Rows(table, columns), self._recorder)
        for columns in self._policy_log.drain() if self._policy_log is not None else ():
            post(self.context, Rows("rl_params", columns), self._recorder)

    def _finish(self, content: EpisodeEnd, meta: dict[str, Any]) -> None:
        """Execute what is sold for later than the last clearing, and send the last rows."""
        self._take_stock()
        last = len(self._own.profiles.capacity) - 1  # of the calendar
        self._execute(min(self._sold, last))
        self._flush()


def _slots(teams: Sequence[Team], fleet: Fleet) -> tuple[Tensor, Tensor]:
    """Unit and node of every slot that these teams have in a market's order book."""
    unit = torch.cat([team.units.repeat_interleave(team.strategy.slots) for team in teams])
    return unit, fleet.node[unit]


def _pick(stacks: tuple[ActorStack, ...], unit_ids: tuple[str, ...]) -> ActorStack:
    for stack in stacks:
        if set(unit_ids) <= set(stack.unit_ids):
            return stack.select(unit_ids)
    raise KeyError(f"no policy for {', '.join(unit_ids)}")
