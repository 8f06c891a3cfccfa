"""Parquet files, a group of rows at a time; needs the extra `parquet`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float

from assume_rl.errors import ConfigurationError, ResultsError, uninstalled

if TYPE_CHECKING:
    import pyarrow as pa

Group = Sequence[Sequence[Any]]


def check_parquet() -> None:
    """Raise `ConfigurationError` unless Parquet files can be written."""
    if find_spec("pyarrow") is None:
        raise ConfigurationError(uninstalled("--parquet", "pyarrow", "parquet"))


def parquet_columns(path: Path) -> list[str]:
    """Return the names of the columns of a Parquet file; none where it is something else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        try:
            return list(pq.read_schema(file).names)
        except (pa.ArrowException, OSError):
            return []


@contextmanager
def parquet_writer(
    path: Path, table: str, columns: Sequence[Column[Any]]
) -> Iterator[Callable[[Group], None]]:
    """Yield a function that writes a group of rows, as the driver gives them, to a file.

    Comments on columns become metadata of the file's fields. The function raises `ResultsError`
    where a value is none of its column's.

    :param path: of the file
    :param table: whose rows are written, for messages
    :param columns: of the table
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [pa.field(c.name, _type(c), metadata={"comment": c.comment or ""}) for c in columns]
    )
    with pq.ParquetWriter(path, schema) as writer:

        def write(group: Group) -> None:
            values = zip(*group, strict=True)
            arrays = [_array(v, field, table) for v, field in zip(values, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))

        yield write


def _type(column: Column[Any]) -> "pa.DataType":
    import pyarrow as pa

    kinds = (
        (DateTime, pa.timestamp("us")),
        (Boolean, pa.bool_()),
        (BigInteger, pa.int64()),
        (Float, pa.float64()),
    )
    return next((kind for sql, kind in kinds if isinstance(column.type, sql)), pa.string())


def _array(values: Sequence[Any], field: "pa.Field", table: str) -> "pa.Array":
    """Return the values of one column; SQLite has times as text, flags as 0 and 1."""
    import pyarrow as pa

    if pa.types.is_string(field.type):
        return pa.array([None if v is None else str(v) for v in values], field.type)
    try:
        return pa.array(values).cast(field.type)
    except pa.ArrowException as error:
        raise ResultsError(f"table '{table}', column '{field.name}': {error}") from None
