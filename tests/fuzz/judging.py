"""Run a command line in this process, and say what is wrong with how it ended."""

import contextlib
import csv
import io
import math
import signal
import sqlite3
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from inputs import Input

from assume_rl import cli

BUSY, WAITING = 20, 120
"""Seconds of processor time, and of the clock, after which a command counts as hanging."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int | None  # None: with `fault`
    errors: str
    fault: str = ""


class Hanging(BaseException):
    """A command takes too long; nothing catches it."""


def _hanging(_number: int, _frame: FrameType | None) -> None:
    raise Hanging


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise `Hanging` where a body takes too long."""
    timers = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, _hanging) for number in timers}
    left = signal.setitimer(signal.ITIMER_REAL, WAITING)  # pytest's own, which waits
    signal.setitimer(signal.ITIMER_PROF, BUSY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, *left)


def ended(command: str, arguments: list[str]) -> Ended:
    """Run `assume-rl COMMAND ARGUMENTS`."""
    out, errors, given = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["assume-rl", command, *arguments]
    code: int | None = 0
    fault = ""
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors), _limited():
            cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    except Hanging:
        code, fault = None, f"hangs:\n{_last_lines()}"
    except Exception:
        code, fault = None, _last_lines()
    finally:
        sys.argv = given
    return Ended(code, errors.getvalue(), fault)


def _last_lines() -> str:
    return "".join(traceback.format_exc().splitlines(keepends=True)[-14:])


def fault(given: Input, how: Ended) -> str:
    """Return what is wrong with how a command ended; empty: nothing.

    Right is a message with exit code 2 that is no traceback, or a run whose books balance.
    """
    if how.fault:
        return how.fault
    if how.code == 2:
        if "Traceback" in how.errors:
            return f"prints a traceback: {how.errors}"
        return "" if how.errors.strip() else "says nothing"
    if how.code != 0:
        return f"exit code {how.code}: {how.errors}"
    if given.command == "clear":
        return unequal(given.out / "orders.csv")
    return unbalanced(given.out / "results.db") if given.command in ("run", "evaluate") else ""


def unequal(orders: Path) -> str:
    """Return the hour of a cleared order book in which more is sold than bought, or less."""
    if not orders.is_file():
        return ""  # the results are elsewhere
    sold: Counter[str] = Counter()
    traded: Counter[str] = Counter()
    with orders.open(newline="") as file:
        for row in csv.DictReader(file):
            volume = float(row["accepted_volume"])
            sold[row["hour"]] += volume if row["side"] == "sell" else -volume
            traded[row["hour"]] += volume
    wrong = [hour for hour in sold if not _is_small(sold[hour], 1e-9 * (traded[hour] + 1.0))]
    return f"hours {wrong} do not balance: {sold} of {traded}" if wrong else ""


def unbalanced(database: Path) -> str:
    """Return where energy or money of a run does not balance; empty: they do."""
    if not database.is_file():
        return ""  # the results are elsewhere
    with contextlib.closing(sqlite3.connect(database)) as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
        for table, query, least in QUERIES:
            if table not in tables:
                continue
            for scale, value in connection.execute(query):
                if not _is_small(value, least * ((scale or 0.0) + 1.0)):
                    return f"does not balance: {query}: {value!r} of {scale!r}"
    return ""


def _is_small(value: float | None, most: float) -> bool:
    return value is None or (math.isfinite(value) and abs(value) <= most)


VOLUME = "accepted_volume * (julianday(end_time) - julianday(start_time)) * 24"
QUERIES = (
    (
        "market_orders",
        f"select sum(abs({VOLUME})), sum({VOLUME}) from market_orders group by market_id, "
        "start_time, end_time",
        1e-9,
    ),
    (
        "unit_dispatch",
        "select sum(abs(revenue)), sum(revenue) + (select coalesce(sum(value), 0) from kpis where "
        "variable = 'pay_as_bid_surplus') from unit_dispatch",
        1e-6,
    ),
    ("unit_dispatch", "select 0.0, max(0, max(abs(soc - 0.5)) - 0.5) from unit_dispatch", 1e-9),
)
"""Table, query of a scale and what should be 0, and how far from it in scales."""
