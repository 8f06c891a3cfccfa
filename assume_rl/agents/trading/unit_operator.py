"""Trade for the units of an operator: bid, execute the sold energy, report rewards."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
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
    Refused,
    RegisterBidder,
    RegisterUnit,
    Rewarded,
    Rows,
)
from assume_rl.agents.trading.actors import Act, Actors
from assume_rl.agents.trading.routine import routine_of
from assume_rl.agents.transport import AgentFailure, Failures, Handler, post, subscribe
from assume_rl.core import joint_reward
from assume_rl.core.clearing import MarketSpec
from assume_rl.core.joint_reward import Pending, complete
from assume_rl.core.money import Reward, by_unit
from assume_rl.core.orders import Orders, join
from assume_rl.core.reward_curve import Aggregated, Tried, book_among, ladder_curve, observed_next
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import (
    Executed,
    Portfolio,
    Position,
    Result,
    begin,
    booked,
    execute,
    look,
    moved_to,
    settle,
)
from assume_rl.episodes.calendar import Calendar, EpisodeKey
from assume_rl.episodes.rows.dispatch import DispatchLog
from assume_rl.episodes.rows.policies import PolicyLog
from assume_rl.episodes.teams import bidder_spec
from assume_rl.learning.types import CURVE, NEXT_OWN, NO_SCALES, Earnings, Scales

NOT_KNOWN: Mapping[str, Earnings] = MappingProxyType({})
NO_AGENTS: Mapping[str, Scales] = MappingProxyType({})
NO_NAMES: Mapping[str, str] = MappingProxyType({})
NO_RULES: Mapping[str, MarketSpec[Any]] = MappingProxyType({})


@dataclass(frozen=True)
class Part:
    """One team's part of an order book."""

    team: Team
    slots: slice
    action: Tensor | None  # (unit, act); None for a rule


@dataclass(frozen=True)
class Placed:
    """Orders whose result is still to come."""

    auction: Auction
    orders: Orders  # `unit` indexes the operator's units
    parts: tuple[Part, ...]
    opened: Position | None = None  # when the auction opened; None: orders need no memory


@dataclass(frozen=True)
class Rewarding:
    """What belongs to a reward of a team."""

    part: Part
    tried: Sequence[Tried]  # of each unit; empty where no other bids were tried


class UnitOperator(Role):  # type: ignore[misc]
    """A role that trades for its units in every market that they take part in.

    :param name: of the operator, under which it registers with the markets
    :param portfolio: its units and teams
    :param calendar: converts steps and seconds
    :param markets: address of each market's operator
    :param auctions: all auctions of each market over the calendar
    :param key: of the draws of the episode
    :param failures: takes exceptions of handlers
    :param recorder: address of an agent that takes `Rows`; None: nothing is recorded
    :param flush_every: seconds of simulated time between two deliveries of rows
    :param earnings: what its agents can earn, by name, where that is known
    :param scales: what their numbers stand for, by name, where that is known
    :param shared: policies that they share, by name
    :param rules: of the markets whose published curves its learners want; empty: they want none
    :param ahead: whether they want, too, what they would have observed next on other rungs
    """

    def __init__(
        self,
        name: str,
        portfolio: Portfolio,
        calendar: Calendar,
        markets: Mapping[str, AgentAddress],
        auctions: Mapping[str, tuple[Auction, ...]],
        key: EpisodeKey,
        failures: Failures,
        *,
        recorder: AgentAddress | None = None,
        flush_every: int | None = None,
        earnings: Mapping[str, Earnings] = NOT_KNOWN,
        scales: Mapping[str, Scales] = NO_AGENTS,
        shared: Mapping[str, str] = NO_NAMES,
        rules: Mapping[str, MarketSpec[Any]] = NO_RULES,
        ahead: bool = False,
    ) -> None:
        super().__init__()
        self._name = name
        self._own = portfolio
        self._calendar = calendar
        self._markets = markets
        self._failures = failures
        self._learning: AgentAddress | None = None
        self._recorder = recorder
        self._flush_every = flush_every
        self._earnings, self._scales, self._shared = earnings, scales, shared
        self._rules = rules if any(self._learners()) else NO_RULES
        self._auctions, self._ahead = auctions, ahead
        self._next_flush = flush_every or 0
        self._routine = routine_of(portfolio, calendar, auctions)
        self._log = DispatchLog(portfolio) if recorder is not None else None
        self._policy_log = PolicyLog(key) if recorder is not None else None
        self._actors = Actors(key, {name: len(own) for name, own in auctions.items()})
        # What fixed policies remember of this episode, by agents.
        self._memories: dict[tuple[str, ...], Tensor] = {}
        self._position = begin(portfolio, keep_money=recorder is not None)
        # Where no observation goes to a learner, nothing needs gradients: operations are faster.
        self._mode = nullcontext if any(self._learners()) else torch.inference_mode
        self._sold = -1  # last step that an auction with a result delivers
        self._placed: dict[tuple[str, int], Placed] = {}
        self._results: list[tuple[Placed, AuctionResult]] = []  # of one instant, not settled yet
        self._pending: tuple[Pending[Rewarding], ...] = ()  # rewards that wait for others
        self._answered: dict[str, int] = {}  # the latest auction of each market that was bid in
        self.records_sent = 0

    def setup(self) -> None:
        """Subscribe by message type."""
        handlers: dict[type, Handler] = {
            MarketOpened: self._bid,
            AuctionResult: self._take,
            PolicyUpdate: self._adopt,
            EpisodeEnd: self._finish,
            Refused: self._fail,
        }
        subscribe(self, self._failures, handlers)

    def on_ready(self) -> None:
        """Register with the markets of its teams."""
        for market in self._own.teams:
            curves = market in self._rules
            bidder = RegisterBidder(market, self._name, self._own.fleet.ids, curves)
            post(self.context, bidder, self._markets[market])

    # --- learning ------------------------------------------------------------------------------

    @property
    def policy_version(self) -> int:
        """Return the version of the policies in use; -1 if there are none."""
        return self._actors.version

    @property
    def learning_units(self) -> tuple[RegisterUnit, ...]:
        """Return the agents whose policies come from a Learning role, each once."""
        found = {
            agent: RegisterUnit(
                agent,
                bidder.layout,
                bidder.action.size,
                bidder.action.rungs,
                self._earnings.get(agent),
                self._scales.get(agent, NO_SCALES),
                self._shared.get(agent),
            )
            for team in self._learners()
            if (bidder := team.learned) is not None
            for agent in team.agents
        }
        return tuple(found.values())

    async def register_learners(self, learning: AgentAddress) -> None:
        """Register the learning units with the Learning role, all in one message."""
        self._learning = learning
        await self.context.send_message(self.learning_units, learning)

    def _learners(self) -> Iterator[Team]:
        return (team for teams in self._own.teams.values() for team in teams if team.learns)

    def _fail(self, content: Refused, meta: dict[str, Any]) -> None:
        """Raise `AgentFailure`: another container rejected a message of this operator."""
        raise AgentFailure(f"'{self._name}' was refused: {content.reason}")

    def _adopt(self, content: PolicyUpdate, meta: dict[str, Any]) -> None:
        self._actors.adopt(content, tuple(self._learners()))

    def _report(self, records: tuple[Observed | Acted | Rewarded, ...]) -> None:
        assert self._learning is not None
        self.records_sent += len(records)
        post(self.context, records, self._learning)

    # --- bidding -------------------------------------------------------------------------------

    def _bid(self, content: MarketOpened, meta: dict[str, Any]) -> None:
        auction = content.auction
        repeated = auction.number <= self._answered.get(auction.market, -1)
        if repeated or auction.market not in self._own.teams:
            return
        self._answered[auction.market] = auction.number
        if self._routine is not None:
            placed = Placed(auction, self._routine.orders(auction), ())
        else:
            self._settle()  # a result that is missing by now does not come
            with self._mode():
                placed = self._place(auction)
        self._placed[auction.market, auction.number] = placed
        book = OrderBook(auction.market, auction.number, self._name, placed.orders)
        post(self.context, book, sender_addr(meta))

    def _place(self, auction: Auction) -> Placed:
        """Return orders that depend on the state of the units."""
        self._move_to(auction.opens)
        parts: list[Part] = []
        orders: list[Orders] = []
        stop = 0
        for team in self._own.teams[auction.market]:
            view = look(self._own, self._position, auction, team)
            action = None
            if team.learned is not None:
                action = self._act(team, auction, team.observe(view))
            orders.append(team.orders(view, action))
            start, stop = stop, stop + orders[-1].price.shape[-1]
            parts.append(Part(team, slice(start, stop), action))
        units = [part.team.members.units.index for part in parts]
        joined = join(orders, units, self._own.fleet.node)
        return Placed(auction, joined, tuple(parts), self._position)

    def _act(self, team: Team, auction: Auction, observation: Tensor) -> Tensor:
        if team.policy is not None:
            z = None if team.mixing is None else self._actors.draws(team, auction)
            action, memory = team.decide(observation, self._memories.get(team.agents), z)
            if memory is not None:
                self._memories[team.agents] = memory
            return action
        done = self._actors.act(team, auction, observation)
        self._report_act(team, self._calendar.time(auction.first[0]), done)
        return done.decision.action

    def _report_act(self, team: Team, time: float, done: Act) -> None:
        messages: list[Observed | Acted] = []
        decision = done.decision
        for i, agent in enumerate(team.agents):
            messages.append(Observed(agent, time, done.seen[i]))
            extras = {name: values[i] for name, values in decision.extras.items()}
            drawn = decision.action[i], decision.noise[i], extras, done.version
            messages.append(Acted(agent, time, *drawn))
        self._report(tuple(messages))

    # --- results -------------------------------------------------------------------------------

    def _take(self, content: AuctionResult, meta: dict[str, Any]) -> None:
        """Settle once the results of all auctions that close at this instant have arrived.

        An auction that refused the operator's book sends none; the next opening, result of another
        instant or end of the episode settles the others.
        """
        auction = content.auction
        placed = self._placed.pop((auction.market, auction.number), None)
        if placed is None:
            return  # a repeated message, or not ours
        if self._routine is not None:
            self._routine.settle(auction, content.accepted, content.paid)
        else:
            if self._results and self._results[0][1].auction.closes != auction.closes:
                self._settle()
            self._results.append((placed, content))
            if any(other.auction.closes == auction.closes for other in self._placed.values()):
                return
            self._settle()
        if self._flush_every is not None and auction.closes >= self._next_flush:
            self._next_flush = auction.closes + self._flush_every
            self._flush()

    def _settle(self) -> None:
        """Settle the auctions of an instant whose results have arrived, if there are any."""
        taken, self._results = self._results, []
        if not taken:
            return
        with self._mode():
            self._book(taken)

    def _book(self, taken: Sequence[tuple[Placed, AuctionResult]]) -> None:
        """Book and execute the sales of an instant, and report the rewards."""
        self._move_to(taken[0][1].auction.closes)
        asked = [[part for part in placed.parts if part.action is not None] for placed, _ in taken]
        results = [
            Result(
                auction=result.auction,
                orders=placed.orders,
                accepted=result.accepted,
                paid=result.paid,
                price=result.price,
                asked=tuple(part.team for part in parts),
                slots=tuple(part.slots for part in parts),
            )
            for (placed, result), parts in zip(taken, asked, strict=True)
        ]
        before = self._position
        self._position, executed, outcomes = settle(self._own, before, results)
        self._record(executed)
        self._sold = max(self._sold, *(result.auction.last for result in results))
        known = zip(taken, results, asked, outcomes, strict=True)
        for (placed, answer), result, parts, brought in known:
            others = [other for other in results if other is not result]
            for part, outcome in zip(parts, brought, strict=True):
                tried: list[Tried] = []
                if part.team.learns and answer.curves is not None:
                    closed = booked(self._own, before, others)
                    tried = self._tried(placed, part, closed, answer.curves)
                reward, own = part.team.reward(outcome), Rewarding(part, tried)
                earned = joint_reward.Earned(part.team, result.auction, reward, own)
                self._pending, rewards = complete(self._pending, earned)
                for one in rewards:
                    self._reward(one.own, one.auction, one.reward)

    def _tried(
        self, placed: Placed, part: Part, closed: Position, published: Aggregated
    ) -> list[Tried]:
        """Return the result of every rung for each unit of a team.

        :param placed: orders of the auction
        :param part: of the team
        :param closed: position just before the auction was settled
        :param published: supply and demand of the auction
        """
        team, rules = part.team, self._rules[placed.auction.market]
        assert placed.opened is not None
        assert part.action is not None
        units = len(team.ids)
        price, volume = (
            by_unit(table[..., part.slots], units)
            for table in (placed.orders.price, placed.orders.volume)
        )
        return [
            ladder_curve(
                self._own,
                team,
                unit,
                placed.auction,
                opened=placed.opened,
                closed=closed,
                action=part.action[unit],
                book=book_among(published, rules, price[..., unit, :], volume[..., unit, :]),
            )
            for unit in range(units)
        ]

    def _extras(self, team: Team, auction: Auction, tried: Tried) -> dict[str, Tensor]:
        """Return the extras that a unit's learner receives beside a reward."""
        known = {CURVE: tried.reward.reward}
        return known | {NEXT_OWN: self._next_own(team, auction, tried)} if self._ahead else known

    def _next_own(self, team: Team, auction: Auction, tried: Tried) -> Tensor:
        """Return a unit's next own observation after each rung, rung by rung.

        Zeros at the end of the calendar.
        """
        assert team.learned is not None
        reward, own = tried.reward.reward, bidder_spec("", team.learned).own_size
        following = self._auctions[auction.market][auction.number + 1 :]
        if not following:
            return reward.new_zeros(reward.shape[-1] * own)
        after = following[0]
        seen = observed_next(tried, after, after.opens // self._calendar.step_seconds)
        return seen[..., seen.shape[-1] - own :].flatten()

    def _reward(self, own: Rewarding, auction: Auction, got: Reward) -> None:
        """Report the rewards of a team, with its curves where other bids were tried."""
        part, tried = own.part, own.tried
        team = part.team
        assert part.action is not None
        if not team.learns:
            if self._policy_log is not None:
                self._policy_log.add(team.agents, auction.first[0], part.action, got)
            return
        time = self._calendar.time(auction.first[0])
        columns = (got.reward.tolist(), got.profit.tolist(), got.regret.tolist())
        extras = [self._extras(team, auction, own) for own in tried] or [{} for _ in team.agents]
        rows = zip(team.agents, *columns, extras, strict=True)
        self._report(tuple(Rewarded(agent, time, *own) for agent, *own in rows))

    # --- housekeeping --------------------------------------------------------------------------

    def _move_to(self, seconds: int) -> None:
        """Move the window of the state to a time."""
        step = seconds // self._calendar.step_seconds
        self._position = moved_to(self._own, self._position, step)

    def _record(self, executed: Executed | None) -> None:
        if self._log is not None and executed is not None:
            self._log.add(executed)

    def _flush(self) -> None:
        if self._recorder is None:
            return
        logs = (self._routine or self._log, self._policy_log)
        for log in logs:
            for table, columns in log.drain() if log is not None else ():
                post(self.context, Rows(table, columns), self._recorder)

    def _finish(self, content: EpisodeEnd, meta: dict[str, Any]) -> None:
        """Execute the steps sold after the last clearing, and send the last rows."""
        self._settle()
        last = len(self._own.profiles.capacity) - 1  # of the calendar
        self._position, executed = execute(self._own, self._position, min(self._sold, last))
        self._record(executed)
        self._flush()
