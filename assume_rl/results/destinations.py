"""The files that exports and reports may replace: those of earlier ones, and no others unasked."""

import csv
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from assume_rl.errors import ResultsError
from assume_rl.results.parquet import parquet_columns
from assume_rl.results.study_tables import study_metadata
from assume_rl.results.tables import metadata

HEAD = 65_536
"""Bytes at the beginning of a file that tell whether it is ours."""

Ours = Callable[[Path], bool]
"""Whether a file is ours, by what is in it."""


def check_replaceable(path: Path, ours: Ours, *, overwrite: bool) -> None:
    """Raise `ResultsError` unless a file may be written to `path`; change nothing.

    :param path: of the file
    :param ours: whether a file that is there is one of ours
    :param overwrite: whether one that is not may be replaced too
    """
    if not path.exists() and not path.is_symlink():
        return
    if path.is_dir():
        raise ResultsError(f"'{path}' is a folder: name a file")
    if not path.is_file():
        raise ResultsError(f"'{path}' is not an ordinary file, and is not replaced by one")
    try:
        known = overwrite or ours(path)
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be read: {error.strerror}") from None
    if not known:
        raise ResultsError(
            f"'{path}' is there and is none of ours; choose another name, or add --overwrite to "
            "replace it"
        )


def check_table_files(folder: Path, kind: str, tables: Collection[str], *, overwrite: bool) -> None:
    """Raise `ResultsError` unless tables may be exported to `folder`; change nothing.

    :param folder: for a file per table
    :param kind: `csv` or `parquet`
    :param tables: names of tables
    :param overwrite: whether files may be replaced that are none of ours
    """
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"'{folder}' is a file, not a folder for exports")
    for name in tables:
        check_replaceable(folder / f"{name}.{kind}", _of_table(kind, name), overwrite=overwrite)


def remove_stale(folder: Path, kind: str, written: Iterable[Path]) -> None:
    """Remove files of an earlier export to `folder` that the present one did not write.

    :raises ResultsError: a file cannot be removed
    """
    for name in all_tables() - {path.stem for path in written}:
        path = folder / f"{name}.{kind}"
        try:
            if path.is_file() and _of_table(kind, name)(path):
                path.unlink()
        except OSError as error:
            raise ResultsError(f"'{path}' cannot be removed: {error.strerror}") from None


def all_tables() -> set[str]:
    """Return the names of the tables that runs and studies have."""
    return {*metadata().tables, *study_metadata().tables}


def has_header(*columns: str) -> Ours:
    """Return a function that recognises a CSV file by the columns of its header."""
    return lambda path: set(columns) <= set(_header(path))


def head_of(path: Path) -> bytes:
    """Return the beginning of a file.

    :raises OSError: it cannot be read
    """
    with path.open("rb") as file:
        return file.read(HEAD)


def _of_table(kind: str, table: str) -> Ours:
    """Return a function that recognises the exported file of a table of a run or study.

    It has all columns of the table. Others may be beside them: of the run, or of the user's.
    """
    columns_of = parquet_columns if kind == "parquet" else _header
    fixed = [
        set(own.tables[table].columns.keys())
        for own in (metadata(), study_metadata())
        if table in own.tables
    ]

    def ours(path: Path) -> bool:
        found = set(columns_of(path))
        return any(columns <= found for columns in fixed)

    return ours


def _header(path: Path) -> list[str]:
    """Return the names in the first line of a CSV file; none where it is something else."""
    head = head_of(path)
    try:
        first = head.decode(errors="strict" if len(head) < HEAD else "ignore").splitlines()[:1]
        return next(csv.reader(first), [])
    except (UnicodeDecodeError, csv.Error):
        return []
