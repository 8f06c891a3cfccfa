"""Result tables: their columns, types and units of measure, in one place.

Names and columns are those that users of the field know. Every table has `simulation`, so that
runs can share a database. Unit kinds bring tables of their own, as plug-ins do, see `unit_tables`.
Power is MW (supply > 0, demand < 0), prices EUR/MWh (of reserve that is held EUR/MW and hour),
money EUR; a column's `comment` says what its name does not.
"""

import re
from collections.abc import Collection, Mapping
from importlib import import_module

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, MetaData, Table, Text

from assume_rl.errors import ResultsError, nearest

DECLARED = MetaData()
"""The tables that are declared so far; `metadata` has those of all unit kinds."""

STATES: dict[str, Mapping[str, str]] = {}
"""Columns of `unit_dispatch` for the state of units, with comments, by the table of their kind."""

# Columns that depend on the run, such as `actions_0`, `actions_1`, or what the algorithm measures:
# added when needed.
FAMILIES = {
    "rl_params": re.compile(r"(actions|exploration_noise)_\d+|versions_behind"),
    "rl_grad_params": re.compile(r"[a-z][a-z0-9_]*"),
}

# Tables whose rows are numbered as they come; in the other ones `index` is a unit id.
NUMBERED = ("market_dispatch", "market_meta")

# Kept when a run starts, unless it trains from episode 1.
LEARNING_TABLES = ("rl_grad_params", "rl_params")


PRICE = "EUR/MWh; of reserve that is held EUR/MW and hour"
OF_PRODUCT = "of the whole product, in each of its steps"


def _table(name: str, *columns: Column[object]) -> Table:
    return Table(name, DECLARED, *columns, Column("simulation", Text, nullable=False))


def _number(name: str, comment: str = "") -> Column[object]:
    return Column(name, Float, comment=comment or None)


def _text(name: str, comment: str = "") -> Column[object]:
    return Column(name, Text, comment=comment or None)


def _count(name: str, comment: str = "") -> Column[object]:
    return Column(name, BigInteger, comment=comment or None)


def _date(name: str, comment: str = "") -> Column[object]:
    return Column(name, DateTime, comment=comment or "UTC")


def _flag(name: str) -> Column[object]:
    return Column(name, Boolean)


_table(
    "market_meta",
    _count("index"),
    _number("demand_volume", "MW, positive"),
    _number("demand_volume_energy", "MWh, positive"),
    _text("market_id"),
    _number("max_price", f"{PRICE}, highest of the accepted supply"),
    _number("min_price", f"{PRICE}, lowest of the accepted supply"),
    _text("node"),
    _text("only_hours"),
    _number("price", PRICE),
    _date("product_end"),
    _date("product_start"),
    _text("product_type", "energy or a kind of reserve"),
    _number("supply_volume", "MW"),
    _number("supply_volume_energy", "MWh"),
    _date("time", "UTC, start of delivery"),
)
_table(
    "market_orders",
    _date("start_time"),
    _number("accepted_price", PRICE),
    _number("accepted_volume", "MW"),
    _text("bid_id"),
    _text("bid_type", "SB, BB (block) or LB (linked); empty where no bidder makes blocks"),
    _text("complex_order", "bid_id of the first order of the complex order that it is part of"),
    _date("end_time"),
    _text("exclusive_group", "bid_id of the first order of its exclusive group"),
    _text("market_id"),
    _number("min_acceptance_ratio", "least share that may trade; empty: any"),
    _text("node"),
    _text("parent_bid_id", "block whose share bounds that of this order"),
    _number("price", PRICE),
    _text("unit_id"),
    _number("volume", "MW"),
)
_table(
    "market_dispatch",
    _count("index"),
    _date("datetime"),
    _text("market_id"),
    _number("power", "MW sold in this market"),
    _text("unit_id"),
)
_table(
    "grid_flows",
    _date("datetime"),
    _number("flow", "MW, > 0 from the zone of bus0 to that of bus1"),
    _text("line"),
    _text("market_id"),
)
_table(
    "unit_dispatch",
    _date("time"),
    _number("capacity_neg_cashflow", f"EUR {OF_PRODUCT}"),
    _number("capacity_pos_cashflow", f"EUR {OF_PRODUCT}"),
    _number("cost", "EUR of the delivered power; 0 for units that take power"),
    _number("energy_cashflow", f"EUR {OF_PRODUCT}"),
    _number("energy_generation_costs", "EUR per step if steps are hours"),
    _number("energy_neg_cashflow", f"EUR {OF_PRODUCT}"),
    _number("energy_pos_cashflow", f"EUR {OF_PRODUCT}"),
    _number("heat", "MW"),
    _number("power", "MW delivered"),
    _number("revenue", "EUR of all that was sold (> 0) or bought (< 0) for this step"),
    _number("soc", "share of the capacity at the beginning of the step; storages only"),
    _number("total_costs", "EUR"),
    _text("unit"),
)
_table(
    "start_costs",
    _date("time"),
    _text("unit"),
    _number("downtime", "h off before the start; empty for the first one of a run"),
    _text("kind", "hot, warm or cold"),
    _number("start_cost", "EUR"),
)
_table(
    "marginal_costs",
    _date("time", "UTC, from when on; until the unit's next row"),
    _text("unit"),
    _number("marginal_cost", "EUR/MWh"),
)
_table(
    "rl_params",
    _date("datetime"),
    _text("unit"),
    _number("reward", "scaled"),
    _number("regret", "EUR"),
    _number("profit", "EUR"),
    _flag("evaluation_mode"),
    _count("episode", "number of the evaluation in evaluations"),
)
_table(
    "rl_grad_params",
    _count("step", "iteration, counted over the whole training"),
    _text("unit"),
    _number("actor_loss", "empty in iterations without an actor step"),
    _number("actor_total_grad_norm", "before clipping"),
    _number("actor_max_grad_norm"),
    _number("critic_loss"),
    _number("critic_total_grad_norm", "before clipping"),
    _number("critic_max_grad_norm"),
    _number("learning_rate"),
    _flag("evaluation_mode"),
    _count("episode"),
)
_table("kpis", _text("variable"), _text("ident", "market, or learner"), _number("value"))
_table(
    "runs",
    _date("created"),
    _date("finished"),
    _text("state", "running or finished"),
    _count("seed"),
    _text("versions", "JSON"),
    _text("configuration", "JSON"),
    _text("configuration_hash", "sha256"),
    _text("final_hash", "sha256 of what the run produced"),
)


def load_unit_kinds() -> None:
    """Declare the tables of all built-in unit kinds, whatever else was loaded.

    Not as soon as results are imported: tensors come with them, which take seconds to load and
    which a wrong folder or database needs nothing of.
    """
    import_module("assume_rl.scenario.tables")  # by name, as scenarios are a layer above


def metadata() -> MetaData:
    """Return the tables of runs, those of all unit kinds among them."""
    load_unit_kinds()
    return DECLARED


def table_of(name: str) -> Table:
    """Return the table called `name`; `ValueError` if there is none."""
    found = DECLARED.tables if name in DECLARED.tables else metadata().tables
    if name not in found:
        raise ValueError(f"there is no result table '{name}'")
    return found[name]


def row_tables() -> list[str]:
    """Return the names of the tables that a run without learning may leave out.

    `runs` and the tables that describe units are small, and others are read with them.
    """
    always = ("runs", "rl_grad_params")
    return [n for n, table in DECLARED.tables.items() if n not in always and not table.info]


def chosen_tables(names: Collection[str]) -> frozenset[str]:
    """Return names of tables that a run stores, if all of them may be chosen.

    :raises ResultsError: there is no such table, or it cannot be left out; names the nearest one
    """
    valid = row_tables()
    for name in names:
        if name not in valid:
            raise ResultsError(
                f"there is no result table '{name}' to choose; {nearest(name, valid)}"
            )
    return frozenset(names)


def column_of(table: Table, name: str) -> Column[object]:
    """Return a column of `table`, also one of a family; `ValueError` if there is none."""
    if name in table.columns:
        return table.columns[name]
    family = FAMILIES.get(table.name)
    if family is not None and family.fullmatch(name):
        return _number(name)
    if table.name == "unit_dispatch":
        load_unit_kinds()
        for columns in STATES.values():
            if name in columns:
                return _number(name, columns[name])
    raise ValueError(f"result table '{table.name}' has no column '{name}'")
