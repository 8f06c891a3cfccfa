"""One market as a PettingZoo environment."""

import csv
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from libraries import Later, needs
from small_markets import SCENARIOS, one_learner, ten_learners
from two_markets import two_markets

from assume_rl.errors import ConfigurationError
from assume_rl.scenario.read import load_scenario

spaces: Any = Later("gymnasium.spaces")
theirs: Any = Later("pettingzoo.test")
adapter: Any = Later("assume_rl.envs.adapters.pettingzoo")

pytestmark = [pytest.mark.unchecked, needs("pettingzoo", reason="needs the extra 'pettingzoo'")]

LADDER = {
    "units.learner.bidding_EOM": "powerplant_energy_learning_ladder",
    "bidding_strategy_params.rungs": 11,
}


def play(env: Any, share: float, seed: int | None = None) -> list[tuple]:
    """An episode in which everybody asks a share of `max_bid_price`: what every step returned."""
    env.reset(seed=seed)
    steps = []
    while env.agents:
        action = {a: np.full(env.action_space(a).shape, share, np.float32) for a in env.agents}
        steps.append(env.step(action))
    return steps


@pytest.mark.parametrize("window", [pytest.param(None, marks=pytest.mark.slow), 8])
def test_the_library_accepts_it(window: int | None) -> None:
    cycles = 3 * (window or 50)  # beyond the end of an episode
    theirs.parallel_api_test(adapter.parallel_env(ten_learners(), window=window), num_cycles=cycles)
    theirs.parallel_seed_test(
        lambda: adapter.parallel_env(ten_learners(), window=window), num_cycles=cycles
    )


def test_agents_are_the_learning_units() -> None:
    env = adapter.parallel_env(ten_learners())
    observations, infos = env.reset()
    assert env.agents == [f"learner_{i:02}" for i in range(1, 11)]
    assert list(observations) == list(infos) == env.agents
    for agent in env.agents:
        assert observations[agent] in env.observation_space(agent)
        assert env.layouts[agent].size == len(observations[agent])


def test_the_state_is_what_all_agents_observe() -> None:
    env = adapter.parallel_env(ten_learners())
    observations, _ = env.reset()
    for _ in range(3):
        assert env.state() in env.state_space
        np.testing.assert_array_equal(env.state(), np.concatenate([*observations.values()]))
        observations, *_ = env.step({a: env.action_space(a).sample() for a in env.agents})


def test_a_learner_in_two_markets_is_an_agent_in_each(tmp_path: Path) -> None:
    """They bid in one step, each for its own products, and earn what their market pays."""
    env = adapter.parallel_env(two_markets(tmp_path / "two"))
    theirs.parallel_api_test(env, num_cycles=10)
    env.reset()
    assert env.agents == ["learner@EOM", "learner@PAIRS"]
    assert [env.action_space(agent).shape for agent in env.agents] == [(2,), (4,)]
    assert env.state_space.shape == (sum(layout.size for layout in env.layouts.values()),)
    dear, cheap = np.full(2, 0.9, np.float32), np.full(4, 0.2, np.float32)
    _, rewards, *_, infos = env.step({"learner@EOM": dear, "learner@PAIRS": cheap})
    assert infos["learner@EOM"]["profit"] == 0  # a step before, rivals were cheaper
    assert infos["learner@PAIRS"]["price"] != infos["learner@EOM"]["price"]
    assert rewards["learner@PAIRS"] != rewards["learner@EOM"]


def test_learners_on_a_ladder_choose_rungs_and_are_told_which_are_legal() -> None:
    """A plant that has to stay on sells its minimum power at the lowest rung."""
    ramped = {f"units.learner.{key}": 12 for key in ("min_operating_time", "min_down_time")}
    ramped |= {"units.learner.ramp_up": 100, "units.learner.ramp_down": 100}
    tiny = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=LADDER | ramped)
    env = adapter.parallel_env(tiny, window=26)
    theirs.parallel_api_test(env, num_cycles=10)
    assert env.action_space("learner") == spaces.MultiDiscrete([11, 11])
    _, infos = env.reset()
    space, seen = env.action_space("learner"), set()
    space.seed(0)
    while env.agents:
        mask = infos["learner"]["action_mask"]
        assert (mask.shape, mask.dtype) == ((2, 11), np.int8)
        seen.add(mask.tobytes())
        action = space.sample(tuple(mask))
        *_, infos = env.step({"learner": action})
    assert len(seen) > 1


def test_where_nothing_follows_all_rungs_are_legal() -> None:
    bidder = {"units.learner.bidding_EOM": "renewable_energy_learning_ladder"}
    env = adapter.parallel_env(
        load_scenario(SCENARIOS / "single_learner", "tiny", overrides=bidder)
    )
    env.reset()
    while env.agents:
        *_, infos = env.step({"learner": 20})
    assert infos["learner"]["action_mask"].all()


def test_a_rung_is_its_price() -> None:
    """The same bids as numbers and as a rung earn the same."""
    single = "powerplant_energy_learning_single_bid"
    cases = [{"units.learner.bidding_EOM": single}, {
        "units.learner.bidding_EOM": "renewable_energy_learning_ladder",
        "bidding_strategy_params.rungs_at": [-10, 40, 90],
    }]  # fmt: skip
    number, rung = (
        adapter.parallel_env(
            load_scenario(SCENARIOS / "single_learner", "tiny", overrides=case), window=14
        )
        for case in cases
    )
    assert rung.action_space("learner") == spaces.Discrete(3)
    for price, chosen in ((0.4, 1), (0.9, 2)):
        number.reset()
        rung.reset()
        while number.agents:
            _, wanted, *_ = number.step({"learner": np.array([price])})
            _, found, *_ = rung.step({"learner": np.int64(chosen)})
            assert found["learner"] == pytest.approx(wanted["learner"])
    assert not rung.agents


@pytest.mark.parametrize("wrong", [3, -1, 0.5])
def test_what_is_no_rung_is_refused(wrong: float) -> None:
    bidder = {"units.learner.bidding_EOM": "renewable_energy_learning_ladder"}
    chosen = bidder | {"bidding_strategy_params.rungs": 3}
    env = adapter.parallel_env(
        load_scenario(SCENARIOS / "single_learner", "tiny", overrides=chosen)
    )
    env.reset()
    with pytest.raises(ConfigurationError, match=rf"the number of a rung, 0 to 2, not {wrong}"):
        env.step({"learner": wrong})


def hourly_merit_order(ask: float) -> list[tuple[float, float]]:
    """Price, and what the learner sells, of each hour from the second on: sort and add up."""

    def table(name: str) -> list[dict[str, str]]:
        with (SCENARIOS / "single_learner" / name).open() as file:
            return list(csv.DictReader(file))

    fuel = {k: float(v) for k, v in table("fuel_prices_df.csv")[0].items() if k != "fuel"}
    offers = []
    for plant in table("powerplant_units.csv"):
        thermal = fuel[plant["fuel_type"]] + fuel["co2"] * float(plant["emission_factor"])
        cost = thermal / float(plant["efficiency"]) + float(plant["additional_cost"])
        own = plant["name"] == "learner"
        offers.append((ask if own else cost, float(plant["max_power"]), own))
    results = []
    for hour in table("demand_df.csv")[1:48]:
        rest, price, sold = float(hour["demand"]), 0.0, 0.0
        for ask_price, power, own in sorted(offers):
            taken = min(power, rest)
            rest -= taken
            if taken > 0:
                price = ask_price
                sold += taken if own else 0.0
        results.append((price, sold))
    return results


def test_a_step_brings_price_profit_regret_and_reward_of_the_bid() -> None:
    steps = play(adapter.parallel_env(one_learner()), 0.9)
    cost = (12.0 + 25.0 * 0.202) / 0.59 + 1.2
    expected = hourly_merit_order(90.0)
    assert len(steps) == len(expected)
    assert {sold > 0 for _, sold in expected} == {True, False}
    for (_, reward, _, _, info), (price, sold) in zip(steps, expected, strict=True):
        profit = (price - cost) * sold
        share = 0.1 if sold > 100 else 0.5
        regret = share * max(0.0, (price - cost) * (500 - sold))
        wanted = {"price": price, "profit": profit, "regret": regret}
        assert info["learner"] == pytest.approx(wanted, abs=1e-3)  # actions are float32
        assert reward["learner"] == pytest.approx((profit - regret) / 50_000, abs=1e-7)


def test_the_end_of_the_calendar_is_terminated_and_shows_zeros() -> None:
    observations, _, terminated, truncated, _ = play(adapter.parallel_env(one_learner()), 0.5)[-1]
    assert (terminated["learner"], truncated["learner"]) == (True, False)
    assert not observations["learner"].any()


@pytest.mark.slow
def test_the_end_of_a_window_is_truncated_and_shows_what_the_next_decision_would() -> None:
    """A longer window from the same place goes on where the shorter one stops."""
    shorter, longer = (adapter.parallel_env(one_learner(), window=steps) for steps in (8, 20))
    begun = {}
    for seed in range(200):
        observations, _ = longer.reset(seed=seed)
        begun[observations["learner"].tobytes()] = seed
    pairs = 0
    for seed in range(20):
        observations, _ = shorter.reset(seed=seed)
        same = begun.get(observations["learner"].tobytes())
        if same is None:
            continue
        pairs += 1
        short, long = play(shorter, 0.6, seed), play(longer, 0.6, same)
        *_, (observations, _, terminated, truncated, _) = short
        assert (terminated["learner"], truncated["learner"]) == (False, True)
        np.testing.assert_array_equal(observations["learner"], long[len(short) - 1][0]["learner"])
        assert observations["learner"].any()
    assert pairs > 5


def test_an_episode_depends_on_the_seed_and_its_number_alone() -> None:
    def first(env: Any, seed: int | None = None) -> bytes:
        return env.reset(seed=seed)[0]["learner"].tobytes()

    env = adapter.parallel_env(one_learner(), seed=7, window=8)
    begun = [first(env) for _ in range(4)]
    assert len(set(begun)) > 1
    again = [first(env, seed=7), *(first(env) for _ in range(3))]
    assert again == begun
    assert [first(env, seed=8), *(first(env) for _ in range(3))] != begun


def test_actions_beyond_the_space_count_as_its_bounds() -> None:
    beyond, bound = (play(adapter.parallel_env(one_learner()), share) for share in (3.0, 1.0))
    for got, wanted in zip(beyond, bound, strict=True):
        assert got[1] == wanted[1]


def test_a_unit_with_a_fixed_policy_is_no_agent() -> None:
    class AtCost:
        dtype = torch.float64

        def __call__(self, obs: torch.Tensor) -> torch.Tensor:
            return obs[..., -1:].expand(*obs.shape[:-1], 2)

    env = adapter.parallel_env(ten_learners(), policies={"learner_03": AtCost()})
    assert "learner_03" not in env.possible_agents
    assert env.max_num_agents == 9
    theirs.parallel_api_test(env, num_cycles=60)


def test_policies_that_the_study_case_names_are_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").touch()
    named = {"policies.learner_02": str(tmp_path)}
    scenario = load_scenario(SCENARIOS / "ten_learners", "tiny", overrides=named)
    with pytest.raises(ConfigurationError, match=r"names policies: load those of learner_02"):
        adapter.parallel_env(scenario)


def test_a_step_after_the_end_says_what_to_do() -> None:
    env = adapter.parallel_env(one_learner())
    with pytest.raises(ConfigurationError, match="call reset first"):
        env.step({"learner": np.zeros(2, np.float32)})
    play(env, 0.5)
    with pytest.raises(ConfigurationError, match="call reset first"):
        env.step({"learner": np.zeros(2, np.float32)})


def test_a_scenario_without_learners_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no unit is left that learns"):
        adapter.parallel_env(load_scenario(SCENARIOS / "national", "week"))


@pytest.mark.parametrize(
    ("library", "adapter"),
    [("pettingzoo", "pettingzoo"), ("gymnasium", "gymnasium"), ("torchrl", "torchrl")],
)
def test_without_the_library_the_error_says_what_to_install(
    library: str, adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [m for m in sys.modules if m.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"assume_rl.envs.adapters.{adapter}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'assume-rl\[{library}\]'"):
        importlib.import_module(f"assume_rl.envs.adapters.{adapter}")
