"""What the tests of experiments share: tiny study cases and their result tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from assume_rl.experiments.train import TrainResult
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"


# Six hours instead of two days, and no more gradient steps than it takes to move the weights.
SHORT = {
    "single_learner": {"end_date": "2019-03-04 06:00", "learning_config.train_freq": "3h"},
    "ten_learners": {
        "end_date": "2019-03-01 06:00",
        "learning_config.train_freq": "3h",
        # To make, save and read twenty networks of the usual sizes takes longer than to train.
        "learning_config.actor_hidden": [16, 16],
        "learning_config.critic_hidden": [16, 16],
    },
}
FEW = {
    "learning_config.gradient_steps": 2,
    "learning_config.training_episodes": 2,
    "learning_config.validation_episodes_interval": 1,
}


def tiny(name: str, **settings: Any) -> Scenario:
    """The study case for tests of one of our scenarios, a day of it."""
    return load_scenario(SCENARIOS / name, "tiny", overrides={**SHORT[name], **FEW, **settings})


def table(folder: Path, name: str) -> pd.DataFrame:
    """All rows of a result table."""
    engine = sa.create_engine(f"sqlite:///{folder / 'results.db'}")
    with engine.connect() as connection:
        rows = pd.read_sql(sa.text(f"select * from {name}"), connection)
    engine.dispose()
    return rows


def bids(folder: Path) -> pd.Series:
    """Price of every order in a run's database."""
    keys = ["start_time", "unit_id", "bid_id"]
    return table(folder, "market_orders").set_index(keys)["price"].sort_index()


@dataclass(frozen=True)
class Trained:
    scenario: Scenario
    result: TrainResult

    @property
    def folder(self) -> Path:
        return self.result.folder

    @property
    def last(self) -> Path:
        return self.result.folder / "policies" / "last"
