from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from sluice.description import PublishedObject
from sluice.set_part import objects_of, published_keys


def test_objects_are_found_by_what_they_say_of_their_partition() -> None:
    objects: list[PublishedObject] = [
        {"uri": "a", "values": ["feed", "06"]},
        {"uri": "b", "values": ["feed", "08"]},
        {"uri": "c", "values": ["feed", None]},
        {"uri": "d", "values": ["other", None]},
    ]
    assert objects_of(objects, [["feed", "06"], ["feed", "07"]]) == [
        ("a", ["feed", "06"]),
        ("c", ["feed", "06"]),
        ("c", ["feed", "07"]),
    ]


def test_published_keys_have_the_partition_of_their_object(spark: SparkSession, tmp_path: Path) -> None:
    def keys_of(published: object) -> list[tuple[Any, ...]]:
        job: Any = {
            "batch": "own",
            "exclude": ["gone-f1-"],
            "published": published,
            "replaces": [{"object": "o", "version": "1"}],
            "plan": {
                "columns": [{"name": "id", "type": "int"}],
                "partitionKeys": [{"name": "source", "type": "string"}],
                "set": {"dedupe": {"key": ["id"]}},
            },
        }
        found = published_keys(spark, spark.createDataFrame([("a b",)], "source string"), job)
        return sorted(tuple(row) for row in found.collect())

    rows = "id int, _object string, _version string"
    for name, ids in {"old-f1-r": [1, 2], "gone-f1-r": [3], "own-f2-r": [4]}.items():
        place = str(tmp_path / name / "source=a b")
        spark.createDataFrame([(n, "o", str(n)) for n in ids], rows).coalesce(1).write.parquet(place)
    objects = [{"uri": f"file:{path}", "values": ["a b"]} for path in tmp_path.glob("*/*/*.parquet")]
    assert keys_of(objects) == [(2, "a b")]
    assert keys_of(f"file://{tmp_path}/old-f1-r/") == [(2, "a b")]
    assert keys_of([]) == []
