"""How the tables of a folder are written: `tables.yaml`, beside `config.yaml`.

::

    separator: ";"                  of all files
    decimal: ","
    demand_df.csv:                  of one file, over those of all
      dates: "%d.%m.%Y %H:%M"
      timezone: Europe/Berlin

Without the file, tables have commas between cells, decimal points and ISO dates in UTC.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, ValidationError, model_validator

from assume_rl.errors import ScenarioError, nearest
from assume_rl.scenario.config.section import Section
from assume_rl.scenario.config.times import PositiveSeconds, unknown_zone
from assume_rl.scenario.config.yaml_file import read_yaml
from assume_rl.scenario.problems import Problems, explain
from assume_rl.scenario.text_file import UTF_8

TABLES_FILE = "tables.yaml"
"""File of a scenario folder that says how its tables are written."""


def _separator(sign: str) -> str:
    if len(sign) != 1 or sign.isalnum() or sign in '"\n\r':
        raise ValueError(f"must be a single sign such as ';', not {sign!r}")
    return sign


def _thousands(sign: str) -> str:
    if len(sign) != 1 or sign.isalnum() or sign in '+-"\n\r':
        raise ValueError(f"must be a single sign such as '.', not {sign!r}")
    return sign


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError(f"unknown encoding {name!r}, write one such as cp1252 or utf-8") from None
    return name


def _dates(pattern: str) -> str:
    if not all(part in pattern for part in ("%d", "%m")) or not re.search("%[yY]", pattern):
        raise ValueError(
            f"{pattern!r} does not say where day (%d), month (%m) and year (%Y) stand, as "
            "'%d.%m.%Y %H:%M' does"
        )
    try:
        moment = datetime(2019, 1, 31, tzinfo=timezone(timedelta(hours=1)))
        datetime.strptime(moment.strftime(pattern), pattern)
    except ValueError as error:
        raise ValueError(f"{pattern!r} is no pattern of dates: {error}") from None
    return pattern


def _timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(unknown_zone(name))
    return name


class TableFormat(Section):
    """How one table is written."""

    separator: Annotated[str, AfterValidator(_separator)] = ","
    """Between two cells of a row."""
    decimal: Literal[".", ","] = "."
    """Before the decimals of a number."""
    thousands: Annotated[str, AfterValidator(_thousands)] | None = None
    """Between each three digits of a large number, where there is something."""
    encoding: Annotated[str, AfterValidator(_encoding)] = UTF_8
    """Of the text; `cp1252` is that of most German and French spreadsheets."""
    dates: Annotated[str, AfterValidator(_dates)] | None = None
    """How dates are written, as in Python's `strptime`; by default ISO 8601."""
    timezone: Annotated[str, AfterValidator(_timezone)] | None = None
    """Of dates without a UTC offset, such as Europe/Berlin; by default UTC."""
    hold: PositiveSeconds | None = None
    """How long a row of a series may hold until the next one, such as `5d` for trading days."""
    columns: dict[str, str | None] = Field({})
    """Name of a column by its header in the file; null leaves the column out."""

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both '{self.decimal}'")
        return self

    def number(self, text: str) -> float:
        """Return a cell as a number, NaN if it is not written as one."""
        if _NUMBERS[self.decimal, self.thousands].fullmatch(text) is None:
            return float("nan")
        plain = text.replace(self.thousands, "") if self.thousands else text
        return float(plain.replace(self.decimal, "."))


class _Patterns(dict[tuple[str, str | None], re.Pattern[str]]):
    """Numbers by their signs."""

    def __missing__(self, signs: tuple[str, str | None]) -> re.Pattern[str]:
        decimal, thousands = re.escape(signs[0]), re.escape(signs[1] or "")
        whole = rf"\d{{1,3}}(?:{thousands}\d{{3}})+|\d+" if thousands else r"\d+"
        mantissa = rf"(?:(?:{whole})(?:{decimal}\d*)?|{decimal}\d+)"
        self[signs] = re.compile(rf"[+-]?{mantissa}(?:[eE][+-]?\d+)?", re.ASCII)
        return self[signs]


_NUMBERS = _Patterns()

PLAIN = TableFormat()
"""The format of tables that `tables.yaml` does not speak of."""


@dataclass(frozen=True)
class Formats:
    """The formats of the tables of a folder."""

    common: TableFormat = PLAIN
    own: Mapping[str, TableFormat] = field(default_factory=dict)  # by name of the file

    def of(self, file: str) -> TableFormat:
        """Return the format of a file."""
        return self.own.get(file, self.common)


def read_formats(folder: Path, files: Collection[str], problems: Problems) -> Formats:
    """Return the formats in `tables.yaml`; plain formats if there is no such file.

    :param folder: of the scenario
    :param files: names of tables that the study case reads
    :param problems: keys and values that are refused are noted here
    """
    path = folder / TABLES_FILE
    if not path.exists():
        return Formats()
    try:
        content = read_yaml(path)
    except ScenarioError as error:
        problems.errors += error.problems
        return Formats()
    if not isinstance(content, dict):
        problems.error(TABLES_FILE, "must map keys such as separator or decimal to values")
        return Formats()
    common = {k: v for k, v in content.items() if not _is_file(k, v)}
    own = {k: v for k, v in content.items() if _is_file(k, v)}
    if "columns" in common:
        problems.error(f"{TABLES_FILE}.columns", "belongs under the name of a file")
        return Formats()
    for file in (file for file in own if file not in files and not (folder / file).is_file()):
        problems.error(f"{TABLES_FILE}, {file}", f"there is no such file; {nearest(file, files)}")
    return Formats(
        _format(TABLES_FILE, common, problems),
        {k: _format(f"{TABLES_FILE}, {k}", {**common, **v}, problems) for k, v in own.items()},
    )


def _is_file(key: str, value: Any) -> bool:
    return isinstance(value, dict) and key not in TableFormat.model_fields


def _format(where: str, content: Mapping[str, Any], problems: Problems) -> TableFormat:
    try:
        return TableFormat.model_validate(dict(content))
    except ValidationError as error:
        for _, location, sentence in explain(error, TableFormat):
            problems.error(".".join((where, *map(str, location))), sentence)
        return PLAIN


def in_tables_file(setting: str) -> str:
    """Return the part of a sentence that names the key and its file.

    >>> in_tables_file('decimal: ","')
    'say so in tables.yaml beside config.yaml: decimal: ","'
    """
    return f"say so in {TABLES_FILE} beside config.yaml: {setting}"
