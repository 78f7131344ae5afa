"""
What other engines make of tables: pyiceberg, and DuckDB's iceberg extension.

    icebergJudge.py FOLDER      FOLDER/bucket/key stands for s3://bucket/key; a table is its metadata file
    icebergJudge.py ENDPOINT    Glue and S3 at an address such as http://127.0.0.1:4566; a table is database.name

Reads a JSON object a line: the table, and steps. Each step is asked of both readers, or changes the table by pyiceberg. Prints a JSON
object for each: the answers and the metadata file behind the last step, or what went wrong.
"""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import duckdb_extension_avro
import duckdb_extension_iceberg
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem as LocalFiles
from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow.fs import LocalFileSystem, S3FileSystem, SubTreeFileSystem
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.transforms import BucketTransform
from pyiceberg.types import StringType

place = sys.argv[1]
endpoint = place if place.startswith("http://") else None
folder = Path(place).resolve()


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


class BucketFileSystem(ArrowFSWrapper):
    protocol = "s3"

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("s3://")


def extension(module, name):
    return next(Path(module.__path__[0]).rglob(f"{name}.duckdb_extension"))


db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
for module, name in ((duckdb_extension_avro, "avro"), (duckdb_extension_iceberg, "iceberg")):
    db.execute(f"LOAD '{extension(module, name)}'")
db.execute("SET TimeZone = 'UTC'")
if endpoint is None:
    db.register_filesystem(FolderFileSystem(str(folder), LocalFiles()))
    catalog = SqlCatalog(
        "judge", uri="sqlite:///:memory:", warehouse=f"file://{folder}", **{"py-io-impl": f"{__name__}.FolderIO"}
    )
    catalog.create_namespace("db")
else:
    key, secret, region = (os.environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"))
    s3 = S3FileSystem(access_key=key, secret_key=secret, region=region, endpoint_override=endpoint)
    db.register_filesystem(BucketFileSystem(s3))
    keys = {"access-key-id": key, "secret-access-key": secret, "region": region, "endpoint": endpoint}
    catalog = GlueCatalog(
        "judge", **{f"{service}.{name}": value for service in ("glue", "s3") for name, value in keys.items()}
    )
table = None


def open_table(name):
    if endpoint is not None:
        return catalog.load_table(name)
    if catalog.table_exists("db.t"):
        catalog.drop_table("db.t")
    return catalog.register_table("db.t", name)


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


def create(step):
    """A new table of pyiceberg's own, with rows of `id` and `body`."""
    schema = pa.schema([("id", pa.int64()), ("body", pa.string())])
    made = catalog.create_table(step["table"], schema, location=step["location"])
    made.append(pa.Table.from_pylist(step["rows"], schema=schema))


def generate(step):
    """Appends rows of `id`, `text` and `day`, spread over partitions."""
    numbers = range(step["rows"])
    columns = [list(numbers), [f"text {i}" for i in numbers], [str(i % step["partitions"]) for i in numbers]]
    table.append(pa.table(columns, schema=table.schema().as_arrow()))


def upsert(step):
    """Merges a Parquet file into the table, by the columns of a key."""
    rows = pq.read_table(step["path"]).cast(table.schema().as_arrow())
    result = table.upsert(rows, join_cols=step["on"])
    return {"updated": result.rows_updated, "inserted": result.rows_inserted}


kinds = {"read": read, "write": write, "inspect": inspect, "create": create, "generate": generate, "upsert": upsert}


def answer(request):
    global table
    table = open_table(request["table"])
    answers = [kinds[step["kind"]](step) for step in request["steps"]]
    return {"answers": answers, "metadata": table.metadata_location}


for line in sys.stdin:
    try:
        said = answer(json.loads(line))
    except Exception as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
