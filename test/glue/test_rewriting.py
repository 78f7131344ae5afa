"""Objects are rewritten with the SQL of their description; test/unit/engine/rewriteJob.test.ts has this SQL."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyspark.sql import SparkSession

from sluice.rewriting import RewriteJob, Rewriting, rewrite
from sluice.store import Missing, Store

ROWS = "read_parquet(getvariable('rewrite_from'), hive_partitioning = false)"
REPLACED = "id IN (SELECT id FROM replaced WHERE _path = getvariable('rewrite_address'))"
GONE = "(_object, _version) IN (SELECT (o, v) FROM origins)"


def sql_of(removed: str, replaced: str = "false") -> Any:
    counts = (f"NOT ({removed})", removed, replaced, "false")
    return {
        "count": f"SELECT {', '.join(f'count(*) FILTER ({c})::DOUBLE' for c in counts)} FROM {ROWS}",
        "rows": f"FROM {ROWS} WHERE NOT ({removed})",
        "options": "FORMAT parquet, COMPRESSION zstd, FIELD_IDS {id: 7}",
    }


@pytest.fixture
def job(tmp_path: Path) -> RewriteJob:
    """Three objects: one with a replaced row, one with a row of a file that is gone, and one that is gone itself."""

    def write(name: str, query: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        duckdb.sql(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        return f"file://{path}"

    def unit(uri: str, sql: int, is_replaced: bool) -> Rewriting:
        return {
            "uri": uri,
            "size": 1,
            "to": f"file://{tmp_path}/to/{os.path.basename(uri)}",
            "origins": 0,
            "sql": sql,
            "isReplaced": is_replaced,
            "isChanged": False,
        }

    one = write("one.parquet", "SELECT id, 'a' AS _object, 'v' AS _version FROM range(5) t(id) ORDER BY id DESC")
    two = write("two.parquet", "SELECT id, 'b' AS _object, 'v' || id AS _version FROM range(2) t(id)")
    write("replaced/1.parquet", f"SELECT '{one}' AS _path, 3::BIGINT AS id UNION ALL SELECT '{two}', 1")
    (tmp_path / "replaced" / "objects.json").write_text("[]")
    return {
        "rewritings": [unit(one, 0, True), unit(two, 1, False), unit(f"file://{tmp_path}/none", 1, False)],
        "origins": [[{"object": "b", "version": "v0"}], []],
        "sql": [sql_of(f"{GONE} OR {REPLACED}", REPLACED), sql_of(GONE)],
        "replaced": f"file://{tmp_path}/replaced/",
        "changed": f"file://{tmp_path}/changed/",
        "losing": f"file://{tmp_path}/losing/",
        "outcomes": "",
        "region": None,
    }


def test_objects_lose_their_own_rows_alone(spark: SparkSession, tmp_path: Path, job: RewriteJob) -> None:
    one, two, none = rewrite(spark, job)
    assert one == {
        "kept": 4,
        "removed": 1,
        "replaced": 1,
        "changed": 0,
        "bytes": (tmp_path / "to/one.parquet").stat().st_size,
    }
    assert two is not None and (two["kept"], two["removed"], two["replaced"]) == (1, 1, 0)
    assert none is None
    # In their order, with the ids of their columns.
    assert duckdb.sql(f"SELECT id FROM '{tmp_path}/to/one.parquet'").fetchall() == [(4,), (2,), (1,), (0,)]
    ids = duckdb.sql(f"SELECT field_id FROM parquet_schema('{tmp_path}/to/one.parquet') WHERE name = 'id'").fetchall()
    assert ids == [(7,)]


def test_without_files_that_leave_only_replaced_rows_leave(
    spark: SparkSession, tmp_path: Path, job: RewriteJob
) -> None:
    job["rewritings"] = [{**job["rewritings"][0], "origins": 1}]
    assert rewrite(spark, job) == [
        {"kept": 4, "removed": 1, "replaced": 1, "changed": 0, "bytes": (tmp_path / "to/one.parquet").stat().st_size}
    ]


def test_rows_that_have_left_an_object_by_its_delete_file_do_not_come_back(
    spark: SparkSession, tmp_path: Path, job: RewriteJob
) -> None:
    deletes = tmp_path / "deletes.parquet"
    uri = job["rewritings"][0]["uri"]
    duckdb.sql(f"COPY (SELECT '{uri}' AS file_path, 0::BIGINT AS pos) TO '{deletes}' (FORMAT parquet)")
    left = f"(FROM {ROWS} AS f WHERE f.file_row_number NOT IN (SELECT pos FROM hidden))"
    original = job["sql"][0]
    job["sql"] = [
        {**original, "count": original["count"].replace(ROWS, left), "rows": original["rows"].replace(ROWS, left)}
    ]
    job["rewritings"] = [{**job["rewritings"][0], "deletes": f"file://{deletes}"}]
    (one,) = rewrite(spark, job)
    assert one is not None and (one["kept"], one["removed"], one["replaced"]) == (3, 1, 1)
    assert duckdb.sql(f"SELECT id FROM '{tmp_path}/to/one.parquet'").fetchall() == [(2,), (1,), (0,)]


def test_a_second_run_changes_nothing(spark: SparkSession, tmp_path: Path, job: RewriteJob) -> None:
    first = rewrite(spark, job)
    (tmp_path / "to/one.parquet").write_bytes(b"kept")
    job["losing"] += "again/"
    second = rewrite(spark, job)
    assert (tmp_path / "to/one.parquet").read_bytes() == b"kept"
    assert second[0] == {**(first[0] or {}), "bytes": 4}


def test_an_object_of_which_nothing_remains_or_nothing_leaves_is_not_written(
    spark: SparkSession, tmp_path: Path, job: RewriteJob
) -> None:
    job["sql"] = [sql_of("true"), sql_of("false")]
    job["rewritings"][0]["isReplaced"] = False
    one, two, _ = rewrite(spark, job)
    assert one is not None and (one["kept"], one["removed"], one["bytes"]) == (0, 5, 0)
    assert two is not None and (two["kept"], two["removed"], two["bytes"]) == (2, 0, 0)
    assert not (tmp_path / "to").exists()


def test_a_missing_object_is_told_by_name() -> None:
    class Gone:
        def get_object(self, **_: str) -> None:
            import botocore.exceptions

            raise botocore.exceptions.ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")

    store = Store("eu-west-1")
    store.client = Gone()
    with pytest.raises(Missing, match="ObjectMissing: s3://b/k is gone"):
        store.download("s3://b/k", "/dev/null")
