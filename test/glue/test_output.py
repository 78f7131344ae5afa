from pathlib import Path

import pyarrow.parquet
import pytest
from pyspark.sql import SparkSession

from sluice import output
from sluice.hadoop import files_below, read_bytes, write_text
from sluice.output import share_out, slots_of, write_quarantine

REFUSED = "_object string, _version string, _line bigint, _reason string, _column string, _value string, _raw string"


@pytest.mark.parametrize(("size", "files"), [(0, 1), (1000, 1), (1001, 2), (4000, 4)])
def test_a_quarantine_is_as_many_files_as_it_has_shares_in_the_order_of_lines(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, files: int
) -> None:
    monkeypatch.setattr(output, "QUARANTINE_FILE", 1000)
    rows = [("a", "v", line, "invalid_json", None, None, "x") for line in range(400)]
    frame = spark.createDataFrame(rows[::-1], REFUSED).repartition(5)
    write_quarantine(frame, f"file://{tmp_path}/quarantine", size)
    written = sorted((tmp_path / "quarantine").glob("*.parquet"))
    assert len(written) == files
    lines = [row["line"] for file in written for row in pyarrow.parquet.read_table(file).to_pylist()]
    assert lines == list(range(400))


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
