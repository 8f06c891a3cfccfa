"""Forecasts of a scenario: the algorithm that each unit uses, and the resulting series.

Formulas: docs/scenario-format.md, "Forecasts". An algorithm is a function and one entry of
`FORECASTS`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from assume_rl.core.contract import shaped
from assume_rl.core.forecasts import Forecasts, merit_order_price, min_max, residual_load, scaled
from assume_rl.core.units.fleet import Profiles
from assume_rl.errors import nearest, nearest_part
from assume_rl.learning.types import NO_SCALES, Scales
from assume_rl.scenario.compile.elastic_forecast import elastic_price
from assume_rl.scenario.config.schema import switched_off
from assume_rl.scenario.problems import Problems, cell
from assume_rl.scenario.tables.base import Unit
from assume_rl.scenario.tables.demands import inelastic
from assume_rl.scenario.tables.read import FORECAST
from assume_rl.scenario.types import Scenario

METRICS = ("price", "residual_load")
UNREAD_METRICS = ("congestion_signal", "renewable_utilisation")
GIVEN_PRICES = {"EOM": 50.0}  # EUR/MWh, of `price_keep_given`; 0 for any other market

# `_` belongs to a word: wind_onshore does not match, and biomass is not bio.
RENEWABLE = re.compile(r"\b(wind|solar|bio)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Basis:
    """The inputs of a forecast of a market."""

    scenario: Scenario
    market: str
    profiles: Profiles  # capacity and marginal cost of all units, (step unit)

    @property
    def demand(self) -> Tensor:
        """Return the inelastic demand of the market, (step), MW, positive."""
        return _demand(self.scenario, self.market, self.profiles)[0]

    @property
    def plants(self) -> list[int]:
        """Return the indices of its suppliers, on the unit axis of `profiles`."""
        return _members(self.scenario, self.market, "supply")


Algorithm = Callable[[Basis], Tensor]
"""Returns the forecast of a market at every step of the calendar, (step), float64."""


def check_forecasts(scenario: Scenario, problems: Problems) -> None:
    """Note forecast algorithms that do not exist, and unread columns of forecasts_df."""
    for where, key, algorithm in _choices(scenario):
        _check_choice(where, key, algorithm, problems)
    markets = (*scenario.config.markets_config, *switched_off(scenario.written))
    valid = [f"{metric}_{market}" for metric in METRICS for market in markets]
    for name in (str(c) for c in scenario.series.forecasts.columns if c not in valid):
        where = cell(scenario.config.forecasts_df or "", column=name)
        problems.stray(where, f"unknown column, nothing reads it; {nearest(name, valid)}")


def _choices(scenario: Scenario) -> Iterator[tuple[str, str, str]]:
    """Yield (where, key, algorithm) of every setting or cell that names a forecast algorithm."""
    config = scenario.config
    for key, algorithm in config.forecast_algorithms.items():
        yield f"config.yaml, {scenario.case}.forecast_algorithms.{key}", key, algorithm
    for table, unit in scenario.each():
        for key, algorithm in unit.forecast.items():
            file = config.file(table.file) or ""
            yield cell(file, unit.id, f"{FORECAST}{key}"), key, algorithm


def _check_choice(where: str, key: str, algorithm: str, problems: Problems) -> None:
    metric = key.removeprefix("preprocess_").removeprefix("update_")
    if metric not in METRICS + UNREAD_METRICS:
        problems.error(where, f"unknown forecast '{key}'; {nearest(key, METRICS)}")
    elif metric != key:
        if algorithm != f"{metric}_default":
            problems.error(where, f"not supported yet: the forecast algorithm '{algorithm}'")
    elif metric in UNREAD_METRICS:
        problems.warn(where, "no supported bidder reads this forecast")
    elif algorithm not in (valid := [name for name in FORECASTS if metric_of(name) == metric]):
        known = algorithm == f"{metric}_default_test"
        problem = "not supported yet: the" if known else "unknown"
        hint = nearest(algorithm, valid) if known else nearest_part(algorithm, valid)
        problems.error(where, f"{problem} forecast algorithm '{algorithm}'; {hint}")


def metric_of(algorithm: str) -> str | None:
    """Return the quantity that an algorithm forecasts; None if its name does not show it."""
    return next((metric for metric in METRICS if algorithm.startswith(f"{metric}_")), None)


def scaled_as(
    scenario: Scenario,
    agents: Mapping[str, Mapping[str, str]],
    scales: Mapping[str, Scales],
) -> dict[str, dict[str, Scales]]:
    """Return the ranges of scaled forecasts, by market and unit, where `forecast_scale` asks.

    :param scenario: with the setting
    :param agents: names of learning units, by market and unit
    :param scales: by agent
    """
    if scenario.learning.forecast_scale == "recorded":
        return {}
    return {
        market: {
            unit: replace(scales[agent], rungs=())  # ladders make no rows of their own
            for unit, agent in own.items()
            if agent in scales
        }
        for market, own in agents.items()
    }


def ranges(forecasts: Forecasts | None, unit: int, known: Scales) -> Scales:
    """Return the values that 0 and 1 of a unit's scaled forecasts stand for.

    :param forecasts: of a market; None: it has none
    :param unit: index into the fleet
    :param known: what it was made to stand for, where that was not left to the calendar
    """
    if forecasts is None:
        return NO_SCALES
    row = int(forecasts.series[unit])
    return Scales(
        residual_load=known.residual_load or _range(forecasts.residual_load[row]),
        price_forecast=known.price_forecast or _range(forecasts.price[row]),
    )


def _range(series: Tensor) -> tuple[float, float]:
    return float(series.min()), float(series.max())


def market_forecasts(
    scenario: Scenario, market: str, profiles: Profiles, scales: Mapping[str, Scales]
) -> Forecasts:
    """Return `Forecasts` of every unit for one market: a row per combination of algorithms.

    :param scenario: gives the algorithms and the series of forecasts_df
    :param market: name of the market
    :param profiles: capacity and marginal cost of all units, (step unit)
    :param scales: by unit, what scaled forecasts stand for; units on another scale have rows of
        their own
    """
    price, load = METRICS
    chosen = [
        (_algorithm(scenario, u, price), _algorithm(scenario, u, load), scales.get(u.id, NO_SCALES))
        for u in scenario.units
    ]
    rows = list(dict.fromkeys(chosen))
    basis = Basis(scenario, market, profiles)
    series = {a: _series(basis, a) for a in sorted({a for row in rows for a in row[:2]})}
    prices = torch.stack([series[row[0]] for row in rows])
    loads = torch.stack([series[row[1]] for row in rows])
    return Forecasts(
        price=prices,
        residual_load=loads,
        scaled_price=_scaled(prices, [row[2].price_forecast for row in rows]),
        scaled_residual_load=_scaled(loads, [row[2].residual_load for row in rows]),
        series=torch.tensor([rows.index(choice) for choice in chosen]),
        circular=scenario.learning.observation_window == "wrap",
    )


def _scaled(series: Tensor, known: Sequence[tuple[float, float] | None]) -> Tensor:
    """Return series scaled by the range that is known of each, else by its own one, (row step)."""
    return torch.stack(
        [
            min_max(own) if by is None else scaled(own, *by)
            for own, by in zip(series, known, strict=True)
        ]
    )


def _algorithm(scenario: Scenario, unit: Unit, metric: str) -> str:
    """Return a unit's own algorithm, else that of the study case, else the naive one."""
    default = scenario.config.forecast_algorithms.get(metric, f"{metric}_naive_forecast")
    return unit.forecast.get(metric, default)


def _series(basis: Basis, algorithm: str) -> Tensor:
    """Return the column of forecasts_df, else the algorithm's forecast, (step)."""
    given = _given(basis.scenario, f"{metric_of(algorithm)}_{basis.market}")
    if given is not None:
        return given
    function = FORECASTS[algorithm]
    return shaped(function, function(basis), (len(basis.profiles.capacity),))


def given_price(basis: Basis) -> Tensor:
    """Return 50 EUR/MWh in a market called EOM, else 0, (step)."""
    return torch.full_like(basis.demand, GIVEN_PRICES.get(basis.market, 0.0))


def given_residual_load(basis: Basis) -> Tensor:
    """Return 0 MW, (step)."""
    return torch.zeros_like(basis.demand)


def naive_price(basis: Basis) -> Tensor:
    """Return the cost of the plant that the demand reaches, (step), EUR/MWh."""
    scenario, market, profiles = basis.scenario, basis.market, basis.profiles
    demand, buyers = _demand(scenario, market, profiles)
    plants = basis.plants
    elastic = [i for i in _members(scenario, market, "demand") if i not in buyers]
    if elastic:
        members = {"plants": plants, "elastic": elastic, "inelastic": buyers}
        return elastic_price(scenario, market, profiles, demand, **members)
    worth = profiles.marginal_cost[:, buyers]
    scarcity = float(worth.max()) if buyers else 0.0
    cost, available = profiles.marginal_cost[:, plants], profiles.capacity[:, plants]
    return merit_order_price(cost, available, demand, scarcity)


def naive_residual_load(basis: Basis) -> Tensor:
    """Return demand less the available power of wind, solar and bio, (step), MW."""
    units = basis.scenario.units
    renewable = [i for i in basis.plants if RENEWABLE.search(units[i].technology)]
    return residual_load(basis.demand, basis.profiles.capacity[:, renewable])


FORECASTS: dict[str, Algorithm] = {
    "price_naive_forecast": naive_price,
    "price_keep_given": given_price,
    "residual_load_naive_forecast": naive_residual_load,
    "residual_load_keep_given": given_residual_load,
}
"""Algorithms by name, which begins with what they forecast."""


def _given(scenario: Scenario, column: str) -> Tensor | None:
    table = scenario.series.forecasts
    return torch.tensor(table[column].to_numpy()) if column in table else None


def _demand(scenario: Scenario, market: str, profiles: Profiles) -> tuple[Tensor, list[int]]:
    """Return the inelastic demand (step), MW, positive, and the fleet indices of its units."""
    units = scenario.units
    buyers = [i for i in _members(scenario, market, "demand") if inelastic(units[i])]
    demand = -profiles.capacity[:, buyers].sum(-1)
    for table, unit in scenario.each():
        if table.load is not None and market in unit.bidding:
            demand = demand + torch.tensor(table.load(unit, scenario.series))
    return demand, buyers


def _members(scenario: Scenario, market: str, role: str) -> list[int]:
    """Return the fleet indices of a market's units whose kind has this role in forecasts."""
    each = enumerate(scenario.each())
    return [i for i, (table, unit) in each if table.forecast == role and market in unit.bidding]
