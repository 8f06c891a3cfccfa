"""Summary numbers: key figures of a run in `kpis`, and a line per episode in `metrics.jsonl`."""

import json
import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.results.sinks import DatabaseSink
from assume_rl.results.tables import table_of

Kpi = tuple[str, str, float]
"""Variable, market or learner, value."""
Kpis = list[Kpi]


def write_kpis(
    sink: DatabaseSink, pay_as_bid: Collection[str] = (), more: Sequence[Kpi] = ()
) -> Kpis:
    """Compute the key figures of the sink's simulation and write them to `kpis`.

    :param pay_as_bid: see `compute_kpis`
    :param more: figures that tables do not have
    """
    kpis = [*compute_kpis(sink, pay_as_bid), *more]
    if kpis:
        variable, ident, value = zip(*kpis, strict=True)
        sink.write("kpis", {"variable": variable, "ident": ident, "value": value})
    return kpis


def compute_kpis(sink: DatabaseSink, pay_as_bid: Collection[str] = ()) -> Kpis:
    """Return (variable, market, value) of a run without learning.

    `avg_price` EUR/MWh, `total_cost` EUR and `total_volume` MWh from `market_meta`: of all that was
    bought, charging of storages included;
    `congestion_rent` EUR, of markets with zones: what lines earn by the prices at their ends;
    `capacity_factor` from what was sold in `market_dispatch` by the units in `power_plant_meta`;
    `pay_as_bid_surplus` EUR from `market_orders`: what demand pays above what supply is paid.

    :param pay_as_bid: markets with that rule, which alone have a `pay_as_bid_surplus`: under a
        uniform price demand pays what supply is paid
    """
    meta, sold = table_of("market_meta").c, table_of("market_dispatch").c
    plant = table_of("power_plant_meta").c
    figures = {
        "avg_price": sa.func.avg(meta.price),
        "total_cost": sa.func.sum(meta.price * meta.demand_volume_energy),
        "total_volume": sa.func.sum(meta.demand_volume_energy),
    }
    queries = {
        name: sa.select(meta.market_id, figure)
        .where(meta.simulation == sink.simulation)
        .group_by(meta.market_id)
        for name, figure in figures.items()
    }
    net = meta.demand_volume_energy - meta.supply_volume_energy
    queries["congestion_rent"] = (
        sa.select(meta.market_id, sa.func.sum(meta.price * net))
        .where(meta.simulation == sink.simulation, meta.node.is_not(None))
        .group_by(meta.market_id)
    )
    queries["capacity_factor"] = (
        sa.select(sold.market_id, sa.func.avg(sold.power / sa.func.nullif(plant.max_power, 0)))
        .where(sold.unit_id == plant["index"], sold.simulation == plant.simulation)
        .where(sold.simulation == sink.simulation)
        .group_by(sold.market_id)
    )
    queries["pay_as_bid_surplus"] = _paid_above_revenue(sink.simulation, pay_as_bid)
    return [
        (name, market, value)
        for name, query in queries.items()
        for market, value in sink.read(query)
        if value is not None
    ]


def _paid_above_revenue(simulation: str, markets: Collection[str]) -> sa.Select[Any]:
    """Return the query for demand's payments less supply's revenue, EUR, by market."""
    order = table_of("market_orders").c
    seconds = sa.extract("epoch", order.end_time) - sa.extract("epoch", order.start_time)
    money = order.accepted_price * order.accepted_volume * seconds
    return (
        sa.select(order.market_id, -sa.func.sum(money) / 3600)
        .where(order.simulation == simulation, order.market_id.in_(sorted(markets)))
        .group_by(order.market_id)
    )


class JsonLines:
    """Appends one JSON object per line; each is on disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 (closed in close)
        except OSError as error:
            raise ResultsError(f"'{path}' cannot be written: {error.strerror}") from None

    def write(self, record: Mapping[str, Any]) -> None:
        """Append `record`: strings, numbers, arrays or tensors; NaN and infinities become null."""
        line = json.dumps(_plain(record), allow_nan=False)
        try:
            self._file.write(line + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ResultsError(f"'{self._file.name}' cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_episodes(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a `metrics.jsonl`; none where there is no such file.

    Reading stops at the first line that is damaged or half done, as a killed process leaves it.

    :raises ResultsError: the file cannot be read.
    """
    found: list[dict[str, Any]] = []
    try:
        with path.open("rb") as file:
            for line in file:
                episode = _episode(line)
                if episode is None:
                    break
                found.append(episode)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be read: {error.strerror}") from None
    return found


def _episode(line: bytes) -> dict[str, Any] | None:
    """Return a whole line, which names at least its episode; None if it is damaged."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    known = isinstance(content, dict) and {"episode", "evaluation"} <= content.keys()
    return content if known and line.endswith(b"\n") else None


def _plain(value: Any) -> Any:
    """Return `value` in the types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
