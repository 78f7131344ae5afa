"""The row part in one Spark task: DuckDB runs the plan's SQL on the records of the task's files."""

import base64
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import TypedDict

import duckdb
import pyarrow

from sluice.archives import archive_fault
from sluice.description import File, Limits
from sluice.documents import Documents
from sluice.lines import PORTION, Lines, Split, split_rows, with_splits
from sluice.store import Store
from sluice.tables import row_groups

# DuckDB's memory limit in a task. Its parser reserves much more than it uses.
KERNEL_MEMORY = "4GB"


class Setup(TypedDict):
    """The description that every task gets. A batch has too many files for each task to know them all."""

    arrow_schema: bytes
    # The plan's SQL on records, and on documents.
    records: str
    documents: str
    # Gives the query for row groups of a Parquet file.
    tables: str | None
    limits: Limits
    region: str | None
    # Name, columns with their types, rows as NDJSON.
    references: list[tuple[str, dict[str, str], bytes]]


def kernel(units: Iterable[pyarrow.RecordBatch], setup: Setup) -> Iterator[pyarrow.RecordBatch]:
    """Units (file as JSON, start, stop) of one Spark task -> rows of the plan, then a row for each split of lines."""
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(setup["arrow_schema"]))
    parts: list[tuple[File, int, int]] = [
        (json.loads(file), start, stop)
        for batch in units
        for file, start, stop in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
    files = {file["file"]: file for file, _, _ in parts}
    db = open_duckdb(setup, list(files.values()))
    store = Store(setup["region"])
    lines = Lines()
    documents = Documents(db, setup["documents"], setup["limits"])

    def rows_of(records: pyarrow.Table, splits: Sequence[Split] | None = None) -> list[pyarrow.RecordBatch]:
        db.register("records", records)
        result = db.execute(setup["records"]).to_arrow_table()
        db.unregister("records")
        batches: list[pyarrow.RecordBatch] = with_splits(result, splits).cast(schema).to_batches()
        return batches

    for file, start, stop in parts:
        if file["layout"] == "refused":
            documents.refuse(file, base64.b64decode(file["head"]), file["fault"] or "")
        elif file["layout"] == "document":
            documents.read(store, file)
        elif file["layout"] == "table":
            for portion in row_groups(db, setup["tables"] or "", store, file, start, stop):
                yield from rows_of(portion)
        else:
            fault = archive_fault(store, file, setup["limits"]["archive"])
            if fault is not None:
                documents.refuse(file, store.head(file, setup["limits"]["sample"]), fault)
                continue
            for portion in lines.read(store, file, start, stop, setup["limits"]):
                yield from rows_of(portion, lines.splits)
        for portion in documents.take(PORTION):
            yield from rows_of(portion)
    for portion in lines.take(1):
        yield from rows_of(portion, lines.splits)
    for portion in documents.take(1):
        yield from rows_of(portion)
    if lines.splits:
        yield split_rows(lines.splits, files, schema)


def open_duckdb(setup: Setup, files: list[File]) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": KERNEL_MEMORY,
            "temp_directory": tempfile.gettempdir(),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    db.execute("SET TimeZone = 'UTC'")
    db.execute(
        "CREATE TABLE files (file INTEGER, object VARCHAR, version VARCHAR, member VARCHAR, header VARCHAR[],"
        " skip BIGINT, unnamed BOOLEAN, cr BOOLEAN)"
    )
    header = pyarrow.array([f["header"] for f in files], pyarrow.list_(pyarrow.string()))
    names = {key: [f[key] for f in files] for key in ("file", "object", "version")}
    members = [f.get("member") for f in files]
    member = pyarrow.array([None if m is None else m["name"] for m in members], pyarrow.string())
    bodies = [f["body"] for f in files]
    skip = pyarrow.array([0 if body is None else body["skipLines"] for body in bodies], pyarrow.int64())
    unnamed = pyarrow.array([body is not None and body["hasUnnamed"] for body in bodies], pyarrow.bool_())
    cr = pyarrow.array([body is not None and body["endsInCr"] for body in bodies], pyarrow.bool_())
    db.register(
        "f", pyarrow.table({**names, "member": member, "header": header, "skip": skip, "unnamed": unnamed, "cr": cr})
    )
    db.execute("INSERT INTO files FROM f")
    for name, columns, ndjson in setup["references"]:
        with tempfile.NamedTemporaryFile(suffix=".ndjson", delete=False) as file:
            file.write(ndjson)
        db.read_json(file.name, format="newline_delimited", columns=columns).create(name)
        os.unlink(file.name)
    return db
