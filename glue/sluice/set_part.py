"""The set part, which needs more than one row: duplicates, large references, published keys."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from sluice.description import Job, PublishedObject
from sluice.hadoop import files_below
from sluice.partitions import collect_partitions
from sluice.published import Setup, read_keys

# Keeps a frame that is read more than once until the job ends.
Hold = Callable[[DataFrame], DataFrame]


def set_part(spark: SparkSession, rows: DataFrame, job: Job, hold: Hold) -> DataFrame:
    """Runs the plan's statements on the rows, its large references, and the published keys."""
    part = job["plan"]["set"]
    rows.createOrReplaceTempView("row_part")
    for reference in job["references"]:
        if any(r["name"] == reference["name"] for r in part["references"]):
            # All values are written as texts.
            types = {"VARCHAR": "string", "INTEGER": "int", "BIGINT": "bigint"}
            texts = spark.read.schema(", ".join(f"`{name}` string" for name in reference["columns"]))
            texts.json(reference["uri"]).select(
                *(F.col(f"`{name}`").cast(types[type_]) for name, type_ in reference["columns"].items())
            ).createOrReplaceTempView(reference["name"])
    sql = part["sql"]["spark"]
    if part["dedupe"] and part["dedupe"]["published"]:
        published_rows(spark, rows, job).createOrReplaceTempView("published")
    if sql.get("before") is not None:
        hold(spark.sql(sql["before"])).createOrReplaceTempView("before")
    if sql.get("candidates") is not None:
        hold(spark.sql(sql["candidates"])).createOrReplaceTempView("candidates")
    if sql["repeated"] is not None:
        # Counting them lets Spark know their size, so it sends them to the rows instead of the rows to them.
        repeated = hold(spark.sql(sql["repeated"]))
        repeated.count()
        repeated.createOrReplaceTempView("repeated")
        hold(spark.sql(sql["contested"])).createOrReplaceTempView("contested")
    return spark.sql(sql["ranked"])


def replaced_rows(spark: SparkSession, ranked: DataFrame, job: Job, hold: Hold) -> DataFrame | None:
    """The published rows that newer ones replace. None if the plan does not compare published rows."""
    sql = job["plan"]["set"]["sql"]["spark"].get("replaced")
    if sql is None:
        return None
    ranked.createOrReplaceTempView("ranked")
    return hold(spark.sql(sql))


def changed_rows(spark: SparkSession, ranked: DataFrame, job: Job, hold: Hold) -> DataFrame | None:
    """The published rows whose validity is another one now. None without a history."""
    sql = job["plan"]["set"]["sql"]["spark"].get("changed")
    if sql is None:
        return None
    ranked.createOrReplaceTempView("ranked")
    return hold(spark.sql(sql))


def tombstones_of(spark: SparkSession, ranked: DataFrame, job: Job) -> DataFrame:
    """The keys that the batch deletes."""
    ranked.createOrReplaceTempView("ranked")
    return spark.sql(job["plan"]["set"]["sql"]["spark"]["tombstones"])


def published_rows(spark: SparkSession, rows: DataFrame, job: Job) -> DataFrame:
    """The published rows in the partitions of the rows, without those of this batch and of files that it replaces.

    They have the columns that decide between rows, the address of their object, whether they always stay, and their
    positions in an object of an Iceberg table. If rows may delete keys, tombstones are among them, too. With a history,
    the rows of replaced files are there, and `_is_gone` says which ones they are.
    """
    plan = job["plan"]
    keys = [key["name"] for key in plan["partitionKeys"]]
    dedupe = plan["set"]["dedupe"]
    history = dedupe.get("history")
    validity = [history["validTo"], history["current"]] if history else []
    asked = [*dedupe["key"], *(o["column"] for o in dedupe["order"]), *validity, "_object", "_version"]
    wanted = [name for name in dict.fromkeys(asked) if name not in keys]
    types = {"_object": "string", "_version": "string", **{c["name"]: c["type"] for c in plan["columns"]}}
    exact = ", ".join(f"`{k}` {types[k]}" for k in wanted)
    # As src/lib/engine/publishedKeys.ts: objects of an Iceberg table may be of a contract with wider types.
    columns = exact if history else ", ".join(f"`{k}` {widest(types[k])}" for k in wanted)
    places = ", ".join([*(f"`{k}` string" for k in keys), "_path string", "_is_fixed boolean", "_row bigint"])
    source = job["published"] or []
    if dedupe.get("within") is not None and not isinstance(source, str):
        listed = [(o["uri"], [value or "" for value in o["values"]]) for o in source]
    else:
        found = collect_partitions(rows.select(*keys).distinct(), None) if keys else []
        # A table without partitions is one.
        touched = [[row[key] for key in keys] for row in found] if keys else [[]]
        listed = objects_below(spark, source, keys, touched) if isinstance(source, str) else objects_of(source, touched)
    # Objects that were never committed do not count.
    others = (f"{job['batch']}-", *job["exclude"])
    theirs = [(path, values) for path, values in listed if not any(n.startswith(others) for n in path.split("/"))]
    if not theirs:
        there = spark.createDataFrame([], f"{columns}, {places}")
    elif isinstance(source, str):
        there = rows_in_folders(spark, theirs, exact, places)
    else:
        there = rows_of_objects(spark, job, {o["uri"]: o for o in source}, theirs, wanted, f"{columns}, {places}")
    output = [*wanted, *keys, "_path", "_is_fixed", "_row"]
    there = there.select(*(F.col(f"`{k}`") for k in output))
    if dedupe.get("deletes"):
        there = there.withColumn("_is_tombstone", F.lit(False))
        output.append("_is_tombstone")
        if dedupe.get("truncates"):
            there = there.withColumn("_truncates", F.lit(False))
            output.append("_truncates")
        if job["deleted"]:
            marks = ["_truncates"] if dedupe.get("truncates") else []
            ddl = ", ".join([columns, *(f"`{k}` string" for k in keys), *(f"{m} boolean" for m in marks)])
            told = tombstones(
                spark, job, [*wanted, *keys, *marks], f"{ddl}, _path string, _is_fixed boolean, _row bigint"
            )
            there = there.unionByName(told.fillna(False, subset=marks) if marks else told)
    gone = [(r["object"], r["version"]) for r in job["replaces"]]
    lineage = spark.createDataFrame(gone, "_object string, _version string")
    if history:
        # It needs the rows that leave with their file, too.
        leaving = lineage.distinct().withColumn("_leaves", F.lit(True))
        there = there.join(F.broadcast(leaving), ["_object", "_version"], "left")
        there = there.withColumn("_is_gone", F.coalesce("_leaves", F.lit(False)))
        output.append("_is_gone")
    elif gone:
        there = there.join(F.broadcast(lineage), ["_object", "_version"], "left_anti")
    return there.select(*(F.col(f"`{k}`") for k in output))


def widest(type_: str) -> str:
    """The widest type of its kind."""
    return "bigint" if type_ == "int" else re.sub(r"^decimal\(\d+,", "decimal(38,", type_)


def tombstones(spark: SparkSession, job: Job, columns: list[str], ddl: str) -> DataFrame:
    """The tombstones of earlier batches, as published rows."""
    ids = job["plan"].get("fieldIds") or {}
    setup: Setup = {
        "arrow_schema": to_arrow_schema(spark.createDataFrame([], ddl).schema).serialize().to_pybytes(),
        "columns": columns,
        "ids": {},
        "earlier": {
            c["name"]: [*c.get("was", []), *ids.get(c["name"], {}).get("names", [])] for c in job["plan"]["columns"]
        },
        "region": job["region"],
    }
    units = [(o["uri"], o["size"], "[[]]", False, "null") for o in job["deleted"]]
    return read_units(spark, units, setup, ddl).withColumn("_is_tombstone", F.lit(True))


def read_units(spark: SparkSession, units: list[tuple[str, int, str, bool, str]], setup: Setup, ddl: str) -> DataFrame:
    """The rows of objects: see read_keys."""
    tasks = min(len(units), spark.sparkContext.defaultParallelism * 4)
    shared = spark.sparkContext.broadcast(setup)
    return spark.createDataFrame(
        spark.sparkContext.parallelize(units, tasks),
        "uri string, size bigint, places string, is_fixed boolean, deletes string",
    ).mapInArrow(lambda batches: read_keys(batches, shared.value), spark.createDataFrame([], ddl).schema)


def rows_in_folders(spark: SparkSession, found: list[tuple[str, list[str]]], columns: str, places: str) -> DataFrame:
    """The columns of the files, and their partitions. A file of a folder has rows of its partition alone."""
    there = spark.read.schema(columns).parquet(*dict.fromkeys(path for path, _ in found))
    jvm: Any = spark._jvm
    # Spark gives the URI of a file, in which the name is escaped.
    known = [
        (str(jvm.org.apache.hadoop.fs.Path(path).toUri().toString()), *values, path, False, None)
        for path, values in found
    ]
    place = spark.createDataFrame(known, f"_uri string, {places}")
    return there.withColumn("_uri", F.col("_metadata.file_path")).join(F.broadcast(place), "_uri")


def rows_of_objects(
    spark: SparkSession,
    job: Job,
    objects: dict[str, PublishedObject],
    found: list[tuple[str, list[str]]],
    columns: list[str],
    ddl: str,
) -> DataFrame:
    """The same of an Iceberg table. Spark 3.5 finds columns by name, and does not read a number as a wider one."""
    plan = job["plan"]
    schema = spark.createDataFrame([], ddl).schema
    setup: Setup = {
        "arrow_schema": to_arrow_schema(schema).serialize().to_pybytes(),
        "columns": columns,
        "ids": plan.get("fieldIds") or {},
        "region": job["region"],
    }
    places: dict[str, list[list[str]]] = {}
    for uri, values in found:
        places.setdefault(uri, []).append(values)
    # Of an object that does not name each value of its partition, it is not known which rows are of a partition.
    units = [
        (uri, o["size"], json.dumps(of), o.get("isFixed", None in o["values"]), json.dumps(o.get("deletes")))
        for uri, of in places.items()
        for o in (objects[uri],)
    ]
    return read_units(spark, units, setup, ddl)


def objects_below(
    spark: SparkSession, root: str, keys: list[str], partitions: list[list[str]]
) -> list[tuple[str, list[str]]]:
    """The objects in the folders of the partitions, each with its partition."""
    jvm: Any = spark._jvm
    escape = jvm.org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils.escapePathName
    folders = [
        "/".join([root.rstrip("/"), *(f"{key}={escape(value)}" for key, value in zip(keys, values, strict=True))])
        for values in partitions
    ]
    with ThreadPoolExecutor(max_workers=16) as pool:
        found = pool.map(lambda folder: files_below(spark, folder), folders)
    return [(path, values) for paths, values in zip(found, partitions, strict=True) for path in paths]


def objects_of(objects: list[PublishedObject], partitions: list[list[str]]) -> list[tuple[str, list[str]]]:
    """Those of the objects that may have rows of the partitions, each with the partition."""
    found: list[tuple[str, list[str]]] = []
    by_values: dict[tuple[str, ...], list[str]] = {}
    for values in partitions:
        by_values[tuple(values)] = values
    for object_ in objects:
        values = [value for value in object_["values"] if value is not None]
        if len(values) == len(object_["values"]):
            same = by_values.get(tuple(values))
            found.extend([(object_["uri"], same)] if same is not None else [])
            continue
        pairs = [(i, value) for i, value in enumerate(object_["values"]) if value is not None]
        found.extend((object_["uri"], p) for p in partitions if all(p[i] == value for i, value in pairs))
    return found
