"""Reads row groups of Parquet files as records. Only their bytes are fetched."""

import os
import tempfile
from collections.abc import Iterator

import duckdb
import pyarrow

from sluice.description import File, Group
from sluice.lines import PORTION_LINES
from sluice.store import BLOCK, Store


def row_groups(
    db: duckdb.DuckDBPyConnection, reader: str, store: Store, file: File, start: int, stop: int
) -> Iterator[pyarrow.Table]:
    """The records of the row groups between two positions. One that cannot be read is a refused record."""
    opened, path = tempfile.mkstemp(suffix=".parquet")
    os.close(opened)
    # Each part has a file of its own: DuckDB keeps what it knows of a path.
    try:
        fetch(store, file, start, stop, path)
        for group in file.get("groups") or []:
            if start <= group["start"] and group["end"] <= stop:
                yield from records_of(db, reader, path, file["file"], group)
    finally:
        os.unlink(path)


def fetch(store: Store, file: File, start: int, stop: int, path: str) -> None:
    """Writes a file that has these bytes and the footer at their places, and nothing elsewhere."""
    size = file["size"]
    footer = int.from_bytes(store.read(file, size - 8, size - 4), "little") + 8
    with open(path, "wb") as local:
        local.truncate(size)
        for first, last in ((0, 4), (start, stop), (size - footer, size)):
            local.seek(first)
            for position in range(first, last, BLOCK):
                local.write(store.read(file, position, min(position + BLOCK, last)))


def records_of(
    db: duckdb.DuckDBPyConnection, reader: str, path: str, number: int, group: Group
) -> Iterator[pyarrow.Table]:
    first, rows = group["row"], group["rows"]
    values = {"path": path, "file": number, "from": first, "to": first + rows}
    try:
        for name, value in values.items():
            db.execute(f"SET VARIABLE parquet_{name} = ?", [value])
        found = db.execute(reader).fetchone()
        if found is None or found[0] is None:
            raise duckdb.InvalidInputException("there is no column")
        db.execute(f"CREATE OR REPLACE TEMP TABLE row_group AS {found[0]}")
        counted = db.execute("SELECT count(*) FROM row_group").fetchone()
        if counted is None or counted[0] != rows:
            raise duckdb.InvalidInputException("rows are missing")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        yield refused(number, first + 1)
        return
    for position in range(0, rows, PORTION_LINES):
        yield db.execute(
            f"FROM row_group WHERE line > {first + position} AND line <= {first + position + PORTION_LINES}"
        ).to_arrow_table()
    db.execute("DROP TABLE row_group")


def refused(number: int, line: int) -> pyarrow.Table:
    return pyarrow.table(
        {
            "file": pyarrow.array([number], pyarrow.int32()),
            "line": pyarrow.array([line], pyarrow.int64()),
            "raw": pyarrow.array([b""], pyarrow.binary()),
            "fault": pyarrow.array(["invalid_document"], pyarrow.string()),
        }
    )
