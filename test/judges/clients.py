"""Calls of boto3, awswrangler, PyAthena and SQLAlchemy, written as their documentation shows them, against AWS_ENDPOINT_URL.

Each call is right if it gives what Athena gives. It is rejected if Athena's error says NOT_SUPPORTED. Anything else is wrong, an
empty or different result above all. Prints one line of JSON a call: {"call", "outcome", "why"}.

    clients.py BUCKET [part of a call's name…]
"""

import base64
import datetime
import decimal
import functools
import hashlib
import io
import json
import os
import sys
import time
import traceback
import urllib.request
import warnings

import awswrangler as wr
import boto3
import pandas as pd
import pyarrow as pa
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from pyarrow import fs
from pyathena import connect
from pyathena.arrow.cursor import ArrowCursor
from pyathena.async_cursor import AsyncCursor, AsyncDictCursor
from pyathena.cursor import DictCursor
from pyathena.pandas.cursor import PandasCursor
from pyathena.pandas.util import to_sql
from sqlalchemy import MetaData, Table, create_engine, func, inspect, select, text

BUCKET, *ONLY = sys.argv[1:]
# A name of one run, so that a second run finds nothing of the first.
RUN = datetime.datetime.now().strftime("%H%M%S%f")
DB = f"judged_{RUN}"
ROOT = f"s3://{BUCKET}/judged/{RUN}"
OUTPUT = f"{ROOT}/output/"
wr.config.athena_query_wait_polling_delay = 0.1
wr.config.s3_output = OUTPUT

# PyAthena gives pyarrow no endpoint, and pyarrow takes none from the environment when it is given keys.
endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
fs.S3FileSystem = functools.partial(fs.S3FileSystem, endpoint_override=endpoint, scheme="http")

warnings.simplefilter("ignore")

CALLS = []


def call(name):
    def add(run):
        CALLS.append((name, run))
        return run

    return add


def same(got, wanted):
    assert got == wanted, f"{got!r} is not {wanted!r}"


def ids(frame):
    return sorted(int(value) for value in frame["id"])


# ---------------------------------------------------------------- data

PEOPLE = pd.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "name": ["Ana", 'say "hi", you', "", None],
        "score": [1.5, -0.25, None, 1e10],
        "active": [True, False, None, True],
        "born": [datetime.date(2001, 2, 3), None, datetime.date(1969, 12, 31), datetime.date(2025, 10, 6)],
        "seen": pd.to_datetime(
            ["2025-10-06 01:02:03.004", "2025-10-07 00:00:00", None, "1969-12-31 23:59:59.999"], format="ISO8601"
        ),
        "price": [decimal.Decimal("12.30"), decimal.Decimal("-0.01"), None, decimal.Decimal("99999999.99")],
        "tags": [["a", "b"], [], None, ["c, d"]],
        "day": ["06", "07", "06", "07"],
    }
).astype({"active": "boolean", "name": "string"})


def prepare():
    wr.catalog.create_database(DB, exist_ok=True)
    wr.s3.to_parquet(
        df=PEOPLE,
        path=f"{ROOT}/people/",
        dataset=True,
        database=DB,
        table="people",
        partition_cols=["day"],
        dtype={"price": "decimal(10,2)", "seen": "timestamp"},
    )


def matches_people(frame, tags=True):
    """Whatever way the rows come, they are these."""
    same(sorted(frame.columns), sorted(PEOPLE.columns))
    frame = frame.sort_values("id")
    same([int(v) for v in frame["id"]], [1, 2, 3, 4])
    same([None if pd.isna(v) else v for v in frame["name"]], ["Ana", 'say "hi", you', "", None])
    same([None if pd.isna(v) else float(v) for v in frame["score"]], [1.5, -0.25, None, 1e10])
    same([None if pd.isna(v) else bool(v) for v in frame["active"]], [True, False, None, True])
    same([None if pd.isna(v) else v for v in frame["born"]], list(PEOPLE["born"]))
    same([None if pd.isna(v) else pd.Timestamp(v) for v in frame["seen"]], [None if pd.isna(v) else v for v in PEOPLE["seen"]])
    same([None if pd.isna(v) else v for v in frame["price"]], list(PEOPLE["price"]))
    if tags:
        same([None if v is None else list(v) for v in frame["tags"]], [["a", "b"], [], None, ["c, d"]])
    same(list(frame["day"]), ["06", "07", "06", "07"])


# ---------------------------------------------------------------- awswrangler: Athena


@call("awswrangler read_sql_query, CTAS")
def _():
    matches_people(wr.athena.read_sql_query("SELECT * FROM people", database=DB))


@call("awswrangler read_sql_query, UNLOAD")
def _():
    frame = wr.athena.read_sql_query(
        "SELECT * FROM people", database=DB, ctas_approach=False, unload_approach=True, s3_output=f"{ROOT}/unload1/"
    )
    matches_people(frame)


@call("awswrangler read_sql_query, neither CTAS nor UNLOAD")
def _():
    sql = "SELECT id, name, score, active, born, seen, price, day FROM people"
    frame = wr.athena.read_sql_query(sql, database=DB, ctas_approach=False)
    same(sorted(frame.columns), sorted(c for c in PEOPLE.columns if c != "tags"))
    # awswrangler reads an empty text in a result file as no value.
    same([None if pd.isna(v) else v for v in frame.sort_values("id")["name"]], ["Ana", 'say "hi", you', None, None])
    same([None if pd.isna(v) else v for v in frame.sort_values("id")["price"]], list(PEOPLE["price"]))


@call("awswrangler read_sql_query, chunks of a CTAS")
def _():
    chunks = list(wr.athena.read_sql_query("SELECT * FROM people", database=DB, chunksize=1))
    same([len(chunk) for chunk in chunks], [1, 1, 1, 1])
    matches_people(pd.concat(chunks))


@call("awswrangler read_sql_query, chunks of a result file")
def _():
    sql = "SELECT id FROM people"
    chunks = list(wr.athena.read_sql_query(sql, database=DB, ctas_approach=False, chunksize=3))
    same([len(chunk) for chunk in chunks], [3, 1])
    same(ids(pd.concat(chunks)), [1, 2, 3, 4])


@call("awswrangler read_sql_query, chunksize=True")
def _():
    chunks = list(wr.athena.read_sql_query("SELECT * FROM people", database=DB, chunksize=True))
    same(ids(pd.concat(chunks)), [1, 2, 3, 4])


@call("awswrangler read_sql_query, named parameters")
def _():
    frame = wr.athena.read_sql_query(
        "SELECT id FROM people WHERE name = :name AND day = :day",
        params={"name": 'say "hi", you', "day": "07"},
        database=DB,
        ctas_approach=False,
    )
    same(ids(frame), [2])


@call("awswrangler read_sql_query, qmark parameters")
def _():
    frame = wr.athena.read_sql_query(
        "SELECT id FROM people WHERE id > ?", params=["2"], paramstyle="qmark", database=DB, ctas_approach=False
    )
    same(ids(frame), [3, 4])


@call("awswrangler read_sql_query, no rows by CTAS")
def _():
    frame = wr.athena.read_sql_query("SELECT id, name FROM people WHERE id > 99", database=DB)
    same((len(frame), list(frame.columns)), (0, ["id", "name"]))


@call("awswrangler read_sql_query, no rows without CTAS")
def _():
    frame = wr.athena.read_sql_query("SELECT id, name FROM people WHERE id > 99", database=DB, ctas_approach=False)
    same((len(frame), list(frame.columns)), (0, ["id", "name"]))


@call("awswrangler read_sql_query, the result of an earlier query again")
def _():
    sql = "SELECT count(*) AS n FROM people"
    cache = {"max_cache_seconds": 900}
    frames = [
        wr.athena.read_sql_query(sql, database=DB, ctas_approach=False, athena_cache_settings=cache) for _ in range(2)
    ]
    same([int(frame["n"].iloc[0]) for frame in frames], [4, 4])
    same(frames[0].query_metadata["QueryExecutionId"], frames[1].query_metadata["QueryExecutionId"])


@call("awswrangler read_sql_query, pyarrow types")
def _():
    frame = wr.athena.read_sql_query("SELECT id, price FROM people", database=DB, dtype_backend="pyarrow")
    same(sorted(frame["id"].tolist()), [1, 2, 3, 4])
    assert isinstance(frame["price"].dtype, pd.ArrowDtype), frame.dtypes


@call("awswrangler read_sql_table")
def _():
    matches_people(wr.athena.read_sql_table("people", database=DB))


@call("awswrangler statistics of a query")
def _():
    frame = wr.athena.read_sql_query("SELECT count(*) AS n, sum(id) AS s FROM people", database=DB, ctas_approach=False)
    same((int(frame["n"].iloc[0]), int(frame["s"].iloc[0])), (4, 10))
    statistics = frame.query_metadata["Statistics"]
    size = sum(wr.s3.size_objects(f"{ROOT}/people/").values())
    assert 0 < statistics["DataScannedInBytes"] <= size, statistics


@call("awswrangler create_ctas_table")
def _():
    made = wr.athena.create_ctas_table(
        sql="SELECT id, name, day FROM people",
        database=DB,
        ctas_table="made",
        s3_output=f"{ROOT}/made/",
        partitioning_info=["day"],
        wait=True,
    )
    same(made["ctas_table"], "made")
    manifest = made["ctas_query_metadata"].manifest_location
    same(len(wr.s3.read_csv(manifest, header=None)), 2)
    same(ids(wr.athena.read_sql_table("made", database=DB, ctas_approach=False)), [1, 2, 3, 4])


@call("awswrangler unload")
def _():
    path = f"{ROOT}/unloaded/"
    wr.athena.unload(sql="SELECT id, day FROM people", path=path, database=DB, partitioned_by=["day"])
    # The manifest and the metadata file are in the same folder.
    frame = wr.s3.read_parquet(path, dataset=True, path_ignore_suffix=[".csv", ".metadata"])
    same((ids(frame), sorted(frame["day"].unique())), ([1, 2, 3, 4], ["06", "07"]))


@call("awswrangler start_query_execution and wait_query")
def _():
    query = wr.athena.start_query_execution(sql="SELECT max(id) AS m FROM people", database=DB)
    told = wr.athena.wait_query(query_execution_id=query)
    same(told["Status"]["State"], "SUCCEEDED")
    frame = wr.athena.get_query_results(query_execution_id=query)
    same(int(frame["m"].iloc[0]), 4)


@call("awswrangler get_query_columns_types")
def _():
    query = wr.athena.start_query_execution(sql="SELECT * FROM people", database=DB, wait=True)["QueryExecutionId"]
    types = wr.athena.get_query_columns_types(query_execution_id=query)
    same(
        types,
        {
            "id": "bigint",
            "name": "varchar",
            "score": "double",
            "active": "boolean",
            "born": "date",
            "seen": "timestamp",
            "price": "decimal(10,2)",
            "tags": "array",
            "day": "varchar",
        },
    )


@call("awswrangler list_query_executions and get_query_executions")
def _():
    query = wr.athena.start_query_execution(sql="SELECT 1", database=DB, wait=True)["QueryExecutionId"]
    listed = wr.athena.list_query_executions()
    assert query in listed, f"{query} is not among {len(listed)}"
    same(wr.athena.get_query_executions([query])["QueryExecutionId"].tolist(), [query])


@call("awswrangler a failed query")
def _():
    try:
        wr.athena.read_sql_query("SELECT nothing FROM people", database=DB, ctas_approach=False)
    except wr.exceptions.QueryFailed as error:
        assert "COLUMN_NOT_FOUND" in str(error), error
    else:
        raise AssertionError("it did not fail")


@call("awswrangler describe_table")
def _():
    frame = wr.athena.describe_table(table="people", database=DB)
    same(list(frame.columns), ["Column Name", "Type", "Partition", "Comment"])
    same(dict(zip(frame["Column Name"], frame["Type"], strict=True))["price"], "decimal(10,2)")
    same(frame[frame["Partition"]]["Column Name"].tolist(), ["day"])


@call("awswrangler show_create_table")
def _():
    statement = wr.athena.show_create_table(table="people", database=DB)
    assert statement.startswith("CREATE EXTERNAL TABLE") and "`day` string" in statement, statement


@call("awswrangler generate_create_query")
def _():
    statement = wr.athena.generate_create_query(table="people", database=DB)
    assert "PARTITIONED BY" in statement and f"'{ROOT}/people/'" in statement, statement


@call("awswrangler repair_table")
def _():
    wr.catalog.create_parquet_table(
        database=DB,
        table="found",
        path=f"{ROOT}/people/",
        columns_types={"id": "bigint", "name": "string"},
        partitions_types={"day": "string"},
    )
    count = "SELECT count(*) AS n FROM found"
    same(int(wr.athena.read_sql_query(count, database=DB, ctas_approach=False)["n"].iloc[0]), 0)
    same(wr.athena.repair_table(table="found", database=DB), "SUCCEEDED")
    same(int(wr.athena.read_sql_query(count, database=DB, ctas_approach=False)["n"].iloc[0]), 4)


@call("awswrangler prepared statements")
def _():
    name = f"people_{RUN}"
    wr.athena.create_prepared_statement(sql="SELECT id FROM people WHERE day = ?", statement_name=name)
    assert name in [s["StatementName"] for s in wr.athena.list_prepared_statements()]
    frame = wr.athena.read_sql_query(f"EXECUTE {name}", database=DB, ctas_approach=False, params=["'06'"], paramstyle="qmark")
    same(ids(frame), [1, 3])
    wr.athena.delete_prepared_statement(statement_name=name)
    assert name not in [s["StatementName"] for s in wr.athena.list_prepared_statements()]


@call("awswrangler named queries")
def _():
    named = boto3.client("athena").create_named_query(
        Name="all people", Database=DB, QueryString="SELECT * FROM people"
    )["NamedQueryId"]
    same(wr.athena.get_named_query_statement(named_query_id=named), "SELECT * FROM people")


@call("awswrangler get_work_group")
def _():
    same(wr.athena.get_work_group(workgroup="primary")["WorkGroup"]["State"], "ENABLED")


@call("awswrangler stop_query_execution")
def _():
    query = wr.athena.start_query_execution(sql="SELECT count(*) FROM people", database=DB)
    wr.athena.stop_query_execution(query_execution_id=query)
    # It may have come to its end before.
    assert wr.athena.get_query_execution(query)["Status"]["State"] in ("CANCELLED", "SUCCEEDED")


# ---------------------------------------------------------------- awswrangler: Iceberg


def iceberg(name, frame, **more):
    wr.athena.to_iceberg(
        df=frame,
        database=DB,
        table=name,
        table_location=f"{ROOT}/{name}/",
        temp_path=f"{ROOT}/{name}_temp/",
        keep_files=False,
        **more,
    )


def rows(sql):
    frame = wr.athena.read_sql_query(sql, database=DB, ctas_approach=False)
    return [tuple(row) for row in frame.itertuples(index=False)]


@call("awswrangler to_iceberg, append")
def _():
    frame = pd.DataFrame({"id": [1, 2], "name": ["a", "b"]})
    iceberg("ice", frame, partition_cols=["bucket(4, id)"])
    iceberg("ice", pd.DataFrame({"id": [3], "name": ["c"]}))
    same(rows("SELECT * FROM ice ORDER BY id"), [(1, "a"), (2, "b"), (3, "c")])


@call("awswrangler to_iceberg, merge")
def _():
    iceberg("merged", pd.DataFrame({"id": [1, 2], "name": ["a", "b"]}))
    iceberg("merged", pd.DataFrame({"id": [2, 3], "name": ["B", "C"]}), merge_cols=["id"])
    same(rows("SELECT * FROM merged ORDER BY id"), [(1, "a"), (2, "B"), (3, "C")])


@call("awswrangler to_iceberg, overwrite and new columns")
def _():
    iceberg("grown", pd.DataFrame({"id": [1], "name": ["a"]}))
    iceberg("grown", pd.DataFrame({"id": [2], "name": ["b"], "n": [7]}), mode="overwrite", schema_evolution=True)
    same(rows("SELECT id, name, n FROM grown"), [(2, "b", 7)])


@call("awswrangler delete_from_iceberg_table")
def _():
    iceberg("thinned", pd.DataFrame({"id": [1, 2, 3]}))
    wr.athena.delete_from_iceberg_table(
        df=pd.DataFrame({"id": [1, 3]}),
        database=DB,
        table="thinned",
        temp_path=f"{ROOT}/thinned_temp/",
        merge_cols=["id"],
        keep_files=False,
    )
    same(rows("SELECT id FROM thinned"), [(2,)])


# ---------------------------------------------------------------- awswrangler: Catalog and S3


@call("awswrangler catalog.tables and catalog.table")
def _():
    assert "people" in wr.catalog.tables(database=DB)["Table"].tolist()
    frame = wr.catalog.table(database=DB, table="people")
    same(frame["Column Name"].tolist()[-1], "day")


@call("awswrangler catalog.get_partitions")
def _():
    found = wr.catalog.get_partitions(database=DB, table="people")
    same(found, {f"{ROOT}/people/day=06/": ["06"], f"{ROOT}/people/day=07/": ["07"]})


@call("awswrangler catalog.get_table_types, location, parameters, comments")
def _():
    same(wr.catalog.get_table_types(database=DB, table="people")["tags"], "array<string>")
    same(wr.catalog.get_table_location(database=DB, table="people"), f"{ROOT}/people/")
    wr.catalog.upsert_table_parameters(parameters={"owner": "judge"}, database=DB, table="people")
    same(wr.catalog.get_table_parameters(database=DB, table="people")["owner"], "judge")
    same(wr.catalog.does_table_exist(database=DB, table="nothing"), False)


@call("awswrangler catalog.add_column and delete_column")
def _():
    wr.s3.to_parquet(df=pd.DataFrame({"id": [1]}), path=f"{ROOT}/wide/", dataset=True, database=DB, table="wide")
    # awswrangler 3.17.1 sends a comment of None, which boto3 refuses, unless it is given one.
    wr.catalog.add_column(database=DB, table="wide", column_name="more", column_type="string", column_comment="new")
    same(wr.catalog.get_table_types(database=DB, table="wide"), {"id": "bigint", "more": "string"})
    same(wr.athena.read_sql_table("wide", database=DB, ctas_approach=False)["more"].isna().tolist(), [True])
    wr.catalog.delete_column(database=DB, table="wide", column_name="more")
    same(wr.catalog.get_table_types(database=DB, table="wide"), {"id": "bigint"})


@call("awswrangler s3.to_parquet, overwrite_partitions")
def _():
    options = {"path": f"{ROOT}/over/", "dataset": True, "database": DB, "table": "over", "partition_cols": ["p"]}
    wr.s3.to_parquet(df=pd.DataFrame({"id": [1, 2], "p": ["a", "b"]}), **options)
    wr.s3.to_parquet(df=pd.DataFrame({"id": [3], "p": ["b"]}), mode="overwrite_partitions", **options)
    same(rows("SELECT id, p FROM over ORDER BY id"), [(1, "a"), (3, "b")])


@call("awswrangler s3.to_csv as a table")
def _():
    wr.s3.to_csv(
        df=pd.DataFrame({"id": [1, 2], "name": ["a", "b"]}),
        path=f"{ROOT}/csv/",
        dataset=True,
        database=DB,
        table="of_csv",
        index=False,
    )
    same(rows("SELECT id, name FROM of_csv ORDER BY id"), [(1, "a"), (2, "b")])


@call("awswrangler s3 lists, copies and deletes")
def _():
    wr.s3.to_json(df=pd.DataFrame({"id": [1]}), path=f"{ROOT}/json/a.json")
    same(wr.s3.list_objects(f"{ROOT}/json/"), [f"{ROOT}/json/a.json"])
    wr.s3.copy_objects([f"{ROOT}/json/a.json"], source_path=f"{ROOT}/json/", target_path=f"{ROOT}/json2/")
    same(wr.s3.does_object_exist(f"{ROOT}/json2/a.json"), True)
    wr.s3.delete_objects(f"{ROOT}/json/")
    same(wr.s3.list_objects(f"{ROOT}/json/"), [])


# ---------------------------------------------------------------- PyAthena


def connection(**more):
    return connect(s3_staging_dir=OUTPUT, region_name="us-east-1", schema_name=DB, poll_interval=0.1, **more)


ROW1 = (1, "Ana", 1.5, True, datetime.date(2001, 2, 3), datetime.datetime(2025, 10, 6, 1, 2, 3, 4000), decimal.Decimal("12.30"), "06")
COLUMNS = "id, name, score, active, born, seen, price, day"


@call("PyAthena Cursor")
def _():
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM people ORDER BY id")
        got = cursor.fetchall()
        same(got[0], ROW1)
        # The API gives an empty text and no value apart.
        same([row[1] for row in got], ["Ana", 'say "hi", you', "", None])
        same([column[0] for column in cursor.description], COLUMNS.split(", "))
        assert cursor.data_scanned_in_bytes > 0


@call("PyAthena Cursor, parameters of both styles")
def _():
    cursor = connection().cursor()
    cursor.execute("SELECT id FROM people WHERE name = %(name)s", {"name": "Ana"})
    same(cursor.fetchall(), [(1,)])
    cursor.execute("SELECT id FROM people WHERE id > ? AND day = ?", ["1", "'07'"], paramstyle="qmark")
    same(sorted(cursor.fetchall()), [(2,), (4,)])


@call("PyAthena columns without names")
def _():
    cursor = connection().cursor()
    cursor.execute("SELECT count(*), max(id) AS most, min(id) FROM people")
    same([column[0] for column in cursor.description], ["_col0", "most", "_col2"])
    same(cursor.fetchall(), [(4, 4, 1)])
    cursor.execute("SELECT *, 1 FROM people LIMIT 1")
    same([column[0] for column in cursor.description], [*PEOPLE.columns, "_col9"])
    frame = wr.athena.read_sql_query("SELECT count(*) FROM people", database=DB, ctas_approach=False)
    same(list(frame.columns), ["_col0"])


@call("PyAthena DictCursor")
def _():
    cursor = connection(cursor_class=DictCursor).cursor()
    cursor.execute("SELECT id, tags FROM people WHERE id = 1")
    same(cursor.fetchone(), {"id": 1, "tags": ["a", "b"]})


@call("PyAthena PandasCursor")
def _():
    cursor = connection(cursor_class=PandasCursor).cursor()
    frame = cursor.execute(f"SELECT {COLUMNS} FROM people ORDER BY id").as_pandas()
    same(ids(frame), [1, 2, 3, 4])
    same(frame["price"].iloc[0], decimal.Decimal("12.30"))
    same(frame["seen"].iloc[0], pd.Timestamp("2025-10-06 01:02:03.004"))


@call("PyAthena PandasCursor, UNLOAD")
def _():
    cursor = connection(cursor_class=PandasCursor).cursor(unload=True)
    frame = cursor.execute(f"SELECT {COLUMNS} FROM people").as_pandas()
    same(ids(frame), [1, 2, 3, 4])


@call("PyAthena ArrowCursor")
def _():
    cursor = connection(cursor_class=ArrowCursor).cursor()
    table = cursor.execute(f"SELECT {COLUMNS} FROM people ORDER BY id").as_arrow()
    same(table.column("id").to_pylist(), [1, 2, 3, 4])
    same(table.schema.field("id").type, pa.int64())


@call("PyAthena ArrowCursor, UNLOAD")
def _():
    cursor = connection(cursor_class=ArrowCursor).cursor(unload=True)
    table = cursor.execute("SELECT id, price FROM people").as_arrow()
    same(sorted(table.column("id").to_pylist()), [1, 2, 3, 4])


@call("PyAthena AsyncCursor")
def _():
    cursor = connection(cursor_class=AsyncCursor).cursor()
    query, future = cursor.execute("SELECT id FROM people ORDER BY id")
    same(future.result().fetchall(), [(1,), (2,), (3,), (4,)])
    same(future.result().query_id, query)


@call("PyAthena AsyncDictCursor, two at once")
def _():
    cursor = connection(cursor_class=AsyncDictCursor).cursor()
    futures = [cursor.execute(f"SELECT {n} AS n")[1] for n in (1, 2)]
    same([future.result().fetchone() for future in futures], [{"n": 1}, {"n": 2}])


@call("PyAthena executemany and DDL")
def _():
    cursor = connection().cursor()
    cursor.execute(
        f"CREATE EXTERNAL TABLE written (id int, name string) STORED AS PARQUET LOCATION '{ROOT}/written/'"
    )
    cursor.executemany(
        "INSERT INTO written (id, name) VALUES (%(id)d, %(name)s)", [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    )
    cursor.execute("SELECT * FROM written ORDER BY id")
    same(cursor.fetchall(), [(1, "a"), (2, "b")])


@call("PyAthena SHOW, DESCRIBE and EXPLAIN")
def _():
    cursor = connection().cursor()
    cursor.execute("SHOW PARTITIONS people")
    same(sorted(cursor.fetchall()), [("day=06",), ("day=07",)])
    cursor.execute("DESCRIBE people")
    same(cursor.fetchone()[0].split(), ["id", "bigint"])
    cursor.execute("EXPLAIN SELECT id FROM people")
    plan = cursor.fetchall()
    assert "people" in str(plan), plan


@call("PyAthena pandas.util.to_sql")
def _():
    connected = connection()
    to_sql(
        pd.DataFrame({"a": [1, 2]}), "from_pandas", connected, f"{ROOT}/from_pandas/", schema=DB, index=False, if_exists="replace"
    )
    same(sorted(connected.cursor().execute("SELECT a FROM from_pandas").fetchall()), [(1,), (2,)])


# ---------------------------------------------------------------- SQLAlchemy


def engine():
    address = f"awsathena+rest://@athena.us-east-1.amazonaws.com:443/{DB}?s3_staging_dir={OUTPUT}&poll_interval=0.1"
    return create_engine(address)


@call("SQLAlchemy text")
def _():
    with engine().connect() as connected:
        result = connected.execute(text("SELECT id, name FROM people WHERE day = :day ORDER BY id"), {"day": "06"})
        same([tuple(row) for row in result], [(1, "Ana"), (3, "")])


@call("SQLAlchemy Core over a reflected table")
def _():
    with engine().connect() as connected:
        people = Table("people", MetaData(), autoload_with=connected)
        same(people.columns.keys(), [*[c for c in PEOPLE.columns if c != "day"], "day"])
        result = connected.execute(
            select(people.c.day, func.count(people.c.id)).group_by(people.c.day).order_by(people.c.day)
        )
        same([tuple(row) for row in result], [("06", 2), ("07", 2)])


@call("SQLAlchemy inspector")
def _():
    inspected = inspect(engine())
    assert DB in inspected.get_schema_names()
    assert "people" in inspected.get_table_names(schema=DB)
    same(inspected.has_table("nothing", schema=DB), False)
    same(str(inspected.get_columns("people", schema=DB)[0]["type"]), "BIGINT")


@call("SQLAlchemy and views")
def _():
    with engine().connect() as connected:
        connected.execute(text("CREATE OR REPLACE VIEW of_06 AS SELECT id FROM people WHERE day = '06'"))
        same(sorted(row[0] for row in connected.execute(text("SELECT id FROM of_06"))), [1, 3])
    assert "of_06" in inspect(engine()).get_view_names(schema=DB)


@call("SQLAlchemy pandas.read_sql")
def _():
    with engine().connect() as connected:
        same(ids(pd.read_sql(text("SELECT id FROM people"), connected)), [1, 2, 3, 4])


@call("SQLAlchemy pandas.to_sql")
def _():
    address = (
        f"awsathena+rest://@athena.us-east-1.amazonaws.com:443/{DB}?s3_staging_dir={OUTPUT}"
        f"&location={ROOT}/alchemy/&file_format=parquet&poll_interval=0.1"
    )
    made = create_engine(address)
    pd.DataFrame({"a": [1, 2]}).to_sql("alchemy", made, schema=DB, index=False, method="multi")
    with made.connect() as connected:
        same(sorted(row[0] for row in connected.execute(text("SELECT a FROM alchemy"))), [1, 2])


# ---------------------------------------------------------------- boto3: S3

s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"))
FIVE_MIB = 5 * 1024 * 1024


def code(operation, **request):
    """The name of the error that a call ends with; None without one."""
    try:
        operation(**request)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


@functools.cache
def bucket(versioned=False):
    name = f"judged-{RUN}-{'versions' if versioned else 'plain'}"
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def put(key, body=b"x", name=None, **more):
    return s3.put_object(Bucket=name or bucket(), Key=key, Body=body, **more)


def read(key, **more):
    return s3.get_object(Bucket=bucket(), Key=key, **more)["Body"].read()


def keys_of(page):
    return [found["Key"] for found in page.get("Contents", [])]


@call("boto3 S3 conditional writes and copies")
def _():
    place = {"Bucket": bucket(), "Key": "conditional"}
    first = put("conditional", b"1", IfNoneMatch="*")["ETag"]
    same(code(s3.put_object, **place, Body=b"2", IfNoneMatch="*"), "PreconditionFailed")
    same(code(s3.put_object, **place, Body=b"2", IfMatch='"0"'), "PreconditionFailed")
    same(code(s3.put_object, **place, Body=b"2", IfNoneMatch='"0"'), "NotImplemented")
    same(code(s3.put_object, Bucket=bucket(), Key="missing", Body=b"2", IfMatch=first), "NoSuchKey")
    put("source", b"3")
    source = {"CopySource": {"Bucket": bucket(), "Key": "source"}}
    same(code(s3.copy_object, **place, **source, IfNoneMatch="*"), "PreconditionFailed")
    same(code(s3.copy_object, **place, **source, IfMatch='"0"'), "PreconditionFailed")
    same(code(s3.copy_object, **place, **source, CopySourceIfMatch=first), "PreconditionFailed")
    same(code(s3.copy_object, Bucket=bucket(), Key="source", **source), "InvalidRequest")
    same(read("conditional"), b"1")
    s3.copy_object(**place, **source, IfMatch=first)
    same(read("conditional"), b"3")


@call("boto3 S3 conditional reads and ranges")
def _():
    etag = put("digits", b"0123456789")["ETag"]
    place = {"Bucket": bucket(), "Key": "digits"}
    same(code(s3.get_object, **place, IfNoneMatch=etag), "304")
    same(code(s3.get_object, **place, IfMatch='"0"'), "PreconditionFailed")
    ranges = {"bytes=0-0": b"0", "bytes=-3": b"789", "bytes=8-": b"89", "bytes=5-99": b"56789", "bytes=5-2": b"0123456789"}
    for asked, wanted in ranges.items():
        same(read("digits", Range=asked), wanted)
    same(code(s3.get_object, **place, Range="bytes=10-"), "InvalidRange")


@call("boto3 S3 multipart uploads")
def _():
    place = {"Bucket": bucket(), "Key": "parts"}
    upload = {**place, "UploadId": s3.create_multipart_upload(**place, Metadata={"a": "1"}, Tagging="b=2")["UploadId"]}
    large = b"a" * FIVE_MIB
    etags = {n: s3.upload_part(**upload, PartNumber=n, Body=body)["ETag"] for n, body in {1: large, 2: b"small", 3: b"x"}.items()}

    def completed(*numbers, etag=None):
        parts = [{"PartNumber": n, "ETag": etag or etags[n]} for n in numbers]
        return code(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})

    page = s3.list_parts(**upload, MaxParts=1)
    same((len(page["Parts"]), page["IsTruncated"], page["NextPartNumberMarker"]), (1, True, 1))
    same(completed(), "MalformedXML")
    same(completed(2, 1), "InvalidPartOrder")
    same(completed(1, etag='"0"'), "InvalidPart")
    same(completed(1, 2, 3), "EntityTooSmall")
    same(code(s3.get_object, **place), "NoSuchKey")
    etags[2] = s3.upload_part(**upload, PartNumber=2, Body=b"end")["ETag"]
    same(completed(1, 2), None)
    digest = hashlib.md5(hashlib.md5(large).digest() + hashlib.md5(b"end").digest()).hexdigest()
    head = s3.head_object(**place)
    same((head["ETag"], head["ContentLength"], head["Metadata"]), (f'"{digest}-2"', FIVE_MIB + 3, {"a": "1"}))
    same(s3.get_object_tagging(**place)["TagSet"], [{"Key": "b", "Value": "2"}])
    same(read("parts", PartNumber=2), b"end")
    same(code(s3.get_object, **place, PartNumber=3), "InvalidPartNumber")
    same(code(s3.upload_part, **upload, PartNumber=1, Body=b"x"), "NoSuchUpload")


@call("boto3 S3 managed transfers")
def _():
    small = TransferConfig(multipart_threshold=FIVE_MIB, multipart_chunksize=FIVE_MIB)
    s3.upload_fileobj(io.BytesIO(b"z" * (FIVE_MIB + 7)), bucket(), "managed", Config=small, ExtraArgs={"ContentType": "a/b"})
    head = s3.head_object(Bucket=bucket(), Key="managed")
    same((head["ContentLength"], head["ContentType"], head.get("ContentEncoding")), (FIVE_MIB + 7, "a/b", None))
    into = io.BytesIO()
    s3.download_fileobj(bucket(), "managed", into, Config=small)
    same(into.getvalue() == b"z" * (FIVE_MIB + 7), True)


@call("boto3 S3 versions and delete markers")
def _():
    name = bucket(versioned=True)
    ids = [put("a/k", str(i).encode(), name)["VersionId"] for i in range(3)]
    put("b", name=name)
    marker = s3.delete_object(Bucket=name, Key="a/k")["VersionId"]
    place = {"Bucket": name, "Key": "a/k"}
    same(code(s3.get_object, **place), "NoSuchKey")
    same(code(s3.get_object, **place, VersionId=marker), "MethodNotAllowed")
    same(s3.get_object(**place, VersionId=ids[0])["Body"].read(), b"0")
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": 1})
    listed = [found["VersionId"] for page in pages for found in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    same(listed[:4], [marker, *reversed(ids)])
    page = s3.list_object_versions(Bucket=name, Delimiter="/")
    same([found["Prefix"] for found in page["CommonPrefixes"]], ["a/"])
    s3.delete_object(**place, VersionId=marker)
    s3.delete_object(**place, VersionId=ids[2])
    same(s3.get_object(**place)["VersionId"], ids[1])


@call("boto3 S3 lists with delimiters, in pages")
def _():
    for key in ["l/a/1", "l/a/b/2", "l/a", "l/b/1", "l/c", "l/a//x", "l/a-1"]:
        put(key)
    asked = {"Bucket": bucket(), "Prefix": "l/", "Delimiter": "/"}
    whole = s3.list_objects_v2(**asked)
    same((keys_of(whole), whole["KeyCount"]), (["l/a", "l/a-1", "l/c"], 5))
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(**asked, PaginationConfig={"PageSize": 1})
        rows = [keys_of(page) + [found["Prefix"] for found in page.get("CommonPrefixes", [])] for page in pages]
        same(rows, [["l/a"], ["l/a-1"], ["l/a/"], ["l/b/"], ["l/c"]])
    same(s3.list_objects_v2(**asked, MaxKeys=0)["IsTruncated"], False)
    same(s3.list_objects_v2(**asked, MaxKeys=2000)["MaxKeys"], 1000)
    same(code(s3.list_objects_v2, **asked, ContinuationToken="no token"), "InvalidArgument")  # pragma: allowlist secret


@call("boto3 S3 odd keys")
def _():
    names = ["a b", "a+b", "a%b", "a%20b", "ä/ö", "\"'", "<x>&y", "😀", "\uff5e", "x//y", "trail/", "a\nb", "a/../b", "q?x=1", "h#f", "~", "*"]
    odd = sorted((f"odd/{name}" for name in names), key=lambda key: key.encode())
    for key in odd:
        put(key, key.encode())
        same(read(key), key.encode())
        s3.copy_object(Bucket=bucket(), Key=f"copied/{key}", CopySource={"Bucket": bucket(), "Key": key})
    for prefix in ("", "copied/"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket(), Prefix=f"{prefix}odd/", PaginationConfig={"PageSize": 2}
        )
        same([key for page in pages for key in keys_of(page)], [f"{prefix}{key}" for key in odd])
    same(keys_of(s3.list_objects_v2(Bucket=bucket(), Prefix="odd/", StartAfter=odd[4])), odd[5:])
    told = s3.delete_objects(Bucket=bucket(), Delete={"Objects": [{"Key": key} for key in odd if "\n" not in key]})
    same(len(told["Deleted"]), len(odd) - 1)


@call("boto3 S3 tags and metadata")
def _():
    place = {"Bucket": bucket(), "Key": "tagged"}
    put("tagged", Tagging="a=1&b=x%20y", Metadata={"Upper": "V"}, CacheControl="no-cache")
    same({tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**place)["TagSet"]}, {"a": "1", "b": "x y"})
    twice = {"TagSet": [{"Key": "a", "Value": ""}] * 2}
    same(code(s3.put_object_tagging, **place, Tagging=twice), "InvalidTag")
    s3.copy_object(Bucket=bucket(), Key="tagged2", CopySource=place)
    copied = s3.get_object(Bucket=bucket(), Key="tagged2")
    same((copied["Metadata"], copied["CacheControl"], copied["TagCount"]), ({"upper": "V"}, "no-cache", 2))
    put("tagged")
    same(s3.get_object_tagging(**place)["TagSet"], [])


@call("boto3 S3 checksums")
def _():
    wanted = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    place = {"Bucket": bucket(), "Key": "checked"}
    same(put("checked", b"abc", ChecksumAlgorithm="SHA256")["ChecksumSHA256"], wanted)
    same(s3.head_object(**place, ChecksumMode="ENABLED")["ChecksumSHA256"], wanted)
    same(code(s3.put_object, **place, Body=b"abcd", ChecksumSHA256=wanted), "BadDigest")
    same(s3.get_object_attributes(**place, ObjectAttributes=["Checksum"])["Checksum"]["ChecksumSHA256"], wanted)


@call("boto3 S3 presigned addresses")
def _():
    place = {"Bucket": bucket(), "Key": "signed ü"}
    address = s3.generate_presigned_url("put_object", Params=place)
    urllib.request.urlopen(urllib.request.Request(address, data=b"22", method="PUT"))
    told = urllib.request.urlopen(s3.generate_presigned_url("get_object", Params={**place, "ResponseContentType": "x/y"}))
    same((told.read(), told.headers["content-type"]), (b"22", "x/y"))


# ---------------------------------------------------------------- boto3: Glue and Athena

glue = boto3.client("glue")
athena = boto3.client("athena")
GLUE_DB = f"glue_{RUN}"


@functools.cache
def catalog():
    glue.create_database(DatabaseInput={"Name": GLUE_DB, "Description": "d", "LocationUri": "s3://b/d/"})


def define(name, **more):
    catalog()
    storage = {"Location": "s3://b/t/", "Columns": [{"Name": "a", "Type": "bigint"}]}
    keys = [{"Name": "p", "Type": "string"}, {"Name": "n", "Type": "int"}]
    table = {"Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage, "PartitionKeys": keys}
    glue.create_table(DatabaseName=GLUE_DB, TableInput={**table, **more})


def partition(*values):
    return {"Values": list(values), "StorageDescriptor": {"Location": "s3://b/t/x/", "Columns": [{"Name": "a", "Type": "bigint"}]}}


@call("boto3 Glue databases and names")
def _():
    define("MixedCase")
    same(glue.get_table(DatabaseName=GLUE_DB.upper(), Name="mixedcase")["Table"]["Name"], "mixedcase")
    glue.update_database(Name=GLUE_DB, DatabaseInput={"Name": GLUE_DB, "Description": "new"})
    found = glue.get_database(Name=GLUE_DB)["Database"]
    same((found["Description"], found.get("LocationUri")), ("new", None))
    same(code(glue.get_tables, DatabaseName="nothing"), "EntityNotFoundException")
    same(code(glue.create_database, DatabaseInput={"Name": GLUE_DB.upper()}), "AlreadyExistsException")


@call("boto3 Glue tables in pages, by expression, and replaced")
def _():
    for name in ("g_b", "g_a", "g_abc"):
        define(name, Parameters={"k": "v"}, Retention=7)

    def named(expression, size=100):
        pages = glue.get_paginator("get_tables").paginate(
            DatabaseName=GLUE_DB, Expression=expression, PaginationConfig={"PageSize": size}
        )
        return [[table["Name"] for table in page["TableList"]] for page in pages]

    same(named("g_.*", 2), [["g_a", "g_abc"], ["g_b"]])
    same([named("g_a*"), named("g_a"), named("g_a|g_b")], [[["g_a", "g_abc"]], [["g_a"]], [["g_a", "g_b"]]])
    same(glue.get_table(DatabaseName=GLUE_DB, Name="g_a")["Table"]["Retention"], 7)
    glue.update_table(DatabaseName=GLUE_DB, TableInput={"Name": "g_a", "Parameters": {"x": "1"}})
    table = glue.get_table(DatabaseName=GLUE_DB, Name="g_a")["Table"]
    same((table["Parameters"], table.get("PartitionKeys"), table["StorageDescriptor"].get("Columns")), ({"x": "1"}, [], None))
    glue.batch_delete_table(DatabaseName=GLUE_DB, TablesToDelete=["g_a"])
    define("g_a")
    same(len(glue.get_table_versions(DatabaseName=GLUE_DB, TableName="g_a")["TableVersions"]), 1)
    iceberg_input = {"IcebergInput": {"MetadataOperation": "CREATE"}}
    same(code(glue.create_table, DatabaseName=GLUE_DB, TableInput={"Name": "i"}, OpenTableFormatInput=iceberg_input), "InvalidInputException")


@call("boto3 Glue partitions in segments and pages")
def _():
    define("parts")
    name = {"DatabaseName": GLUE_DB, "TableName": "parts"}
    wanted = [(p, n) for p in "ab" for n in ("1", "2", "10")]
    glue.batch_create_partition(**name, PartitionInputList=[partition(*values) for values in wanted])
    pages = [
        page["Partitions"]
        for segment in range(3)
        for page in glue.get_paginator("get_partitions").paginate(
            **name, Segment={"SegmentNumber": segment, "TotalSegments": 3}, PaginationConfig={"PageSize": 1}
        )
    ]
    same((sorted(tuple(found["Values"]) for page in pages for found in page), max(map(len, pages))), (sorted(wanted), 1))
    found = glue.get_partitions(**name, Expression="p = 'a' AND n > 1", ExcludeColumnSchema=True)["Partitions"]
    same(sorted((*p["Values"], len(p["StorageDescriptor"]["Columns"])) for p in found), [("a", "10", 0), ("a", "2", 0)])
    told = glue.batch_get_partition(**name, PartitionsToGet=[{"Values": ["a", "1"]}, {"Values": ["z", "9"]}])
    same((len(told["Partitions"]), told.get("UnprocessedKeys", [])), (1, []))
    same(code(glue.create_partition, **name, PartitionInput=partition("a")), "InvalidInputException")
    same(code(glue.get_partitions, DatabaseName=GLUE_DB, TableName="nothing"), "EntityNotFoundException")


def ran(sql, **more):
    query = athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": DB}, ResultConfiguration={"OutputLocation": OUTPUT}, **more
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            return query, status
        time.sleep(0.05)


@call("boto3 Athena results in pages")
def _():
    query, _ = ran("SELECT id FROM people ORDER BY id")
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=query, PaginationConfig={"PageSize": 2})
    cells = [[row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]] for page in pages]
    same(cells, [["id", "1"], ["2", "3"], ["4"]])
    same(code(athena.get_query_results, QueryExecutionId=query, NextToken="no token"), "InvalidRequestException")  # pragma: allowlist secret
    missing = "00000000-0000-0000-0000-000000000000"
    same(code(athena.get_query_results, QueryExecutionId=missing), "InvalidRequestException")
    told = athena.batch_get_query_execution(QueryExecutionIds=[query, missing])
    same((len(told["QueryExecutions"]), len(told["UnprocessedQueryExecutionIds"])), (1, 1))


@call("boto3 Athena places for results")
def _():
    for place in ("nothing", "http://b/c", f"s3://no-bucket-{RUN}/"):
        asked = {"QueryString": "SELECT 1", "ResultConfiguration": {"OutputLocation": place}}
        same(code(athena.start_query_execution, **asked), "InvalidRequestException")


@call("boto3 Athena named queries")
def _():
    asked = {"Name": "n", "Database": DB, "QueryString": "SELECT 1", "ClientRequestToken": f"token-{RUN}-{'x' * 32}"}
    made = [athena.create_named_query(**asked)["NamedQueryId"] for _ in range(2)]
    same(made[0], made[1])
    more = [athena.create_named_query(Name=str(n), Database=DB, QueryString="SELECT 2")["NamedQueryId"] for n in range(2)]
    pages = list(athena.get_paginator("list_named_queries").paginate(PaginationConfig={"PageSize": 1}))
    listed = [query for page in pages for query in page["NamedQueryIds"]]
    same((len(listed), {made[0], *more} <= set(listed)), (len(pages), True))


# ---------------------------------------------------------------- main


def outcome(run):
    try:
        run()
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        if "NOT_SUPPORTED" in told:
            return "rejected", told[told.index("NOT_SUPPORTED") :].splitlines()[0]
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame.lineno for frame in frames if frame.filename == __file__][-1]
        return "wrong", f"line {own}: {told}"[:1000]
    return "right", None


def main():
    prepare()
    for name, run in CALLS:
        if ONLY and not any(part in name for part in ONLY):
            continue
        result, why = outcome(run)
        print(json.dumps({"call": name, "outcome": result, **({} if why is None else {"why": why})}), flush=True)


if __name__ == "__main__":
    main()
