"""Every key and column does what it is documented to do.

One is changed at a time. Then a number in the results changes, or the change is refused or warned
of by the name of the key. The only others are `LABELS`, which their documentation calls so.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pandas as pd
import pytest
from hourly_market import SETTINGS
from pydantic import BaseModel
from small_market import DEMANDS, PLANTS, STORAGES, write_market

from assume_rl.core.bidding import BIDDERS
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.record import play_recorded
from assume_rl.episodes.selection import Scores
from assume_rl.errors import ScenarioError
from assume_rl.experiments.policies import all_policies
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.experiments.train_task import ready, training_task, training_warnings
from assume_rl.experiments.training import Standing, training
from assume_rl.experiments.training_engine import TrainingEngine
from assume_rl.experiments.validations import Validated
from assume_rl.learning.config import LearningConfig, learning_keys
from assume_rl.learning.nets.stack import initial_actors
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.config.schema import UNREAD_KEYS, Market, Product, StudyCase
from assume_rl.scenario.problems import Problems
from assume_rl.scenario.read import Reader
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.read import read_units
from assume_rl.scenario.types import Scenario
from assume_rl.testing.episodes import Frames

pytestmark = pytest.mark.unchecked

# --- what is changed ------------------------------------------------------------------------------

Effect = Literal["run", "train", "warning", "error", "nothing"]
Overrides = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """Another value of a key, and where it shows."""

    effect: Effect
    value: Any
    given: Overrides  # what the key needs beside it
    at: str | None  # dotted key; None: that of the section


def runs(value: Any, *given: Overrides, at: str | None = None) -> Change:
    """The numbers of a run change."""
    return Change("run", value, merged(given), at)


def trains(value: Any, *given: Overrides) -> Change:
    """The numbers of a training change."""
    return Change("train", value, merged((TRAINING, *given)), None)


def warns(value: Any, *given: Overrides) -> Change:
    """A warning names the key."""
    return Change("warning", value, merged(given), None)


def refused(value: Any, *given: Overrides) -> Change:
    """An error names the key."""
    return Change("error", value, merged(given), None)


def label(value: Any, *given: Overrides) -> Change:
    """Nothing changes but texts; the reason is in `LABELS`."""
    return Change("nothing", value, merged(given), None)


def merged(parts: Iterable[Overrides]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def bids(unit: str, strategy: str) -> Overrides:
    return {f"units.{unit}.bidding_EOM": strategy}


def settings(**values: Any) -> Overrides:
    return {f"learning_config.{key}": value for key, value in values.items()}


TWO_BIDS, SINGLE_BID = "powerplant_energy_learning", "powerplant_energy_learning_single_bid"
SUPPLY = "powerplant_energy_learning_curve"
LADDER = "powerplant_energy_learning_ladder"
BLOCK = "powerplant_energy_learning_block"
BLOCK_LADDER = "powerplant_energy_learning_block_ladder"
FLEXIBLE = "powerplant_energy_heuristic_flexable"
RENEWABLE = "renewable_energy_learning_single_bid"
RENEWABLE_LADDER = "renewable_energy_learning_ladder"
LEARNER = bids("gas", TWO_BIDS)
# Most settings show in half a day.
LONG = {"end_date": "2019-01-02 02:00"}
# A plant that is on below its cost.
DEAR_TO_STOP = {
    "units.lignite.additional_cost": 25,
    "units.lignite.hot_start_cost": 100,
    **LONG,
}
LEARNERS = merged((LEARNER, bids("coal", TWO_BIDS)))
LADDERS = merged((bids("gas", LADDER), bids("coal", LADDER)))
NO_STARTS = {
    f"units.{unit}.{how}_start_cost": 0
    for unit in ("gas", "coal")
    for how in ("hot", "warm", "cold")
}
NO_STORAGES = {"storage_units": None}
FEW = {"powerplant_units": "few_powerplant_units.csv"}  # no ramps
# Two products in each auction, every two hours.
TWO_PRODUCTS = {
    "markets_config.EOM.products.0.count": 2,
    "markets_config.EOM.opening_frequency": "2h",
}
# Six hours, two updates in each episode.
TRAINING = merged((LEARNERS, NO_STORAGES, FEW, {"end_date": "2019-01-01 06:00"}))
TRAINED = "trained_{}/policies/last"  # in the folder
OTHER = settings(trained_policies_load_path=TRAINED.format(1))
FORECASTS = {"forecasts_df": "given_forecasts.csv"}
# Storages sell at the beginning and again after a day.
SWINGS = merged((FORECASTS, {"end_date": "2019-01-02 04:00"}))
EXCHANGES = {"exchange_units": "given_exchange_units.csv", "exchanges_df": "given_exchanges_df.csv"}
KEPT = "price_keep_given"

STUDY_CASE: Mapping[str, Change] = {
    "start_date": runs("2019-01-01 02:00", NO_STORAGES),
    "end_date": runs("2019-01-01 20:00", NO_STORAGES),
    "time_step": runs(
        "2h",
        NO_STORAGES,
        {
            "markets_config.EOM.products.0.duration": "2h",
            "markets_config.EOM.products.0.first_delivery": "2h",
            "markets_config.EOM.opening_frequency": "2h",
        },
    ),
    "markets_config": runs("pay_as_bid", NO_STORAGES, at="markets_config.EOM.market_mechanism"),
    "learning_config": runs(50, LEARNER, NO_STORAGES, at="learning_config.max_bid_price"),
    "simulation_id": label("other"),
    "seed": runs(2, NO_STORAGES),
    "save_frequency_hours": label(5),
    "outputs_buffer_size_mb": warns(10),
    "bidding_strategy_params": runs("3h", at="bidding_strategy_params.eom_foresight"),
    "policies": runs(
        TRAINED.format(2),
        bids("coal", TWO_BIDS),
        NO_STORAGES,
        {"policies.coal": TRAINED.format(1)},
        at="policies.coal",
    ),
    "forecast_algorithms": runs({"price": KEPT}),
    "plugins": refused(["nowhere.py"]),
    "use_forecasts_df": runs(False, FORECASTS),
    "save_forecasts": warns(True),
    "forecast_save_file": warns("other.csv"),
    "powerplant_units": runs("other_powerplant_units.csv", NO_STORAGES),
    "demand_units": runs("other_demand_units.csv", NO_STORAGES),
    "storage_units": runs("other_storage_units.csv"),
    "exchange_units": runs("other_exchange_units.csv", NO_STORAGES, EXCHANGES),
    "unit_operators": runs(
        "other_unit_operators.csv", NO_STORAGES, {"bidding_strategy_params.markup": 0.1}
    ),
    "industrial_dsm_units": refused("other_dsm_units.csv"),
    "residential_dsm_units": refused("other_dsm_units.csv"),
    "forecasts_df": runs("given_forecasts.csv"),
    "demand_df": runs("other_demand_df.csv", NO_STORAGES),
    "exchanges_df": runs("other_exchanges_df.csv", NO_STORAGES, EXCHANGES),
    "availability_df": runs("other_availability_df.csv", NO_STORAGES),
    "fuel_prices_df": runs("other_fuel_prices_df.csv", NO_STORAGES),
}
MARKET: Mapping[str, Change] = {
    "operator": label("other", NO_STORAGES),
    "products": runs([{"duration": "1h", "count": 2, "first_delivery": "1h"}], NO_STORAGES),
    "opening_frequency": runs("2h", NO_STORAGES),
    "opening_duration": runs("2h", NO_STORAGES),
    "market_mechanism": runs("pay_as_bid", NO_STORAGES),
    "start_date": runs("2019-01-01 05:00", NO_STORAGES),
    "end_date": runs("2019-01-01 12:00", NO_STORAGES),
    "product_type": refused("capacity_pos"),
    "maximum_bid_volume": runs(50, NO_STORAGES),
    "maximum_bid_price": runs(60, NO_STORAGES),
    "minimum_bid_price": runs(40, NO_STORAGES),
    "max_gradient": warns(10),
    "volume_unit": label("GW", NO_STORAGES),
    "price_unit": label("ct/kWh", NO_STORAGES),
    "volume_tick": runs(7, NO_STORAGES),
    "price_tick": runs(7, NO_STORAGES),
    "additional_fields": warns(["bid_type"]),
    "supports_get_unmatched": warns(True),
    "param_dict": refused({"unheard_of": 1}),
    "reserve_limits": refused("deliverable"),
    "information": refused("secret"),
}
PRODUCT: Mapping[str, Change] = {
    "duration": runs("2h", NO_STORAGES),
    "count": runs(2, NO_STORAGES),
    "first_delivery": runs("3h", NO_STORAGES),
}
LEARNING: Mapping[str, Change] = {
    "continue_learning": trains(True, OTHER),
    "learning_mode": warns(False, LEARNER),
    "evaluation_mode": warns(True, LEARNER),
    "trained_policies_save_path": label("copies"),
    "trained_policies_load_path": runs(
        TRAINED.format(2), OTHER, bids("coal", TWO_BIDS), NO_STORAGES
    ),
    "min_bid_price": warns(-50, LEARNER),
    "max_bid_price": runs(50, LEARNER, NO_STORAGES),
    "observation_window": runs("clamp", LEARNER, NO_STORAGES),
    "forecast_scale": runs("training", OTHER, bids("coal", TWO_BIDS), NO_STORAGES),
    "device": label("auto"),
    "compile": label(True),
    "autocast": trains(True),
    "cuda_graphs": warns(True, LEARNER),
    "episodes_collecting_initial_experience": trains(2, settings(training_episodes=3)),
    "exploration_noise_std": trains(0.4),
    "initial_actions": trains("uniform"),
    "training_episodes": trains(3),
    "episode_length": trains("4h", settings(train_freq="2h")),
    "num_envs": trains(2, settings(training_episodes=4, validation_episodes_interval=2)),
    "update_ratio": trains(2),
    "validation_episodes_interval": trains(2, settings(training_episodes=4)),
    "train_freq": trains("2h"),
    "max_staleness": trains(1),
    "batch_size": trains(4),
    "gradient_steps": trains(3),
    "algorithm": trains("maddpg"),
    "critic": trains("shared"),
    "parameter_sharing": trains("technology"),
    "actor_hidden": trains([16]),
    "critic_hidden": trains([16]),
    "block_size": label(1),
    "activation": trains("tanh"),
    "optimizer": trains("sgd"),
    "weight_decay": trains(0.5),
    "normalise": trains(["observations"]),
    "reward": trains({"scale": 0.1}),
    "max_grad_norm": trains(0.01),
    "replay_buffer_size": trains(4),
    "gamma": trains(0.5),
    "actor_architecture": trains("lstm"),
    "sequence_length": trains(3, settings(actor_architecture="gru")),
    "burn_in": trains(5, settings(actor_architecture="gru")),
    "policy_delay": trains(1),
    "noise_sigma": trains(0.3),
    "noise_scale": trains(0.5),
    "noise_dt": trains(0.5),
    "action_noise_schedule": trains("linear"),
    "tau": trains(0.5),
    "target_interval": trains(3),
    "clip_targets": trains(True, settings(max_bid_price=9e9)),  # so that rewards are next to 0
    "target_policy_noise": trains(0.4),
    "target_noise_clip": trains(0.01),
    "target_noise_schedule": trains("linear"),
    "learning_rate": trains(0.01),
    "sampling": trains("prioritised"),
    "priority_exponent": trains(0.1, settings(sampling="prioritised")),
    "importance_exponent": trains(1.0, settings(sampling="prioritised", gradient_steps=6)),
    "learning_starts": trains(1000),
    "n_step": trains(3),
    "learning_rates": trains({"actor": 0.01}),
    "learning_rate_schedule": trains("cosine"),
    "early_stopping_steps": trains(1, settings(early_stopping_threshold=1e9, training_episodes=3)),
    "early_stopping_threshold": trains(1e9, settings(early_stopping_steps=2, training_episodes=5)),
    "target_entropy": trains(0.5, settings(algorithm="masac")),
    "initial_temperature": trains(1.0, settings(algorithm="masac")),
    "double": trains("main_chooses", LADDERS, settings(algorithm="dqn", tau=0.5)),
    "dueling": trains(True, LADDERS, settings(algorithm="dqn")),
    "noisy": trains("factorised", LADDERS, settings(algorithm="dqn")),
    "epsilon": trains(0.1, LADDERS, settings(algorithm="dqn")),
    "epsilon_schedule": trains(None, LADDERS, settings(algorithm="dqn", training_episodes=3)),
    "quantiles": trains(5, LADDERS, settings(algorithm="qrdqn")),
    "worst_share": trains(0.1, LADDERS, settings(algorithm="qrdqn", tau=0.5)),
    "temperature": trains(9.0, LADDERS, settings(algorithm="q_learning")),
    "temperature_schedule": trains(
        "linear", LADDERS, settings(algorithm="q_learning", training_episodes=3, temperature=5.0)
    ),
    "tie_break": trains(1.0, LADDERS, NO_STARTS, settings(algorithm="fictitious_play")),
    "mirror_step": trains(1.0, LADDERS, NO_STARTS, settings(algorithm="mirror_descent")),
    "pull": trains(1.0, LADDERS, NO_STARTS, settings(algorithm="mirror_descent")),
    "reference_share": trains(1.0, LADDERS, NO_STARTS, settings(algorithm="mirror_descent")),
    "passes": trains(1, LADDERS, NO_STARTS, settings(algorithm="mirror_descent")),
    "entropy_weight": trains(0.5, settings(algorithm="reinforce")),
    "shared_trunk": trains(True, settings(algorithm="a2c")),
    "value_weight": trains(0.1, settings(algorithm="a2c", shared_trunk=True)),
    "gae_lambda": trains(0.5, settings(algorithm="mappo")),
    "clip_range": trains(1e-6, settings(algorithm="mappo")),
    "clip_range_value": trains(1e-6, settings(algorithm="mappo")),
    "epochs": trains(2, settings(algorithm="mappo")),
    "minibatches": trains(2, settings(algorithm="mappo")),
    "target_kl": trains(1e-9, settings(algorithm="mappo")),
}
PLANT: Mapping[str, Change] = {
    "id": label(None),
    "technology": runs("coal", LEARNER, NO_STORAGES, at="units.wind.technology"),
    "unit_operator": label("other", NO_STORAGES),
    "node": label("north", NO_STORAGES),
    "bidding": runs(TWO_BIDS, NO_STORAGES, at="units.gas.bidding_EOM"),
    "forecast": runs(KEPT, LEARNER, NO_STORAGES, at="units.gas.forecast_price"),
    "max_power": runs(70, NO_STORAGES),
    "min_power": runs(10, NO_STORAGES),
    "efficiency": runs(0.45, NO_STORAGES),
    "fuel_type": runs("lignite", NO_STORAGES),
    "emission_factor": runs(0.1, NO_STORAGES),
    "additional_cost": runs(2, NO_STORAGES),
    "ramp_up": runs(35, NO_STORAGES),
    "ramp_down": runs(10, NO_STORAGES),
    "hot_start_cost": runs(15, NO_STORAGES),
    "warm_start_cost": runs(25, NO_STORAGES, LONG),
    "cold_start_cost": runs(35, NO_STORAGES),
    "min_operating_time": runs(6, NO_STORAGES),
    "min_down_time": runs(6, NO_STORAGES),
    "downtime_hot_start": runs(0, NO_STORAGES),
    "downtime_warm_start": runs(20, NO_STORAGES, LONG),
}
STORAGE: Mapping[str, Change] = {
    "id": label(None),
    "technology": label("battery", SWINGS),
    "unit_operator": label("other", SWINGS),
    "node": label("north", SWINGS),
    "bidding": runs("storage_energy_learning", SWINGS, at="units.pump.bidding_EOM"),
    "forecast": runs(KEPT, at="units.pump.forecast_price"),
    "capacity": runs(90, SWINGS),
    "max_power_charge": runs(30, SWINGS),
    "max_power_discharge": runs(30, SWINGS),
    "min_power_charge": runs(15, SWINGS),
    "min_power_discharge": runs(25, SWINGS),
    "min_soc": runs(0.3, SWINGS),
    "max_soc": runs(0.6, SWINGS),
    "initial_soc": runs(0.3, SWINGS),
    "efficiency_charge": runs(0.7, SWINGS),
    "efficiency_discharge": runs(0.7, SWINGS),
    "additional_cost_charge": runs(1, SWINGS),
    "additional_cost_discharge": runs(1, SWINGS),
    "ramp_up_charge": runs(-10, SWINGS),
    "ramp_down_charge": warns(-10, SWINGS),
    "ramp_up_discharge": runs(10, SWINGS),
    "ramp_down_discharge": warns(10, SWINGS),
    "hot_start_cost": runs(5, SWINGS, {"units.pump.downtime_hot_start": 30}),
    "warm_start_cost": runs(5, SWINGS, {"units.pump.downtime_warm_start": 30}),
    "cold_start_cost": runs(5, SWINGS),
    "downtime_hot_start": runs(30, SWINGS),
    "downtime_warm_start": runs(30, SWINGS),
}
CURVE = {
    **bids("mill", "demand_energy_heuristic_elastic"),
    "units.mill.elasticity_model": "isoelastic",
    "units.mill.elasticity": -0.3,
    "units.mill.num_bids": 4,
}
DEMAND: Mapping[str, Change] = {
    "id": label(None),
    "technology": label("wind", LEARNER, NO_STORAGES),
    "unit_operator": label("other", NO_STORAGES),
    "node": label("north", NO_STORAGES),
    "bidding": runs(None, NO_STORAGES, at="units.mill.bidding_EOM"),
    "forecast": Change("warning", KEPT, NO_STORAGES, "units.mill.forecast_price"),
    "max_power": label(2000, NO_STORAGES),
    "min_power": label(10, NO_STORAGES),
    "price": runs(30, NO_STORAGES),
    "elasticity": runs(-0.9, CURVE, NO_STORAGES),
    "elasticity_model": runs("linear", CURVE, NO_STORAGES),
    "num_bids": runs(7, CURVE, NO_STORAGES),
}
EXCHANGE: Mapping[str, Change] = {
    "id": label(None),
    "technology": label("border", NO_STORAGES, EXCHANGES),
    "unit_operator": label("other", NO_STORAGES, EXCHANGES),
    "node": label("north", NO_STORAGES, EXCHANGES),
    "bidding": runs(None, NO_STORAGES, EXCHANGES, at="units.border.bidding_EOM"),
    "forecast": Change(
        "warning", KEPT, merged((NO_STORAGES, EXCHANGES)), "units.border.forecast_price"
    ),
    "price_import": runs(40, NO_STORAGES, EXCHANGES),
    "price_export": runs(20, NO_STORAGES, EXCHANGES),
}
PLANT_LEARNER: Mapping[str, Change] = {
    "foresight": runs(6, NO_STORAGES),
    "act_dim": refused(5),
    "unique_obs_dim": refused(5),
    "learned_products": runs("first", NO_STORAGES, TWO_PRODUCTS),
    "start_costs": runs(True, NO_STORAGES),
}
STORAGE_LEARNER: Mapping[str, Change] = {
    key: Change(change.effect, change.value, merged([TWO_PRODUCTS]), None)
    for key, change in PLANT_LEARNER.items()
    if key != "start_costs"
}
RUNGS: Mapping[str, Change] = {
    "rungs": runs(4, NO_STORAGES),
    "rung_prices": refused("other"),
    "rungs_at": runs([0.0, 33.0, 90.0], NO_STORAGES),
}
STORAGE_RUNGS = {**RUNGS, "rungs": runs(4), "rungs_at": runs([-90.0, -20.0, 20.0, 90.0])}
DOWN, UP = (f"powerplant_capacity_heuristic_balancing_{sign}" for sign in ("neg", "pos"))
STORAGE_UP = "storage_capacity_heuristic_balancing_pos"
LEARNED_UP = "powerplant_capacity_learning"
LADDER_UP = "powerplant_capacity_learning_ladder"
RESERVE = (DOWN, UP, STORAGE_UP, LEARNED_UP, LADDER_UP)


def held(product_type: str, count: int = 1) -> Overrides:
    """A market of reserve, which the mill buys in place of energy."""
    market = {
        "operator": "grid",
        "product_type": product_type,
        "products": [{"duration": "2h", "count": count, "first_delivery": "1h"}],
        "opening_frequency": f"{2 * count}h",
        "opening_duration": "1h",
        "market_mechanism": "pay_as_clear",
    }
    buys = {"units.mill.bidding_RES": "demand_energy_naive_balancing"}
    return {"markets_config.RES": market, **buys, "units.mill.bidding_EOM": ""}


FORESEEN = runs("1h", held("capacity_pos"))
RESERVE_LEARNER: Mapping[str, Change] = {
    "foresight": runs(6, held("capacity_pos")),
    "act_dim": refused(5, held("capacity_pos")),
    "unique_obs_dim": refused(5, held("capacity_pos")),
    "learned_products": runs("first", held("capacity_pos", count=2)),
}
RESERVE_RUNGS: Mapping[str, Change] = {
    "rungs": runs(4, held("capacity_pos")),
    "rung_prices": refused("relative", held("capacity_pos")),
    "rungs_at": runs([0.0, 33.0, 90.0], held("capacity_pos")),
}
COUPLED = {"markets_config.EOM.market_mechanism": "complex_clearing"}
BLOCK_LEARNER: Mapping[str, Change] = {
    "foresight": runs(6, NO_STORAGES, COUPLED),
    "act_dim": refused(5, COUPLED),
    "unique_obs_dim": refused(5, COUPLED),
    "learned_products": runs("first", NO_STORAGES, TWO_PRODUCTS, COUPLED),
    "start_costs": runs(True, NO_STORAGES, COUPLED),
}
BLOCK_RUNGS: Mapping[str, Change] = {
    "rungs": runs(4, NO_STORAGES, COUPLED),
    "rung_prices": refused("other", COUPLED),
    "rungs_at": runs([0.0, 33.0, 90.0], NO_STORAGES, COUPLED),
}
OTC = {"demand_energy_naive_otc": "mill", "powerplant_energy_naive_otc": "gas"}


def over_the_counter(strategy: str) -> Overrides:
    """A second market, in which wind and town trade beside the unit with the strategy."""
    others = {"wind": "powerplant_energy_naive", "town": "demand_energy_naive"}
    traders = others | {OTC[strategy]: strategy}
    market = SETTINGS["markets_config"]["EOM"]
    return {"markets_config": {"OTC": market, "EOM": market}} | {
        f"units.{unit}.bidding_OTC": bidder for unit, bidder in traders.items()
    }


IN_BLOCKS = ("powerplant_energy_heuristic_block", "powerplant_energy_heuristic_linked")
CHANGES: Mapping[str, Mapping[str, Change]] = {
    "StudyCase": STUDY_CASE,
    "Market": MARKET,
    "Product": PRODUCT,
    "LearningConfig": LEARNING,
    "power_plant": PLANT,
    "storage": STORAGE,
    "demand": DEMAND,
    "exchange": EXCHANGE,
    TWO_BIDS: PLANT_LEARNER,
    LADDER: {**PLANT_LEARNER, **RUNGS},
    BLOCK: BLOCK_LEARNER,
    BLOCK_LADDER: {**BLOCK_LEARNER, **BLOCK_RUNGS},
    SUPPLY: PLANT_LEARNER | {"act_dim": refused(4), "curve_steps": runs(2, NO_STORAGES)},
    SINGLE_BID: PLANT_LEARNER,
    FLEXIBLE: {"eom_foresight": runs("3h", NO_STORAGES, DEAR_TO_STOP)},
    **{b: {"eom_foresight": runs("3h", NO_STORAGES, DEAR_TO_STOP, COUPLED)} for b in IN_BLOCKS},
    **{b: {"scale_firm_power_capacity": runs(0.5, NO_STORAGES, over_the_counter(b))} for b in OTC},
    RENEWABLE: PLANT_LEARNER,
    RENEWABLE_LADDER: {**PLANT_LEARNER, **RUNGS, "unique_obs_dim": refused(6)},
    UP: {"crm_foresight": FORESEEN},
    DOWN: {
        "crm_foresight": runs("1h", held("capacity_neg"), {"units.lignite.additional_cost": 60})
    },
    STORAGE_UP: {"crm_foresight": FORESEEN},
    LEARNED_UP: RESERVE_LEARNER,
    LADDER_UP: {
        **RESERVE_LEARNER,
        **RESERVE_RUNGS,
        "unique_obs_dim": refused(6, held("capacity_pos")),
    },
    "storage_energy_heuristic_flexable": {"eom_foresight": runs("3h")},
    "storage_energy_learning": STORAGE_LEARNER,
    "storage_energy_learning_ladder": {**STORAGE_LEARNER, **STORAGE_RUNGS},
}
"""By section of `SCHEMAS` and key."""

LABELS: Mapping[str, str] = {
    "id": "what a unit is called",
    "technology": "of storages, demand and exchanges: only the residual load reads it, of plants",
    "unit_operator": "who owns a unit; operators have no strategies of their own",
    "node": "no mechanism reads it",
    "operator": "what the operator of a market is called",
    "simulation_id": "what a run is called",
    "volume_unit": "only MW is traded",
    "price_unit": "only EUR/MWh are paid",
    "max_power": "of inelastic demand, whose power is in demand_df",
    "min_power": "of inelastic demand, whose power is in demand_df",
    "save_frequency_hours": "when rows are written, not which",
    "trained_policies_save_path": "where policies are copied to",
    "device": "where networks live",
    "compile": "how fast updates are",
    "block_size": "how many agents are worked on together",
}
"""Keys that change no number, and why; `max_power` and `min_power` only where `label` says so."""

NOT_HERE = ("device", "compile", "trained_policies_save_path", "id")
"""Labels that are not changed: they need another machine, a compiler or a whole training."""

# --- where each key is ----------------------------------------------------------------------------

SCHEMAS: Mapping[str, type[BaseModel]] = {
    "StudyCase": StudyCase,
    "Market": Market,
    "Product": Product,
    "LearningConfig": LearningConfig,
    **{name: table.row for name, table in UNIT_TABLES.items()},
    **{name: entry.Params for name, entry in BIDDERS.items()},
}
FIELDS = {section: model.model_fields for section, model in SCHEMAS.items()}
FIELDS["LearningConfig"] = learning_keys()
KEYS = [(section, key) for section, fields in FIELDS.items() for key in fields]
PLACES = {
    "StudyCase": "",
    "Market": "markets_config.EOM.",
    "Product": "markets_config.EOM.products.0.",
    "LearningConfig": "learning_config.",
    "power_plant": "units.gas.",
    "storage": "units.pump.",
    "demand": "units.mill.",
    "exchange": "units.border.",
}
# Plants other than gas that show what a column does.
UNITS = {
    "ramp_up": "lignite",
    "ramp_down": "lignite",
    "warm_start_cost": "coal",
    "min_down_time": "lignite",
}
USERS = {
    **dict.fromkeys(IN_BLOCKS, "lignite"),
    TWO_BIDS: "gas",
    SUPPLY: "gas",
    BLOCK: "gas",
    BLOCK_LADDER: "gas",
    LADDER: "gas",
    **OTC,
    SINGLE_BID: "gas",
    RENEWABLE: "gas",
    RENEWABLE_LADDER: "gas",
    FLEXIBLE: "lignite",
    UP: "lignite",
    DOWN: "lignite",
    LEARNED_UP: "lignite",
    LADDER_UP: "lignite",
}


def place(section: str, key: str) -> str:
    """Dotted key of an override."""
    if section == "power_plant" and key in UNITS:
        return f"units.{UNITS[key]}.{key}"
    return f"{PLACES.get(section, 'bidding_strategy_params.')}{key}"


def change_of(section: str, key: str) -> tuple[Overrides, Overrides]:
    """What is given, and what is changed."""
    change = CHANGES[section][key]
    market = "RES" if section in RESERVE else "EOM"
    unit = f"units.{USERS.get(section, 'pump')}.bidding_{market}"
    user = {unit: section} if section in BIDDERS else {}
    return merged((change.given, user)), {change.at or place(section, key): change.value}


# --- what comes of it -----------------------------------------------------------------------------


class World:
    """The folder, and what came of the settings that were tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reader = Reader()
        self._results: dict[str, str] = {}
        write_market(folder)

    @functools.cached_property
    def policies(self) -> None:
        """Two trainings whose policies study cases name."""
        for seed in (1, 2):
            out = self.folder / f"trained_{seed}"
            list(self._training(TrainingEngine, self.load(TRAINING), Frames(), seed, out))

    def load(self, overrides: Overrides) -> Scenario:
        return self._reader.load(self.folder, overrides=overrides)

    def outcome(self, overrides: Overrides, effect: Effect) -> str:
        """All numbers of a run or training, as text."""
        key = json.dumps([effect, overrides], sort_keys=True)
        if key not in self._results:
            if "trained_" in key:
                _ = self.policies
            play = self.train if effect == "train" else self.run
            self._results[key] = play(overrides)
        return self._results[key]

    def run(self, overrides: Overrides) -> str:
        """One episode on the batch shell."""
        compiled, frames = compiled_to_play(self.load(overrides), None), Frames()
        config = compiled.scenario.config
        named = config.policies or compiled.scenario.learning.trained_policies_load_path
        if named:
            policies = all_policies(compiled, None)
        else:
            agents = MarketEnv(compiled, num_envs=1, seeds=(0,)).agents
            policies = {agent.unit_id: initial_actors([agent], 7) for agent in agents}
        play_recorded(
            compiled,
            seed=config.seed or 0,
            policies=policies,
            sink=frames,
            flush_hours=config.save_frequency_hours,
        )
        return numbers(frames)

    def train(self, overrides: Overrides) -> str:
        """A training without its recorded run."""
        frames = Frames()
        reports = self._training(Unsaved, self.load(overrides), frames, 1, self.folder / "none")
        return repr(list(reports)) + numbers(frames)

    def _training(
        self, engine: type[TrainingEngine], scenario: Scenario, sink: Frames, seed: int, out: Path
    ) -> Iterator[tuple[float, ...]]:
        task = ready(training_task(scenario, None, None, "batch"))
        run: Any = SimpleNamespace(seed=seed, folder=out, training_sink=sink)
        trained = training(
            engine(task, [run]), task.config, lambda _: None, [Standing()], lambda *_: None
        )
        for played in trained:
            report = played[0]
            yield report.episode, report.reward, report.profit, report.regret


class Unsaved(TrainingEngine):
    """Writes no policies and judges none, which takes longer than such a small training.

    Nothing of that is among the numbers of a training.
    """

    def _judged(self, seed: int, played: Validated) -> Scores:
        return played.scores

    def _save(self, seed: int, name: str, notes: Mapping[str, Any], *, critics: bool) -> None:
        pass


def numbers(frames: Frames) -> str:
    """All numbers of all tables, in an order that does not depend on that of the rows."""
    return "\n".join(sorted(line for name in TABLES for line in _lines(name, frames.table(name))))


TABLES = (
    "market_meta",
    "market_orders",
    "market_dispatch",
    "unit_dispatch",
    "start_costs",
    "rl_params",
    "rl_grad_params",
)


def _lines(name: str, table: pd.DataFrame) -> list[str]:
    """A line per row: its unit, and every number."""
    kept = table.drop(columns=["node"], errors="ignore")
    return [f"{name} {row!r}" for row in kept.itertuples(index=False, name=None)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("market"))


# --- tests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("section", "key"), KEYS, ids=[".".join(pair) for pair in KEYS])
def test_a_key_changes_a_number_or_says_that_it_does_not(
    world: World, section: str, key: str
) -> None:
    assert key in CHANGES.get(section, {}), (
        f"nothing here says what {section}.{key} changes: add it to CHANGES['{section}'], as "
        "runs(VALUE) or trains(VALUE) with a value that changes a number of a run or a training, "
        "as warns(VALUE) or refused(VALUE), or as label(VALUE) with its reason in LABELS"
    )
    effect = CHANGES[section][key].effect
    given, changed = change_of(section, key)
    if effect in ("run", "train"):
        before, after = (world.outcome({**given, **o}, effect) for o in ({}, changed))
        assert before != after, f"{section}.{key} is read by nothing: {changed} changes no number"
    elif effect == "error":
        with pytest.raises(ScenarioError) as raised:
            world.load({**given, **changed})
        assert any(names(key, changed, problem) for problem in raised.value.problems)
    elif effect == "warning":
        before_it, found = (warnings(world.load({**given, **o})) for o in ({}, changed))
        new = [warning for warning in found if warning not in before_it]
        assert any(names(key, changed, warning) for warning in new), f"no warning of {key}: {new}"
    else:
        assert key in LABELS, f"say in LABELS why {section}.{key} changes no number"
        text = FIELDS[section][key].description or ""
        assert re.search(r"\blabel\b|\bno number\b", text), (
            f"say 'a label' or 'changes no number' in the description of {section}.{key}"
        )
        if key not in NOT_HERE:
            assert world.outcome(given, "run") == world.outcome({**given, **changed}, "run"), (
                f"{section}.{key} changes numbers, so it is no label"
            )


def warnings(scenario: Scenario) -> tuple[str, ...]:
    """Those of reading a scenario, and of training it if it learns."""
    learns = bool(compile_scenario(scenario).learners)
    return (*scenario.warnings, *(training_warnings(scenario) if learns else ()))


def names(key: str, changed: Overrides, sentence: str) -> bool:
    """Whether a sentence names the key or the file that was changed."""
    (place_of_it, value), *_ = changed.items()
    return key in sentence or place_of_it.rpartition(".")[2] in sentence or str(value) in sentence


def test_the_same_settings_give_the_same_numbers(world: World) -> None:
    assert world.run({}) == world.outcome({}, "run")
    assert world.train(TRAINING) == world.outcome(TRAINING, "train")


def test_every_table_is_compared(world: World) -> None:
    run, trained = world.outcome(LEARNER, "run"), world.outcome(TRAINING, "train")
    assert [name for name in TABLES if f"{name} (" not in run + trained] == []


def test_nothing_is_listed_that_does_not_exist() -> None:
    listed = {(section, key) for section, own in CHANGES.items() for key in own}
    assert listed == set(KEYS)
    labels = {
        k for own in CHANGES.values() for k, change in own.items() if change.effect == "nothing"
    }
    assert labels == set(LABELS)


@pytest.mark.parametrize("key", sorted(UNREAD_KEYS))
def test_keys_that_only_public_folders_have_are_warned_of(key: str, tmp_path: Path) -> None:
    write_market(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("    EOM:\n", f"    EOM:\n      {key}: 1\n"))
    found = Reader().load(tmp_path).warnings
    assert any(f"{key}: nothing reads this key" in warning for warning in found)


TEXTS = {"power_plant": PLANTS, "storage": STORAGES, "demand": DEMANDS}
UNREAD = [(name, column) for name, table in UNIT_TABLES.items() for column in table.row.unread]


@pytest.mark.parametrize(("kind", "column"), sorted(UNREAD))
def test_columns_that_nothing_reads_are_warned_of(kind: str, column: str, tmp_path: Path) -> None:
    header, *rows = TEXTS[kind].splitlines()
    path, problems = tmp_path / "units.csv", Problems()
    path.write_text("\n".join([f"{header},{column}", *(f"{row},1" for row in rows)]))
    read_units(path, cast("Any", UNIT_TABLES[kind].row), ["EOM"], problems)
    assert [warning for warning in problems.warnings if f"'{column}'" in warning]


def test_minimum_times_without_ramps_are_warned_of(world: World) -> None:
    overrides = {"units.coal.min_down_time": 5, "units.twin.min_operating_time": 3}
    found = [warning for warning in world.load(overrides).warnings if "ramp" in warning]
    assert len(found) == 2
    assert "'coal'" in found[0]
    assert "min_down_time" in found[0]
    assert world.outcome({}, "run") == world.outcome(overrides, "run")
