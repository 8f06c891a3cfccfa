"""What numbers stand for that policies see and decide: kept in their files, used elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from fleets import Unit, write_fleet
from test_fleets import check_same_learning
from test_ladders import resumed_is_uninterrupted
from trained_runs import SCENARIOS, SHORT, table

from assume_rl.errors import PolicyError
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.run import run
from assume_rl.experiments.scales import compiled_on
from assume_rl.experiments.train import train
from assume_rl.experiments.train_task import ready, training_task
from assume_rl.learning.policies.manifest import read_manifest
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

PLANTS = [Unit("ladder", "A"), Unit("ladder", "B"), Unit("rule", "A")]
SEEN: dict[str, Any] = {
    "bidding_strategy_params.rung_prices": "seen_prices",
    "bidding_strategy_params.rungs": 5,
}
LADDER = {"units.learner.bidding_EOM": "powerplant_energy_learning_ladder", **SEEN}
PLAY = {
    "learning_config.algorithm": "fictitious_play",
    "learning_config.gradient_steps": 2,
    "learning_config.training_episodes": 2,
    "learning_config.validation_episodes_interval": 1,
}


def single(case: str = "tiny", **settings: Any) -> Scenario:
    """The scenario of one learner, on a ladder of seen prices."""
    given = {**SHORT["single_learner"], **LADDER, **PLAY, **settings}
    return load_scenario(SCENARIOS / "single_learner", case, overrides=given)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of a training of one learner on a ladder of seen prices."""
    return train(single(), out=tmp_path_factory.mktemp("runs") / "seen").folder


def test_a_training_sees_what_rivals_set_when_it_bids_its_cost(trained: Path) -> None:
    scales = read_manifest(trained / "policies" / "last").units["learner"].scales
    prices: set[float] = set()
    for name, settings in (("naive", {}), ("dear", {"units.learner.additional_cost": 500})):
        case = single(**{"units.learner.bidding_EOM": "powerplant_energy_naive"}, **settings)
        rows = table(run(case, out=trained.parent / name).folder, "market_meta")
        prices |= {min(price, 100.0) for price in rows["price"]}
    expected = {0.0, 25.0, 50.0, 75.0, 100.0} | {round(price - 0.01, 6) for price in prices}
    assert scales.rungs == tuple(sorted(expected))
    # 0 and 1 of forecasts are the least and the most of the calendar.
    forecasts = training_task(single(), None, None, "auto").compiled.profiles.forecasts["EOM"]
    for found, series in (
        (scales.residual_load, forecasts.residual_load),
        (scales.price_forecast, forecasts.price),
    ):
        assert found == (float(series.min()), float(series.max()))


def test_both_shells_and_every_seed_see_the_same(tmp_path: Path) -> None:
    settings = {"algorithm": "fictitious_play", "learning_rate": 0.003}
    folder = write_fleet(tmp_path / "case", PLANTS, **settings)
    scenario = load_scenario(folder, overrides=SEEN)
    agents, batch = (
        train(scenario, engine=engine, seed=seed, out=tmp_path / engine)
        for engine, seed in (("agents", 1), ("batch", 1))
    )
    check_same_learning(scenario, agents, batch)
    one, other = (read_manifest(r.folder / "policies" / "last").units for r in (agents, batch))
    assert {unit: own.scales for unit, own in one.items()} == {
        unit: own.scales for unit, own in other.items()
    }
    assert len(one["ladder 0"].scales.rungs) > 5
    # What is played before a training hangs on the study case alone, which has another seed.
    for seed in (1, 2):
        own = load_scenario(folder, overrides=SEEN | {"seed": seed})
        begun = ready(training_task(own, None, None, "auto")).compiled
        assert begun.scenario.config.seed == seed
        assert begun.scales == {unit: policy.scales for unit, policy in one.items()}


@pytest.mark.slow
def test_a_training_is_resumed_on_the_same_ladder(tmp_path: Path) -> None:
    settings = {"algorithm": "fictitious_play", "gradient_steps": 2, "training_episodes": 3}
    folder = write_fleet(tmp_path / "case", PLANTS, **settings)
    resumed_is_uninterrupted(load_scenario(folder, overrides=SEEN), "agents", tmp_path)


@pytest.mark.parametrize("scale", ["recorded", "training"])
def test_a_policy_keeps_its_ladder_and_on_demand_its_scale(
    scale: str, trained: Path, tmp_path: Path
) -> None:
    """It is evaluated in hours whose demand, and so whose seen prices, are others."""
    dates = {"start_date": "2019-03-05 06:00", "end_date": "2019-03-05 18:00"}
    there = single(**dates, **{"learning_config.forecast_scale": scale})
    kept = read_manifest(trained / "policies" / "last").units["learner"].scales
    compiled = compiled_on(there, trained)
    assert compiled.scales["learner"].rungs == kept.rungs
    assert (compiled.scales["learner"] == kept) == (scale == "training")
    low, high = kept.residual_load or (0.0, 0.0)
    forecasts = compiled.profiles.forecasts["EOM"]
    row = forecasts.series[compiled.fleet.ids.index("learner")]
    seen = forecasts.scaled_residual_load[row] * (high - low) + low
    assert seen.allclose(forecasts.residual_load[row]) == (scale == "training")
    result = evaluate(there, policies=trained, out=tmp_path / "out")
    orders = table(result.folder, "market_orders").query("unit_id == 'learner'")
    (cost,) = table(result.folder, "marginal_costs").query("unit == 'learner'")["marginal_cost"]
    allowed = [*kept.rungs, cost]  # which is the only price that is not listed, in all hours
    assert all(min(abs(price - rung) for rung in allowed) < 1e-6 for price in orders["price"])


def test_policies_of_other_ladders_are_refused(trained: Path) -> None:
    for settings in ({"bidding_strategy_params.rung_prices": "uniform"}, {}):
        there = single(**settings, **({} if settings else {"learning_config.max_bid_price": 90}))
        says = "observes|one of|max_bid_price"
        with pytest.raises(PolicyError, match=says):
            evaluate(there, policies=trained, out=trained.parent / "refused")


def test_policies_on_a_ladder_need_a_bidder_on_one_and_others_one_without(
    trained: Path, tmp_path: Path
) -> None:
    plain = load_scenario(SCENARIOS / "single_learner", "tiny")
    says = (
        "'learner' chooses rungs of a ladder, but its bidder powerplant_energy_learning asks for "
        "any numbers: .*, or set units.learner.bidding_EOM to powerplant_energy_learning_ladder or"
    )
    with pytest.raises(PolicyError, match=says):
        evaluate(plain, policies=trained, out=tmp_path / "refused")
    given = {**SHORT["single_learner"], "learning_config.gradient_steps": 1}
    short = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=given)
    folder = train(short, out=tmp_path / "plain").folder
    says = (
        "'learner' chooses any numbers, but its bidder powerplant_energy_learning_ladder asks for "
        "rungs of a ladder: .*, or set units.learner.bidding_EOM to powerplant_energy_learning$"
    )
    with pytest.raises(PolicyError, match=says):
        evaluate(single(), policies=folder, out=tmp_path / "refused")


def test_a_policy_that_keeps_no_scale_is_refused_on_it(trained: Path, tmp_path: Path) -> None:
    last = trained / "policies" / "last"
    content = json.loads((last / "manifest.json").read_text())
    for unit in content["units"].values():
        del unit["scales"]
    for file in last.glob("*.safetensors"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    there = single(**{"learning_config.forecast_scale": "training"})
    with pytest.raises(PolicyError, match="'learner' does not say on which scale"):
        evaluate(there, policies=tmp_path, out=tmp_path / "out")


def test_a_training_goes_on_in_another_fleet_and_says_so_in_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A unit that is there again keeps its ladder; a new one has the prices of the new market."""
    settings = {"algorithm": "fictitious_play"}
    old = load_scenario(write_fleet(tmp_path / "old", PLANTS, **settings), overrides=SEEN)
    first = train(old, out=tmp_path / "first").folder
    fleet = [Unit("ladder", "A"), Unit("rule", "A"), Unit("ladder", "B"), Unit("rule", "B")]
    there = write_fleet(tmp_path / "new", fleet, **settings)
    dearer = {"units.base.additional_cost": 7}
    new = load_scenario(there, overrides={**SEEN, **dearer})
    second = train(new, policies=first, out=tmp_path / "second").folder
    kept, units = (read_manifest(f / "policies" / "last").units for f in (first, second))
    assert units["ladder 0"].scales.rungs == kept["ladder 0"].scales.rungs
    assert units["ladder 0"].scales.rungs != units["ladder 2"].scales.rungs
    lines = [record.message for record in caplog.records if "loaded" in record.message]
    (line,) = lines
    assert line.endswith("1 loaded; 1 (ladder 2) not saved there, so that they start afresh")


def test_a_policy_reads_what_another_bidder_observes_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A plant's policy acts for one that also observes what is available, and learns on there."""
    two = [Unit("single", "A"), Unit("rule", "A")]
    settings = {"training_episodes": 2}
    first = train(load_scenario(write_fleet(tmp_path / "old", two, **settings)), out=tmp_path / "a")
    folder = write_fleet(tmp_path / "new", two, **settings)
    name = {"units.single 0.bidding_EOM": "renewable_energy_learning_single_bid"}
    there = load_scenario(folder, overrides=name)
    bids = [
        table(run(case, policies=first.folder, out=tmp_path / out).folder, "market_orders")
        for case, out in ((load_scenario(folder), "before"), (there, "after"))
    ]
    assert bids[0]["price"].tolist() == pytest.approx(bids[1]["price"].tolist(), abs=1e-4)
    train(there, policies=first.folder, out=tmp_path / "b")
    assert "1 loaded; 1 (single 0) adapted: available_power without weight" in caplog.text
