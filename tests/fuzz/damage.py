"""Damage files: a table, a YAML or JSON value, a database, or the file as it is."""

import contextlib
import json
import random
import shutil
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any

import hostile
import yaml

HOLE = "HOLE"


def another_file(rng: random.Random, path: Path, pipe: Path) -> str:
    """Put something else where a file is; return what.

    :param pipe: one that nobody writes to
    """
    text = path.read_bytes()
    kind = rng.choice(["gone", "folder", "loop", "pipe", "cut", "bytes", "semicolons", "utf-16"])
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case "pipe":
            path.symlink_to(pipe)
        case "cut":
            path.write_bytes(text[: rng.randrange(len(text) + 1)])
        case "bytes":
            path.write_bytes(rng.randbytes(300))
        case "semicolons":
            path.write_bytes(text.replace(b",", b";"))
        case "utf-16":
            path.write_bytes(text.decode(errors="replace").encode("utf-16"))
    return kind


# --- tables --------------------------------------------------------------------------------------


def table(rng: random.Random, path: Path) -> str:
    """Change a CSV file; return how."""
    rows = [line.split(",") for line in path.read_text(errors="replace").splitlines()]
    row, column = rng.randrange(len(rows)), rng.randrange(len(rows[0]))
    kind = rng.choice(["cell"] * 9 + ["row", "column", "twice", "twin", "short", "order", "none"])
    match kind:
        case "cell":
            column = min(column, len(rows[row]) - 1)
            rows[row][column] = _cell(rng, rows[row][column])
            what = f"row {row}, column {column} is {rows[row][column]!r}"
        case "row":
            what = f"without row {row}: {rows.pop(row)}"
        case "twice":
            rows.insert(row, rows[row])
            what = f"row {row} twice"
        case "column":
            rows = [own[:column] + own[column + 1 :] for own in rows]
            what = f"without column {column}"
        case "twin":
            rows = [[*own, *own[column : column + 1]] for own in rows]
            what = f"column {column} twice"
        case "short":
            rows[row] = rows[row][:column]
            what = f"row {row} ends before column {column}"
        case "order":
            rng.shuffle(rows)
            what = "rows in any order"
        case _:
            rows = rows[:1]
            what = "no rows"
    path.write_text("\n".join(map(",".join, rows)) + "\n")
    return what


def _cell(rng: random.Random, old: str) -> str:
    """Return other text for a cell: anything, or as often a number that may stand there."""
    try:
        number = float(old)
    except ValueError:
        return rng.choice(hostile.CELLS)
    return rng.choice([*hostile.CELLS, *(f"{number * f:g}" for f in (0, 0.1, 0.9, 1.5, 1e6) * 5)])


# --- YAML and JSON -------------------------------------------------------------------------------


def yaml_file(rng: random.Random, path: Path, spared: Collection[str] = ()) -> str:
    """Change a value of a YAML file, or its key; return how, empty if there is no value.

    :param spared: keys that are left as they are
    """
    text = path.read_text(errors="replace") if path.is_file() else ""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = None
    places = [own for own in _places(content) if not set(spared) & {*map(str, own)}]
    if not places:
        return ""
    place = rng.choice(places)
    value = _value(rng, content, place)
    *above, last = place
    parent = content
    for part in above:
        parent = parent[part]
    kind = rng.choice(["value"] * 6 + ["gone", "unknown", "list", "section"])
    match kind:
        case "gone":
            del parent[last]
        case "unknown" if isinstance(parent, dict):
            parent[f"{last}s"] = parent[last]
        case "list":
            parent[last] = [parent[last]]
        case "section":
            parent[last] = {"a": parent[last]}
        case _:
            kind, parent[last] = "value", HOLE
    path.write_text(yaml.safe_dump(content, sort_keys=False).replace(HOLE, value, 1))
    shown = f"{value!r}" if kind == "value" else kind
    return f"{'.'.join(map(str, place))}: {shown}"


def _value(rng: random.Random, content: Any, place: tuple[Any, ...]) -> str:
    """Return YAML for another value at a place: anything, or as often a number like it."""
    old = content
    for part in place:
        old = old[part]
    if isinstance(old, bool) or not isinstance(old, int | float) or rng.random() < 0.5:
        return rng.choice(hostile.YAML)
    return f"{old * rng.choice([0, 0.5, 2, 3, 10])}"


def _places(node: Any) -> list[tuple[Any, ...]]:
    """Return the places of all values in nested mappings and lists."""
    if isinstance(node, dict):
        pairs = [*node.items()]
    else:
        pairs = [*enumerate(node)] if isinstance(node, list) else []
    return [(key, *below) for key, own in pairs for below in ((), *_places(own))]


def json_file(rng: random.Random, path: Path) -> str:
    """Change a value of a JSON file; return how."""
    content = json.loads(path.read_text())
    *above, last = rng.choice(_places(content))
    parent = content
    for part in above:
        parent = parent[part]
    parent[last] = rng.choice(hostile.JSON)
    path.write_text(json.dumps(content))
    return f"{'.'.join(map(str, [*above, last]))}: {parent[last]!r}"


# --- databases -----------------------------------------------------------------------------------


def database(rng: random.Random, path: Path) -> str:
    """Change a table of an SQLite file, or drop it; return how."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        query = "select name from sqlite_master where type = 'table' order by name"
        own = rng.choice([name for (name,) in connection.execute(query)])
        columns = [row[1] for row in connection.execute(f'pragma table_info("{own}")')]
        column = rng.choice(columns)
        kind = rng.choice(["value"] * 5 + ["gone", "rows", "column", "more", "some"])
        match kind:
            case "gone":
                connection.execute(f'drop table "{own}"')
            case "rows":
                connection.execute(f'delete from "{own}"')
            case "some":
                connection.execute(f'delete from "{own}" where rowid % 3 = 1')
            case "column":
                connection.execute(f'alter table "{own}" rename column "{column}" to other')
            case "more":
                connection.execute(f'alter table "{own}" add column other')
            case _:
                kind = rng.choice([*hostile.CELLS, None])
                where = rng.choice(["", " where rowid = 1"])
                # One that has to be unique cannot be the same everywhere.
                change = f'update or ignore "{own}" set "{column}" = ?{where}'
                with contextlib.suppress(sqlite3.IntegrityError):
                    connection.execute(change, [kind])
    return f"table {own}, column {column}: {kind!r}"


def result(rng: random.Random, folder: Path, pipe: Path) -> str:
    """Change a file of a finished run or study; return how.

    :param pipe: one that nobody writes to
    """
    files = sorted(own for own in folder.rglob("*") if own.is_file())
    if not files:
        return "nothing: there is no file"
    path = rng.choice([*files, *(own for own in files if own.suffix == ".db")])
    try:
        changes = {".db": database, ".json": json_file}
        what = "" if rng.random() < 0.3 else changes[path.suffix](rng, path)
    except (KeyError, IndexError, ValueError, sqlite3.DatabaseError):
        what = ""  # of another kind, or damaged before
    if not what and rng.random() < 0.1:
        shutil.rmtree(path.parent)
        return f"{path.parent.relative_to(folder)}: gone"
    return f"{path.relative_to(folder)}: {what or another_file(rng, path, pipe)}"
