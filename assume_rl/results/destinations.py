"""What exports and reports may replace: what an earlier one wrote, and nothing else unasked."""

import csv
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from sqlalchemy import MetaData

from assume_rl.errors import ResultsError
from assume_rl.results.study_tables import STUDY, study_column
from assume_rl.results.tables import METADATA, column_of, table_of

HEAD = 65_536
"""Bytes at the beginning of a file that tell whether it is ours."""

Ours = Callable[[bytes], bool]
"""Whether a file is ours, by its first bytes."""


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
        with path.open("rb") as file:
            known = overwrite or ours(file.read(HEAD))
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
    """Remove what an earlier export wrote to `folder` and the one that wrote `written` did not.

    :raises ResultsError: a file cannot be removed
    """
    for name in all_tables() - {path.stem for path in written}:
        path = folder / f"{name}.{kind}"
        if path.is_file() and _is_of_table(path, kind, name):
            try:
                path.unlink()
            except OSError as error:
                raise ResultsError(f"'{path}' cannot be removed: {error.strerror}") from None


def all_tables() -> set[str]:
    """Return the names of the tables that runs and studies have."""
    return {*METADATA.tables, *STUDY.tables}


def has_header(*columns: str) -> Ours:
    """Return what recognises a CSV file by the columns that its header has."""
    return lambda head: set(columns) <= set(_header(head))


def _is_of_table(path: Path, kind: str, table: str) -> bool:
    with path.open("rb") as file:
        return _of_table(kind, table)(file.read(HEAD))


def _of_table(kind: str, table: str) -> Ours:
    """Return what recognises the file that a table was exported to."""
    if kind == "parquet":  # whose columns are named at the end
        return lambda head: head[:4] == b"PAR1"
    return lambda head: _is_header_of(table, _header(head))


def _is_header_of(table: str, names: Collection[str]) -> bool:
    """Return whether columns are those of a table of a run or of a study."""
    known: tuple[tuple[str, MetaData, Callable[[str], object]], ...] = (
        ("simulation", METADATA, lambda name: column_of(table_of(table), name)),
        ("run_id", STUDY, lambda name: study_column(table, name)),
    )
    for key, tables, describe in known:
        if table in tables.tables and key in names:
            try:
                for name in names:
                    describe(name)
            except ValueError:
                continue
            return True
    return False


def _header(head: bytes) -> list[str]:
    """Return the names in the first line of a CSV file; none where it is something else."""
    try:
        first = head.decode(errors="strict" if len(head) < HEAD else "ignore").splitlines()[:1]
        return next(csv.reader(first), [])
    except (UnicodeDecodeError, csv.Error):
        return []
