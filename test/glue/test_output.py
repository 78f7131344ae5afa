from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from pyspark.sql import SparkSession

from sluice import output
from sluice.hadoop import files_below, read_bytes, write_text
from sluice.output import share_out, slots_of, write_published, write_quarantine

REFUSED = (
    "_object string, _version string, _member string, _line bigint, _reason string, _column string, _value string,"
    " _raw string"
)


@pytest.mark.parametrize(("size", "files"), [(0, 1), (1000, 1), (1001, 2), (4000, 4)])
def test_a_quarantine_is_as_many_files_as_it_has_shares_in_the_order_of_lines(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, files: int
) -> None:
    monkeypatch.setattr(output, "QUARANTINE_FILE", 1000)
    rows = [("a", "v", "m" if line > 200 else None, line, "invalid_json", None, None, "x") for line in range(400)]
    frame = spark.createDataFrame(rows[::-1], REFUSED).repartition(5)
    write_quarantine(frame, f"file://{tmp_path}/quarantine", size)
    written = sorted((tmp_path / "quarantine").glob("*.parquet"))
    assert len(written) == files
    found = [row for file in written for row in pyarrow.parquet.read_table(file).to_pylist()]
    assert [row["line"] for row in found] == list(range(400))
    assert {row["object"] for row in found} == {"a", "a/m"}


def test_partitions_are_shared_out_evenly() -> None:
    partitions = [output.Partition(values=[str(n)], rows=n) for n in (1, 9, 3, 5, 7, 2)]
    loads = [0, 0, 0]
    for values, task in share_out(partitions, 3):
        loads[task] += int(values[0])
    assert loads == [9, 9, 9]


def test_each_task_has_a_slot_that_spark_sends_to_it(spark: SparkSession) -> None:
    slots = slots_of(spark, 7)
    sent = spark.createDataFrame([(s,) for s in slots], "slot int").selectExpr("pmod(hash(slot), 7) AS task").collect()
    assert [row["task"] for row in sent] == list(range(7))


def test_small_files_go_through_hadoop(spark: SparkSession, tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/folder/a.parquet"
    write_text(spark, uri, "ü")
    write_text(spark, f"file://{tmp_path}/folder/b.txt", "")
    assert read_bytes(spark, uri) == "ü".encode()
    assert [path.rsplit("/", 1)[1] for path in files_below(spark, f"file://{tmp_path}/folder")] == ["a.parquet"]
    assert files_below(spark, f"file://{tmp_path}/none") == []


def test_columns_have_their_ids_in_an_iceberg_table_unless_an_array_is_among_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    def ids_of(name: str, field_ids: dict[str, Any]) -> list[bytes | None]:
        job: Any = {
            "batch": "b",
            "files": [{"unpacked": 10}],
            "limits": {"record": 100},
            "data": str(tmp_path / name),
            "plan": {
                "columns": [{"name": "id"}, {"name": "_batch"}],
                "partitionKeys": [{"name": "source"}],
                "set": {"sort": ["id"]},
                "fieldIds": field_ids,
            },
        }
        summary: Any = {"rowsRead": 1, "partitions": [{"values": ["a"], "rows": 1}]}
        write_published(spark, spark.createDataFrame([(1, "a")], "id int, source string"), job, summary)
        [file] = (tmp_path / name).rglob("*.parquet")
        return [(field.metadata or {}).get(b"PARQUET:field_id") for field in pyarrow.parquet.read_schema(file)]

    assert ids_of("with", {"id": {"id": 7}, "_batch": {"id": 3}}) == [b"7", b"3"]
    assert ids_of("without", {"id": {"id": 7, "element": 8}, "_batch": {"id": 3}}) == [None, None]
