from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from sluice.description import PublishedObject
from sluice.set_part import objects_of, published_rows, widest


def test_objects_are_found_by_what_they_say_of_their_partition() -> None:
    objects: list[PublishedObject] = [
        {"uri": "a", "size": 1, "values": ["feed", "06"]},
        {"uri": "b", "size": 1, "values": ["feed", "08"]},
        {"uri": "c", "size": 1, "values": ["feed", None]},
        {"uri": "d", "size": 1, "values": ["other", None]},
    ]
    assert objects_of(objects, [["feed", "06"], ["feed", "07"]]) == [
        ("a", ["feed", "06"]),
        ("c", ["feed", "06"]),
        ("c", ["feed", "07"]),
    ]


def test_published_rows_have_the_partition_of_their_object(spark: SparkSession, tmp_path: Path) -> None:
    def keys_of(published: object) -> list[tuple[Any, ...]]:
        job: Any = {
            "batch": "own",
            "region": None,
            "exclude": ["gone-f1-"],
            "published": published,
            "replaces": [{"object": "o", "version": "1"}],
            "plan": {
                "columns": [{"name": "id", "type": "int"}],
                "partitionKeys": [{"name": "source", "type": "string"}],
                "set": {"dedupe": {"key": ["id", "source"], "order": []}},
            },
        }
        found = published_rows(spark, spark.createDataFrame([("a b",)], "source string"), job)
        return sorted((r["id"], r["source"], r["_path"].split("/")[-3], r["_is_fixed"]) for r in found.collect())

    rows = "id int, _object string, _version string"
    for name, ids in {"old-f1-r": [1, 2], "gone-f1-r": [3], "own-f2-r": [4]}.items():
        place = str(tmp_path / name / "source=a b")
        spark.createDataFrame([(n, "o", str(n)) for n in ids], rows).coalesce(1).write.parquet(place)
    objects = [
        {"uri": f"file://{path}", "size": path.stat().st_size, "values": ["a b"]}
        for path in tmp_path.glob("*/*/*.parquet")
    ]
    assert keys_of(objects) == [(2, "a b", "old-f1-r", False)]
    assert keys_of(f"file://{tmp_path}/old-f1-r/") == [(2, "a b", "old-f1-r", False)]
    # Of an object of earlier partition keys, it is not known which rows are of the partition.
    assert keys_of([{**one, "values": [None]} for one in objects]) == [(2, "a b", "old-f1-r", True)]
    assert keys_of([]) == []


def test_keys_of_renamed_and_widened_columns_are_found_by_their_ids(spark: SparkSession, tmp_path: Path) -> None:
    def write(name: str, columns: str, row: tuple[object, ...], ids: dict[str, int]) -> PublishedObject:
        rows = spark.createDataFrame([row], columns)
        with_ids = [rows[c].alias(c, metadata={"parquet.field.id": ids[c]} if ids else {}) for c in rows.columns]
        rows.select(*with_ids).coalesce(1).write.parquet(str(tmp_path / name))
        (path,) = (tmp_path / name).glob("*.parquet")
        return {"uri": f"file://{path}", "size": path.stat().st_size, "values": ["a"]}

    ids = {"_object": 8, "_version": 9}
    lineage = "_object string, _version string"
    job: Any = {
        "batch": "own",
        "region": None,
        "exclude": [],
        "published": [
            write("now", f"post_id bigint, id int, {lineage}", (2**40, 9, "o", "1"), {**ids, "post_id": 1, "id": 5}),
            write("before", f"id int, {lineage}", (2, "o", "2"), {**ids, "id": 1}),
            write("nameless", f"id int, tags array<string>, {lineage}", (3, ["t"], "o", "3"), {}),
            write("older", lineage, ("o", "4"), ids),
            write("replaced", f"id int, {lineage}", (4, "o", "5"), {**ids, "id": 1}),
        ],
        "replaces": [{"object": "o", "version": "5"}],
        "plan": {
            "columns": [{"name": "post_id", "type": "bigint"}, {"name": "id", "type": "int"}],
            "partitionKeys": [{"name": "source", "type": "string"}],
            "fieldIds": {"post_id": {"id": 1, "names": ["id", "post_id"]}, "id": {"id": 5, "names": []}},
            "set": {"dedupe": {"key": ["post_id", "source"], "order": []}},
        },
    }
    job["plan"]["fieldIds"].update({name: {"id": number} for name, number in ids.items()})
    found = published_rows(spark, spark.createDataFrame([("a",)], "source string"), job)
    keys = sorted((row["post_id"], row["source"]) for row in found.collect() if row["post_id"] is not None)
    assert keys == [(2, "a"), (3, "a"), (2**40, "a")]
    assert found.count() == 4


def test_rows_that_have_left_an_object_are_not_published_and_the_others_have_their_positions(
    spark: SparkSession, tmp_path: Path
) -> None:
    def write(name: str, rows: list[tuple[object, ...]], columns: str) -> tuple[str, int]:
        spark.createDataFrame(rows, columns).coalesce(1).write.parquet(str(tmp_path / name))
        (path,) = (tmp_path / name).glob("*.parquet")
        return f"file://{path}", path.stat().st_size

    uri, size = write("old", [(n, "o", str(n)) for n in range(5)], "id int, _object string, _version string")
    gone, gone_size = write("gone", [(uri, 1), (uri, 3)], "file_path string, pos bigint")
    other, other_size = write("other", [(9, "o", "9")], "id int, _object string, _version string")
    job: Any = {
        "batch": "own",
        "region": None,
        "exclude": [],
        "published": [
            {"uri": uri, "size": size, "values": ["a"], "deletes": {"uri": gone, "size": gone_size}},
            {"uri": other, "size": other_size, "values": ["a"]},
        ],
        "replaces": [],
        "plan": {
            "columns": [{"name": "id", "type": "int"}],
            "partitionKeys": [{"name": "source", "type": "string"}],
            "set": {"dedupe": {"key": ["id", "source"], "order": []}},
        },
    }
    found = published_rows(spark, spark.createDataFrame([("a",)], "source string"), job)
    assert sorted((row["id"], row["_row"]) for row in found.collect()) == [(0, 0), (2, 2), (4, 4), (9, 0)]


@pytest.mark.parametrize(
    ("type_", "wide"),
    [("int", "bigint"), ("decimal(9,2)", "decimal(38,2)"), ("bigint", "bigint"), ("string", "string")],
)
def test_keys_are_compared_in_the_widest_type_of_their_kind(type_: str, wide: str) -> None:
    assert widest(type_) == wide
