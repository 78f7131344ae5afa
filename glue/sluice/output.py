"""Writes published rows and the quarantine, as Parquet."""

import heapq
import json
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from sluice.description import Job, Partition, Summary
from sluice.hadoop import write_text
from sluice.row_part import units_of

# The unpacked bytes of one quarantine file, which one task sorts.
QUARANTINE_FILE = 256 * 2**20


def write_published(spark: SparkSession, rows: DataFrame, job: Job, summary: Summary) -> None:
    """Writes a file for each partition, or several if one would exceed a GiB of raw records."""
    plan = job["plan"]
    keys = [key["name"] for key in plan["partitionKeys"]]
    columns = [
        F.lit(job["batch"]).alias("_batch") if c["name"] == "_batch" else F.col(c["name"]) for c in plan["columns"]
    ]
    ids = field_ids(plan)
    if not summary["partitions"]:
        return
    # Blank lines have bytes but no rows.
    raw_bytes = min(sum(f["unpacked"] for f in job["files"]) / max(summary["rowsRead"], 1), job["limits"]["record"])
    most_records = int(2**30 / max(raw_bytes, 1)) + 1
    if not keys:
        # A file for each GiB of raw records.
        shared = rows.select(*columns).repartition(-(-summary["published"] // most_records))
        named = shared.select(*(with_id(c["name"], ids) for c in plan["columns"]))
        write(named, plan["set"]["sort"], most_records, keys, job["data"])
        return
    tasks = min(int(spark.conf.get("spark.sql.shuffle.partitions") or 1), len(summary["partitions"]))
    shares = share_out(summary["partitions"], tasks)
    slots = slots_of(spark, tasks)
    schema = ", ".join([*(f"`{key}` string" for key in keys), "_slot int"])
    slot_of = spark.createDataFrame([(*values, slots[task]) for values, task in shares], schema)
    # A task has few partitions. It opens a writer for each, so it does not have to sort by them.
    writers = -(-len(summary["partitions"]) // tasks)
    is_few = writers <= 16
    spark.conf.set("spark.sql.maxConcurrentOutputFileWriters", str(2 * writers if is_few else 0))
    order = [*([] if is_few else keys), *plan["set"]["sort"]]
    shared = (
        rows.select(*columns, *keys)
        .join(F.broadcast(slot_of), keys)
        .repartition(tasks, "_slot")
        .drop("_slot")
        .select(*(with_id(c["name"], ids) for c in plan["columns"]), *keys)
    )
    write(shared, order, most_records, keys, job["data"])


def write(rows: DataFrame, order: list[str], most_records: int, keys: list[str], uri: str) -> None:
    (
        # A table of constant partitions without a key has no order.
        (rows.sortWithinPartitions(*order) if order else rows)
        .write.partitionBy(*keys)
        .option("maxRecordsPerFile", most_records)
        # Small row groups, so that a filter by time reads only a few of a day.
        .option("parquet.block.size", 4 * 2**20)
        .mode("append")
        .parquet(uri)
    )


def write_replaced(spark: SparkSession, rows: DataFrame, place: str) -> None:
    """Writes published rows that leave the table or change, and the paths of their objects."""
    rows.coalesce(1).write.mode("append").parquet(place)
    paths = sorted(row["_path"] for row in rows.select("_path").distinct().collect())
    write_text(spark, f"{place.rstrip('/')}/objects.json", json.dumps(paths))


def write_lost(pairs: DataFrame, place: str) -> None:
    """Writes which files have lost rows to which: a line of JSON for each winner."""
    losers = pairs.groupBy("winner").agg(F.sort_array(F.collect_set("loser")).alias("losers"))
    losers.coalesce(1).sortWithinPartitions("winner").write.mode("append").json(place)


def field_ids(plan: dict[str, Any]) -> dict[str, int]:
    """Column -> its id in an Iceberg table. Spark gives the elements of arrays none: an object has all ids or none."""
    ids = plan.get("fieldIds") or {}
    return {} if any("element" in i for i in ids.values()) else {name: i["id"] for name, i in ids.items()}


def with_id(name: str, ids: dict[str, int]) -> Column:
    return F.col(name).alias(name, metadata={"parquet.field.id": ids[name]}) if name in ids else F.col(name)


def share_out(partitions: list[Partition], tasks: int) -> list[tuple[list[str], int]]:
    """(values, task) for each partition. The largest comes first, and each goes to the task with the fewest rows."""
    loads = [(0, task) for task in range(tasks)]
    shares: list[tuple[list[str], int]] = []
    for partition in sorted(partitions, key=lambda p: -p["rows"]):
        load, task = loads[0]
        heapq.heapreplace(loads, (load + partition["rows"], task))
        shares.append((partition["values"], task))
    return shares


def slots_of(spark: SparkSession, tasks: int) -> list[int]:
    """Gives for each task a number that Spark's hash sends to it. Random numbers would leave some tasks idle."""
    found = spark.range(64 * tasks).selectExpr("int(id) AS slot", f"pmod(hash(int(id)), {tasks}) AS task")
    slots = {row["task"]: row["slot"] for row in found.collect()}
    return [slots[task] for task in range(tasks)]


def write_quarantine(rows: DataFrame, uri: str, size: int) -> None:
    """Writes quarantine in the order of files and lines, as files of equal size. `size`: estimated bytes."""
    tasks = -(-size // QUARANTINE_FILE)
    places = ("object", "version", "line")
    refused = rows.select(
        # A file in an archive has its name behind that of the object.
        F.concat("_object", F.coalesce(F.concat(F.lit("/"), "_member"), F.lit(""))).alias("object"),
        F.col("_version").alias("version"),
        F.col("_line").alias("line"),
        F.col("_reason").alias("reason"),
        F.col("_column").alias("column_name"),
        F.col("_value").alias("value"),
        F.col("_raw").alias("raw"),
    )
    # Spark samples the rows to find ranges, which one file does not need.
    shared = refused.repartitionByRange(tasks, *places) if tasks > 1 else refused.repartition(1)
    shared.sortWithinPartitions(*places).write.mode("append").parquet(uri)


def with_line_numbers(spark: SparkSession, rows: DataFrame, splits: DataFrame, job: Job) -> DataFrame:
    """Turns lines of splits into lines of files: adds the lines of the earlier splits. Most files are one split."""
    if all(start == 0 for _, start, _ in units_of(job["files"])):
        return rows
    counted = splits.select("_object", "_version", "_split", "_lines").collect()
    offsets: list[tuple[str, str, int, int]] = []
    seen: dict[tuple[str, str], int] = {}
    for row in sorted(counted, key=lambda r: (r["_object"], r["_version"], r["_split"])):
        identity = (row["_object"], row["_version"])
        if row["_split"] > 0:
            offsets.append((*identity, row["_split"], seen.get(identity, 0)))
        seen[identity] = seen.get(identity, 0) + row["_lines"]
    table = spark.createDataFrame(offsets, "_object string, _version string, _split bigint, _before bigint")
    return rows.join(F.broadcast(table), ["_object", "_version", "_split"], "left").withColumn(
        "_line", F.col("_line") + F.coalesce("_before", F.lit(0))
    )
