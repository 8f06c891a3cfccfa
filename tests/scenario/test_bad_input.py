"""Broken folders: each has one fault, and the message must name its place and what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from assume_rl.errors import ScenarioError
from assume_rl.scenario.read import load_scenario

CONFIG, PLANTS, DEMANDS = "config.yaml", "powerplant_units.csv", "demand_units.csv"
DEMAND, SHARES, FUELS = "demand_df.csv", "availability_df.csv", "fuel_prices_df.csv"
MARKET = "config.yaml, base.markets_config.EOM"
HEAD, TAIL = "2019-01-01 00:00,100.0\n", "2019-01-02 00:00,124.0\n"
ROW_5 = "2019-01-01 05:00,105.0\n"

# (file, what to replace, by what, parts of the message)
FAULTS: dict[str, tuple[str, str, str, list[str]]] = {
    # configuration
    "broken yaml": (CONFIG, "base:", "base: [", ["config.yaml: is not valid YAML", "line"]),
    "key twice": (CONFIG, "  seed: 7", "  seed: 7\n  seed: 8", ["key 'seed' is written twice"]),
    "unknown key": (
        CONFIG, "seed: 7", "sed: 7", ["base.sed: unknown key", "did you mean 'seed'?"],
    ),
    "unknown market key": (
        CONFIG, "opening_duration", "opening_durtion",
        [f"{MARKET}.opening_durtion: unknown key", "did you mean 'opening_duration'?"],
    ),
    "unknown product key": (
        CONFIG, "count: 1", "counts: 1",
        [f"{MARKET}.products.0.counts: unknown key", "did you mean 'count'?"],
    ),
    "unknown learning key": (
        CONFIG, "max_bid_price", "max_bit_price",
        ["base.learning_config.max_bit_price: unknown key", "did you mean 'max_bid_price'?"],
    ),
    "unknown strategy parameter": (
        CONFIG, "  seed: 7", "  bidding_strategy_params:\n    forsight: 3",
        ["base.bidding_strategy_params.forsight: unknown key", "did you mean 'foresight'?"],
    ),
    "missing key": (CONFIG, "  time_step: 1h\n", "", ["base.time_step: is missing"]),
    "missing market key": (
        CONFIG, "      operator: exchange\n", "", [f"{MARKET}.operator: is missing"],
    ),
    "no markets": (CONFIG, "markets_config:\n    EOM:", "markets_config: {}\n  x:", ["markets_config"]),
    "misplaced learning_mode": (
        CONFIG, "seed: 7", "learning_mode: true",
        ["base.learning_mode: belongs into the section learning_config"],
    ),
    "wrong type": (CONFIG, "seed: 7", "seed: seven", ["base.seed", "integer", "'seven'"]),
    "wrong learning type": (
        CONFIG, "max_bid_price: 100", "max_bid_price: much",
        ["base.learning_config.max_bid_price", "number", "'much'"],
    ),
    "gamma above 1": (
        CONFIG, "max_bid_price: 100", "gamma: 1.1", ["learning_config.gamma", "1.1"],
    ),
    "unknown algorithm": (
        CONFIG, "max_bid_price: 100", "algorithm: matd4",
        ["learning_config.algorithm: unknown algorithm 'matd4'", "'matd3'"],
    ),
    "section is text": (
        CONFIG, "learning_config:\n    learning_mode: true\n    max_bid_price: 100",
        "learning_config: yes please", ["base.learning_config", "mapping"],
    ),
    "products are no list": (
        CONFIG, "products:\n      - duration: 1h", "products:\n        duration: 1h",
        [f"{MARKET}.products: must be a list"],
    ),
    "end before start": (
        CONFIG, "end_date: 2019-01-02", "end_date: 2018-12-31",
        ["end_date 2018-12-31 00:00 is not after start_date 2019-01-01 00:00"],
    ),
    "no date": (
        CONFIG, "end_date: 2019-01-02 00:00", "end_date: tomorrow-ish",
        ["base.end_date: 'tomorrow-ish' is not a date"],
    ),
    "date is a number": (
        CONFIG, "end_date: 2019-01-02 00:00", "end_date: 2019", ["base.end_date: write a date"],
    ),
    "invalid time_step": (
        CONFIG, "time_step: 1h", "time_step: 1 hr", ["base.time_step", "unknown unit 'hr'"],
    ),
    "time_step without unit": (
        CONFIG, "time_step: 1h", "time_step: 60", ["base.time_step: write a duration with its unit"],
    ),
    "time_step longer than the calendar": (
        CONFIG, "time_step: 1h", "time_step: 3d", ["base.time_step: is longer than the whole"],
    ),
    "zero frequency": (
        CONFIG, "opening_frequency: 1h", "opening_frequency: 0h",
        [f"{MARKET}.opening_frequency: must be longer than zero"],
    ),
    "prices the wrong way round": (
        CONFIG, "operator: exchange", "operator: x\n      maximum_bid_price: -5000",
        [f"{MARKET}: minimum_bid_price -3000 is above maximum_bid_price -5000"],
    ),
    # markets
    "unknown mechanism": (
        CONFIG, "pay_as_clear", "pay_as_cleared",
        [f"{MARKET}.market_mechanism: unknown mechanism 'pay_as_cleared'", "'pay_as_clear'?"],
    ),
    "planned mechanism": (
        CONFIG, "pay_as_clear", "complex_clearing", ["not supported yet: 'complex_clearing'"],
    ),
    "unknown product type": (
        CONFIG, "operator: exchange", "operator: x\n      product_type: enery",
        [f"{MARKET}.product_type: unknown product type 'enery'", "'energy'?"],
    ),
    "planned product type": (
        CONFIG, "operator: exchange", "operator: x\n      product_type: capacity_pos",
        ["not supported yet: 'capacity_pos'"],
    ),
    "ticks": (
        CONFIG, "operator: exchange", "operator: x\n      price_tick: 0.1",
        [f"{MARKET}.price_tick: not supported yet"],
    ),
    "product no multiple of the step": (
        CONFIG, "duration: 1h\n        count", "duration: 90min\n        count",
        [f"{MARKET}.products.0.duration: is not a multiple of time_step"],
    ),
    "product shorter than a step": (
        CONFIG, "duration: 1h\n        count", "duration: 15min\n        count",
        [f"{MARKET}.products.0.duration: is shorter than time_step"],
    ),
    "delivery between steps": (
        CONFIG, "first_delivery: 1h", "first_delivery: 90min",
        [f"{MARKET}.products.0.first_delivery: deliveries do not start on a step"],
    ),
    "frequency between steps": (
        CONFIG, "opening_frequency: 1h", "opening_frequency: 90min",
        [f"{MARKET}.opening_frequency: is not a multiple"],
    ),
    "market before the simulation": (
        CONFIG, "operator: exchange", "operator: x\n      start_date: 2018-12-31 00:00",
        [f"{MARKET}.start_date: is before the simulation's start_date"],
    ),
    "market after the simulation": (
        CONFIG, "operator: exchange", "operator: x\n      end_date: 2019-01-03 00:00",
        [f"{MARKET}.end_date: is after the simulation's end_date"],
    ),
    "no auction fits": (
        CONFIG, "opening_duration: 1h", "opening_duration: 2d",
        [f"{MARKET}.opening_duration: no auction closes before the market ends"],
    ),
    "delivery after the end": (
        CONFIG, "count: 1", "count: 48",
        [f"{MARKET}.products: the first auction delivers after the simulation's end_date"],
    ),
    "nobody sells": (PLANTS, "bidding_EOM", "bidding_EM", ["no unit sells in any market"]),
    "nobody buys": (DEMANDS, "demand_energy_naive", "", ["no unit buys in any market"]),
    # unit tables
    "text in a number": (
        PLANTS, ",100,20,", ",a lot,20,", [f"{PLANTS}, row 'coal', column 'max_power'", "'a lot'"],
    ),
    "infinite power": (PLANTS, ",100,20,", ",inf,20,", ["row 'coal', column 'max_power'", "finite"]),
    "efficiency 0": (
        PLANTS, ",0.4,North", ",0,North",
        [f"{PLANTS}, row 'coal', column 'efficiency': should be greater than 0"],
    ),
    "empty efficiency": (
        PLANTS, ",0.4,North", ",,North", ["column 'efficiency': should be greater than 0"],
    ),
    "efficiency above 1": (
        PLANTS, ",0.4,North", ",40,North", ["column 'efficiency'", "less than or equal to 1"],
    ),
    "negative power": (
        PLANTS, ",100,20,", ",-100,20,", ["row 'coal', column 'max_power'", "'-100'"],
    ),
    "negative emissions": (PLANTS, ",0.3,100", ",-0.3,100", ["column 'emission_factor'", "'-0.3'"]),
    "min above max": (
        PLANTS, ",100,20,", ",100,200,", ["row 'coal': min_power 200 is above max_power 100"],
    ),
    "demand of both signs": (
        DEMANDS, ",200,0,", ",200,-10,",
        [f"{DEMANDS}, row 'town': min_power -10 and max_power 200 have opposite signs"],
    ),
    "duplicate unit": (PLANTS, "gas,gas", "coal,gas", [f"{PLANTS}: the row 'coal' exists more"]),
    "same name in two tables": (
        DEMANDS, "town,", "gas,", [f"{DEMANDS}, row 'gas': is also the name of a power plant"],
    ),
    "duplicate column": (PLANTS, "min_power", "max_power", ["the column 'max_power' exists more"]),
    "unnamed unit": (PLANTS, "gas,gas", ",gas", [f"{PLANTS}: row 2 has no name"]),
    "missing operator column": (
        PLANTS, "unit_operator", "owner", [f"{PLANTS}, column 'unit_operator': the column is missing"],
    ),
    "empty operator": (PLANTS, "0.4,North", "0.4,", ["column 'unit_operator': is missing"]),
    "missing power column": (DEMANDS, "max_power", "power", ["column 'max_power': the column is"]),
    "unknown strategy": (
        PLANTS, "powerplant_energy_learning", "powerplant_energy_lerning",
        ["row 'gas', column 'bidding_EOM': unknown strategy", "'powerplant_energy_learning'?"],
    ),
    "planned strategy": (
        PLANTS, "powerplant_energy_learning", "powerplant_energy_heuristic_flexable",
        ["not supported yet: the strategy 'powerplant_energy_heuristic_flexable'"],
    ),
    "strategy for another kind of unit": (
        DEMANDS, "demand_energy_naive", "powerplant_energy_learning",
        [f"{DEMANDS}, row 'town', column 'bidding_EOM'", "is not for this kind of unit"],
    ),
    "semicolons": (PLANTS, ",", ";", [f"{PLANTS}: has a single column", "separated by commas"]),
    "ragged row": (PLANTS, "0.4,North", "0,4,North", [f"{PLANTS}: is not a table", "line 2"]),
    # series
    "gap": (
        DEMAND, ROW_5, "", [f"{DEMAND}, row '2019-01-01 05:00': the row is missing"],
    ),
    "duplicate timestamp": (DEMAND, ROW_5, ROW_5 * 2, ["the row '2019-01-01 05:00' exists more"]),
    "unsorted": (DEMAND, HEAD, HEAD + ROW_5.replace("05:", "26:"), ["'2019-01-01 26:00'", "not a date"]),
    "not in order": (
        DEMAND, TAIL, TAIL + "2018-12-31 23:00,1\n", ["row '2018-12-31 23:00'", "order of time"],
    ),
    "extra row": (
        DEMAND, ROW_5, ROW_5 + "2019-01-01 05:30,1\n",
        ["row '2019-01-01 05:30': does not fit the file's step of 1h"],
    ),
    "no dates": (DEMAND, "2019-01-01 00:00", "first", [f"{DEMAND}, row 'first': is not a date"]),
    "missing demand": (
        DEMAND, "05:00,105.0", "05:00,", ["row '2019-01-01 05:00', column 'town': the value is"],
    ),
    "text in demand": (
        DEMAND, "05:00,105.0", "05:00,lots", ["row '2019-01-01 05:00', column 'town': 'lots'"],
    ),
    "end missing": (
        DEMAND, TAIL, "",
        ["row '2019-01-02 00:00'", "needed are 2019-01-01 00:00 to 2019-01-02 00:00"],
    ),
    "window outside the data": (
        CONFIG, "2019-01-02 00:00", "2019-02-02 00:00",
        [f"{DEMAND}, row '2019-01-02 01:00': the row is missing", "2019-02-02 00:00"],
    ),
    "data coarser than the step": (
        CONFIG, "time_step: 1h", "time_step: 15min",
        [f"{DEMAND}: has a row every 1h, which is too coarse for time_step 15min"],
    ),
    "no column for demand": (
        DEMAND, "town", "twon", [f"{DEMAND}: no column for any demand unit, such as 'town'"],
    ),
    "negative availability": (
        SHARES, "03:00,0.5", "03:00,-0.5",
        [f"{SHARES}, row '2019-01-01 03:00', column 'sun': availability must not be negative"],
    ),
    "demand available above 1": (
        SHARES, "sun", "town", [f"{SHARES}, column 'town': must lie between 0 and 1, not 5"],
    ),
    "text in a fuel price": (FUELS, "price,10", "price,cheap", [f"{FUELS}, row 'price'", "'cheap'"]),
    "fuel price missing": (FUELS, "price,10", "price,", [f"{FUELS}, row", "'hard coal': the value"]),
    # forecasts and policies
    "unknown forecast": (
        CONFIG, "seed: 7", "forecast_algorithms: {prise: price_naive_forecast}",
        ["forecast_algorithms.prise: unknown forecast 'prise'", "'price'?"],
    ),
    "planned forecast algorithm": (
        CONFIG, "seed: 7", "forecast_algorithms: {price: price_default_test}",
        ["not supported yet: the forecast algorithm 'price_default_test'"],
    ),
    "unknown forecast algorithm": (
        PLANTS, "fuel_type,", "forecast_price,", ["column 'forecast_price': unknown forecast"],
    ),
    "policy for nobody": (
        CONFIG, "seed: 7", "policies: {gaz: demand_df.csv}",
        ["base.policies.gaz: there is no such unit", "'gas'?"],
    ),
    "policy for a rule-based unit": (
        CONFIG, "seed: 7", "policies: {coal: demand_df.csv}",
        ["base.policies.coal: the unit has no learning strategy"],
    ),
    "policy missing": (
        CONFIG, "seed: 7", "policies: {gas: nowhere}", ["base.policies.gas: there is no file"],
    ),
    "named file missing": (
        CONFIG, "seed: 7", "availability_df: wind.csv", ["wind.csv", "availability_df", "is missing"],
    ),
}  # fmt: skip


def problem(path: Path, **kwargs: Any) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path, **kwargs)
    return str(raised.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(folder: Any, fault: str) -> None:
    file, old, new, parts = FAULTS[fault]
    if fault == "demand available above 1":
        folder.change(SHARES, "03:00,0.5", "03:00,5")
    folder.change(file, old, new)
    message = problem(folder.path)
    assert all(part in message for part in parts), message
    assert "\n" not in message, "one fault, one sentence"


@pytest.mark.parametrize("file", [CONFIG, PLANTS, DEMANDS, DEMAND])
def test_missing_file(folder: Any, file: str) -> None:
    folder.remove(file)
    message = problem(folder.path)
    assert message.startswith(file)
    assert "missing" in message or "no such file" in message


@pytest.mark.parametrize("file", [CONFIG, PLANTS, DEMANDS, DEMAND, SHARES, FUELS])
def test_empty_file(folder: Any, file: str) -> None:
    folder.write(file, "")
    assert problem(folder.path).startswith(file)


@pytest.mark.parametrize("file", [PLANTS, DEMAND])
def test_header_only(folder: Any, file: str) -> None:
    folder.write(file, (folder.path / file).read_text().splitlines()[0] + "\n")
    assert f"{file}: has no rows" in problem(folder.path)


@pytest.mark.parametrize("file", [CONFIG, PLANTS, DEMAND])
def test_not_utf8(folder: Any, file: str) -> None:
    (folder.path / file).write_bytes("name,Größe\nx,1\n".encode("latin-1"))
    assert f"{file}: is not UTF-8 text" in problem(folder.path)


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("storage_units.csv", "storage units"),
        ("exchange_units.csv", "exchange units"),
        ("unit_operators.csv", "portfolio strategies"),
        ("industrial_dsm_units.csv", "demand-side management"),
    ],
)
def test_files_of_later_versions(folder: Any, file: str, what: str) -> None:
    folder.write(file, "name,technology\nx,y\n")
    assert f"{file}: not supported yet: {what}" in problem(folder.path)
    folder.change(CONFIG, "seed: 7", f"{file.removesuffix('.csv')}: null")
    assert load_scenario(folder.path).warnings == ()


def test_not_a_folder(tmp_path: Path) -> None:
    assert "is not a folder" in problem(tmp_path / "nowhere")


def test_unknown_case(folder: Any) -> None:
    message = problem(folder.path, case="bse")
    assert message == "config.yaml: unknown study case 'bse'; did you mean 'base'?"


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("learning_config.gama", "0.9", "learning_config.gama: unknown key; did you mean 'gamma'?"),
        ("learning_config.gamma", "high", "override learning_config.gamma: should be a valid number"),
        ("lerning_config.gamma", "0.9", "'lerning_config'; did you mean 'learning_config'?"),
        ("markets_config.EM.operator", "x", "unknown key 'EM'; did you mean 'EOM'?"),
        ("seed", "[", "override seed: '[' is not valid YAML"),
    ],
)
def test_bad_override(folder: Any, key: str, value: str, part: str) -> None:
    assert part in problem(folder.path, overrides={key: value})


def test_every_problem_is_told_at_once(folder: Any) -> None:
    folder.change(CONFIG, "seed: 7", "sed: 7")
    folder.change(CONFIG, "      operator: exchange\n", "")
    folder.change(PLANTS, ",0.4,North", ",0,North")
    folder.change(PLANTS, ",0.5,South", ",4,South")
    folder.change(DEMANDS, ",200,", ",x,")
    folder.change(DEMAND, ROW_5, "")
    found = problem(folder.path).splitlines()
    assert [line.split(":")[0].split(",")[0] for line in found] == [
        CONFIG, CONFIG, PLANTS, PLANTS, DEMANDS, DEMAND,
    ]  # fmt: skip


# (file, what to replace, by what, part of the warning, whether --strict refuses it)
ODDITIES: dict[str, tuple[str, str, str, str, bool]] = {
    "unread market key": (
        CONFIG, "operator: exchange", "operator: x\n      maximum_volume: 5",
        "markets_config.EOM.maximum_volume: nothing reads this key", False,
    ),
    "unread product key": (
        CONFIG, "count: 1", "count: 1\n        only_hours: [8, 20]", "only_hours: nothing reads", False,
    ),
    "unread parameters": (
        CONFIG, "operator: exchange", "operator: x\n      param_dict: {a: 1}",
        "markets_config.EOM.param_dict: no supported market reads this key", False,
    ),
    "unread strategy parameter": (
        CONFIG, "seed: 7", "bidding_strategy_params: {eom_foresight: 6h}",
        "eom_foresight: no supported strategy reads", False,
    ),
    "unknown column": (
        PLANTS, "efficiency", "eficiency", "column 'eficiency': unknown column, nothing reads it; "
        "did you mean 'efficiency'?", True,
    ),
    "bids for an unknown market": (
        DEMANDS, "technology", "bidding_EON", "column 'bidding_EON': there is no such market; "
        "did you mean 'EOM'?", True,
    ),
    "unknown unit in a series": (
        SHARES, "sun", "sum", "column 'sum': there is no such unit, nothing reads it; "
        "did you mean 'sun'?", True,
    ),
    "fuel without a price": (
        PLANTS, "solar,powerplant_energy_naive,sunshine", "solar,powerplant_energy_naive,sunshin",
        "no column for the fuel 'sunshin' of 'sun', its price is 0; did you mean 'sunshine'?", False,
    ),
    "co2 without a price": (FUELS, "co2", "CO2", "no column for the fuel 'co2' of 'coal'", False),
    "availability in MW or per cent": (
        SHARES, "03:00,0.5", "03:00,95", "values up to 95 are read as MW, with 50 for all", False,
    ),
    "unit without a market": (
        PLANTS, "coal,powerplant_energy_naive", "coal,", "row 'coal': takes part in no market", False,
    ),
    "learning mode without a learner": (
        PLANTS, "powerplant_energy_learning", "powerplant_energy_naive",
        "learning_mode is on, but no unit has a learning strategy", False,
    ),
    "market without a buyer": (
        CONFIG, "other:", "".join([
            "    IDM:\n      operator: x\n      opening_frequency: 1h\n      opening_duration: 1h\n",
            "      products: [{duration: 1h, count: 1, first_delivery: 1h}]\n",
            "      market_mechanism: pay_as_bid\nother:"]),
        "markets_config.IDM: no unit buys here", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("oddity", ODDITIES)
def test_oddity_is_a_warning(folder: Any, oddity: str) -> None:
    file, old, new, part, refused = ODDITIES[oddity]
    if oddity == "bids for an unknown market":
        folder.write(DEMANDS, (folder.path / DEMANDS).read_text().replace("inflex", "inflex"))
        new = "technology,bidding_EON"
        folder.change(DEMANDS, "inflex_demand", "inflex_demand,demand_energy_naive")
    folder.change(file, old, new)
    warnings = load_scenario(folder.path).warnings
    assert any(part in warning for warning in warnings), warnings
    if refused:
        assert part in problem(folder.path, strict=True)
    else:
        assert load_scenario(folder.path, strict=True).warnings == warnings


def test_good_folder_has_no_warning(folder: Any) -> None:
    assert load_scenario(folder.path, strict=True).warnings == ()
