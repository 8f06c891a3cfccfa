"""Copies of a market: each is what it would be alone, and windows are parts of the calendar."""

import asyncio
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor

from assume_rl.agents.world import World
from assume_rl.envs import market_env
from assume_rl.envs.adapters.decisions import learned
from assume_rl.envs.market_env import Happened, MarketEnv, State
from assume_rl.envs.record import Recording
from assume_rl.envs.support import unsupported
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.errors import ConfigurationError
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


def scenario(name: str = "ten_learners", case: str = "tiny", **overrides: Any) -> Compiled:
    return compile_scenario(load_scenario(SCENARIOS / name, case, overrides=overrides))


def bid(env: MarketEnv, state: State) -> list[Tensor]:
    """Actions that depend on what is seen."""
    return [
        0.5 * obs[..., : learned(team).action.size] - obs[..., -1:]
        for obs, team in zip(env.observe(state), env.teams, strict=True)
    ]


def play(env: MarketEnv, episodes: list[int]) -> tuple[list[Tensor], list[Tensor], State]:
    """All observations and rewards of an episode of every copy, and where it ended."""
    seen, earned = [], []
    state = env.reset(torch.tensor(episodes))
    while not env.done(state):
        seen.append(env.observe(state)[0])
        state, happened = env.step(state, bid(env, state))
        earned += [got.reward.reward for got in happened.learners]
    return seen, earned, state


def test_a_market_in_which_nobody_bids_is_none() -> None:
    config = yaml.safe_load((SCENARIOS / "ten_learners" / "config.yaml").read_text())
    other = config["tiny"]["markets_config"]["EOM"]
    compiled = scenario(**{"markets_config.other": other})
    assert [spec.name for spec in compiled.markets] == ["EOM", "other"]
    env = MarketEnv(compiled, num_envs=1, seeds=(1,))
    assert any(reward.abs().sum() > 0 for reward in play(env, [0])[1])


# --- copies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [None, 13])
def test_every_copy_is_what_it_is_alone(window: int | None) -> None:
    compiled, seeds, episodes = scenario(), (5, 8), [3, 4, 9, 3, 4, 11]
    env = MarketEnv(compiled, num_envs=3, seeds=seeds, window=window)
    seen, earned, end = play(env, episodes)
    for copy, episode in enumerate(episodes):
        alone = MarketEnv(compiled, num_envs=1, seeds=(seeds[copy // 3],), window=window)
        own_seen, own_earned, own_end = play(alone, [episode])
        for ours, theirs in ((seen, own_seen), (earned, own_earned)):
            gap = (torch.stack(ours)[:, copy] - torch.stack(theirs)[:, 0]).abs().max()
            assert gap <= 1e-12
        assert env.terminated(end)[copy] == alone.terminated(own_end)[0]


def test_exploration_noise_differs_between_copies_and_returns_with_the_episode() -> None:
    env = MarketEnv(scenario(), num_envs=2, seeds=(1, 2))
    z = env.noise(env.reset(torch.tensor([1, 2, 1, 2])))[0]
    again = env.noise(env.reset(torch.tensor([2, 1, 2, 7])))[0]
    assert len({float(x) for x in z[:, 0, 0]}) == 4
    assert torch.equal(z[0], again[1])
    assert torch.equal(z[3], again[2])


def test_a_state_can_be_stepped_twice() -> None:
    env = MarketEnv(scenario(), num_envs=2, seeds=(1,), window=13)
    first = env.reset(torch.tensor([1, 2]))
    state, _ = env.step(first, bid(env, first))
    once, _ = env.step(state, bid(env, state))
    env.step(first, [torch.ones(2, 10, 2)])
    again, _ = env.step(state, bid(env, state))
    assert torch.equal(env.observe(once)[0], env.observe(again)[0])


# --- windows -------------------------------------------------------------------------------------


def test_windows_start_anywhere_in_the_calendar_keyed_by_seed_and_episode() -> None:
    compiled = scenario()
    env = MarketEnv(compiled, num_envs=200, seeds=(1, 2), window=13)
    start = env.reset(torch.arange(200).repeat(2)).start
    assert set(start.tolist()) == set(range(compiled.steps - 13 + 1))
    assert not torch.equal(start[:200], start[200:])
    alone = MarketEnv(compiled, num_envs=1, seeds=(2,), window=13)
    assert alone.reset(torch.tensor([17])).start == start[217]


def test_windows_are_aligned_to_the_auction_plan() -> None:
    compiled = scenario(
        **{"markets_config.EOM.opening_frequency": "6h", "markets_config.EOM.products.0.count": 6}
    )
    env = MarketEnv(compiled, num_envs=100, seeds=(1,), window=25)
    assert set(env.reset(torch.arange(100)).start.tolist()) == {0, 6, 12, 18, 24}


def test_only_the_last_window_ends_the_calendar_and_nothing_follows_it() -> None:
    compiled = scenario()
    env = MarketEnv(compiled, num_envs=100, seeds=(1,), window=40)
    _, _, state = play(env, list(range(100)))
    last = state.start == compiled.steps - 40
    assert 0 < last.sum() < 100
    assert torch.equal(env.terminated(state), last)
    after = env.observe(state)[0]
    assert (after[last] == 0).all()
    assert (after[~last].abs().sum((1, 2)) > 0).all()


def test_the_observation_after_a_window_is_the_one_that_a_longer_window_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(market_env, "starts", lambda *_: torch.tensor([0, 4, 11]))
    compiled = scenario()
    short = MarketEnv(compiled, num_envs=3, seeds=(1,), window=13)
    longer = MarketEnv(compiled, num_envs=3, seeds=(1,), window=20)
    seen, _, end = play(short, [1, 2, 3])
    beyond, _, _ = play(longer, [1, 2, 3])
    assert not short.terminated(end).any()
    gap = (short.observe(end)[0] - beyond[len(seen)]).abs().max()
    assert gap <= 1e-12


def test_a_window_of_the_whole_calendar_is_the_calendar() -> None:
    compiled = scenario()
    whole = play(MarketEnv(compiled, num_envs=2, seeds=(1,)), [1, 2])
    window = play(MarketEnv(compiled, num_envs=2, seeds=(1,), window=compiled.steps), [1, 2])
    for ours, theirs in zip(whole[:2], window[:2], strict=True):
        assert torch.equal(torch.stack(ours), torch.stack(theirs))


class Constant:
    """A policy that always does the same, whatever it sees."""

    dtype = torch.float64

    def __call__(self, obs: Tensor) -> Tensor:
        return torch.full((*obs.shape[:-1], 2), 0.3, dtype=torch.float64)


def test_a_window_is_traded_like_a_calendar_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message shell plays that part of the calendar as a scenario."""
    monkeypatch.setattr(market_env, "starts", lambda *_: torch.tensor([3, 10]))
    compiled = scenario()
    policies = {unit: Constant() for unit in compiled.learners}
    env = MarketEnv(compiled, num_envs=2, seeds=(4,), window=25, policies=policies, record=True)
    ours, theirs = MemorySink(), MemorySink()
    state = env.reset(torch.tensor([0, 0]))
    recording = Recording(env, ours, EpisodeKey(4, 0, evaluation=False), state, copy=1)
    while not env.done(state):
        state, happened = env.step(state, ())
        recording.add(happened)
    recording.flush()
    part = scenario(start_date="2019-03-01 10:00", end_date="2019-03-02 10:00")
    asyncio.run(World(part, seed=4, policies=policies).run_episode(0, sink=theirs))
    for table, keys in (
        ("market_orders", ["start_time", "bid_id"]),
        ("unit_dispatch", ["time", "unit"]),
    ):
        a, b = (pd.DataFrame(s.table(table)).sort_values(keys) for s in (ours, theirs))
        pd.testing.assert_frame_equal(
            a.reset_index(drop=True), b[list(a)].reset_index(drop=True), rtol=1e-12
        )


def test_restarting_goes_on_with_the_next_episodes() -> None:
    env = MarketEnv(scenario(), num_envs=3, seeds=(1,), window=13)
    state = env.reset(torch.tensor([0, 1, 2]))
    while not env.done(state):
        state, _ = env.step(state, bid(env, state))
    fresh = env.restart(state)
    assert fresh.episodes.tolist() == [3, 4, 5]
    assert torch.equal(fresh.start, env.reset(torch.tensor([3, 4, 5])).start)
    assert not env.done(fresh)


# --- what cannot be played -----------------------------------------------------------------------


def test_a_window_that_cannot_be_played_is_refused() -> None:
    compiled = scenario()
    for window, sentence in (
        (50, "a window of 50 steps is longer than the calendar, which has 49"),
        (1, "a window of 1 steps is too short for the market 'EOM'"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            MarketEnv(compiled, num_envs=1, seeds=(1,), window=window)


def test_markets_with_dates_of_their_own_have_no_windows() -> None:
    compiled = scenario(**{"markets_config.EOM.start_date": "2019-03-01 06:00"})
    with pytest.raises(ConfigurationError, match="'EOM' has a start or end date of its own"):
        MarketEnv(compiled, num_envs=1, seeds=(1,), window=13)
    play(MarketEnv(compiled, num_envs=1, seeds=(1,)), [1])


@pytest.mark.parametrize("num_envs", [0, -3])
def test_fewer_than_one_copy_is_refused(num_envs: int) -> None:
    with pytest.raises(ConfigurationError, match=f"num_envs must be at least 1, got {num_envs}"):
        MarketEnv(scenario(), num_envs=num_envs, seeds=(1,))


def test_actions_are_asked_for_every_team() -> None:
    env = MarketEnv(scenario(), num_envs=1, seeds=(1,))
    with pytest.raises(ConfigurationError, match=r"shapes \[\(1, 10, 2\)\], got \[\]"):
        env.step(env.reset(torch.tensor([1])), ())


@pytest.mark.parametrize("episodes", [torch.arange(3), torch.zeros(2), torch.zeros(2, 1).long()])
def test_a_reset_takes_a_whole_number_for_every_copy(episodes: torch.Tensor) -> None:
    env = MarketEnv(scenario(), num_envs=2, seeds=(1,))
    with pytest.raises(ConfigurationError, match="there are 2 copies"):
        env.reset(episodes)


def test_what_a_caller_writes_into_its_episodes_changes_nothing() -> None:
    env, episodes = MarketEnv(scenario(), num_envs=2, seeds=(1,)), torch.arange(2)
    first = env.noise(env.reset(episodes))[0].clone()
    episodes += 2
    again = env.reset(episodes)
    assert not torch.equal(env.noise(again)[0], first)
    assert torch.equal(env.noise(env.reset(torch.arange(2)))[0], first)


def test_an_episode_that_is_over_takes_no_step() -> None:
    env = MarketEnv(scenario(), num_envs=1, seeds=(1,))
    state, actions = env.reset(torch.tensor([1])), [torch.zeros(1, 10, 2)]
    while not env.done(state):
        state, _ = env.step(state, actions)
    with pytest.raises(ConfigurationError, match="the episodes are over"):
        env.step(state, actions)


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_seeds_of_a_market_are_different_numbers(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="seeds must be different numbers"):
        MarketEnv(scenario(), num_envs=1, seeds=seeds)


def test_every_own_scenario_is_supported() -> None:
    assert unsupported(scenario()) is None


def test_what_happened_names_auctions_prices_and_rewards() -> None:
    env = MarketEnv(scenario(), num_envs=4, seeds=(1,))
    state = env.reset(torch.arange(4))
    assert [auction.number for auction in env.openings(state)] == [0]
    state, happened = env.step(state, bid(env, state))
    assert isinstance(happened, Happened)
    (cleared,), (earned,) = happened.cleared, happened.learners
    assert cleared.book.auction == earned.auction
    assert cleared.book.clearing.price.shape == (4, 1, 1)
    assert earned.reward.profit.shape == (4, 10)
