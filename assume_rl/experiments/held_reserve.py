"""How much of the reserve that a run held could not have been delivered."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.units import calls
from assume_rl.core.units.base import DOWN, HELD, NO_STATE, AnyBlock, WithoutState
from assume_rl.core.units.storage import Storage, StorageState
from assume_rl.results.metrics import Kpis
from assume_rl.results.sinks import DatabaseSink
from assume_rl.results.tables import table_of
from assume_rl.scenario.compile.compiled import Compiled

FIGURE = "undeliverable_reserve"
TABLES = ("market_orders", "unit_dispatch")
AT_ONCE = 1 << 22  # numbers of a window that are worked on in one call


@dataclass(frozen=True)
class Delivered:
    """A recorded calendar."""

    power: Float[Tensor, "step unit"]  # MW, delivered
    soc: Float[Tensor, "step unit"]  # at the beginning of each step; NaN of what is no storage
    last: int  # last step that was delivered


def undeliverable_reserve(compiled: Compiled, sink: DatabaseSink) -> Kpis:
    """Return by market what would have been missing of held reserve, had it been called, MW h.

    Of each step all of it is called alone: all else is as it was. Meaning: docs/how-to/reserve.md.
    None where tables are not stored, or where units hold reserve whose state no table has.

    :param compiled: scenario
    :param sink: with all tables of the run
    """
    markets = [spec for spec in compiled.markets if spec.product_type in HELD]
    held = {spec.name: spec.product_type in DOWN for spec in markets}
    if not held or not all(map(sink.stores, TABLES)):
        return []
    recorded = _delivered(compiled, sink)
    tables = {name: _sold(compiled, sink, name) for name in held}
    hours, found = compiled.step_seconds / 3600, []
    for name, down in held.items():
        alike = torch.stack([t for other, t in tables.items() if held[other] is down]).sum(0)
        missing = _missing(compiled, recorded, alike, -1.0 if down else 1.0)
        if missing is not None:
            share = torch.where(alike > 0, tables[name] / alike, 0.0)  # of markets alike
            found.append((FIGURE, name, float((missing * share).sum()) * hours))
    return found


def _delivered(compiled: Compiled, sink: DatabaseSink) -> Delivered:
    table = table_of("unit_dispatch").c
    query = sa.select(table.time, table.unit, table.power, table.soc)
    rows = sink.read(query.where(table.simulation == sink.simulation))
    place = {unit: k for k, unit in enumerate(compiled.fleet.ids)}
    shape = (compiled.steps, len(place))
    power, soc = np.zeros(shape), np.full(shape, np.nan)
    last = -1
    for time, unit, own, content in rows:
        at = _step(compiled, time), place[unit]
        power[at], soc[at] = own, np.nan if content is None else content
        last = max(last, at[0])
    return Delivered(torch.tensor(power), torch.tensor(soc), last)


def _sold(compiled: Compiled, sink: DatabaseSink, market: str) -> Float[Tensor, "step unit"]:
    """Return the reserve that units hold for a market, MW."""
    table = table_of("market_orders").c
    query = sa.select(table.start_time, table.end_time, table.unit_id, table.accepted_volume)
    own = (table.simulation == sink.simulation) & (table.market_id == market)
    place = {unit: k for k, unit in enumerate(compiled.fleet.ids)}
    sold = np.zeros((compiled.steps, len(place)))
    for start, end, unit, volume in sink.read(query.where(own & (table.accepted_volume > 0))):
        sold[_step(compiled, start) : _step(compiled, end), place[unit]] += volume
    return torch.tensor(sold)


def _step(compiled: Compiled, time: Any) -> int:
    elapsed: float = (time - compiled.scenario.start).total_seconds()
    return round(elapsed / compiled.step_seconds)


def _missing(
    compiled: Compiled, recorded: Delivered, held: Float[Tensor, "step unit"], sign: float
) -> Float[Tensor, "step unit"] | None:
    """Return what is missing of the reserve of each step, MW; None: of some it is not known.

    :param held: MW, of one direction
    :param sign: of what is called: 1 upwards, -1 downwards
    """
    missing = torch.zeros_like(held)
    for block in compiled.fleet.blocks:
        own = slice(block.start, block.stop)
        if not held[:, own].any():
            continue
        if not isinstance(block.technology, Storage | WithoutState):
            return None
        for steps in _parts(compiled, recorded, held[:, own]):
            wanted = recorded.power[steps, own] + sign * held[steps, own]
            done = _called(compiled, block, recorded, steps, wanted)
            short = (sign * (wanted - done)).clamp(min=0)
            missing[steps, own] = torch.minimum(short, held[steps, own])
    return missing


def _parts(
    compiled: Compiled, recorded: Delivered, held: Float[Tensor, "step unit"]
) -> Iterator[Tensor]:
    """Yield the steps that have been delivered and hold reserve, as many as memory allows."""
    (steps,) = held[: recorded.last + 1].any(-1).nonzero(as_tuple=True)
    size = max(1, AT_ONCE // ((compiled.lookback + 2) * held.shape[-1]))
    yield from torch.split(steps, size)


def _called(
    compiled: Compiled,
    block: AnyBlock,
    recorded: Delivered,
    steps: Tensor,
    wanted: Float[Tensor, "step unit"],
) -> Float[Tensor, "step unit"]:
    """Return what units would have delivered in each of some steps, each on its own, MW.

    :param block: of the units
    :param steps: of the calendar
    :param wanted: of them, MW
    """
    own, back = slice(block.start, block.stop), compiled.lookback + 1
    before = steps[:, None] - torch.arange(back, 0, -1)
    past = recorded.power[:, own][before.clamp(min=0)] * (before >= 0)[..., None]
    energy = torch.cat((past, wanted.unsqueeze(-2)), -2)
    state: object = NO_STATE
    if isinstance(block.technology, Storage):
        soc = recorded.soc[steps, own].unsqueeze(-2).expand(-1, back + 2, -1)
        state = StorageState(soc, torch.zeros_like(soc[:, 0]))
    capacity = compiled.profiles.capacity[steps, own].unsqueeze(-2)
    done, _ = calls.execute(block.technology, block.params, state, capacity, energy, back, steps)
    power = done.squeeze(-2)
    return power if "buys" in block.technology.sides else power.clamp(min=0)
