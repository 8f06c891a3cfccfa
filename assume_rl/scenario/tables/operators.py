"""The table of unit operators: which portfolio strategy each follows in which market.

Columns: docs/scenario-format.md, "unit_operators".
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from assume_rl.errors import nearest
from assume_rl.scenario.problems import Problems, cell
from assume_rl.scenario.tables.csv_file import EMPTY, read_text_table
from assume_rl.scenario.tables.formats import PLAIN, TableFormat
from assume_rl.scenario.tables.read import BIDDING, FORECAST

Operators = Mapping[str, Mapping[str, str]]
"""Names of portfolio strategies by operator and market."""

FILE = "unit_operators"


def read_operators(
    path: Path | None,
    markets: Collection[str],
    problems: Problems,
    form: TableFormat = PLAIN,
) -> Operators:
    """Return the portfolio strategies of operators; none where there is no table.

    An empty cell, which ASSUME refuses, is no strategy: the units bid for themselves.

    :param path: of the table's file; None: there is none
    :param markets: names of the markets
    :param problems: columns that nothing reads are noted here
    :param form: how the file is written
    """
    if path is None:
        return {}
    table = read_text_table(
        path, problems, "operator", lambda header: not header.startswith((BIDDING, FORECAST)), form
    )
    if table is None:
        return {}
    valid = [f"{BIDDING}{market}" for market in markets]
    for name in (name for name in table.columns if name not in valid):
        where = cell(path.name, column=name)
        if name.startswith(FORECAST):
            problems.warn(where, "no strategy of operators reads forecasts")
        else:
            problems.stray(where, f"unknown column, nothing reads it; {nearest(name, valid)}")
    known = [name for name in table.columns if name in valid]
    return {
        str(operator): {
            name.removeprefix(BIDDING): row[name] for name in known if row[name] != EMPTY
        }
        for operator, row in table.iterrows()
    }
