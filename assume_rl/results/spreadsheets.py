"""Text in CSV files that spreadsheet programs would take for a formula, and run."""

from typing import Any

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Beginnings of a cell that spreadsheet programs may take for a formula."""


def plain(value: Any) -> Any:
    """Return a cell with an apostrophe in front if it is text that may be taken for a formula.

    Numbers, and text that is one, stay as they are.

    >>> plain("=HYPERLINK(A1)"), plain("-1.5"), plain(-1.5), plain("coal 1")
    ("'=HYPERLINK(A1)", '-1.5', -1.5, 'coal 1')
    """
    if not isinstance(value, str) or not value.startswith(FORMULA) or _is_number(value):
        return value
    return f"'{value}"


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a data frame with all text as `plain` returns it, names of columns too."""
    found = frame.rename(columns=plain)
    texts = [name for name in found if is_text(found[name])]
    return found.assign(**{str(name): found[name].map(plain) for name in texts})


def is_text(column: "pd.Series[Any]") -> bool:
    """Return whether a column may hold text, under any version of pandas."""
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
