"""The one Glue job, and one file, as Glue has it: carries out any compiled plan (src/lib/compiler/plan.ts) on Spark.

The row part is DuckDB SQL and runs inside the executors; the set part (duplicates, counts, partitioned writing) is
Spark's. What the job is to do stands in a JSON file in S3, written by the step StartGlueJob; what it counted is
written beside the rows as summary.json. Equal input gives equal rows to the embedded engine's.
"""

import argparse
import base64
import json
import os
import tempfile

import duckdb
import numpy
import pyarrow
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

BOOKKEEPING = (
    "_object string, _version string, _line bigint, _place bigint, _digest bigint, _reason string,"
    " _raw string, _column string, _value string, _nulled array<string>"
)
# Beside each row: the start of its split in the file. A row with _lines is no record: it tells how many lines a
# split has, from which line numbers within a file are made.
SPLITS = "_split bigint, _lines bigint"
LINE_BITS = 32
# Published with every row; they are bookkeeping already, or the batch's own name.
LINEAGE = ("_batch", "_object", "_version")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", required=True, help="address of the job's description")
    # Glue gives it to every script.
    parser.add_argument("--JOB_RUN_ID", default="", help="takes the place of {jobRun} in the addresses of the output")
    args, _ = parser.parse_known_args()
    carry_out(SparkSession.builder.appName("sluice").getOrCreate(), args.job, args.JOB_RUN_ID)


def carry_out(spark: SparkSession, address: str, job_run: str = "") -> None:
    job = json.loads(read_bytes(spark, address))
    # A request that was answered by an error may have started a run all the same: no two of them write to one place.
    for output in ("data", "quarantine", "summary"):
        job[output] = job[output].replace("{jobRun}", job_run)
    # One task for each 64 MB, and at least one for each core: Spark's 200 are all overhead for a small batch.
    tasks = max(spark.sparkContext.defaultParallelism, sum(f["size"] for f in job["files"]) // 2**26)
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(tasks),
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.autoBroadcastJoinThreshold": str(64 * 2**20),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
        # What is kept is read three times at most: to compress it costs more.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
    }.items():
        spark.conf.set(key, value)
    summary = run(spark, job)
    write_text(spark, job["summary"], json.dumps(summary))


def run(spark: SparkSession, job: dict) -> dict:
    held = []

    def hold(rows):
        held.append(rows.persist())
        return held[-1]

    parsed = hold(row_part(spark, job))
    records = parsed.where("_lines IS NULL").drop("_lines")
    ranked = set_part(spark, records.where("_reason IS NULL"), job, hold)
    part = job["plan"]["set"]
    # A join with the few repeated keys costs less each time than to keep all rows twice; one with a large table does not.
    if part["joins"] or (part["dedupe"] and part["dedupe"]["published"]):
        ranked = hold(ranked)
    summary = summarize(records, ranked, job)
    write_published(spark, ranked.where("_fate = 'published'"), job, summary)
    if summary["quarantined"] > 0:
        refused = records.where("_reason IS NOT NULL").unionByName(
            ranked.where("_fate = 'quarantined'").drop("_fate")
        )
        splits = parsed.where("_lines IS NOT NULL")
        write_quarantine(with_line_numbers(spark, refused, splits, job), job["quarantine"])
    for rows in reversed(held):
        rows.unpersist()
    return summary


def set_part(spark: SparkSession, rows: DataFrame, job: dict, hold) -> DataFrame:
    """The plan's statements over the rows, its large references, and the keys that are published already.

    hold: keeps a frame that is read more than once, until the job is done.
    """
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


def published_keys(spark: SparkSession, rows: DataFrame, job: dict) -> DataFrame:
    """Key columns of what stands in the partitions that the rows go to: not this batch's own, nor what it replaces."""
    plan = job["plan"]
    keys = [key["name"] for key in plan["partitionKeys"]]
    wanted = plan["set"]["dedupe"]["key"]
    types = {c["name"]: c["type"] for c in plan["columns"]}
    schema = ", ".join([*(f"`{k}` {types[k]}" for k in wanted), *(f"`{k}` string" for k in keys)])
    found = spark.createDataFrame([], schema)
    if job["published"] is None:
        return found
    escape = spark._jvm.org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils.escapePathName
    for row in rows.select(*keys).distinct().collect():
        folder = "/".join([job["published"].rstrip("/"), *(f"{key}={escape(row[key])}" for key in keys)])
        paths = [p for p in files_below(spark, folder) if not p.rsplit("/", 1)[1].startswith(job["batch"])]
        if paths:
            there = spark.read.parquet(*paths)
            if job["replaces"]:
                gone = spark.createDataFrame(
                    [(r["object"], r["version"]) for r in job["replaces"]], "_object string, _version string"
                )
                there = there.join(F.broadcast(gone), ["_object", "_version"], "left_anti")
            found = found.union(there.select(*wanted, *(F.lit(row[key]).alias(key) for key in keys)))
    return found


def row_part(spark: SparkSession, job: dict) -> DataFrame:
    """Every record through the plan's SQL, in DuckDB, where Spark's splits are."""
    plan = job["plan"]
    output = [c for c in plan["columns"] if c["name"] not in LINEAGE] + plan["partitionKeys"]
    ddl = ", ".join([BOOKKEEPING, *(f"`{c['name']}` {c['type']}" for c in output), SPLITS])
    schema = spark.createDataFrame([], ddl).schema
    setup = {
        "arrow_schema": to_arrow_schema(schema).serialize().to_pybytes(),
        "records": plan["row"]["records"],
        "documents": plan["row"]["documents"],
        "header_line": plan["row"]["headerLine"],
        "files": [(f["file"], f["object"], f["version"], f["header"]) for f in job["files"]],
        "references": [
            (r["name"], r["columns"], read_bytes(spark, r["uri"]))
            for r in job["references"]
            if any(held["name"] == r["name"] for held in plan["row"]["references"])
        ],
    }
    shared = spark.sparkContext.broadcast(setup)
    by_layout = {
        layout: [f for f in job["files"] if f["layout"] == layout]
        for layout in ("lines", "document", "refused")
    }
    file_number = F.regexp_extract("_metadata.file_path", r"([0-9]+)$", 1).cast("int")
    frames = []
    if by_layout["lines"]:
        frames.append(
            spark.read.option("lineSep", "\n")
            .text([f["uri"] for f in by_layout["lines"]])
            .select(
                file_number.alias("file"),
                F.col("_metadata.file_block_start").alias("start"),
                F.col("value").cast("binary").alias("raw"),
                F.lit("lines").alias("layout"),
            )
        )
    if by_layout["document"]:
        frames.append(
            spark.read.format("binaryFile")
            .load([f["uri"] for f in by_layout["document"]])
            .select(
                file_number.alias("file"),
                F.lit(0).cast("bigint").alias("start"),
                F.col("content").alias("raw"),
                F.lit("document").alias("layout"),
            )
        )
    if by_layout["refused"]:
        rows = [(f["file"], 0, base64.b64decode(f["head"]), f["fault"]) for f in by_layout["refused"]]
        frames.append(spark.createDataFrame(rows, "file int, start bigint, raw binary, layout string"))
    rows = spark.createDataFrame([], schema)
    for frame in frames:
        rows = rows.union(frame.mapInArrow(lambda batches: kernel(batches, shared.value), schema))
    return rows


def kernel(batches, setup):
    """Arrow batches (file, start, raw, layout) of one Spark task -> rows of the plan, then a row for each split."""
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(setup["arrow_schema"]))
    db = open_duckdb(setup)
    splits = []  # [file, start, lines] in the order of reading
    for batch in batches:
        if batch.num_rows == 0:
            continue
        layout = batch.column("layout")[0].as_py()
        if layout == "lines":
            records = numbered_lines(batch, splits)
            if setup["header_line"]:
                records = without_header(records, splits)
        else:
            records = whole_files(db, setup, batch, layout)
        db.register("records", records)
        result = db.execute(setup["records"]).to_arrow_table()
        db.unregister("records")
        yield from with_splits(result, splits, layout).cast(schema).to_batches()
    if splits:
        yield split_rows(splits, setup["files"], schema)


def open_duckdb(setup):
    db = duckdb.connect(
        config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    db.execute("SET TimeZone = 'UTC'")
    db.execute("CREATE TABLE files (file INTEGER, object VARCHAR, version VARCHAR, header VARCHAR[])")
    numbers, objects, versions, headers = zip(*setup["files"])
    header = pyarrow.array(headers, pyarrow.list_(pyarrow.string()))
    db.register("f", pyarrow.table({"n": numbers, "o": objects, "v": versions, "h": header}))
    db.execute("INSERT INTO files FROM f")
    for name, columns, ndjson in setup["references"]:
        with tempfile.NamedTemporaryFile(suffix=".ndjson", delete=False) as file:
            file.write(ndjson)
        db.read_json(file.name, format="newline_delimited", columns=columns).create(name)
        os.unlink(file.name)
    return db


def numbered_lines(batch, splits):
    """Gives each line its split (high bits) and its place in it (low bits). A task reads its splits in order."""
    files = batch.column("file").to_numpy()
    starts = batch.column("start").to_numpy()
    numbers = numpy.empty(batch.num_rows, dtype=numpy.int64)
    changes = (files[1:] != files[:-1]) | (starts[1:] != starts[:-1])
    borders = [0, *(numpy.flatnonzero(changes) + 1).tolist(), batch.num_rows]
    for begin, end in zip(borders, borders[1:]):
        place = [int(files[begin]), int(starts[begin])]
        if not splits or splits[-1][:2] != place:
            splits.append([*place, 0])
        done = splits[-1][2]
        numbers[begin:end] = ((len(splits) - 1) << LINE_BITS) + numpy.arange(done + 1, done + 1 + end - begin)
        splits[-1][2] = done + end - begin
    return pyarrow.table(
        {
            "file": batch.column("file"),
            "line": pyarrow.array(numbers),
            "raw": batch.column("raw"),
            "fault": pyarrow.nulls(batch.num_rows, pyarrow.string()),
        }
    )


def without_header(records, splits):
    """The first line of a file that is read by lines is a CSV's header."""
    numbers = records.column("line").to_numpy()
    starts = numpy.array([start for _, start, _ in splits], dtype=numpy.int64)[numbers >> LINE_BITS]
    return records.filter(pyarrow.array((starts > 0) | (numbers & ((1 << LINE_BITS) - 1) > 1)))


def whole_files(db, setup, batch, layout):
    if layout == "document":
        documents = pyarrow.Table.from_batches([batch]).select(["file", "raw"])
        db.register("documents", documents)
        return db.execute(setup["documents"]).to_arrow_table()
    return pyarrow.table(
        {
            "file": batch.column("file"),
            "line": pyarrow.array([1] * batch.num_rows, pyarrow.int64()),
            "raw": batch.column("raw"),
            "fault": batch.column("layout"),
        }
    )


def with_splits(rows, splits, layout):
    lines = rows.column("_line").to_numpy()
    starts = numpy.zeros(len(lines), dtype=numpy.int64)
    if layout == "lines" and len(lines) > 0:
        starts = numpy.array([start for _, start, _ in splits], dtype=numpy.int64)[lines >> LINE_BITS]
        lines = lines & ((1 << LINE_BITS) - 1)
    place = rows.schema.get_field_index("_line")
    return (
        rows.set_column(place, "_line", pyarrow.array(lines))
        .append_column("_split", pyarrow.array(starts))
        .append_column("_lines", pyarrow.nulls(rows.num_rows, pyarrow.int64()))
    )


def split_rows(splits, files, schema):
    names = {number: (object_, version) for number, object_, version, _ in files}
    known = {
        "_object": [names[file][0] for file, _, _ in splits],
        "_version": [names[file][1] for file, _, _ in splits],
        "_split": [start for _, start, _ in splits],
        "_lines": [lines for _, _, lines in splits],
    }
    return pyarrow.record_batch(
        [pyarrow.array(known.get(field.name, [None] * len(splits)), field.type) for field in schema],
        schema=schema,
    )


def with_line_numbers(spark: SparkSession, rows: DataFrame, splits: DataFrame, job: dict) -> DataFrame:
    """Places within splits become places within files: the lines of the splits before are added."""
    if all(f["layout"] != "lines" for f in job["files"]):
        return rows
    counted = splits.select("_object", "_version", "_split", "_lines").collect()
    offsets = []
    seen = {}
    for row in sorted(counted, key=lambda r: (r["_object"], r["_version"], r["_split"])):
        identity = (row["_object"], row["_version"])
        offsets.append((*identity, row["_split"], seen.get(identity, 0)))
        seen[identity] = seen.get(identity, 0) + row["_lines"]
    if not offsets:
        return rows
    table = spark.createDataFrame(offsets, "_object string, _version string, _split bigint, _before bigint")
    return rows.join(F.broadcast(table), ["_object", "_version", "_split"], "left").withColumn(
        "_line", F.col("_line") + F.coalesce("_before", F.lit(0))
    )


def write_published(spark: SparkSession, rows: DataFrame, job: dict, summary: dict) -> None:
    """A file for each partition, or more where it would grow beyond a GiB of raw records; partitions are shared out evenly."""
    plan = job["plan"]
    keys = [key["name"] for key in plan["partitionKeys"]]
    columns = [
        F.lit(job["batch"]).alias("_batch") if c["name"] == "_batch" else F.col(c["name"])
        for c in plan["columns"]
    ]
    if not summary["partitions"]:
        return
    tasks = min(int(spark.conf.get("spark.sql.shuffle.partitions")), len(summary["partitions"]))
    shares = share_out(summary["partitions"], tasks)
    slots = slots_of(spark, tasks)
    schema = ", ".join([*(f"`{key}` string" for key in keys), "_slot int"])
    slot_of = spark.createDataFrame([(*values, slots[task]) for values, task in shares], schema)
    raw_bytes = sum(f["size"] for f in job["files"]) / max(summary["rowsRead"], 1)
    # With a writer for each of its few partitions open at once, a task need not sort by them too.
    writers = -(-len(summary["partitions"]) // tasks)
    is_few = writers <= 16
    spark.conf.set("spark.sql.maxConcurrentOutputFileWriters", str(2 * writers if is_few else 0))
    order = [*([] if is_few else keys), *plan["set"]["sort"]]
    (
        rows.select(*columns, *keys)
        .join(F.broadcast(slot_of), keys)
        .repartition(tasks, "_slot")
        .drop("_slot")
        .select(*(c["name"] for c in plan["columns"]), *keys)
        .sortWithinPartitions(*order)
        .write.partitionBy(*keys)
        .option("maxRecordsPerFile", int(2**30 / max(raw_bytes, 1)) + 1)
        # Row groups small enough that a filter by time reads few of a day's.
        .option("parquet.block.size", 4 * 2**20)
        .mode("append")
        .parquet(job["data"])
    )


def share_out(partitions: list, tasks: int) -> list:
    """(values, task) for each partition: the largest first, each to the task with the fewest rows."""
    load = [0] * tasks
    shares = []
    for partition in sorted(partitions, key=lambda p: -p["rows"]):
        task = load.index(min(load))
        load[task] += partition["rows"]
        shares.append((partition["values"], task))
    return shares


def slots_of(spark: SparkSession, tasks: int) -> list:
    """For each task a number that Spark's own hash sends to it: chance would leave one idle and give another two."""
    found = spark.range(64 * tasks).selectExpr("int(id) AS slot", f"pmod(hash(int(id)), {tasks}) AS task")
    slots = {row["task"]: row["slot"] for row in found.collect()}
    return [slots[task] for task in range(tasks)]


def write_quarantine(rows: DataFrame, uri: str) -> None:
    (
        rows.select(
            F.col("_object").alias("object"),
            F.col("_version").alias("version"),
            F.col("_line").alias("line"),
            F.col("_reason").alias("reason"),
            F.col("_column").alias("column_name"),
            F.col("_value").alias("value"),
            F.col("_raw").alias("raw"),
        )
        .coalesce(1)
        .sortWithinPartitions("object", "version", "line")
        .write.mode("append")
        .parquet(uri)
    )


def summarize(records: DataFrame, ranked: DataFrame, job: dict) -> dict:
    """Rows read are counted before the set part, the others after it, so that their sum is a check."""
    keys = [key["name"] for key in job["plan"]["partitionKeys"]]
    identity = ["_object", "_version"]
    files = {
        (f["object"], f["version"]): {"rowsRead": 0, "published": 0, "quarantined": 0, "duplicates": 0}
        for f in job["files"]
    }
    reasons = {}
    nulled = {}
    partitions = {}

    def refuse(row):
        files[(row["_object"], row["_version"])]["quarantined"] += row["count"]
        reasons[row["_reason"]] = reasons.get(row["_reason"], 0) + row["count"]

    for row in records.groupBy(*identity, "_reason").count().collect():
        files[(row["_object"], row["_version"])]["rowsRead"] += row["count"]
        if row["_reason"] is not None:
            refuse(row)
    fates = ranked.groupBy(*identity, "_fate", "_reason", "_nulled", *keys).count().collect()
    for row in fates:
        if row["_fate"] == "quarantined":
            refuse(row)
            continue
        fate = "duplicates" if row["_fate"] == "duplicate" else "published"
        files[(row["_object"], row["_version"])][fate] += row["count"]
        for name in row["_nulled"]:
            nulled[name] = nulled.get(name, 0) + row["count"]
        if row["_fate"] == "published":
            values = tuple(row[key] for key in keys)
            partitions[values] = partitions.get(values, 0) + row["count"]

    def total(field):
        return sum(counts[field] for counts in files.values())

    return {
        "rowsRead": total("rowsRead"),
        "published": total("published"),
        "quarantined": total("quarantined"),
        "duplicates": total("duplicates"),
        "reasons": dict(sorted(reasons.items())),
        "nulled": dict(sorted(nulled.items())),
        "files": [
            {"object": object_, "version": version, **counts} for (object_, version), counts in files.items()
        ],
        "partitions": [{"values": list(values), "rows": rows} for values, rows in sorted(partitions.items())],
    }


def files_below(spark: SparkSession, uri: str) -> list:
    """Parquet files right below a folder, which may be missing."""
    jvm = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    system = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    if not system.exists(path):
        return []
    found = [str(status.getPath().toString()) for status in system.listStatus(path)]
    return [name for name in found if name.endswith(".parquet")]


def read_bytes(spark: SparkSession, uri: str) -> bytes:
    jvm = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    stream = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()).open(path)
    try:
        return bytes(jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
    finally:
        stream.close()


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Through Hadoop, which knows the store's credentials and address."""
    jvm = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    system = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    stream = system.create(path, True)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()


if __name__ == "__main__":
    main()
