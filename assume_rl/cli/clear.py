"""`assume-rl clear`: an order book from a table."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assume_rl.cli import checked, completion
from assume_rl.cli.app import app
from assume_rl.cli.options import Formulas, Plugins
from assume_rl.errors import check_parts

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from assume_rl.experiments.order_book.clear import ClearedTable

SHOWN = 40  # orders with conditions
ROWS = 48  # of a table that is printed

OrdersFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="CSV file of orders.", callback=checked.text_file),
]
RuleName = Annotated[
    str,
    typer.Option(
        "--rule",
        metavar="NAME",
        help="Market mechanism that clears them.",
        autocompletion=completion.one_of(completion.RULES),
    ),
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Parameter of the rule, e.g. pricing_mechanism=pay_as_bid; repeatable.",
        callback=checked.assignments,
    ),
]
Lines = Annotated[
    Path | None,
    typer.Option(
        "--lines",
        metavar="FILE",
        help="CSV file of the lines between zones: name,bus0,bus1,s_nom.",
        callback=checked.text_file,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Folder for prices.csv, orders.csv and flows.csv, all digits."
    ),
]
OverwriteFiles = Annotated[
    bool,
    typer.Option("--overwrite", metavar="", help="Replace files too that assume-rl did not write."),
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
    if not plugins:  # which may have rules of their own
        check_parts("mechanism", [rule], completion.RULES)

    from rich.console import Console

    from assume_rl.cli.assignments import settings
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
    prices = found.prices
    names, figures = ("hour", "zone"), ("price", "supply_volume", "demand_volume")
    headings = ("price\n(EUR/MWh)", "supply\n(MW)", "demand\n(MW)")
    _print_table(console, prices, names, dict(zip(figures, headings, strict=True)))
    if len(found.flows):
        sizes = {"flow": "flow\n(MW)", "capacity": "capacity\n(MW)"}
        _print_table(console, found.flows, ("hour", "line"), sizes)
        console.print(f"congestion rent (EUR): {_euros(found.congestion_rent)}")
    console.print(f"welfare (EUR): {_euros(found.welfare)}")
    outcome = found.orders["reason"].str.partition(":")[0]
    counts = outcome.value_counts()
    console.print("orders: " + ", ".join(f"{n:,} {name}" for name, n in counts.items()))
    reasons = found.conditional
    for name, reason in islice(reasons.items(), SHOWN):
        console.print(f"  {name}: {reason}", markup=False, soft_wrap=True)
    if len(reasons) > SHOWN:
        console.print(f"  and {len(reasons) - SHOWN} more; --out writes the reason of every order")


def _euros(value: float) -> str:
    """Return an amount with two digits, of which none is -0.00."""
    return f"{round(value, 2) + 0.0:,.2f}"


def _print_table(
    console: "Console", frame: "pd.DataFrame", names: Sequence[str], figures: Mapping[str, str]
) -> None:
    """Print columns of text and of numbers, the first `ROWS` rows.

    :param names: columns of text
    :param figures: headings of columns of numbers
    """
    from rich.markup import escape
    from rich.table import Table

    from assume_rl.cli.tables import aligned, numbers, print_whole

    shown = frame.head(ROWS)
    table = Table(*names, *numbers(figures.values()))
    texts = [[escape(str(value)) for value in shown[name]] for name in names]
    columns = [aligned([round(float(value), 2) for value in shown[name]]) for name in figures]
    for row in zip(*texts, *columns, strict=True):
        table.add_row(*row)
    print_whole(console, table)
    if len(frame) > ROWS:
        console.print(f"and {len(frame) - ROWS:,} more rows; --out writes all")
