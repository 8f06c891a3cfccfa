"""A small scenario to start one's own from: three plants, one of which learns, and a town."""

import math
from datetime import datetime, timedelta
from pathlib import Path

from assume_rl.errors import ScenarioError
from assume_rl.files import write_file

CONFIG = """\
# A scenario: one study case (more may follow below), with tables beside this file.
# powerplant_units.csv, demand_units.csv: a row per unit; bidding_EOM says how it bids in EOM
# fuel_prices_df.csv: EUR/MWh of heat, co2 in EUR/t; demand_df.csv: MW, a column per demand unit

week:  # name of the study case, for --case
  start_date: 2030-01-07 00:00  # of the calendar, which series must cover
  end_date: 2030-01-14 00:00  # last step of the calendar
  time_step: 1h  # of the calendar
  learning_config:  # how units learn whose bidding_EOM is powerplant_energy_learning
    learning_mode: true  # the case is for training: settings are checked for it
    max_bid_price: 150  # EUR/MWh, the most that learners ask for; a little above what makes sense
    training_episodes: 45  # how often the calendar is played
    episodes_collecting_initial_experience: 10  # the first ones, with bids at random
    gamma: 0.0  # discount of later rewards; 0: a bid changes no later hour
  markets_config:
    EOM:  # name of the market
      operator: EOM_operator  # who clears it
      market_mechanism: pay_as_clear  # or another rule: assume-rl list rule
      opening_frequency: 1h  # an auction every hour
      opening_duration: 1h  # so long it takes orders
      products:  # what an auction sells: one hour, the next one
      - {duration: 1h, count: 1, first_delivery: 1h}
"""

PLANTS = """\
name,technology,unit_operator,bidding_EOM,fuel_type,emission_factor,max_power,min_power,efficiency,additional_cost
nuclear,nuclear,base power,powerplant_energy_naive,uranium,0,400,200,0.33,5.0
gas_new,combined cycle gas turbine,my company,powerplant_energy_learning,natural gas,0.202,300,100,0.58,1.5
gas_old,gas turbine,peak power,powerplant_energy_naive,natural gas,0.202,300,0,0.38,2.0
"""  # noqa: E501

DEMANDS = """\
name,technology,unit_operator,bidding_EOM,max_power,min_power,price
town,inelastic demand,retail,demand_energy_naive,1000,0,3000
"""

PRICES = """\
fuel,uranium,natural gas,co2
price,1.7,25.0,60.0
"""

FIRST, HOURS = datetime(2030, 1, 7), 7 * 24 + 1


def starter_files() -> dict[str, str]:
    """Return the files of the scenario, by name."""
    return {
        "config.yaml": CONFIG,
        "powerplant_units.csv": PLANTS,
        "demand_units.csv": DEMANDS,
        "fuel_prices_df.csv": PRICES,
        "demand_df.csv": _demand(),
    }


def _demand() -> str:
    """Return the town's demand, MW: a sine a day."""
    lines = ["datetime,town"]
    for hour in range(HOURS):
        load = 600 + 150 * math.sin(2 * math.pi * (hour - 9) / 24)
        lines.append(f"{FIRST + timedelta(hours=hour)},{load:.1f}")
    return "\n".join(lines) + "\n"


def write_starter(folder: Path) -> list[Path]:
    """Write the scenario to a new or empty folder; return its files.

    :raises ScenarioError: something is there already, or it cannot be written
    """
    try:
        taken = folder.is_symlink() or folder.exists()
        if taken and not (folder.is_dir() and not any(folder.iterdir())):
            raise ScenarioError(f"'{folder}' is there already; name a folder that is not")
    except OSError as error:
        raise ScenarioError(f"'{folder}' cannot be written: {error.strerror}") from None
    files = {folder / name: text for name, text in starter_files().items()}
    for path, text in files.items():
        write_file(path, text.encode(), ScenarioError)
    return list(files)
