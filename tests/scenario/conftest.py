"""A small good scenario folder, to be changed by a test."""

from pathlib import Path

import pandas as pd
import pytest

CONFIG = """\
base:
  start_date: 2019-01-01 00:00
  end_date: 2019-01-02 00:00
  time_step: 1h
  seed: 7
  learning_config:
    learning_mode: true
    max_bid_price: 100
  markets_config:
    EOM:
      operator: exchange
      products:
      - duration: 1h
        count: 1
        first_delivery: 1h
      opening_frequency: 1h
      opening_duration: 1h
      market_mechanism: pay_as_clear
other:
  start_date: 2019-01-01 00:00
"""

PLANTS = """\
name,technology,bidding_EOM,fuel_type,emission_factor,max_power,min_power,efficiency,unit_operator
coal,hard coal,powerplant_energy_naive,hard coal,0.3,100,20,0.4,North
gas,gas turbine,powerplant_energy_learning,natural gas,0.2,80,0,0.5,South
sun,solar,powerplant_energy_naive,sunshine,0,50,0,1,South
"""

DEMANDS = """\
name,technology,bidding_EOM,max_power,min_power,unit_operator
town,inflex_demand,demand_energy_naive,200,0,Grid
"""

FUELS = """\
fuel,hard coal,natural gas,sunshine,co2
price,10,25,0,20
"""


def hourly(column: str, values: list[float]) -> str:
    index = pd.date_range("2019-01-01", periods=len(values), freq="h")
    return pd.DataFrame({column: values}, index=index).to_csv(date_format="%Y-%m-%d %H:%M")


class Folder:
    """A scenario folder whose files can be rewritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("config.yaml", CONFIG)
        self.write("powerplant_units.csv", PLANTS)
        self.write("demand_units.csv", DEMANDS)
        self.write("fuel_prices_df.csv", FUELS)
        self.write("demand_df.csv", hourly("town", [100.0 + hour for hour in range(25)]))
        self.write("availability_df.csv", hourly("sun", [0.5] * 25))

    def write(self, file: str, text: str) -> None:
        (self.path / file).write_text(text)

    def change(self, file: str, old: str, new: str) -> None:
        text = (self.path / file).read_text()
        assert old in text, f"{old!r} is not in {file}"
        self.write(file, text.replace(old, new))

    def remove(self, file: str) -> None:
        (self.path / file).unlink()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
