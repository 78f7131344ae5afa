"""Rewrites published objects without the rows that a batch replaces, and with the new validity of versions.

The step StartRewriting describes it (src/lib/flow/steps/startRewriting.ts). Each object is one task: DuckDB runs the
SQL that the embedded engine runs, too (src/lib/engine/rewrite.ts), so both write the same rows in the same order.
"""

import os
import tempfile
from collections import defaultdict
from typing import Any, Literal, NotRequired, TypedDict

import duckdb
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sluice.description import Origin
from sluice.store import Missing, Store

# DuckDB's memory limit in a task. What does not fit is on the worker's disk.
MEMORY = "1GB"


class Sql(TypedDict):
    # -> kept, removed, replaced, changed
    count: str
    rows: str
    options: str


class Rewriting(TypedDict):
    """An object that may lose rows."""

    uri: str
    # Bytes.
    size: int
    # Where its remaining rows go.
    to: str
    # Number of the list of files all whose rows leave.
    origins: int
    # Number of its SQL; None if the object is gone.
    sql: int | None
    # The delete file of the object, with the positions of rows that have left it.
    deletes: NotRequired[str | None]
    # Whether the lists of losing and of changing rows have rows of it.
    isReplaced: bool
    isChanged: bool


class RewriteJob(TypedDict):
    rewritings: list[Rewriting]
    origins: list[list[Origin]]
    sql: list[Sql]
    # The published rows that newer ones replace, and those that are valid until another time now.
    replaced: str
    changed: str
    # Where this run puts the same, by object.
    losing: str
    outcomes: str
    region: str | None


class Outcome(TypedDict):
    """The rows of an object, and the bytes of what remains."""

    kept: int
    removed: int
    replaced: int
    changed: int
    bytes: int


def rewrite(spark: SparkSession, job: RewriteJob) -> list[Outcome | None]:
    """The outcome for each object; None if it is gone."""
    units = job["rewritings"]
    replaced = losing_rows(spark, job, "replaced", [n for n, unit in enumerate(units) if unit["isReplaced"]])
    changed = losing_rows(spark, job, "changed", [n for n, unit in enumerate(units) if unit["isChanged"]])
    shared = spark.sparkContext.broadcast((job["origins"], job["sql"], job["region"]))
    # The largest come first, so that no task begins with one at the end.
    order = sorted(range(len(units)), key=lambda n: -units[n]["size"])
    todo = [(n, units[n], replaced[n], changed[n]) for n in order]

    def work(task: tuple[int, Rewriting, list[str], list[str]]) -> tuple[int, Outcome | None]:
        origins, sql, region = shared.value
        number, unit, replaced, changed = task
        found = (
            None
            if unit["sql"] is None
            else rewrite_object(
                Store(region),
                unit,
                sql[unit["sql"]],
                origins[unit["origins"]],
                {"replaced": replaced, "changes": changed},
            )
        )
        return number, found

    outcomes = dict(spark.sparkContext.parallelize(todo, max(1, len(todo))).map(work).collect())
    return [outcomes[number] for number in range(len(units))]


def losing_rows(
    spark: SparkSession, job: RewriteJob, kind: Literal["replaced", "changed"], numbers: list[int]
) -> dict[int, list[str]]:
    """Writes the losing rows of each object to files of its own. Gives their addresses by the object's number."""
    found: dict[int, list[str]] = defaultdict(list)
    if not numbers:
        return found
    target = f"{job['losing']}{kind}/"
    units = spark.createDataFrame([(job["rewritings"][n]["uri"], n) for n in numbers], "_path string, _number int")
    rows: DataFrame = spark.read.option("pathGlobFilter", "*.parquet").parquet(job[kind])
    tasks = min(len(numbers), spark.sparkContext.defaultParallelism * 4)
    numbered = rows.join(F.broadcast(units), "_path").repartition(tasks, "_number")
    numbered.write.partitionBy("_number").mode("append").parquet(target)
    for uri in spark.read.parquet(target).inputFiles():
        folder = uri.rsplit("/", 2)[1]
        found[int(folder.removeprefix("_number="))].append(uri)
    return found


def rewrite_object(
    store: Store, unit: Rewriting, sql: Sql, origins: list[Origin], losing: dict[str, list[str]]
) -> Outcome | None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = (os.path.join(folder, name) for name in ("from.parquet", "to.parquet"))
        try:
            store.download(unit["uri"], source)
        except Missing:
            return None
        db = open_duckdb(folder)
        try:
            for name, uris in losing.items():
                paths = [os.path.join(folder, f"{name}-{i}.parquet") for i in range(len(uris))]
                for uri, path in zip(uris, paths, strict=True):
                    store.download(uri, path)
                if paths:
                    db.read_parquet(paths, hive_partitioning=False).create_view(name)
            deletes = unit.get("deletes")
            if deletes is not None:
                hidden = os.path.join(folder, "hidden.parquet")
                store.download(deletes, hidden)
                db.read_parquet(hidden, hive_partitioning=False).create_view("hidden")
            if origins:
                db.executemany("INSERT INTO origins VALUES (?, ?)", [[o["object"], o["version"]] for o in origins])
            for variable, value in {"rewrite_from": source, "rewrite_address": unit["uri"]}.items():
                db.execute(f"SET VARIABLE {variable} = ?", [value])
            counted: Any = db.execute(sql["count"]).fetchone()
            kept, removed, replaced, changed = (int(n) for n in counted)
            outcome: Outcome = {"kept": kept, "removed": removed, "replaced": replaced, "changed": changed, "bytes": 0}
            if kept > 0 and removed + changed > 0:
                db.execute(f"COPY ({sql['rows']}) TO '{target}' ({sql['options']})")
                outcome["bytes"] = store.upload_once(target, unit["to"])
            return outcome
        finally:
            db.close()


def open_duckdb(folder: str) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": MEMORY,
            "temp_directory": os.path.join(folder, "duckdb"),
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    db.execute("SET TimeZone = 'UTC'; CREATE TABLE origins (o VARCHAR, v VARCHAR)")
    return db
