"""What each of several learners could gain alone, in episodes that were played."""

import asyncio
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from test_bounds import Constant
from trained_runs import SCENARIOS, Trained, table, tiny

from assume_rl.agents.world import World
from assume_rl.envs.market_env import MarketEnv
from assume_rl.evaluation import best_response as best_responses
from assume_rl.evaluation import starts
from assume_rl.evaluation.best_response import clear_at, sale
from assume_rl.evaluation.exploitability import Exploitability, Response, exploitability
from assume_rl.experiments import bounds, recorded_episode, recorded_plants
from assume_rl.experiments.bounds import LEFT_OUT, orders_to_clear, responses
from assume_rl.experiments.evaluate import evaluate, response_figures
from assume_rl.experiments.recorded_episode import RecordedEpisode
from assume_rl.experiments.recorded_plants import recorded_plant
from assume_rl.learning.nets.stack import ActorStack, initial_actors
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

HOURS = 11
RUNGS = 201
SINGLE = "powerplant_energy_learning_single_bid"


SEVERAL = {
    "markets_config.EOM.products": [{"duration": "1h", "count": 3, "first_delivery": "2h"}],
    "markets_config.EOM.opening_frequency": "3h",
    "end_date": "2019-03-04 14:00",
}
"""Four auctions of three hours each, all of which clear before the first of these hours."""


def duopoly(folder: Path, *, strategy: str = SINGLE, **settings: Any) -> Compiled:
    """Return two plants of 50 MW at cost 20, who serve 70 MW, and may ask up to 100 EUR/MWh."""
    shutil.copytree(SCENARIOS / "single_learner", folder)
    plants = pd.read_csv(folder / "powerplant_units.csv").head(2)
    plants = plants.assign(
        name=["high", "low"], bidding_EOM=strategy, fuel_type="water", max_power=50.0,
        min_power=0.0, efficiency=1.0, additional_cost=20.0, emission_factor=0.0,
    )  # fmt: skip
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    demand = pd.read_csv(folder / "demand_df.csv").assign(demand=70.0)
    demand.to_csv(folder / "demand_df.csv", index=False)
    known = {
        "end_date": "2019-03-04 12:00",
        "learning_config.learning_mode": True,
        "learning_config.reward.type": "profit",
    }
    return compile_scenario(load_scenario(folder, "tiny", overrides={**known, **settings}))


def play(compiled: Compiled, prices: int = 1, **bids: float) -> MemorySink:
    """Return an episode in which each learner always asks the same share of 100 EUR/MWh."""
    memory = MemorySink()
    policies = {name: Constant(bid / 100, prices) for name, bid in bids.items()}
    asyncio.run(World(compiled, seed=1, policies=policies).run_episode(0, sink=memory))
    return memory


def judged(compiled: Compiled, memory: MemorySink) -> tuple[tuple[Response, ...], Exploitability]:
    found = responses(compiled, memory)
    return found, exploitability(found)


@pytest.mark.parametrize("prices", [1, 2])
def test_a_pivotal_duopoly_is_in_equilibrium_at_50_and_not_at_57(
    tmp_path: Path, prices: int
) -> None:
    strategy = SINGLE if prices == 1 else "powerplant_energy_learning"
    compiled = duopoly(tmp_path / "market", strategy=strategy)
    (high, low), market = judged(compiled, play(compiled, prices, high=100, low=50))
    assert (high.profit, low.profit) == (pytest.approx(1600 * HOURS), pytest.approx(4000 * HOURS))
    assert market.nash_conv == pytest.approx(0, abs=1e-6)
    assert market.kind == "exact"
    assert (high.gap, low.gap) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    assert low.best_profit == pytest.approx(low.profit)
    (high, low), market = judged(compiled, play(compiled, prices, high=100, low=57))
    assert high.gap == pytest.approx(250 * HOURS)
    assert high.best_profit == pytest.approx(1850 * HOURS)
    assert market.nash_conv == market.exploitability == pytest.approx(250 * HOURS)
    assert market.nash_conv_share == pytest.approx(250 / 5600)
    # AND all hours are alike, so that the best constant bid is as good as the best of each hour
    assert high.constant_profit == pytest.approx(high.best_profit)
    assert high.constant_bid is not None
    assert high.constant_bid < 57


def test_auctions_of_several_products_are_judged_product_by_product(tmp_path: Path) -> None:
    compiled = duopoly(tmp_path / "market", **SEVERAL)
    (high, low), market = judged(compiled, play(compiled, 3, high=100, low=57))
    assert (high.profit, low.profit) == (pytest.approx(1600 * 12), pytest.approx(4000 * 12))
    assert (high.kind, high.gap) == ("exact", pytest.approx(250 * 12))
    assert high.best_profit == pytest.approx(1850 * 12)
    assert market.nash_conv_share == pytest.approx(250 / 5600)
    # AND with minimum times, what is sold ahead is not what counts for starts later
    tied = {
        "units.high.hot_start_cost": 20,
        "units.high.ramp_up": 50,
        "units.high.min_down_time": 3,
    }
    compiled = duopoly(tmp_path / "tied", **SEVERAL, **tied)
    (high, low), _ = judged(compiled, play(compiled, 3, high=100, low=57))
    assert high.unknown is not None
    assert "start costs and minimum times" in high.unknown
    assert low.gap is not None


def test_two_prices_that_are_paid_as_bid_have_an_exact_gap(tmp_path: Path) -> None:
    as_bid = {"markets_config.EOM.market_mechanism": "pay_as_bid"}
    compiled = duopoly(tmp_path / "market", strategy="powerplant_energy_learning", **as_bid)
    (high, low), market = judged(compiled, play(compiled, 2, high=100, low=57))
    assert (high.kind, low.kind, market.kind) == ("exact", "exact", "exact")
    assert high.gap == pytest.approx(250 * HOURS)


def test_tables_have_no_lower_bounds() -> None:
    """They cannot say that these are bounds."""
    own = Response("high", 1.0, best_profit=2.0, gap=1.0, kind="lower_bound")
    evaluation: Any = SimpleNamespace(responses=(own,), exploitability=exploitability([own]))
    assert not response_figures("EOM", evaluation)


def test_a_gap_counts_what_is_rewarded(tmp_path: Path) -> None:
    """Unsold power is regretted, so that more is gained by selling it than is earned."""
    kind = {"learning_config.reward.type": "opportunity_cost"}
    compiled = duopoly(tmp_path / "market", **kind)
    (high, _), _ = judged(compiled, play(compiled, high=100, low=57))
    # Of 30 MW that it does not sell at 100, a tenth of the missed profit: 0.1 * 80 * 30 = 240.
    assert high.gap == pytest.approx((1850 - (1600 - 240)) * HOURS)
    assert high.best_profit == pytest.approx(1850 * HOURS)


def test_ramps_change_what_is_delivered_and_nothing_of_what_is_earned(tmp_path: Path) -> None:
    ramps = {"units.high.ramp_up": 10, "units.high.ramp_down": 10, "units.high.min_down_time": 3}
    compiled = duopoly(tmp_path / "market", **ramps)
    (high, _), market = judged(compiled, play(compiled, high=100, low=57))
    assert high.gap == market.nash_conv == pytest.approx(250 * HOURS)


def pulsing(folder: Path, rewarded: str) -> Compiled:
    """Return a duopoly with 40 MW in every other hour, whose first plant has start costs."""
    start = {"units.high.hot_start_cost": 20.0}  # EUR per MW
    duopoly(folder)
    demand = pd.read_csv(folder / "demand_df.csv")
    demand["demand"] = np.where(np.arange(len(demand)) % 2, 70.0, 40.0)
    demand.to_csv(folder / "demand_df.csv", index=False)
    known = {"end_date": "2019-03-04 12:00", "learning_config.reward.type": rewarded}
    return compile_scenario(load_scenario(folder, "tiny", overrides=known | start))


def test_starts_count_in_all_that_is_said_of_a_learner(tmp_path: Path) -> None:
    """At 100 it runs in every other hour, and pays half a start whenever it goes on or off."""
    compiled = pulsing(tmp_path / "market", "profit")
    memory = play(compiled, high=100, low=50)
    episode = RecordedEpisode(compiled, memory)
    plant, own = recorded_plant(episode, "high"), episode.received("high")
    asked = plant.book.orders.price[..., 0, plant.book.own].unsqueeze(-2)
    found = plant.earn(sale(clear_at(plant.book, asked)))
    torch.testing.assert_close(found.reward[:, 0], own.reward)
    torch.testing.assert_close(found.profit[:, 0], own.profit)
    (high, _), _ = judged(compiled, memory)
    assert high.profit == pytest.approx(6 * 1600 - 11 * 500)
    # Best is to undercut where the other could serve all, and so to start once.
    best = 6 * 1600 + 5 * 1200 - 500
    assert (high.kind, high.best_profit) == ("exact", pytest.approx(best))
    assert high.gap == pytest.approx(best - high.profit)
    assert high.constant_profit == pytest.approx(6 * 1500 + 5 * 1200 - 500)


def test_profits_pay_for_starts_that_are_not_rewarded(tmp_path: Path) -> None:
    """Of regrets alone starts are no part, but of the profits that are said beside them."""
    compiled = pulsing(tmp_path / "market", "regret")
    (high, _), _ = judged(compiled, play(compiled, high=100, low=50))
    assert high.profit == pytest.approx(6 * 1600 - 11 * 500)
    # Below 50 it sells all that is asked for in every hour, and pays half a start once.
    assert high.constant_profit == pytest.approx(6 * 1500 + 5 * 1200 - 500)
    # The lowest bid regrets nothing, but sets the price of 40 MW: -100.
    assert high.gap == pytest.approx(6 * 0.1 * 80 * 30 + 5 * 0.5 * 30 * 50)
    assert high.best_profit == pytest.approx(6 * 1500 - 5 * 120 * 40 - 500)


def test_one_learner_with_a_curve_leaves_the_gap_of_the_market_unknown(tmp_path: Path) -> None:
    curve = "powerplant_energy_learning_curve"
    compiled = duopoly(tmp_path / "market", **{"units.low.bidding_EOM": curve})
    memory, policies = MemorySink(), {"high": Constant(1.0, 1), "low": Constant(0.5, 5)}
    asyncio.run(World(compiled, seed=1, policies=policies).run_episode(0, sink=memory))
    (high, low), market = judged(compiled, memory)
    assert high.gap is not None
    assert (low.gap, low.best_profit) == (None, None)
    assert low.unknown == f"low bids by {curve}, whose best response is not known"
    assert (market.nash_conv, market.exploitability) == (None, None)


def test_hours_that_are_sold_twice_leave_gaps_unknown(tmp_path: Path) -> None:
    """Of the second hour of an auction, the next one can sell only what is left."""
    twice = {
        "markets_config.EOM.products": [{"duration": "2h", "count": 1, "first_delivery": "1h"}]
    }
    compiled = duopoly(tmp_path / "market", **twice)
    (high, low), _ = judged(compiled, play(compiled, high=100, low=57))
    assert high.unknown == low.unknown == "some hours are sold in several auctions"


def test_one_learner_alone_has_its_exact_best_response(single: Trained, tmp_path: Path) -> None:
    day = tiny("single_learner", end_date="2019-03-05 00:00")  # of hours that differ
    result = evaluate(day, policies=single.last, out=tmp_path / "out", best_response=True)
    evaluation = result.evaluation
    (own,) = evaluation.responses
    assert own.profit == pytest.approx(evaluation.profit)
    # Two prices are no better than one here, and what is rewarded is a fixed share of EUR.
    assert evaluation.reward_gap is not None
    assert own.gap == pytest.approx(evaluation.reward_gap * 100 * 500)
    assert own.best_profit == pytest.approx(evaluation.best_profit)
    assert own.constant_profit is not None
    assert own.constant_profit < own.best_profit


def test_figures_of_all_learners_are_in_the_tables(ten: Trained, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = evaluate(ten.scenario, policies=ten.last, out=out, best_response=True)
    kpis = table(out, "kpis").set_index(["variable", "ident"])["value"]
    gaps = kpis["best_response_gap"]
    assert set(gaps.index) == {unit.unit for unit in result.evaluation.units}
    assert kpis["nash_conv", "EOM"] == pytest.approx(gaps.sum())
    assert kpis["exploitability", "EOM"] == pytest.approx(gaps.max())
    assert (gaps > 0).any()  # no equilibrium after so little training
    assert np.isfinite(kpis).all()
    manifest = pd.read_json(out / "manifest.json", typ="series")["best_response"]
    assert manifest["market"]["nash_conv"] == pytest.approx(gaps.sum())
    # AND an evaluation that is not to take long has all of it too, since it does not
    plain = evaluate(ten.scenario, policies=ten.last, out=tmp_path / "plain")
    assert plain.evaluation == result.evaluation


def test_every_training_says_how_far_its_learners_are_from_their_best_responses(
    ten: Trained,
) -> None:
    kpis = table(ten.folder, "kpis").set_index(["variable", "ident"])["value"]
    manifest = pd.read_json(ten.folder / "manifest.json", typ="series")
    for name in ("last", "best_reward"):
        evaluation = ten.result.evaluations[name]
        market = evaluation.exploitability
        assert market is not None
        assert market.nash_conv == pytest.approx(sum(own.gap or 0 for own in evaluation.responses))
        assert manifest["scores"][name].get("nash_conv_share") == market.nash_conv_share
    assert manifest["best_response_of_kept"]["best_reward"]["market"]["kind"] == "exact"
    assert kpis["nash_conv", "EOM"] == ten.result.last.equilibrium["nash_conv"]
    assert set(kpis["best_constant_bid"].index) == {u.unit for u in ten.result.last.units}
    (figures,) = ten.result.last.markets.each
    assert figures.markup is not None
    assert kpis["markup", "EOM"] == figures.markup
    assert 0 < kpis["hhi", "EOM"] < 10_000
    assert kpis["welfare", "all"] > 0


def test_what_would_take_long_is_left_to_an_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = duopoly(tmp_path / "market")
    memory = play(compiled, high=100, low=57)
    count = orders_to_clear(memory, compiled.learners)
    assert len({own.gap for own in responses(compiled, memory, count)}) == 2
    monkeypatch.setattr(recorded_episode, "book_of_one_product", None)  # no book is read
    for own in responses(compiled, memory, count - 1):
        assert own.gap is None
        assert own.unknown is not None
        assert LEFT_OUT in own.unknown


def ladders(folder: Path, **settings: Any) -> Compiled:
    """Return the duopoly on ladders with a rung for each EUR/MWh, whose bids are paid as bid."""
    known = {
        "markets_config.EOM.market_mechanism": "pay_as_bid",
        "bidding_strategy_params.rungs": RUNGS,
    }
    return duopoly(folder, strategy="powerplant_energy_learning_ladder", **known, **settings)


def mix(compiled: Compiled, agent: str, **shares: float) -> ActorStack:
    """Return a policy that draws from prices, in EUR/MWh by name, whatever it observes.

    The first of its two prices, of minimum power that it has not, is always the lowest. Those of
    several products are alike.
    """
    env = MarketEnv(compiled, num_envs=1, seeds=(1,))
    spec = next(spec for spec in env.agents if spec.unit_id == agent)
    stack = initial_actors([spec], 1, f"mixed_{RUNGS}")
    weights = {name: torch.zeros_like(w) for name, w in stack.weights.items()}
    logits = torch.full((1, 2 * RUNGS), -1e9, dtype=torch.float64)
    logits[0, 0] = 0.0
    for price, share in shares.items():
        logits[0, RUNGS + (RUNGS - 1) * (100 + int(price[1:])) // 200] = math.log(share)
    *_, last = weights
    return replace(stack, weights={**weights, last: logits.repeat(1, spec.act_size // 2)})


def mixing(compiled: Compiled, **shares: float) -> tuple[Response, ...]:
    """Return the responses of plants that both draw from the same prices."""
    policies = {agent: mix(compiled, agent, **shares) for agent in ("high", "low")}
    memory = MemorySink()
    asyncio.run(World(compiled, seed=1, policies=policies).run_episode(0, sink=memory))
    return responses(compiled, memory, None, policies, 1)


def test_a_response_to_draws_does_not_know_them(tmp_path: Path) -> None:
    """With 90 % at 50 each, it is best to ask just below 100, and not to follow each draw."""
    compiled = ladders(tmp_path / "market")
    found = mixing(compiled, p50=0.9, p100=0.1)
    # Per hour: who is cheaper sells 50 MW, the other 20 MW, and of equal ones either.
    best = 0.9 * 20 * 80 + 0.1 * 50 * 80
    own = 0.9 * (0.9 * 35 * 30 + 0.1 * 50 * 30) + 0.1 * (0.9 * 20 * 80 + 0.1 * 35 * 80)
    for response in found:
        assert response.kind == "sampled"
        assert 0 < response.error < 0.05 * best * HOURS
        assert response.profit == pytest.approx(own * HOURS, rel=0.05)
        assert response.best_profit == pytest.approx(best * HOURS, rel=0.05)
        assert response.gap == pytest.approx((best - own) * HOURS, abs=3 * response.error)
        assert response.constant_bid == pytest.approx(100)
        assert response.constant_profit == pytest.approx(best * HOURS, rel=0.05)
    market = exploitability(found)
    assert market.kind == "sampled"
    assert market.error == found[0].error + found[1].error
    assert market.widest_error == max(found, key=lambda own: own.gap or 0.0).error
    # AND the same seed draws the same
    assert mixing(compiled, p50=0.9, p100=0.1) == found


def test_draws_of_several_products_are_judged_product_by_product(tmp_path: Path) -> None:
    found = mixing(ladders(tmp_path / "market", **SEVERAL), p50=0.9, p100=0.1)
    best = 0.9 * 20 * 80 + 0.1 * 50 * 80
    own = 0.9 * (0.9 * 35 * 30 + 0.1 * 50 * 30) + 0.1 * (0.9 * 20 * 80 + 0.1 * 35 * 80)
    for response in found:
        assert response.kind == "sampled"
        assert response.profit == pytest.approx(own * 12, rel=0.05)
        assert response.best_profit == pytest.approx(best * 12, rel=0.05)


def test_nobody_gains_by_draws_in_an_equilibrium_of_mixed_strategies(tmp_path: Path) -> None:
    """Paid as bid: what sells 20 MW at 100 and 50 MW at 52 sells as much on average between them.

    Of p, F(p) asks less: (p - 20) * (50 - 30 * F(p)) = 1600.
    """
    compiled = ladders(tmp_path / "market")
    prices = range(52, 101, 1)
    below = [(50 - 1600 / (price - 20)) / 30 for price in prices]
    shares = {f"p{p}": b - a for p, a, b in zip(prices[1:], below[:-1], below[1:], strict=True)}
    market = exploitability(mixing(compiled, **shares))
    assert market.nash_conv_share is not None
    assert market.nash_conv_share < 0.03
    assert market.error < 0.1 * 3200 * HOURS


def test_draws_of_rivals_are_no_matter_to_plants_that_cannot_be_judged_by_them(
    tmp_path: Path,
) -> None:
    starts = {"units.high.hot_start_cost": 20.0}
    compiled = ladders(tmp_path / "market", **starts)
    high, low = mixing(compiled, p50=0.5, p100=0.5)
    assert high.unknown == "rivals draw their bids, and high has start costs"
    assert (high.gap, exploitability((high, low)).exploitability) == (None, None)
    assert low.gap is not None


def test_deliveries_one_after_the_other_count_as_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = pulsing(tmp_path / "market", "profit")
    memory = play(compiled, high=100, low=50)
    plain = orders_to_clear(memory, compiled.learners)
    # Of one of the two plants starts cost something.
    assert orders_to_clear(memory, compiled.learners, (), ("high",)) == plain + HOURS * (5 << 14)
    assert all(LEFT_OUT in (own.unknown or "") for own in responses(compiled, memory, plain))
    # AND auctions are gone through as often as is estimated, however many groups of rungs there are
    passes = []

    def counted(*args: Any) -> Any:
        passes.append(args)
        return starts.deliver(*args)

    def chosen(*args: Any) -> Any:
        passes.append(args)
        return starts.best_of_two(*args)

    monkeypatch.setattr(recorded_plants, "deliver", counted)
    monkeypatch.setattr(bounds, "best_of_two", chosen)
    monkeypatch.setattr(best_responses, "rungs_at_once", lambda book: 1)
    responses(compiled, memory)
    assert len(passes) == bounds.PASSES


def test_ramps_are_not_delivered_where_starts_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = duopoly(tmp_path / "market", **{"units.high.ramp_up": 10})
    memory = play(compiled, high=100, low=57)
    monkeypatch.setattr(recorded_plants, "deliver", None)
    (high, _), _ = judged(compiled, memory)
    assert high.gap == pytest.approx(250 * HOURS)
