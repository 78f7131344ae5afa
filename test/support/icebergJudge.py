"""
What other engines make of a table: pyiceberg, and DuckDB's iceberg extension. `FOLDER/bucket/key` stands for s3://bucket/key.

    icebergJudge.py FOLDER METADATA_FILE < steps.json

Each step is asked of both readers, or changes the table by pyiceberg. Prints a JSON list of answers, and the last metadata file.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import duckdb_extension_avro
import duckdb_extension_iceberg
import pyarrow as pa
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem as LocalFiles
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.transforms import BucketTransform
from pyiceberg.types import StringType

folder = Path(sys.argv[1]).resolve()


class FolderIO(PyArrowFileIO):
    def _initialize_fs(self, scheme, netloc=None):
        return SubTreeFileSystem(str(folder), LocalFileSystem()) if scheme == "s3" else LocalFileSystem()

    def new_output(self, location):
        if location.startswith("s3://"):
            (folder / location[len("s3://"):]).parent.mkdir(parents=True, exist_ok=True)
        return super().new_output(location)


class FolderFileSystem(DirFileSystem):
    protocol = "s3"

    def _join(self, path):
        return super()._join(path.removeprefix("s3://"))


def extension(module, name):
    return next(Path(module.__path__[0]).rglob(f"{name}.duckdb_extension"))


db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
for module, name in ((duckdb_extension_avro, "avro"), (duckdb_extension_iceberg, "iceberg")):
    db.execute(f"LOAD '{extension(module, name)}'")
db.register_filesystem(FolderFileSystem(str(folder), LocalFiles()))

catalog = SqlCatalog(
    "judge", uri="sqlite:///:memory:", warehouse=f"file://{folder}", **{"py-io-impl": f"{__name__}.FolderIO"}
)
catalog.create_namespace("db")
table = catalog.register_table("db.t", sys.argv[2])


def rows_of(result):
    return json.loads(json.dumps(result, default=str))


def read(step):
    """The same statement over pyiceberg's scan and over DuckDB's, as text."""
    sql, where, snapshot = step["sql"], step.get("where"), step.get("snapshot")
    scan = table.scan(
        row_filter=where or "true", snapshot_id=None if snapshot is None else int(snapshot)
    )
    t = scan.to_arrow()  # noqa: F841, named in the statement
    by_pyiceberg = db.execute(sql).fetchall()
    files = sorted(task.file.file_path for task in scan.plan_files())
    at = "" if snapshot is None else f", snapshot_from_id = {int(snapshot)}::UBIGINT"
    source = f"(SELECT * FROM iceberg_scan('{table.metadata_location}'{at})"
    source += f" WHERE {where})" if where else ")"
    by_duckdb = db.execute(sql.replace("FROM t", f"FROM {source}")).fetchall()
    return {"pyiceberg": rows_of(by_pyiceberg), "duckdb": rows_of(by_duckdb), "files": files}


def write(step):
    global table
    if "append" in step:
        schema = table.schema().as_arrow()
        rows = [{**row, "created_at": datetime.fromisoformat(row["created_at"])} for row in step["append"]]
        table.append(pa.Table.from_pylist(rows, schema=schema))
    if "delete" in step:
        table.delete(step["delete"])
    if "addColumn" in step:
        with table.update_schema() as update:
            update.add_column(step["addColumn"], StringType())
    if "addBucket" in step:
        with table.update_spec() as update:
            update.add_field(step["addBucket"], BucketTransform(4), "in_buckets")
    return {"snapshot": str(table.current_snapshot().snapshot_id)}


def inspect(step):
    """The contents of manifests, decoded by pyiceberg."""
    entries = table.inspect.files().to_pylist()
    return [
        {
            "path": e["file_path"],
            "records": e["record_count"],
            "bounds": {
                name: [rows_of(m["lower_bound"]), rows_of(m["upper_bound"]), m["null_value_count"], m["value_count"]]
                for name, m in e["readable_metrics"].items()
            },
        }
        for e in entries
    ]


kinds = {"read": read, "write": write, "inspect": inspect}
answers = [kinds[step["kind"]](step) for step in json.load(sys.stdin)]
json.dump({"answers": answers, "metadata": table.metadata_location}, sys.stdout)
