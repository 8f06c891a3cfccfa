"""What nothing reads, or what looks like a slip, is a warning and never passed over in silence."""

from typing import Any

import pytest

from assume_rl.errors import ScenarioError
from assume_rl.scenario.read import load_scenario

CONFIG, PLANTS, DEMANDS = "config.yaml", "powerplant_units.csv", "demand_units.csv"
SHARES, FUELS = "availability_df.csv", "fuel_prices_df.csv"

# (file, what to replace, by what, part of the warning, whether --strict refuses it)
ODDITIES: dict[str, tuple[str, str, str, str, bool]] = {
    "unread market key": (
        CONFIG, "operator: exchange", "operator: x\n      maximum_volume: 5",
        "markets_config.EOM.maximum_volume: nothing reads this key", False,
    ),
    "unread product key": (
        CONFIG, "count: 1", "count: 1\n        only_hours: [8, 20]",
        "products.0.only_hours: nothing reads this key", False,
    ),
    "parameter of another mechanism": (
        CONFIG, "operator: exchange", "operator: x\n      param_dict: {network_path: .}",
        "markets_config.EOM.param_dict.network_path: the mechanism 'pay_as_clear' does not read",
        False,
    ),
    "unread strategy parameter": (
        CONFIG, "seed: 7", "bidding_strategy_params: {eom_foresight: 6h}",
        "eom_foresight: no bidder in use reads", False,
    ),
    "unknown column": (
        PLANTS, "efficiency", "eficiency", "column 'eficiency': unknown column, nothing reads it; "
        "did you mean 'efficiency'?", True,
    ),
    "bids for an unknown market": (
        DEMANDS, "EOM,max_power,min_power,unit_operator\ntown,inflex_demand,",
        "EOM,bidding_EON,max_power,min_power,unit_operator\ntown,inflex_demand,demand_energy_naive,",
        "column 'bidding_EON': there is no such market; did you mean 'EOM'?", True,
    ),
    "unknown unit in a series": (
        SHARES, "sun", "sum", "column 'sum': there is no such unit, nothing reads it; "
        "did you mean 'sun'?", True,
    ),
    "fuel without a price": (
        PLANTS, "solar,powerplant_energy_naive,sunshine", "solar,powerplant_energy_naive,sunshin",
        "no column for the fuel 'sunshin' of 'sun', its price is 0; did you mean 'sunshine'?",
        False,
    ),
    "fuel that nothing burns": (
        FUELS, "fuel,hard coal,natural gas,sunshine,co2\nprice,",
        "fuel,oil,hard coal,natural gas,sunshine,co2\nprice,7,",
        f"{FUELS}: no unit burns 'oil': nothing reads these columns", False,
    ),
    "demand above its power": (
        DEMANDS, ",200,0,", ",110,0,",
        "demand_df.csv, row '2019-01-01 11:00', column 'town': 111 MW is above max_power 110 in "
        f"{DEMANDS}; the series counts", False,
    ),
    "demand below its power": (
        DEMANDS, ",200,0,", ",200,150,",
        "demand_df.csv, row '2019-01-01 00:00', column 'town': 100 MW is below min_power 150",
        False,
    ),
    "co2 without a price": (FUELS, "co2", "CO2", "no column for the fuel 'co2' of 'coal'", False),
    "availability in MW or per cent": (
        SHARES, "03:00,0.5", "03:00,95", "values up to 95 are read as MW, with 50 for all", False,
    ),
    "unit without a market": (
        PLANTS, "coal,powerplant_energy_naive", "coal,", "row 'coal': takes part in no market",
        False,
    ),
    "learning mode without a learner": (
        PLANTS, "powerplant_energy_learning", "powerplant_energy_naive",
        "learning_mode is on, but no unit has a learning bidder", False,
    ),
    "keys that the algorithm does not read": (
        CONFIG, "max_bid_price: 100",
        "algorithm: mappo\n    noise_sigma: 0.3\n    gradient_steps: 9\n    tau: 0.1",
        "config.yaml, base.learning_config: without effect here with mappo: gradient_steps, "
        "noise_sigma, tau",
        False,
    ),
    "market without a buyer": (
        CONFIG, "other:", "".join([
            "    IDM:\n      operator: x\n",
            "      opening_frequency: 1h\n      opening_duration: 1h\n",
            "      products: [{duration: 1h, count: 1, first_delivery: 1h}]\n",
            "      market_mechanism: pay_as_bid\nother:"]),
        "markets_config.IDM: no unit buys here", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("oddity", ODDITIES)
def test_oddity_is_a_warning(folder: Any, oddity: str) -> None:
    file, old, new, part, refused = ODDITIES[oddity]
    folder.change(file, old, new)
    warnings = load_scenario(folder.path).warnings
    assert any(part in warning for warning in warnings), warnings
    if refused:
        with pytest.raises(ScenarioError) as raised:
            load_scenario(folder.path, strict=True)
        assert part in str(raised.value)
    else:
        assert load_scenario(folder.path, strict=True).warnings == warnings


def test_good_folder_has_no_warning(folder: Any) -> None:
    assert load_scenario(folder.path, strict=True).warnings == ()


def test_rungs_beside_their_prices_are_a_warning(folder: Any) -> None:
    folder.change(PLANTS, "powerplant_energy_learning", "powerplant_energy_learning_ladder")
    given = {"rungs_at": [0, 20.0, 90.0], "rungs": 21, "rung_prices": "seen_prices"}
    overrides = {f"bidding_strategy_params.{key}": value for key, value in given.items()}
    warnings = load_scenario(folder.path, overrides=overrides, strict=True).warnings
    assert warnings == tuple(
        f"override bidding_strategy_params.{key}: no bidder in use reads this key: rungs_at lists "
        "the prices of all rungs"
        for key in ("rungs", "rung_prices")
    )
    # Beside seen prices `rungs` counts those at equal distances.
    del overrides["bidding_strategy_params.rungs_at"]
    assert load_scenario(folder.path, overrides=overrides, strict=True).warnings == ()
