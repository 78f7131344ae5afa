"""The set part: what takes more than one row. Duplicates, large references, keys that are published already."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sluice.description import Job
from sluice.hadoop import files_below
from sluice.partitions import collect_partitions

# Keeps a frame that is read more than once, until the job is done.
Hold = Callable[[DataFrame], DataFrame]

# Hive's name for a partition of rows without a value.
DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def set_part(spark: SparkSession, rows: DataFrame, job: Job, hold: Hold) -> DataFrame:
    """The plan's statements over the rows, its large references, and the keys that are published already."""
    part = job["plan"]["set"]
    rows.createOrReplaceTempView("row_part")
    for reference in job["references"]:
        if any(r["name"] == reference["name"] for r in part["references"]):
            # Every value is written as a text.
            types = {"VARCHAR": "string", "INTEGER": "int", "BIGINT": "bigint"}
            texts = spark.read.schema(", ".join(f"`{name}` string" for name in reference["columns"]))
            texts.json(reference["uri"]).select(
                *(F.col(f"`{name}`").cast(types[type_]) for name, type_ in reference["columns"].items())
            ).createOrReplaceTempView(reference["name"])
    if part["dedupe"] and part["dedupe"]["published"]:
        published_keys(spark, rows, job).createOrReplaceTempView("published")
    sql = part["sql"]["spark"]
    if sql["repeated"] is not None:
        # Counted, so that Spark knows how few they are, and sends them to the rows and not the rows to them.
        repeated = hold(spark.sql(sql["repeated"]))
        repeated.count()
        repeated.createOrReplaceTempView("repeated")
        hold(spark.sql(sql["contested"])).createOrReplaceTempView("contested")
    return spark.sql(sql["ranked"])


def published_keys(spark: SparkSession, rows: DataFrame, job: Job) -> DataFrame:
    """Keys of what stands in the partitions that the rows go to: not this batch's own, nor what it replaces."""
    plan = job["plan"]
    keys = [key["name"] for key in plan["partitionKeys"]]
    wanted = plan["set"]["dedupe"]["key"]
    types = {c["name"]: c["type"] for c in plan["columns"]}
    schema = ", ".join([*(f"`{k}` {types[k]}" for k in wanted), *(f"`{k}` string" for k in keys)])
    if job["published"] is None:
        return spark.createDataFrame([], schema)
    root = job["published"].rstrip("/")
    jvm: Any = spark._jvm
    escape = jvm.org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils.escapePathName
    folders = [
        "/".join([root, *(f"{key}={escape(row[key])}" for key in keys)])
        for row in collect_partitions(rows.select(*keys).distinct())
    ]
    # Objects that were never committed are no rows.
    others = (f"{job['batch']}-", *job["exclude"])
    with ThreadPoolExecutor(max_workers=16) as pool:
        found = [path for paths in pool.map(lambda folder: files_below(spark, folder), folders) for path in paths]
    paths = [path for path in found if not path.rsplit("/", 1)[1].startswith(others)]
    if not paths:
        return spark.createDataFrame([], schema)
    lineage = "_object string, _version string"
    there = spark.read.option("basePath", root).schema(f"{lineage}, {schema}").parquet(*paths)
    if job["replaces"]:
        gone = spark.createDataFrame([(r["object"], r["version"]) for r in job["replaces"]], lineage)
        there = there.join(F.broadcast(gone), ["_object", "_version"], "left_anti")
    # Spark reads the default partition as NULL.
    values = [F.coalesce(F.col(f"`{key}`"), F.lit(DEFAULT_PARTITION)).alias(key) for key in keys]
    return there.select(*(F.col(f"`{k}`") for k in wanted), *values)
