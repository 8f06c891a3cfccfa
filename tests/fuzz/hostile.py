"""Values that people, spreadsheets and accidents put where something else should be."""

import random
from pathlib import Path

LONG = "n" * 300

CELLS = (
    *("", " ", "text", "nan", "inf", "-inf", "0", "-1", "-1e9", "1e308", "1e400", "9" * 30),
    *("true", "0x10", "1,5", "1.000,5", "null", "=1+1", '"', "電" * 40, "x" * 5000),
    *("2019-13-45 00:00", "01/02/2019 00:00", "05.06.2019", "2019-03-04T00:00+25:00", "24:00"),
)
"""Text of a cell of a table."""

YAML = (
    *("042", "1:30", "yes", "2019-03-04", "1_000", "0o17", "0x1F", "1e400", ".nan", "-.inf"),
    *("true", "null", "''", "'7'", "[]", "{}", "[1, [2, [3]]]", "{a: {b: c}}", "-1", "0", "0.5"),
    *("9223372036854775808", "18446744073709551616", "1000000000000", "1e12", "-1e308"),
    *("*nowhere", "&a [*a]", "!!binary aGk=", "!!python/object:os.system {}", "[" * 500, "@", "%"),
    *("2199-01-01 00:00", "1s", "0h", "-1h", "999999999999h", LONG, "'電\\u0000'", "a: b: c"),
    *("powerplant_energy_learning", "pay_as_bid", "fictitious_play", "pipe", "loop", "."),
)
"""Text of a value in YAML."""

NUMBERS = ("", "x", "-1", "1.5", "nan", "1e3", str(2**63), str(2**64), "9" * 300, "0", "7")
"""Text of an option that is a number."""

JSON = (None, True, -1, 0, 2**70, 1e308, "", "text", LONG, [], {}, [1, "a"], {"a": {"b": []}})
"""A value in a manifest."""


def path(rng: random.Random, folder: Path) -> str:
    """Return the path of something that is no folder or file of ours, or a name that cannot be.

    :param rng: draws it
    :param folder: that has what `lay_traps` puts there
    """
    names = ("", "pipe", "loop", "file", "folder", "missing/below", "file/below", LONG, "電" * 90)
    return rng.choice([*(str(folder / name) for name in names), "", "\0", "/dev/null/x", "/dev/x"])


def lay_traps(folder: Path) -> None:
    """Put a pipe, a link to itself, a file and a folder with a file into a folder."""
    import os

    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "file").write_text("of somebody")
    (folder / "folder").mkdir()
    (folder / "folder" / "file").write_text("of somebody")
