"""Many copies of a scenario's markets, stepped as one tensor.

The environment holds what never changes; the state of the copies is a `State`, which `step` takes
and returns. At every tick of the auction plan the order of events is that of `core.trade`. With the
same policies each copy has the results of the message shell for the same seed and episode.

::

    env = MarketEnv(compiled, num_envs=256, seeds=(42,))
    state = env.reset(torch.arange(256))
    while not env.done(state):
        state, happened = env.step(state, act(env.observe(state)))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from assume_rl.core.team import Policy, Team
from assume_rl.core.time import Auction, Step, Tick
from assume_rl.core.trade import Position, begin
from assume_rl.envs.bidding import Mixing, no_observations, open_auctions, with_views
from assume_rl.envs.cohorts import Cohort
from assume_rl.envs.draws_ahead import Ahead
from assume_rl.envs.ends import at_end, deliver_rest, ends_calendar
from assume_rl.envs.markets import exploration_noise, tie_breaks
from assume_rl.envs.memory import check_memory
from assume_rl.envs.recorded import RecordedSteps
from assume_rl.envs.seating import agent_specs
from assume_rl.envs.setting import build_setting
from assume_rl.envs.settling import clear_standing, close_auctions
from assume_rl.envs.state import Actions, Happened, Observations, State, moved_to
from assume_rl.envs.windows import starts
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.episodes.plan import pick_device
from assume_rl.episodes.rows.orders import ClearedAuctions
from assume_rl.errors import ConfigurationError
from assume_rl.learning.graphs import Graphs, graphs_on
from assume_rl.learning.types import AgentSpec
from assume_rl.scenario.compile.compiled import Compiled, to_device

__all__ = ["Happened", "MarketEnv", "State"]


@dataclass(frozen=True)
class Drawn:
    """The draws of all auctions up to the next decision."""

    ties: Mapping[tuple[str, int], Tensor]  # (copy product slot) by market and number
    mixing: Mixing


class MarketEnv:
    """Copies of a market, `num_envs` for each seed, seed-major.

    :param compiled: the scenario
    :param num_envs: copies per seed
    :param seeds: of the draws, all different
    :param policies: fixed policies by agent; every other learned bidder takes actions from `step`
    :param evaluation: whether draws are those of evaluation episodes
    :param window: steps of an episode, a random part of the calendar; None: all of it
    :param record: whether states keep the cash flows that `unit_dispatch` has; rewards need none
    :param curves: whether what learners earned comes with what `envs.curves` needs
    :param device: "auto", "cpu", "cuda" or "cuda:<n>"
    :param cuda_graphs: whether steps are recorded as CUDA graphs; on a CPU they never are
    :raises ConfigurationError: a part of the scenario is not supported, `num_envs` is below 1, or
        the device has not enough memory for the copies
    """

    def __init__(
        self,
        compiled: Compiled,
        *,
        num_envs: int,
        seeds: Sequence[int],
        policies: Mapping[str, Policy] | None = None,
        evaluation: bool = False,
        window: int | None = None,
        record: bool = False,
        curves: bool = False,
        device: torch.device | str = "cpu",
        cuda_graphs: bool = False,
    ) -> None:
        if not isinstance(num_envs, int) or num_envs < 1:
            raise ConfigurationError(f"num_envs must be at least 1, got {num_envs}")
        if not seeds or len(set(seeds)) < len(seeds):
            raise ConfigurationError(f"seeds must be different numbers, got {list(seeds)}")
        self.num_envs = num_envs
        self.record = record
        self.seeds = tuple(seeds)
        self.device = pick_device(str(device))
        self.setting = build_setting(
            to_device(compiled, self.device), policies or {}, window, curves=curves
        )
        check_memory(self.setting, len(self.seeds), num_envs, self.device)
        phase = EpisodeKey(0, 0, evaluation).phase
        self._ties = {
            name: tie_breaks(market, self.seeds, num_envs, phase, self.setting.auctions(name))
            for name, market in self.setting.markets.items()
        }
        self._noise: tuple[Ahead, ...] = tuple(
            exploration_noise(part, self.seeds, num_envs, phase, self.setting.auctions(part.market))
            for part in self.setting.learners
        )
        # Of fixed policies that draw their actions.
        self._mixing = tuple(
            (
                part,
                exploration_noise(
                    part, self.seeds, num_envs, phase, self.setting.auctions(part.market)
                ),
            )
            for market in self.setting.markets.values()
            for part in market.parts
            if part.team.mixing is not None
        )
        graphs = graphs_on(self.device, wanted=cuda_graphs)
        self._recorded = None if graphs is None else self.recorded_by(graphs)

    def recorded_by(self, graphs: Graphs) -> RecordedSteps:
        """Return steps that are recorded, and done again from then on.

        :param graphs: record them
        """
        return RecordedSteps(graphs, self._advance, self.setting)

    @property
    def agents(self) -> tuple[AgentSpec, ...]:
        """Return the learners as a `Learner` takes them, in the order of the message shell."""
        return agent_specs(self.setting)

    @property
    def teams(self) -> tuple[Team, ...]:
        """Return the teams of the learners, market by market."""
        return tuple(part.team for part in self.setting.learners)

    @property
    def copies(self) -> int:
        """Return the number of copies of all seeds."""
        return len(self.seeds) * self.num_envs

    def reset(self, episodes: Int[Tensor, " copy"]) -> State:
        """Return the `State` at the first decision of the given episodes, one per copy.

        :param episodes: numbers, (copy), seed-major
        :raises ConfigurationError: there are not as many episodes as copies
        """
        if tuple(episodes.shape) != (self.copies,) or episodes.is_floating_point():
            raise ConfigurationError(
                f"there are {self.copies} copies: reset takes as many whole numbers of episodes, "
                f"got {tuple(episodes.shape)} of {episodes.dtype}"
            )
        # A copy, since draws are kept for as long as the episodes are the same tensor.
        episodes = episodes.to(self.device, torch.int64, copy=True)
        setting, start = self.setting, self._start(episodes)
        state = State(
            tick=0,
            step=0,
            start=start,
            now=start,
            episodes=episodes,
            positions=tuple(
                None if cohort.routine else self._fresh(cohort, start) for cohort in setting.cohorts
            ),
            books={},
            views=(None,) * len(setting.learners),
            observations=no_observations(setting, self.copies),
        )
        drawn = self._drawn(episodes, range(self._decision(0) + 1), range(self._decision(0)))
        return self._go_on(state, Happened(), drawn)

    def restart(self, state: State) -> State:
        """Return the `State` at the first decision of the episodes that follow those of `state`.

        Their numbers are greater by `num_envs`.
        """
        return self.reset(state.episodes + self.num_envs)

    def observe(self, state: State) -> Observations:
        """Return the learners' observations, (copy agent obs) float64, one tensor per team.

        Teams that do not decide now (`acting`) have those of their last decision, at first zeros.
        After the end of a window they are the next ones; zeros at the end of the calendar.
        """
        return state.observations

    def noise(self, state: State) -> Actions:
        """Return standard normal draws (copy, agent, act) per team to explore at this decision.

        Those of teams that do not decide now are of no use.
        """
        number = self.openings(state)[0].number  # the same in all markets
        return tuple(draws.of_auction(state.episodes, number) for draws in self._noise)

    def acting(self, state: State) -> tuple[bool, ...]:
        """Return for each team whether it decides now: whether its market opens."""
        markets = [auction.market for auction in self.openings(state)]
        return tuple(part.market in markets for part in self.setting.learners)

    def openings(self, state: State) -> tuple[Auction, ...]:
        """Return the learners' auctions that wait for actions, one per market that opens.

        Times count from the start of the episode.

        :raises ValueError: there is none, since the episode is over or no team learns
        """
        tick = () if self.done(state) else self.setting.plan[state.tick].opening
        markets = self.setting.learners_markets
        found = tuple(auction for auction in tick if auction.market in markets)
        if not found:
            raise ValueError("no auction waits for actions")
        return found

    def step(self, state: State, actions: Sequence[Tensor]) -> tuple[State, Happened]:
        """Return the `State` at the next decision, or at the end, and the events until then.

        :param state: at a decision
        :param actions: (copy, agent, act) per team; of those that do not decide now, any
        :raises ConfigurationError: the episodes are over, or actions have another shape
        """
        self._check_actions(state, actions)
        following = self._decision(state.tick + 1)
        drawn = self._drawn(
            state.episodes, range(state.tick + 1, following + 1), range(state.tick, following)
        )
        advance = self._recorded or self._advance
        return advance(state, tuple(actions), drawn)

    def clear_ahead(
        self, episodes: Int[Tensor, " copy"], auctions: Sequence[Auction], copy: int = 0
    ) -> ClearedAuctions:
        """Clear auctions of one market for one copy in one call; `Setting.routine` says if it may.

        :param episodes: that the copies play
        :param auctions: of the plan
        :raises ValueError: orders of the market depend on events
        """
        market = self.setting.markets[auctions[0].market]
        numbers = [auction.number for auction in auctions]
        tie = self._ties[auctions[0].market].of_auctions(episodes, numbers)[:, copy]
        return clear_standing(market, auctions, tie, self.setting.compiled.step_seconds)

    def done(self, state: State) -> bool:
        """Return whether the episodes are over."""
        return state.tick == len(self.setting.plan)

    def terminated(self, state: State) -> Bool[Tensor, " copy"]:
        """Return for each copy whether its episode ends with the calendar, not before."""
        return ends_calendar(self.setting, state)

    def _check_actions(self, state: State, actions: Sequence[Tensor]) -> None:
        if self.done(state):
            raise ConfigurationError("the episodes are over: reset or restart them first")
        expected = [
            (self.copies, len(p.team.agents), p.bidder.action.size) for p in self.setting.learners
        ]
        given = [tuple(action.shape) for action in actions]
        if given != expected:
            raise ConfigurationError(f"actions must have the shapes {expected}, got {given}")

    # --- ticks ---------------------------------------------------------------------------------

    def _start(self, episodes: Tensor) -> Step:
        window = self.setting.window
        return 0 if window is None else starts(window, self.seeds, episodes)

    def _fresh(self, cohort: Cohort, start: Step) -> Position:
        """Return the position of a cohort at the start of an episode."""
        return begin(cohort.portfolio, (self.copies,), start=start, keep_money=self.record)

    def _decision(self, tick: int) -> int:
        """Return the first tick from `tick` on at which learners decide; the end: there is none."""
        ticks = range(tick, len(self.setting.plan))
        return next((k for k in ticks if k in self.setting.decisions), len(self.setting.plan))

    def _drawn(self, episodes: Int[Tensor, " copy"], closing: range, opening: range) -> Drawn:
        """Return the draws of all auctions that close, and that open, at some ticks."""
        plan = self.setting.plan
        ties = {
            (auction.market, auction.number): self._ties[auction.market].of_auction(
                episodes, auction.number
            )
            for tick in plan[closing.start : closing.stop]
            for auction in tick.closing
            if auction.market in self.setting.markets
        }
        mixing = {
            (auction.market, auction.number, part.team.agents): draws.of_auction(
                episodes, auction.number
            )
            for tick in plan[opening.start : opening.stop]
            for auction in tick.opening
            for part, draws in self._mixing
            if part.market == auction.market
        }
        return Drawn(ties, mixing)

    def _advance(self, state: State, actions: Actions, drawn: Drawn) -> tuple[State, Happened]:
        """Return the state at the next decision or at the end, and the events until then."""
        happened = Happened()
        state = self._open(state, actions, drawn)
        return self._go_on(state, happened, drawn), happened

    def _go_on(self, state: State, happened: Happened, drawn: Drawn) -> State:
        """Return the state at the next decision or at the end, after all ticks before it."""
        while not self.done(state):
            tick = self.setting.plan[state.tick]
            markets = [auction.market for auction in (*tick.closing, *tick.opening)]
            state = moved_to(self.setting, state, tick.step, markets)
            state = self._close(state, tick, happened, drawn)
            if state.tick in self.setting.decisions:
                return self._look(state)
            state = self._open(state, (), drawn)
        deliver_rest(self.setting, state, happened)
        return at_end(self.setting, state)

    def _look(self, state: State) -> State:
        """Return the state with the present observations of the learners."""
        if not self.teams:
            return state
        return with_views(self.setting, state, self.openings(state))

    def _close(self, state: State, tick: Tick, happened: Happened, drawn: Drawn) -> State:
        """Return the state after all auctions that close at a tick are cleared and settled."""
        closing = [
            (auction, drawn.ties[auction.market, auction.number])
            for auction in tick.closing
            if auction.market in self.setting.markets
        ]
        return close_auctions(self.setting, state, closing, happened) if closing else state

    def _open(self, state: State, actions: Actions, drawn: Drawn) -> State:
        """Return the state after all auctions that open at a tick have their orders."""
        opening = self.setting.plan[state.tick].opening
        opened = open_auctions(self.setting, state, opening, actions, drawn.mixing)
        return replace(opened, tick=state.tick + 1)
