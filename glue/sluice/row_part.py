"""The row part: divides the input among tasks, and gives the rows of all tasks."""

import json

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from sluice.archives import is_plain
from sluice.description import File, Group, Job
from sluice.hadoop import read_bytes
from sluice.kernel import Setup, kernel
from sluice.store import place_of

# File, start, stop: a part of the input of a task.
Unit = tuple[int, int, int]

BOOKKEEPING = (
    "_object string, _version string, _member string, _line bigint, _place bigint, _digest bigint, _reason string,"
    " _raw string, _column string, _value string, _nulled array<string>"
)
# Each row has the start of its split in the file. A row with _lines is not a record: it has the number of lines of a
# split, from which line numbers in a file are computed.
SPLITS = "_split bigint, _lines bigint"
# The part of a file of lines that one task reads, in bytes.
SPLIT = 64 * 2**20
# Published with every row. They exist already, or name the batch.
LINEAGE = ("_batch", "_object", "_version", "_line")


def row_part(spark: SparkSession, job: Job) -> DataFrame:
    """Runs the plan's SQL on every record, in DuckDB. The tasks read the raw objects themselves."""
    plan = job["plan"]
    output = [c for c in plan["columns"] if c["name"] not in LINEAGE] + plan["partitionKeys"]
    dedupe = plan["set"].get("dedupe") or {}
    deletes = [f"_{name} boolean" for name in ("deletes", "truncates") if dedupe.get(name)]
    ddl = ", ".join([BOOKKEEPING, *deletes, *(f"`{c['name']}` {c['type']}" for c in output), SPLITS])
    schema = spark.createDataFrame([], ddl).schema
    setup: Setup = {
        "arrow_schema": to_arrow_schema(schema).serialize().to_pybytes(),
        "records": plan["row"]["records"],
        "documents": plan["row"]["documents"],
        "tables": plan["row"].get("tables"),
        "limits": job["limits"],
        "region": job["region"],
        "references": [
            (r["name"], r["columns"], read_bytes(spark, r["uri"]))
            for r in job["references"]
            if any(held["name"] == r["name"] for held in plan["row"]["references"])
        ],
    }
    tasks = shares_of(units_of(job["files"]), spark.sparkContext.defaultParallelism)
    if not tasks:
        return spark.createDataFrame([], schema)
    shared = spark.sparkContext.broadcast(setup)
    files = {file["file"]: file for file in job["files"]}
    told = [
        [(described(files[number], job["headers"], start, stop), start, stop) for number, start, stop in task]
        for task in tasks
    ]
    units = spark.sparkContext.parallelize(told, len(told)).flatMap(lambda units: units)
    return spark.createDataFrame(units, "file string, start bigint, stop bigint").mapInArrow(
        lambda batches: kernel(batches, shared.value), schema
    )


def described(file: File, headers: list[list[str]], start: int, stop: int) -> str:
    """A unit's file as JSON. A Parquet file may have thousands of row groups: only those of the unit are in it."""
    groups = [group for group in file.get("groups") or [] if start <= group["start"] and group["end"] <= stop]
    header = file["header"]
    return json.dumps({**file, "groups": groups, "header": headers[header] if isinstance(header, int) else header})


def units_of(files: list[File]) -> list[Unit]:
    """A file of lines may have many splits. An archive and a document are one split each."""
    units: list[Unit] = []
    for f in files:
        if f["layout"] == "lines" and is_plain(f):
            units += [(f["file"], start, min(start + SPLIT, f["size"])) for start in range(0, f["size"], SPLIT)]
        elif f["layout"] == "table":
            units += [(f["file"], start, stop) for start, stop in parts_of(f.get("groups") or [])]
        elif f["layout"] != "empty":
            units.append((f["file"], 0, place_of(f)[1]))
    return units


def parts_of(groups: list[Group]) -> list[tuple[int, int]]:
    """Consecutive row groups of about the size of a split, as the bytes from the first to the end of the last."""
    parts: list[tuple[int, int]] = []
    for group in sorted(groups, key=lambda g: g["start"]):
        if parts and group["end"] - parts[-1][0] <= SPLIT:
            parts[-1] = (parts[-1][0], group["end"])
        else:
            parts.append((group["start"], group["end"]))
    return parts


def shares_of(units: list[Unit], cores: int) -> list[list[Unit]]:
    """The units of each task, in order: as many bytes as a split, or fewer if cores would be idle."""
    share = max(2**20, min(SPLIT, sum(stop - start for _, start, stop in units) / cores))
    tasks: list[list[Unit]] = []
    room: float = 0
    for unit in units:
        if room <= 0:
            tasks.append([])
            room = share
        tasks[-1].append(unit)
        # Opening a file costs as much as reading some bytes.
        room -= unit[2] - unit[1] + 2**16
    return tasks
