import pytest
from conftest import MakeFile
from pyspark.sql import DataFrame, SparkSession

from sluice import partitions
from sluice.description import Job
from sluice.summary import REFUSED_ROW, summarize

RECORDS = "_object string, _version string, _reason string, _raw string"
RANKED = RECORDS + ", _fate string, _nulled array<string>, count string"


@pytest.fixture
def job(make_file: MakeFile) -> Job:
    return {
        "plan": {"partitionKeys": [{"name": "count"}], "set": {}},
        "batch": "b",
        "files": [make_file(b"", number=0), make_file(b"", number=1)],
        "references": [],
        "limits": {"record": 1, "archive": 1, "json": 1, "csv": 1, "sample": 1},
        "published": None,
        "replaces": [],
        "exclude": [],
        "data": "",
        "quarantine": "",
        "summary": "",
        "region": None,
    }


@pytest.fixture
def frames(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    """The row part rejects two rows, the set part one."""
    good = ("test/0", "v", None, None)
    records = [good, good, good, good, ("test/0", "v", "invalid_json", "ü"), ("test/1", "v", "bad_type", "abc")]
    ranked = [
        (*good, "published", ["a", "b"], "06"),
        (*good, "published", ["b"], "07"),
        (*good, "duplicate", ["a"], "06"),
        ("test/0", "v", "unmatched", "x" * 10, "quarantined", ["a"], "06"),
    ]
    return spark.createDataFrame(records, RECORDS), spark.createDataFrame(ranked, RANKED)


def test_each_row_is_counted_once_by_file_reason_column_and_partition(
    frames: tuple[DataFrame, DataFrame], job: Job
) -> None:
    summary, quarantine_bytes = summarize(*frames, job, DataFrame.persist)
    assert summary == {
        "rowsRead": 6,
        "published": 2,
        "quarantined": 3,
        "duplicates": 1,
        "reasons": {"bad_type": 1, "invalid_json": 1, "unmatched": 1},
        "nulled": {"a": 2, "b": 2},
        "files": [
            {"object": "test/0", "version": "v", "rowsRead": 5, "published": 2, "quarantined": 2, "duplicates": 1},
            {"object": "test/1", "version": "v", "rowsRead": 1, "published": 0, "quarantined": 1, "duplicates": 0},
        ],
        "partitions": [{"values": ["06"], "rows": 1}, {"values": ["07"], "rows": 1}],
    }
    assert quarantine_bytes == 2 + 3 + 10 + 3 * REFUSED_ROW


def test_a_record_of_another_dataset_is_counted_as_skipped_and_not_quarantined(
    frames: tuple[DataFrame, DataFrame], job: Job, spark: SparkSession
) -> None:
    records, ranked = frames
    others = spark.createDataFrame([("test/1", "v", "skipped", None)] * 2, RECORDS)
    job["plan"]["set"]["skips"] = True
    summary, _ = summarize(records.union(others), ranked, job, DataFrame.persist)
    assert (summary["rowsRead"], summary["quarantined"], summary["skipped"]) == (8, 3, 2)
    assert [file["skipped"] for file in summary["files"]] == [0, 2]
    assert "skipped" not in summary["reasons"]


def test_more_partitions_than_a_batch_may_have_are_refused_by_name(
    frames: tuple[DataFrame, DataFrame], job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "MOST_PARTITIONS", 1)
    with pytest.raises(RuntimeError, match="TooManyPartitions: the batch has rows for more than 1 partitions"):
        summarize(*frames, job, DataFrame.persist)


def test_the_driver_collects_no_combination_of_files_columns_and_partitions(
    spark: SparkSession, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("test/0", "v", None, None, "published", [f"c{n % 7}", f"d{n % 11}"], str(n % 5)) for n in range(400)]
    ranked = spark.createDataFrame(rows, RANKED)
    collected = 0
    collect = DataFrame.collect

    def counted(frame: DataFrame) -> list[object]:
        nonlocal collected
        found = collect(frame)
        collected += len(found)
        return found

    monkeypatch.setattr(DataFrame, "collect", counted)
    summary, _ = summarize(ranked.select("_object", "_version", "_reason", "_raw"), ranked, job, DataFrame.persist)
    assert summary["published"] == 400
    # A file before and after the set part, 18 columns, 5 partitions: the sum, not their 385 combinations.
    assert collected == 1 + 1 + 18 + 5
