"""The published keys of an Iceberg table. Columns are found by their ids: they may have been renamed or widened."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NotRequired, TypedDict

import pyarrow
import pyarrow.parquet
from pyarrow import compute

from sluice.description import Stored
from sluice.store import Store

# DuckDB's name for the position of a row in its file. A column with this name hides it from whoever reads the object
# with its delete file (src/lib/engine/deletes.ts).
POSITION = "file_row_number"


class Setup(TypedDict):
    """The description that every task gets."""

    # Of the result: the columns, then the keys of the partition, the address of the object, whether its rows stay, and
    # the position of the row in its object.
    arrow_schema: bytes
    columns: list[str]
    # Column -> its id, and the names that it has in objects without ids: `fieldIds` of the plan.
    ids: dict[str, Any]
    # For tombstones, which have no ids and may be older than the contract: column -> the names that it had before.
    earlier: NotRequired[dict[str, list[str]]]
    region: str | None


class Stream(io.RawIOBase):
    """An object of the store as a file: reads the ranges that it is asked for."""

    def __init__(self, store: Store, stored: Stored) -> None:
        self.store = store
        self.stored = stored
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.stored["size"]}[whence]
        self.position = start + offset
        return self.position

    def read(self, size: int = -1) -> bytes:
        left = max(0, self.stored["size"] - self.position)
        wanted = left if size < 0 else min(size, left)
        if wanted == 0:
            return b""
        found = self.store.read(self.stored, self.position, self.position + wanted)
        self.position += len(found)
        return found


def read_keys(units: Iterable[pyarrow.RecordBatch], setup: Setup) -> Iterator[pyarrow.RecordBatch]:
    """Objects (uri, size, values of their partitions as JSON, is_fixed) -> their rows, once for each partition.

    Rows that have left an object are not among them: `deletes` has their positions, as the JSON of a stored object.
    """
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(setup["arrow_schema"]))
    store = Store(setup["region"])
    for batch in units:
        objects = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        for uri, size, places, is_fixed, deletes in objects:
            hidden = positions_in(store, json.loads(deletes))
            start = 0
            stream = Stream(store, {"uri": uri, "size": size, "version": None})
            with pyarrow.parquet.ParquetFile(pyarrow.PythonFile(stream, mode="r")) as file:
                if "earlier" in setup:
                    names = names_among(file.schema_arrow, schema, setup["columns"], setup["earlier"])
                else:
                    names = names_in(file.schema_arrow, setup["columns"], setup["ids"])
                is_numbered = all(name.lower() != POSITION for name in file.schema_arrow.names)
                for rows in file.iter_batches(columns=[name for name in names if name is not None]):
                    places_of_rows = pyarrow.array(range(start, start + rows.num_rows), pyarrow.int64())
                    start += rows.num_rows
                    if hidden is not None:
                        is_there = compute.invert(compute.is_in(places_of_rows, value_set=hidden))
                        rows, places_of_rows = rows.filter(is_there), places_of_rows.filter(is_there)
                    known = places_of_rows if is_numbered else pyarrow.nulls(rows.num_rows, pyarrow.int64())
                    for values in json.loads(places):
                        yield with_constants(rows, names, [*values, uri, is_fixed], known, schema)


def positions_in(store: Store, deletes: Stored | None) -> pyarrow.ChunkedArray | None:
    if deletes is None:
        return None
    stream = Stream(store, {**deletes, "version": None})
    with pyarrow.parquet.ParquetFile(pyarrow.PythonFile(stream, mode="r")) as file:
        return file.read(columns=["pos"]).column(0)


def names_in(fields: pyarrow.Schema, columns: Sequence[str], ids: dict[str, Any]) -> list[str | None]:
    """How an object calls the columns; None for one that it does not have."""
    numbers = [(field.metadata or {}).get(b"PARQUET:field_id") for field in fields]
    by_id = {number: field.name for number, field in zip(numbers, fields, strict=True) if number is not None}
    there = set(fields.names)

    def name_of(column: str) -> str | None:
        known = ids.get(column)
        if by_id and known:
            found: str | None = by_id.get(str(known["id"]).encode())
            return found
        return next((name for name in (known or {}).get("names", [column]) if name in there), None)

    return [name_of(column) for column in columns]


def names_among(
    fields: pyarrow.Schema, schema: pyarrow.Schema, columns: Sequence[str], earlier: dict[str, list[str]]
) -> list[str | None]:
    """How a tombstone calls the columns, as src/lib/engine/tombstones.ts says; None for values of another type, too."""
    there = set(fields.names)
    found = {column: column for column in columns if column in there}
    taken: set[str] = set()
    is_changed = True
    while is_changed:
        is_changed = False
        for column in columns:
            before = (name for name in earlier.get(column, []) if name in there and name not in taken)
            name = None if column in found else next(before, None)
            if name is None:
                continue
            if found.get(name) == name:
                del found[name]
            found[column] = name
            taken.add(name)
            is_changed = True

    def name_of(column: str) -> str | None:
        name = found.get(column)
        is_held = name is not None and holds(schema.field(column).type, fields.field(name).type)
        return name if is_held else None

    return [name_of(column) for column in columns]


def holds(wide: pyarrow.DataType, narrow: pyarrow.DataType) -> bool:
    """Whether a column of one type can hold every value of another type. A time cannot become a number."""
    types = pyarrow.types
    if types.is_decimal(wide) and types.is_decimal(narrow):
        return bool(wide.scale == narrow.scale and wide.precision >= narrow.precision)
    if types.is_timestamp(wide) and types.is_timestamp(narrow):
        return True
    return bool(wide == narrow or (wide == pyarrow.int64() and narrow == pyarrow.int32()))


def with_constants(
    rows: pyarrow.RecordBatch,
    names: Sequence[str | None],
    values: Sequence[object],
    positions: pyarrow.Array,
    schema: pyarrow.Schema,
) -> pyarrow.RecordBatch:
    types = list(schema.types)
    columns = [
        pyarrow.nulls(rows.num_rows, type_) if name is None else rows.column(name).cast(type_)
        for name, type_ in zip(names, types, strict=False)
    ]
    constants = [
        pyarrow.repeat(pyarrow.scalar(value, type_), rows.num_rows)
        for value, type_ in zip(values, types[len(columns) : -1], strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays([*columns, *constants, positions], schema=schema)
