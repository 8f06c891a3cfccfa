"""Faults of unit tables and time series: (file, what to replace, by what, parts of the message)."""

CONFIG, PLANTS, DEMANDS = "config.yaml", "powerplant_units.csv", "demand_units.csv"
DEMAND, SHARES, FUELS = "demand_df.csv", "availability_df.csv", "fuel_prices_df.csv"
ROW_5, TAIL = "2019-01-01 05:00,105.0\n", "2019-01-02 00:00,124.0\n"

FAULTS: dict[str, tuple[str, str, str, list[str]]] = {
    # unit tables
    "text in a number": (
        PLANTS, ",100,20,", ",a lot,20,", [f"{PLANTS}, row 'coal', column 'max_power'", "'a lot'"],
    ),
    "infinite power": (
        PLANTS, ",100,20,", ",inf,20,", ["row 'coal', column 'max_power'", "finite"],
    ),
    "power beyond reason": (
        PLANTS, ",100,20,", ",1e308,20,",
        ["row 'coal', column 'max_power': '1e308' is not within 1e+15"],
    ),
    "infinite cost": (
        PLANTS, ",0.4,North", ",1e-300,North",
        [f"{PLANTS}, row 'coal': its marginal cost is 1.6e+301 EUR/MWh, not within 1e+15"],
    ),
    "fuel price beyond reason": (
        FUELS, "price,10", "price,1e300", ["column 'hard coal': '1e300' is not within 1e+15"],
    ),
    "only unit unnamed": (DEMANDS, "town,inflex", ",inflex", [f"{DEMANDS}: row 1 has no name"]),
    "efficiency 0": (
        PLANTS, ",0.4,North", ",0,North",
        [f"{PLANTS}, row 'coal', column 'efficiency': should be greater than 0"],
    ),
    "empty efficiency": (
        PLANTS, ",0.4,North", ",,North",
        ["column 'efficiency': is empty, which counts as 0, and should be greater than 0"],
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
        PLANTS, "gas,gas", "town,gas",
        [f"{DEMANDS}, row 'town': the name belongs to several units: power plant and demand unit"],
    ),
    "duplicate column": (PLANTS, "min_power", "max_power", ["the column 'max_power' exists more"]),
    "unnamed unit": (PLANTS, "gas,gas", ",gas", [f"{PLANTS}: row 2 has no name"]),
    "name is not first": (
        PLANTS, "name,technology", "technology,name",
        [f"{PLANTS}: the first column must name the unit, but it is 'technology'; put 'name'"],
    ),
    "bidder is first": (
        DEMANDS, "name,technology,bidding_EOM", "bidding_EOM,technology,name",
        [f"{DEMANDS}: the first column must name the unit, but it is 'bidding_EOM'; put 'name'"],
    ),
    "no name at all": (
        DEMANDS, "name,technology", "technology,kind",
        [f"{DEMANDS}: the first column must name the unit, but it is 'technology'"],
    ),
    "numbers of rows are first": (
        DEMANDS, "name,technology", ",name",
        [f"{DEMANDS}: the first column must name the unit, but it has no header; put 'name' first"],
    ),
    "missing operator column": (
        PLANTS, "unit_operator", "owner",
        [f"{PLANTS}, column 'unit_operator': the column is missing"],
    ),
    "empty operator": (PLANTS, "0.4,North", "0.4,", ["column 'unit_operator': is empty"]),
    "missing power column": (
        DEMANDS, "max_power", "maxpower",
        ["column 'max_power': the column is missing; is 'maxpower' meant to be it?"],
    ),
    "unknown strategy": (
        PLANTS, "powerplant_energy_learning", "powerplant_energy_lerning",
        [
            "row 'gas', column 'bidding_EOM': unknown strategy", "'powerplant_energy_learning'?",
            "--plugin",
        ],
    ),
    "planned strategy": (
        PLANTS, "powerplant_energy_learning", "powerplant_energy_interactive",
        ["not supported yet: the strategy 'powerplant_energy_interactive'"],
    ),
    "strategy for another kind of unit": (
        DEMANDS, "demand_energy_naive", "powerplant_energy_learning",
        [f"{DEMANDS}, row 'town', column 'bidding_EOM'", "is not for this kind of unit"],
    ),
    "semicolons": (
        PLANTS, ",", ";",
        [f"{PLANTS}: has a single column", "';': say so in tables.yaml", 'separator: ";"'],
    ),
    "ragged row": (
        PLANTS, "0.4,North", "0,4,North",
        [f"{PLANTS}: is not a table: row 1 has 10 cells, but the header 9"],
    ),
    # series
    "gap": (
        DEMAND, ROW_5, "", [f"{DEMAND}, row '2019-01-01 05:00': the row is missing"],
    ),
    "duplicate timestamp": (DEMAND, ROW_5, ROW_5 * 2, ["the row '2019-01-01 05:00' exists more"]),
    "impossible hour": (DEMAND, "01-01 05:", "01-01 26:", ["'2019-01-01 26:00': is not a date"]),
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
        SHARES, "sun\n2019-01-01 00:00,0.5", "town\n2019-01-01 00:00,5",
        [f"{SHARES}, column 'town': must lie between 0 and 1, not 5"],
    ),
    "text in a fuel price": (
        FUELS, "price,10", "price,cheap", [f"{FUELS}, row 'price'", "'cheap'"],
    ),
    "no label before fuel prices": (
        FUELS, "price,10", "7,10", [f"{FUELS}: the first column is a label or a date, not values"],
    ),
    "fuel price missing": (
        FUELS, "price,10", "price,", [f"{FUELS}, row", "'hard coal': the value"],
    ),
}  # fmt: skip
