"""Output folders of runs whose every figure can be worked out by hand.

Three hours, two plants, one demand of 60, 100 and 110 MW. `CHEAP` offers 80 MW at its cost of
10 EUR/MWh; `DEAR` costs 50 EUR/MWh and offers 40 MW at 50, 70 and 90 EUR/MWh.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from assume_rl.results.sinks import DatabaseSink

CHEAP, DEAR = "cheap", "<script>document.title='taken'</script>"  # names are the user's
OWNER = "<b>base</b> & co"
SIMULATION = "toy_case"
START = np.datetime64("2030-01-01T00:00", "us")
HOUR = np.timedelta64(60, "m")
TIMES = START + np.arange(3) * HOUR
PRICES = (10.0, 70.0, 90.0)
DEMAND = (60.0, 100.0, 110.0)
SOLD = {CHEAP: (60.0, 80.0, 80.0), DEAR: (0.0, 20.0, 30.0)}
BIDS = {CHEAP: (10.0, 10.0, 10.0), DEAR: (50.0, 70.0, 90.0)}
OFFERED = {CHEAP: 80.0, DEAR: 40.0}
COSTS = {CHEAP: 10.0, DEAR: 50.0}
PROFITS = {CHEAP: 11_200.0, DEAR: 1_600.0}  # EUR, see the prices and volumes above
PAYMENTS = 17_500.0  # EUR
MEAN_PAID = (10.0, 22.0, 3_500 / 110)  # EUR/MWh, if everybody is paid what it asks for
PAYMENTS_AS_BID = 6_300.0  # EUR
GAP = {
    "reward_gap_to_best_response": 1.0,
    "profit_gap_to_best_response": 500.0,
    "share_of_best_response": 0.75,
}
EPISODES = ((False, 1, 1.0), (False, 2, 2.0), (True, 1, 3.0), (False, 3, 2.5), (True, 2, 4.0))


def write_run(
    folder: Path,
    *,
    simulation: str = SIMULATION,
    as_bid: bool = False,
    starts: Mapping[str, Sequence[float]] | None = None,
    **manifest: object,
) -> Path:
    """Write a finished training to `folder`.

    :param starts: EUR of each start, by unit
    :param manifest: keys to change
    """
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder / 'results.db'}"
    with DatabaseSink(url, simulation) as sink:
        sink.start_run(seed=7, versions={"assume-rl": "9.9"}, configuration={})
        for table, columns in tables(as_bid).items():
            sink.write(table, columns)
        for unit, costs in (starts or {}).items():
            rows = {"time": TIMES[: len(costs)], "unit": [unit] * len(costs), "start_cost": costs}
            sink.write("start_costs", rows)
        sink.finish_run("f" * 64)
    write_manifest(folder, simulation=simulation, **manifest)
    names = ("evaluation", "episode", "reward")
    lines = [
        dict(zip(names, line, strict=True)) | {"profit": 1.0, "regret": 0} for line in EPISODES
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_manifest(folder: Path, **changes: object) -> None:
    """Write `manifest.json`."""
    content = {
        "kind": "train",
        "scenario": "toy",
        "case": "case",
        "simulation": SIMULATION,
        "seed": 7,
        "engine": "batch",
        "device": "cpu",
        "warnings": ["prices are <i>made up</i>"],
        "configuration_hash": "c" * 64,
        "versions": {"assume-rl": "9.9"},
        "started": "2030-01-02T00:00:00+00:00",
        "state": "finished",
        "seconds": 1.5,
        "evaluation": {"reward": 4.0, "profit": None, **GAP},
        "final_hash": "f" * 64,
    }
    (folder / "manifest.json").write_text(json.dumps(content | changes))


def tables(as_bid: bool) -> dict[str, dict[str, object]]:
    """Columns of every table that reports read.

    Paid as bid, plants get what they ask for; the demand's own price is that of the dearest.
    """
    return {
        "market_meta": _per_hour("product_start", "product_end")
        | {"market_id": ["EOM"] * 3, "price": MEAN_PAID if as_bid else PRICES}
        | {"max_price": PRICES, "demand_volume": DEMAND},
        "market_orders": _orders(as_bid),
        "unit_dispatch": _dispatch(as_bid),
        "power_plant_meta": {
            "index": [CHEAP, DEAR],
            "technology": ["hydro", "gas"],
            "unit_operator": [OWNER, "other"],
        },
        "demand_meta": {"index": ["load"], "technology": ["need"], "unit_operator": ["city"]},
        "marginal_costs": {
            "time": [START] * 2,
            "unit": list(COSTS),
            "marginal_cost": list(COSTS.values()),
        },
        "rl_params": {"datetime": [START], "unit": [DEAR], "episode": [0]},
        "kpis": {"variable": ["avg_price"], "ident": ["EOM"], "value": [56.6]},
    }


def _per_hour(start: str, end: str, repeat: int = 1) -> dict[str, object]:
    times = np.repeat(TIMES, repeat)
    return {start: times, end: times + HOUR}


def _paid(as_bid: bool) -> np.ndarray:
    """EUR/MWh, `(hour, unit)`; the cheap plant is never the dearest but alone."""
    paid = np.repeat(PRICES, 3).reshape(3, 3)
    return np.where([as_bid, False, False], BIDS[CHEAP][0], paid)


def _orders(as_bid: bool) -> dict[str, object]:
    """Hour by hour: both plants, then the demand, which pays up to 3,000 EUR/MWh."""
    hours = range(3)
    return _per_hour("start_time", "end_time", 3) | {
        "market_id": ["EOM"] * 9,
        "unit_id": [CHEAP, DEAR, "load"] * 3,
        "bid_id": [f"{unit}_1" for unit in (CHEAP, DEAR, "load")] * 3,
        "price": [p for h in hours for p in (BIDS[CHEAP][h], BIDS[DEAR][h], 3_000.0)],
        "volume": [v for h in hours for v in (OFFERED[CHEAP], OFFERED[DEAR], -DEMAND[h])],
        "accepted_price": _paid(as_bid).ravel(),
        "accepted_volume": [v for h in hours for v in (SOLD[CHEAP][h], SOLD[DEAR][h], -DEMAND[h])],
    }


def _dispatch(as_bid: bool) -> dict[str, object]:
    power = np.array([SOLD[CHEAP], SOLD[DEAR], np.negative(DEMAND)]).T  # (hour, unit)
    costs = np.array([COSTS[CHEAP], COSTS[DEAR], 0.0])
    return {
        "time": np.repeat(TIMES, 3),
        "unit": [CHEAP, DEAR, "load"] * 3,
        "power": power.ravel(),
        "revenue": (power * _paid(as_bid)).ravel(),
        "cost": (power * costs).ravel(),
    }
