"""Write the unit tables and fuel_prices_df.csv of the national scenario.

Fleets are drawn by rule: the members of a fleet differ in size, efficiency and cost, older ones
being less efficient, with seeded jitter, so that no two have the same marginal cost.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SEED = 2019
INDEX = pd.date_range("2019-01-01", "2020-01-01", freq="1h", name="datetime")  # end included
LEARNERS_PER_FLEET = 5
LADDER = "powerplant_energy_learning_ladder"
TAKE_ANY_PRICE = ("wind onshore", "solar")  # the only plants that do not learn on a ladder


@dataclass(frozen=True)
class Fleet:
    """Plants of one technology. Power in MW, cost in EUR/MWh electric."""

    prefix: str
    technology: str
    fuel: str
    emission_factor: float  # t CO2 per MWh thermal
    count: int
    power: int  # of the whole fleet
    efficiency: tuple[float, float]  # of the oldest and the newest plant
    cost: tuple[float, float]  # additional cost, of the newest and the oldest plant
    least: float  # minimum power, share of maximum power
    owners: tuple[str, int]  # kind of operator, and how many share the fleet


THERMAL = (
    Fleet("nuclear", "nuclear", "uranium", 0, 6, 8000, (0.33, 0.34), (5, 7), 0.5, ("utility", 3)),
    Fleet("lignite", "lignite", "lignite", 0.364, 22, 16000, (0.33, 0.43), (1.5, 2.5), 0.4,
          ("utility", 4)),
    Fleet("coal", "hard coal", "hard coal", 0.341, 30, 18000, (0.36, 0.46), (1.3, 2.5), 0.35,
          ("utility", 8)),
    Fleet("ccgt", "combined cycle gas turbine", "natural gas", 0.202, 34, 18000, (0.46, 0.60),
          (1, 2), 0.4, ("municipal", 20)),
    Fleet("ocgt", "open cycle gas turbine", "natural gas", 0.202, 20, 8000, (0.30, 0.40), (2, 4),
          0.2, ("industry power", 12)),
    Fleet("oil", "oil turbine", "oil", 0.267, 8, 3000, (0.30, 0.38), (3, 5), 0.2, ("utility", 8)),
    Fleet("biomass", "biomass", "biomass", 0, 10, 7000, (0.30, 0.38), (2, 4), 0.2,
          ("bioenergy", 10)),
)  # fmt: skip

# Plants with a profile: unit (also the column of availability_df), technology, MW, operator.
ONSHORE = {"north": 20800, "east": 15600, "west": 9400, "south": 6200}
ONSHORE_AGES = {"old": 0.25, "mid": 0.40, "new": 0.35}
OFFSHORE = {"north_sea_1": 2400, "north_sea_2": 2200, "north_sea_3": 1400, "baltic_sea": 1000}
SOLAR = {"north": 7000, "east": 10500, "west": 9500, "south": 19000}
SOLAR_KINDS = {"roof": 0.7, "field": 0.3}
RIVERS = {"rhine": 1100, "danube": 1000, "inn": 800, "lech": 500, "neckar": 350, "main": 250}
COST = {
    "wind onshore": (0.4, 1.6),
    "wind offshore": (1.6, 2.4),
    "solar": (0.3, 1.5),
    "hydro": (2.4, 3.2),
}

DEMANDS = ("households", "commerce", "agriculture", "industry")

# EUR/MWh thermal by month, January first; EUR/t for co2.
MONTHLY = {
    "natural gas": (21, 19, 17, 16, 14.5, 13, 12, 11.5, 12, 13, 15.5, 16),
    "hard coal": (10.2, 9.8, 9.2, 8.6, 8.2, 7.8, 7.9, 7.7, 7.8, 7.9, 7.7, 7.6),
    "oil": (36, 38, 39, 41, 41, 38, 38, 36, 38, 37, 38, 39),
    "co2": (22, 21, 22, 25, 25.5, 25, 27.5, 27, 26, 25, 24.5, 25),
}
CONSTANT = {"uranium": 1.7, "lignite": 3.0, "biomass": 13.0, "renewable": 0.0}


def thermal_units(fleet: Fleet, rng: np.random.Generator) -> pd.DataFrame:
    """Plants of a fleet, oldest first."""
    share = rng.uniform(0.5, 1.5, fleet.count)
    power = (fleet.power * share / share.sum()).round()
    age = np.linspace(1, 0, fleet.count)
    old, new = fleet.efficiency
    efficiency = new + (old - new) * age + rng.normal(0, 0.004, fleet.count)
    low, high = fleet.cost
    cost = low + (high - low) * age + rng.uniform(0, 0.2, fleet.count)
    kind, owners = fleet.owners
    return pd.DataFrame(
        {
            "name": [f"{fleet.prefix}_{i:02d}" for i in range(1, fleet.count + 1)],
            "technology": fleet.technology,
            "unit_operator": [f"{kind} {i % owners + 1:02d}" for i in range(fleet.count)],
            "fuel_type": fleet.fuel,
            "emission_factor": fleet.emission_factor,
            "max_power": power,
            "min_power": (fleet.least * power).round(),
            "efficiency": efficiency.round(4),
            "additional_cost": cost.round(3),
        }
    )


def renewable_sites() -> list[tuple[str, str, float, str]]:
    """Unit, technology, MW and operator of every plant with a profile."""
    onshore = [
        (f"wind_{zone}_{age}", "wind onshore", power * share, f"wind {zone} {age}")
        for zone, power in ONSHORE.items()
        for age, share in ONSHORE_AGES.items()
    ]
    offshore = [
        (f"offshore_{site}", "wind offshore", power, f"offshore {site.replace('_', ' ')}")
        for site, power in OFFSHORE.items()
    ]
    sun = [
        (f"solar_{zone}_{kind}", "solar", power * share, f"solar {zone}")
        for zone, power in SOLAR.items()
        for kind, share in SOLAR_KINDS.items()
    ]
    rivers = [(f"hydro_{name}", "hydro", power, f"river {name}") for name, power in RIVERS.items()]
    return onshore + offshore + sun + rivers


def renewable_units(rng: np.random.Generator) -> pd.DataFrame:
    """Plants with a profile; their only cost is a small one for operation.

    The last two of its four decimals are the number of the plant, so that none is there twice.
    """
    names, technologies, powers, owners = zip(*renewable_sites(), strict=True)
    drawn = [round(rng.uniform(*COST[kind]), 2) for kind in technologies]
    return pd.DataFrame(
        {
            "name": names,
            "technology": technologies,
            "unit_operator": owners,
            "fuel_type": "renewable",
            "emission_factor": 0.0,
            "max_power": np.round(powers),
            "min_power": 0.0,
            "efficiency": 1.0,
            "additional_cost": [round(c + i / 10_000, 4) for i, c in enumerate(drawn, start=1)],
        }
    )


def plants() -> pd.DataFrame:
    """All power plants, all bidding their marginal cost."""
    rng = np.random.default_rng(SEED)
    tables = [renewable_units(rng), *(thermal_units(fleet, rng) for fleet in THERMAL)]
    table = pd.concat(tables, ignore_index=True).set_index("name")
    table.insert(2, "bidding_EOM", "powerplant_energy_naive")
    return table.astype({"max_power": int, "min_power": int})


def with_learners(table: pd.DataFrame) -> pd.DataFrame:
    """The same plants, of which the largest of two fleets learn."""
    table = table.copy()
    for technology in ("hard coal", "combined cycle gas turbine"):
        fleet = table.max_power[table.technology == technology]
        largest = fleet.sort_values(ascending=False, kind="stable").index[:LEARNERS_PER_FLEET]
        table.loc[largest, "bidding_EOM"] = "powerplant_energy_learning"
    return table


def on_ladders(table: pd.DataFrame) -> pd.DataFrame:
    """The same plants; all but those of wind on land and sun choose prices from a ladder."""
    learns = ~table.technology.isin(TAKE_ANY_PRICE)
    return table.assign(bidding_EOM=table.bidding_EOM.where(~learns, LADDER))


def demands() -> pd.DataFrame:
    """Inelastic demand by sector, one retailer each."""
    return pd.DataFrame(
        {
            "technology": "inelastic demand",
            "unit_operator": [f"retail {name}" for name in DEMANDS],
            "bidding_EOM": "demand_energy_naive",
            "max_power": 60000,
            "min_power": 0,
            "price": 3000,
        },
        index=pd.Index(DEMANDS, name="name"),
    )


def fuel_prices() -> pd.DataFrame:
    """Prices on the calendar, constant within a month."""
    month = INDEX.month.to_numpy() - 1
    month[-1] = 11  # the end of the calendar still belongs to December
    varying = {fuel: np.array(values, float)[month] for fuel, values in MONTHLY.items()}
    return pd.DataFrame({**CONSTANT, **varying}, index=INDEX)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    out = parser.parse_args().out
    table = plants()
    table.to_csv(out / "powerplant_units.csv")
    with_learners(table).to_csv(out / "powerplant_units_learning.csv")
    on_ladders(table).to_csv(out / "powerplant_units_ladder.csv")
    demands().to_csv(out / "demand_units.csv")
    fuel_prices().to_csv(out / "fuel_prices_df.csv", date_format="%Y-%m-%d %H:%M")


if __name__ == "__main__":
    main()
