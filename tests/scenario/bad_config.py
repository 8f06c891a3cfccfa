"""Faults of the configuration: (file, what to replace, by what, parts of the message)."""

CONFIG, PLANTS, DEMANDS = "config.yaml", "powerplant_units.csv", "demand_units.csv"
MARKET = "config.yaml, base.markets_config.EOM"

FAULTS: dict[str, tuple[str, str, str, list[str]]] = {
    # configuration
    "broken yaml": (CONFIG, "base:", "base: [", ["config.yaml: is not valid YAML", "line"]),
    "key twice": (CONFIG, "  seed: 7", "  seed: 7\n  seed: 8", ["key 'seed' is written twice"]),
    "truth value for a number": (
        CONFIG, "seed: 7", "seed: true", ["base.seed: should be a valid integer, not 'true'"],
    ),
    "truth value for a learning number": (
        CONFIG, "max_bid_price: 100", "learning_rates: {actor: true}",
        ["base.learning_config.learning_rates.actor: should be a valid number, not 'true'"],
    ),
    "leading zero": (
        CONFIG, "seed: 7", "seed: 042", ["config.yaml: 042 is not clear: write 42, or 0o42"],
    ),
    "clock time for a number": (
        CONFIG, "seed: 7", "seed: 1:30", ["base.seed: should be a valid integer, not '1:30'"],
    ),
    "seed of 64 bits": (
        CONFIG, "seed: 7", f"seed: {2**63}", ["base.seed: should be less than or equal to"],
    ),
    "negative seed": (CONFIG, "seed: 7", "seed: -7", ["base.seed: should be greater than or"]),
    "ambiguous date": (
        CONFIG, "end_date: 2019-01-02 00:00", "end_date: 02.01.2019",
        ["base.end_date: '02.01.2019' is not a date", "write '2019-01-02' or '2019-02-01'"],
    ),
    "unknown time zone": (
        CONFIG, "end_date: 2019-01-02 00:00", "end_date: 2019-01-02 00:00 MEZT",
        ["base.end_date: '2019-01-02 00:00 MEZT': the time zone 'MEZT' is not known"],
    ),
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
    "schedule without an end": (
        CONFIG, "max_bid_price: 100", "learning_rate_schedule: {schedule: exponential}",
        [
            "config.yaml, base.learning_config.learning_rate_schedule: an exponential schedule "
            "needs an end above 0"
        ],
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
        CONFIG, "time_step: 1h", "time_step: 60",
        ["base.time_step: write a duration with its unit"],
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
        [
            f"{MARKET}.market_mechanism: unknown mechanism 'pay_as_cleared'; did you mean "
            "'pay_as_clear'? (or load its plug-in: --plugin FILE)"
        ],
    ),
    "planned mechanism": (
        CONFIG, "pay_as_clear", "nodal_clearing", ["not supported yet: 'nodal_clearing'"],
    ),
    "unknown product type": (
        CONFIG, "operator: exchange", "operator: x\n      product_type: enery",
        [f"{MARKET}.product_type: unknown product type 'enery'", "'energy'?"],
    ),
    "planned product type": (
        CONFIG, "operator: exchange", "operator: x\n      product_type: heat",
        ["not supported yet: 'heat'"],
    ),
    "parameter of another mechanism": (
        CONFIG, "market_mechanism: pay_as_clear",
        "market_mechanism: pay_as_bid\n      param_dict: {scarcity_pricing: true}",
        [
            f"{MARKET}.param_dict.scarcity_pricing: unknown key; it is a parameter of "
            "'pay_as_clear', not of 'pay_as_bid'"
        ],
    ),
    "no price on a tick": (
        CONFIG, "operator: exchange",
        "operator: x\n      price_tick: 10\n      minimum_bid_price: 1\n      maximum_bid_price: 9",
        [f"{MARKET}.price_tick: no multiple of 10 EUR/MWh lies in [1, 9]"],
    ),
    "no volume on a tick": (
        CONFIG, "operator: exchange",
        "operator: x\n      volume_tick: 10\n      maximum_bid_volume: 9",
        [f"{MARKET}.volume_tick: is above maximum_bid_volume, 9 MW"],
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
    "market delivers after the simulation": (
        CONFIG, "count: 1\n        first_delivery: 1h\n      opening_frequency: 1h",
        "count: 8\n        first_delivery: 1h\n      opening_frequency: 20h\n"
        "      end_date: 2019-01-02 06:00",
        [f"{MARKET}.end_date: the last auction delivers after the simulation's end_date"],
    ),
    "market closes after the simulation": (
        CONFIG, "first_delivery: 1h\n      opening_frequency: 1h\n      opening_duration: 1h",
        "first_delivery: 1h\n      opening_frequency: 20h\n      opening_duration: 6h\n"
        "      end_date: 2019-01-02 06:00",
        [f"{MARKET}.end_date: the last auction closes after the simulation's end_date"],
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
        PLANTS, "fuel_type,", "forecast_price,",
        ["row 'gas', column 'forecast_price': unknown forecast algorithm 'natural gas'"],
    ),
    "policy for nobody": (
        CONFIG, "seed: 7", "policies: {gaz: demand_df.csv}",
        ["base.policies.gaz: there is no such unit", "'gas'?"],
    ),
    "policy for a rule-based unit": (
        CONFIG, "seed: 7", "policies: {coal: demand_df.csv}",
        ["base.policies.coal: the unit has no learning bidder"],
    ),
    "policy missing": (
        CONFIG, "seed: 7", "policies: {gas: nowhere}", ["base.policies.gas: there is no file"],
    ),
    "named file missing": (
        CONFIG, "seed: 7", "availability_df: wind.csv",
        ["wind.csv", "availability_df", "is missing"],
    ),
}  # fmt: skip
