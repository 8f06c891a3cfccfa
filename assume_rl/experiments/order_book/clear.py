"""Clear an order table by a rule, and say why orders were rejected."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from assume_rl.core.clearing import RULES, MarketSpec, Rule, Slots
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.orders import BlockTerms, Orders, no_terms
from assume_rl.core.units.base import ENERGY
from assume_rl.errors import ConfigurationError, check_parts
from assume_rl.experiments.order_book.reasons import Reasons
from assume_rl.experiments.order_book.table import OrderTable, check_zones
from assume_rl.scenario.config.mechanisms import checked_params
from assume_rl.scenario.config.schema import Market


@dataclass(frozen=True)
class Slotted:
    """The orders of a table as a rule takes them, and where each row is in them."""

    orders: Orders
    product: NDArray[np.int64]  # of each row
    slot: NDArray[np.int64]


@dataclass(frozen=True)
class ClearedTable:
    """What came of an order table."""

    prices: pd.DataFrame  # a row per hour and zone
    orders: pd.DataFrame  # a row per order: accepted MW, price, and why
    conditional: dict[str, str]  # what came of orders with conditions, by name
    flows: pd.DataFrame  # a row per hour and line
    welfare: float  # EUR: what demand would pay less what supply asks, and fixed costs
    congestion_rent: float  # EUR


def clear_table(
    table: OrderTable, rule: str = "complex_clearing", params: Mapping[str, Any] | None = None
) -> ClearedTable:
    """Return what a rule makes of an order table; ties go to the order that comes first.

    :param table: the orders
    :param rule: key of `RULES`
    :param params: of the rule, as in `param_dict`
    :raises ConfigurationError: there is no such rule, it does not read what the table has, or no
        line leads to a zone
    """
    check_parts("mechanism", [rule], RULES)
    spec = _market(table, RULES[rule], params or {})
    made = slotted(table)
    _check_needs(RULES[rule], table, made)
    check_zones(table)
    shape = made.orders.volume.shape
    tie = torch.zeros(shape, dtype=torch.float64)
    count = len(table.rows)
    order = torch.arange(count, dtype=torch.float64)
    sells = torch.tensor((table.rows["side"] == "sell").to_numpy())
    tie[made.product, made.slot] = torch.where(sells, order, count - 1 - order) / count
    setup = spec.rule.setup(spec, Slots(made.orders.node))
    clearing = spec.clear(made.orders, tie, setup)
    return _outcome(table, made, clearing)


def slotted(table: OrderTable) -> Slotted:
    """Return the orders of a table: blocks have a slot each, simple ones share those of a kind."""
    rows = table.rows
    hours = {hour: i for i, hour in enumerate(table.hours)}
    zones = {zone: i for i, zone in enumerate(table.grid.zones)}
    product = rows["hour"].map(hours).to_numpy()
    is_block = (rows["type"] == "block").to_numpy()
    kind = rows.groupby(["zone", "min_acceptance", "parent", "complex"], sort=False).ngroup()
    rank = rows[~is_block].groupby([kind, rows["hour"]]).cumcount()
    name = pd.Series("", index=rows.index).mask(is_block, rows["id"])
    keys = pd.DataFrame({"kind": kind, "rank": rank.reindex(rows.index, fill_value=0), "id": name})
    slot = keys.groupby(["kind", "rank", "id"], sort=False).ngroup().to_numpy()
    count = int(slot.max()) + 1
    shape = (len(hours), count)
    price, volume = np.zeros(shape), np.zeros(shape)
    price[product, slot] = rows["price"]
    volume[product, slot] = np.where(rows["side"] == "sell", rows["volume"], -rows["volume"])
    first = pd.Series(range(len(rows))).groupby(slot).first().to_numpy()  # row of each slot
    own = rows.iloc[first].reset_index(drop=True)
    node = torch.tensor(own["zone"].map(zones).to_numpy())
    orders = Orders(
        price=torch.tensor(price),
        volume=torch.tensor(volume),
        unit=torch.zeros(count, dtype=torch.int64),
        node=node,
        terms=_terms(rows, own),
    )
    return Slotted(orders, product.astype(np.int64), slot.astype(np.int64))


def _terms(rows: pd.DataFrame, own: pd.DataFrame) -> BlockTerms | None:
    """Return the conditions of slots, None if there are none.

    :param rows: all orders
    :param own: a row of each slot
    """
    block = (own["type"] == "block").to_numpy()
    number = {name: i for i, name in zip(np.flatnonzero(block), own["id"][block], strict=True)}
    bound = (own[["parent", "group", "complex"]] != "").to_numpy().any()
    if not block.any() and not bound and not own["min_acceptance"].any():
        return None
    offer = _first(own["complex"])
    costs = rows[rows["fixed_cost"] != 0].groupby("complex")["fixed_cost"].first()
    cost = own["complex"].map(costs).fillna(0.0).to_numpy()
    return replace(
        no_terms(len(own)),
        block=torch.tensor(block),
        min_acceptance=torch.tensor(own["min_acceptance"].to_numpy()),
        parent=torch.tensor([number.get(parent, -1) for parent in own["parent"]]),
        group=torch.tensor(_first(own["group"])),
        offer=torch.tensor(offer),
        fixed_cost=torch.tensor(np.where(offer == np.arange(len(own)), cost, 0.0)),
    )


def _first(names: pd.Series) -> NDArray[np.int64]:
    """Return of each slot the first one with the same name, -1 where it has none."""
    places = pd.Series(range(len(names))).groupby(names.to_numpy()).transform("first")
    return np.where(names != "", places, -1)


def _market(table: OrderTable, rule: Rule[Any, Any], params: Mapping[str, Any]) -> MarketSpec[Any]:
    """Return a market with the usual limits, or wider ones where orders are beyond these."""
    price = table.rows["price"]
    least, most = (
        Market.model_fields[f"{end}_bid_price"].default for end in ("minimum", "maximum")
    )
    return MarketSpec(
        name=table.name,
        operator=table.name,
        rule=rule,
        params=checked_params(rule, params),
        min_price=min(least, float(price.min())),
        max_price=max(most, float(price.max())),
        max_volume=np.inf,
        product_type=ENERGY,
        nodes=table.grid.zones,
        grid=table.grid,
    )


def _check_needs(rule: Rule[Any, Any], table: OrderTable, made: Slotted) -> None:
    if made.orders.terms is not None and "blocks" not in rule.needs:
        what = "has blocks or conditions"
    elif len(table.grid.zones) > 1 and "node" not in rule.needs:
        what = "has several zones"
    else:
        return
    raise ConfigurationError(
        f"{table.name} {what}, which the mechanism '{rule.name}' does not read"
    )


def _outcome(table: OrderTable, made: Slotted, clearing: Clearing) -> ClearedTable:
    rows, place = table.rows, (made.product, made.slot)
    accepted = clearing.accepted.numpy()[place]
    zone_price = clearing.price_of_slots.numpy()[place]
    signed = np.where(rows["side"] == "sell", 1.0, -1.0)
    orders = rows[["id", "hour", "side", "zone", "price", "volume"]].copy()
    orders["accepted_volume"] = np.abs(accepted)
    orders["accepted_price"] = clearing.paid.numpy()[place]
    idle = _idle(table, clearing)[place[0], clearing.zone.numpy()[place[1]]]
    why = Reasons(rows.assign(accepted=np.abs(accepted), zone_price=zone_price, idle=idle))
    reasons = why.of_all()
    orders["reason"] = reasons
    fixed = sum(why.fixed_costs_paid().values())
    welfare = -float((signed * rows["price"] * np.abs(accepted)).sum()) - fixed
    flows, rent = _flows(table, clearing)
    prices, conditional = _prices(table, clearing), why.of_conditional(reasons)
    return ClearedTable(prices, orders, conditional, flows, welfare, rent)


def _idle(table: OrderTable, clearing: Clearing) -> NDArray[np.bool_]:
    """Return in which (hour zone) nothing trades or passes through, so that there is no price."""
    idle: NDArray[np.bool_] = (clearing.supply_volume + clearing.demand_volume == 0).numpy()
    if clearing.flows is not None:
        for line, flow in zip(table.grid.lines, clearing.flows.numpy().T, strict=True):
            idle[:, [line.start, line.stop]] &= (flow == 0)[:, None]
    return idle


def _prices(table: OrderTable, clearing: Clearing) -> pd.DataFrame:
    zones = len(clearing.zones)
    return pd.DataFrame(
        {
            "hour": np.repeat(np.array(table.hours, dtype=object), zones),
            "zone": np.tile(np.array(clearing.zones, dtype=object), len(table.hours)),
            "price": clearing.price.numpy().ravel(),
            "supply_volume": clearing.supply_volume.numpy().ravel(),
            "demand_volume": clearing.demand_volume.numpy().ravel(),
        }
    )


def _flows(table: OrderTable, clearing: Clearing) -> tuple[pd.DataFrame, float]:
    """Return MW on each line, and what lines earn by the prices at their ends, EUR."""
    lines, hours = table.grid.lines, table.hours
    flows = np.zeros((len(hours), 0)) if clearing.flows is None else clearing.flows.numpy()
    price = clearing.price.numpy()
    gain = [price[:, line.stop] - price[:, line.start] for line in lines]
    rent = sum(float(flows[:, i] @ own) for i, own in enumerate(gain))
    columns = {
        "hour": np.repeat(np.array(hours, dtype=object), len(lines)),
        "line": np.tile(np.array([line.name for line in lines], dtype=object), len(hours)),
        "flow": flows.ravel(),
        "capacity": np.tile([line.capacity for line in lines], len(hours)),
    }
    return pd.DataFrame(columns), rent
