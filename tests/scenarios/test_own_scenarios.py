"""The scenarios that come with the package load, hold what they promise and can be remade."""

import importlib.util
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from assume_rl.envs.record import play_recorded
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from assume_rl.testing import assert_same_episode
from assume_rl.testing.episodes import Frames

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
FOLDERS = sorted(path.parent for path in SCENARIOS.glob("*/config.yaml"))
CASES = [
    (folder, case)
    for folder in FOLDERS
    for case in yaml.safe_load((folder / "config.yaml").read_text())
]
PROFILE_LIBRARIES = ("demandlib", "pvlib", "windpowerlib")


def marginal_cost(scenario: Scenario) -> pd.DataFrame:
    """EUR/MWh, a row per step and a column per plant."""
    prices = scenario.series.fuel_prices
    return pd.DataFrame(
        {
            plant.id: (prices[plant.fuel_type] + prices["co2"] * plant.emission_factor)
            / plant.efficiency
            + plant.additional_cost
            for plant in scenario.of("power_plant")
        }
    )


def available_power(scenario: Scenario) -> pd.DataFrame:
    """MW, a row per step and a column per plant."""
    ids = [plant.id for plant in scenario.of("power_plant")]
    shares = scenario.series.availability.reindex(columns=ids, fill_value=1.0)
    return shares * [plant.max_power for plant in scenario.of("power_plant")]


def load_of(scenario: Scenario) -> pd.Series:
    """MW, positive."""
    return -scenario.series.demand.sum(axis=1)


def clear(
    bid: float, rivals: np.ndarray, power: np.ndarray, own: float, load: float
) -> tuple[float, float]:
    """Uniform price, and MW sold by one bidder with `own` MW at `bid` among its rivals."""
    prices, volumes = np.append(rivals, bid), np.append(power, own)
    order = prices.argsort()
    supply = volumes[order].cumsum()
    price = prices[order][(supply < load - 1e-9).sum()]
    below = volumes[prices < bid].sum()
    return price, min(max(load - below, 0.0), own)


@pytest.mark.parametrize(("folder", "case"), CASES, ids=lambda x: getattr(x, "name", x))
def test_every_case_loads_without_a_warning(folder: Path, case: str) -> None:
    scenario = load_scenario(folder, case, strict=True)

    assert scenario.warnings == ()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_two_plants_ever_cost_the_same(folder: Path) -> None:
    cost = marginal_cost(load_scenario(folder)).drop_duplicates()

    gaps = np.diff(np.sort(cost.to_numpy(), axis=1), axis=1)

    assert gaps.min() > 1e-6


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_demand_can_be_served_in_every_hour(folder: Path) -> None:
    scenario = load_scenario(folder)

    assert (available_power(scenario).sum(axis=1) >= load_of(scenario)).all()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_readme_explains_every_file(folder: Path) -> None:
    text = (folder / "README.md").read_text()

    files = [path.name for path in folder.iterdir() if path.suffix in (".csv", ".py", ".yaml")]

    assert [name for name in files if f"`{name}`" not in text] == []


def test_the_single_learner_is_pivotal_and_gains_by_bidding_strategically() -> None:
    # GIVEN the rivals' merit order, and bids worth trying: own cost, just below a rival, the cap
    scenario = load_scenario(SCENARIOS / "single_learner")
    costs = marginal_cost(scenario).iloc[0]
    power = available_power(scenario).iloc[0]
    cost, own = costs.pop("learner"), power.pop("learner")
    bids = [cost, scenario.learning.max_bid_price, *(costs[costs > cost] - 1e-6)]
    # WHEN each traded hour is cleared for each of them
    load = load_of(scenario).iloc[1:-1]
    cleared = [[clear(bid, costs.values, power.values, own, x) for bid in bids] for x in load]
    price, sold = np.moveaxis(np.array(cleared), -1, 0)
    profit = (price - cost) * sold
    # THEN the best bids earn more than twice as much as marginal cost does
    pivotal = load > power.sum()
    assert 0.2 < pivotal.mean() < 0.8
    assert profit.max(axis=1).sum() > 2 * profit[:, 0].sum() > 0


def test_the_owner_of_wind_needs_other_prices_in_other_hours() -> None:
    # GIVEN the rivals' merit order, and bids worth trying: own cost, just below a rival, the cap
    scenario = load_scenario(SCENARIOS / "wind_owner")
    costs, power = marginal_cost(scenario).iloc[0], available_power(scenario).iloc[1:-1]
    cost, own = costs.pop("wind"), power.pop("wind")
    bids = [cost, scenario.learning.max_bid_price, *(costs[costs > cost] - 0.01)]
    # WHEN each traded hour is cleared for each of them
    hours = list(zip(power.to_numpy(), own, load_of(scenario).iloc[1:-1], strict=True))
    cleared = [[clear(bid, costs.values, *hour) for bid in bids] for hour in hours]
    price, sold = np.moveaxis(np.array(cleared), -1, 0)
    profit = (price - cost) * sold
    # THEN the best of them in all hours earns less than nine tenths of what the best in each do
    assert profit.sum(axis=0).max() < 0.8 * profit.max(axis=1).sum()
    assert np.unique(profit.argmax(axis=1)[profit.max(axis=1) > 0]).size >= 4
    # AND demand could not be met without it at times
    assert (load_of(scenario).iloc[1:-1] > power.sum(axis=1)).any()


def test_ten_learners_belong_to_several_operators() -> None:
    scenario = load_scenario(SCENARIOS / "ten_learners")

    learners = [
        p for p in scenario.of("power_plant") if p.bidding["EOM"] == "powerplant_energy_learning"
    ]

    assert len(learners) == 10
    assert len({plant.unit_operator for plant in learners}) >= 3


def test_the_sun_outshines_the_demand_of_the_summer_week_at_times() -> None:
    scenario = load_scenario(SCENARIOS / "summer_week")
    power = available_power(scenario)
    supported = marginal_cost(scenario).iloc[0] < 0

    surplus = power.loc[:, supported].sum(axis=1) > load_of(scenario)

    assert 5 < surplus.sum() < 30
    assert set(scenario.index[surplus].hour) <= set(range(7, 17))
    assert len(scenario.of("storage")) == 2


def test_the_national_scenario_is_of_national_size() -> None:
    scenario = load_scenario(SCENARIOS / "national")

    units = scenario.units

    assert len(scenario.of("power_plant")) >= 150
    assert len({unit.unit_operator for unit in units}) >= 60
    assert len(scenario.index) == 8760 + 1


def test_national_plants_learn_on_a_ladder_but_for_wind_on_land_and_sun() -> None:
    plants = load_scenario(SCENARIOS / "national", "ladder").of("power_plant")

    learning = [plant for plant in plants if plant.bidding["EOM"].endswith("_ladder")]

    assert len(learning) == 140
    others = {plant.technology for plant in plants if plant not in learning}
    assert others == {"wind onshore", "solar"}


def test_every_technology_sets_the_national_price_at_times() -> None:
    scenario = load_scenario(SCENARIOS / "national")
    cost = marginal_cost(scenario).to_numpy()
    order = cost.argsort(axis=1)
    supply = np.take_along_axis(available_power(scenario).to_numpy(), order, axis=1).cumsum(axis=1)

    marginal = (supply < load_of(scenario).to_numpy()[:, None]).sum(axis=1)

    technology = np.array([plant.technology for plant in scenario.of("power_plant")])
    setting = technology[np.take_along_axis(order, marginal[:, None], axis=1)]
    assert set(setting.ravel()) == set(technology)


@pytest.mark.parametrize("case", ["base", "closed"])
def test_border_and_industry_play_alike_on_both_shells(case: str) -> None:
    compiled = compile_scenario(load_scenario(SCENARIOS / "border_and_industry", case))

    assert_same_episode(compiled, {})


def test_the_border_levels_prices_and_industry_answers_to_them() -> None:
    # GIVEN the week with and without the neighbouring area
    folder, tables = SCENARIOS / "border_and_industry", {}
    for case in ("base", "closed"):
        tables[case] = Frames()
        play_recorded(
            compile_scenario(load_scenario(folder, case)), seed=1, policies={}, sink=tables[case]
        )
    price = {case: own.table("market_meta")["price"] for case, own in tables.items()}
    power = tables["base"].table("unit_dispatch").pivot(index="time", columns="unit")["power"]
    # THEN the line is used both ways, prices are lower and as the README has them
    assert power["neighbour"].min() < -100
    assert power["neighbour"].max() > 100
    assert price["base"].mean().round(2) == 46.41
    assert price["closed"].mean().round(2) == 47.68
    # AND the works buy less the dearer power is
    works = power[["smelter", "chemistry"]].sum(axis=1).iloc[1:].to_numpy()
    bought = pd.Series(-works).groupby(price["base"].to_numpy()).mean()
    assert bought.is_monotonic_decreasing
    assert bought.iloc[0] > bought.iloc[-1] + 50


def assert_remade(script: Path, out: Path) -> None:
    """The script writes the files that lie beside it, up to the last digit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), "--out", str(out)])
        runpy.run_path(str(script), run_name="__main__")
    written = sorted(out.iterdir())
    assert written
    for path in written:
        expected = pd.read_csv(script.parent / path.name, index_col=0)
        found = pd.read_csv(path, index_col=0)
        # Another version of a library may round a number differently.
        pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1.001e-3)


@pytest.mark.parametrize(
    "script",
    [
        "border_and_industry/make_profiles.py",
        "national/make_units.py",
        "reserve_and_energy/make_demand.py",
        "single_learner/make_demand.py",
        "summer_week/make_profiles.py",
        "ten_learners/make_profiles.py",
        "wind_owner/make_profiles.py",
    ],
)
def test_small_scripts_write_the_same_files_again(script: str, tmp_path: Path) -> None:
    assert_remade(SCENARIOS / script, tmp_path)


@pytest.mark.slow
def test_the_profile_script_writes_the_same_files_again(tmp_path: Path) -> None:
    missing = [name for name in PROFILE_LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install 'assume-rl[profiles]'")

    assert_remade(SCENARIOS / "national" / "make_profiles.py", tmp_path)
