"""`assume-rl clear`: an order book from a table."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assume_rl.cli.app import app
from assume_rl.cli.options import Formulas, Plugins

if TYPE_CHECKING:
    from rich.console import Console

    from assume_rl.experiments.order_book.clear import ClearedTable

SHOWN = 40  # orders with conditions

OrdersFile = Annotated[Path, typer.Argument(metavar="ORDERS", help="CSV file of orders.")]
RuleName = Annotated[str, typer.Option("--rule", help="Market mechanism that clears them.")]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Parameter of the rule, e.g. pricing_mechanism=pay_as_bid; repeatable."
    ),
]
Lines = Annotated[
    Path | None,
    typer.Option("--lines", help="CSV file of the lines between zones: name,bus0,bus1,s_nom."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for prices.csv, orders.csv and flows.csv, all digits."),
]
OverwriteFiles = Annotated[
    bool, typer.Option("--overwrite", help="Replace files too that assume-rl did not write.")
]


@app.command()
def clear(
    orders: OrdersFile,
    rule: RuleName = "complex_clearing",
    params: Param = None,
    lines: Lines = None,
    out: Out = None,
    plugins: Plugins = None,
    formulas: Formulas = False,
    overwrite: OverwriteFiles = False,
) -> None:
    """Clear an order book from a table: prices, volumes, what was rejected and why."""
    from rich.console import Console

    from assume_rl.cli.console import settings
    from assume_rl.experiments.order_book.clear import clear_table
    from assume_rl.experiments.order_book.table import read_orders
    from assume_rl.scenario.plugins import load_plugins

    load_plugins(plugins or ())
    found = clear_table(read_orders(orders, lines), rule, settings(params or []))
    if out is not None:
        _write(found, out, overwrite=overwrite, formulas=formulas)
    _print(Console(highlight=False), found)


def _write(found: "ClearedTable", folder: Path, *, overwrite: bool, formulas: bool) -> None:
    from assume_rl.results.destinations import has_header
    from assume_rl.results.export import export_frame

    tables = {"prices": found.prices, "orders": found.orders}
    if len(found.flows):
        tables["flows"] = found.flows
    for name, table in tables.items():
        ours = has_header(*table.columns)
        file = folder / f"{name}.csv"
        export_frame(table, file, ours, overwrite=overwrite, formulas=formulas)


def _print(console: "Console", found: "ClearedTable") -> None:
    _print_table(console, found.prices)
    if len(found.flows):
        _print_table(console, found.flows)
        console.print(f"congestion rent: {found.congestion_rent:,.2f} EUR")
    console.print(f"welfare: {found.welfare:,.2f} EUR")
    outcome = found.orders["reason"].str.partition(":")[0]
    counts = outcome.value_counts()
    console.print("orders: " + ", ".join(f"{n:,} {name}" for name, n in counts.items()))
    told = found.conditional
    for name, reason in islice(told.items(), SHOWN):
        console.print(f"  {name}: {reason}", markup=False, soft_wrap=True)
    if len(told) > SHOWN:
        console.print(f"  and {len(told) - SHOWN} more; --out writes the reason of every order")


def _print_table(console: "Console", frame: "object") -> None:
    """Print a data frame, numbers to two digits."""
    import pandas as pd
    from rich.table import Table

    assert isinstance(frame, pd.DataFrame)
    table = Table()
    for column in frame:
        numeric = pd.api.types.is_float_dtype(frame[column])
        table.add_column(str(column), justify="right" if numeric else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{v:,.2f}" if isinstance(v, float) else str(v) for v in row))
    console.print(table)
