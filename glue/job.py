"""The one Glue job, and one file, as Glue has it: carries out any compiled plan (src/lib/compiler/plan.ts) on Spark.

The row part is DuckDB SQL and runs inside the executors; the set part (duplicates, counts, partitioned writing) is
Spark's. What the job is to do stands in a JSON file in S3, written by the step StartGlueJob; what it counted is
written beside the rows as summary.json. Equal input gives equal rows to the embedded engine's.
"""

import argparse
import base64
import contextlib
import fcntl
import io
import json
import os
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import botocore.session
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
# How much is read from the store at once, how much goes through the plan's SQL at once (in lines as well), and how much of a
# file of lines is a task's, in bytes.
BLOCK = 8 * 2**20
PORTION = 32 * 2**20
PORTION_LINES = 122_880
SPLIT = 64 * 2**20
# A document of so many bytes has its machine's memory for itself: to parse one takes some ten times its size.
LARGE_DOCUMENT = 16 * 2**20
# What DuckDB may hold in a task. A parser reserves far more than it takes.
KERNEL_MEMORY = "4GB"
# Published with every row; they are bookkeeping already, or the batch's own name.
LINEAGE = ("_batch", "_object", "_version")
# Hive's name for a partition of rows without a value.
DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"


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
    tasks = max(spark.sparkContext.defaultParallelism, sum(f["unpacked"] for f in job["files"]) // SPLIT)
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(tasks),
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.autoBroadcastJoinThreshold": str(64 * 2**20),
        # Dates before 1582 are what they say, as for every engine but Spark 2.
        **{
            f"spark.sql.parquet.{kind}RebaseModeIn{way}": "CORRECTED"
            for kind in ("datetime", "int96")
            for way in ("Read", "Write")
        },
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
    if job["published"] is None:
        return spark.createDataFrame([], schema)
    root = job["published"].rstrip("/")
    escape = spark._jvm.org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils.escapePathName
    folders = [
        "/".join([root, *(f"{key}={escape(row[key])}" for key in keys)])
        for row in rows.select(*keys).distinct().collect()
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


def row_part(spark: SparkSession, job: dict) -> DataFrame:
    """Every record through the plan's SQL, in DuckDB. The tasks read the raw objects themselves, exactly the batch's versions."""
    plan = job["plan"]
    output = [c for c in plan["columns"] if c["name"] not in LINEAGE] + plan["partitionKeys"]
    ddl = ", ".join([BOOKKEEPING, *(f"`{c['name']}` {c['type']}" for c in output), SPLITS])
    schema = spark.createDataFrame([], ddl).schema
    setup = {
        "arrow_schema": to_arrow_schema(schema).serialize().to_pybytes(),
        "records": plan["row"]["records"],
        "documents": plan["row"]["documents"],
        "header_line": plan["row"]["headerLine"],
        "files": job["files"],
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
    units = spark.sparkContext.parallelize(tasks, len(tasks)).flatMap(lambda units: units)
    return spark.createDataFrame(units, "file int, start bigint, stop bigint").mapInArrow(
        lambda batches: kernel(batches, shared.value), schema
    )


def units_of(files: list) -> list:
    """(file, start, stop): what is read by one task. A file of lines may be many; an archive and a document are one."""
    units = []
    for f in files:
        if f["layout"] == "lines" and f["compression"] is None:
            units += [(f["file"], start, min(start + SPLIT, f["size"])) for start in range(0, f["size"], SPLIT)]
        elif f["layout"] != "empty":
            units.append((f["file"], 0, f["size"]))
    return units


def shares_of(units: list, cores: int) -> list:
    """Units for each task, in order: a split's worth of bytes, or less where that leaves cores idle."""
    share = max(2**20, min(SPLIT, sum(stop - start for _, start, stop in units) / cores))
    tasks = []
    room = 0
    for unit in units:
        if room <= 0:
            tasks.append([])
            room = share
        tasks[-1].append(unit)
        # To open a file costs as much as to read some of it.
        room -= unit[2] - unit[1] + 2**16
    return tasks


def kernel(batches, setup):
    """Arrow batches (file, start, stop) of one Spark task -> rows of the plan, then a row for each split of lines."""
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(setup["arrow_schema"]))
    db = open_duckdb(setup)
    store = Store(setup["region"])
    lines = Lines(setup["header_line"])
    documents = Documents(db, setup)

    def rows_of(records, splits=None):
        db.register("records", records)
        result = db.execute(setup["records"]).to_arrow_table()
        db.unregister("records")
        return with_splits(result, splits).cast(schema).to_batches()

    for batch in batches:
        for number, start, stop in zip(*(column.to_pylist() for column in batch.columns)):
            file = setup["files"][number]
            if file["layout"] == "refused":
                documents.refuse(number, base64.b64decode(file["head"]), file["fault"])
            elif file["layout"] == "document":
                documents.read(store, file)
            else:
                fault = archive_fault(store, file, setup["limits"]["archive"])
                if fault is not None:
                    documents.refuse(number, store.head(file, setup["limits"]["sample"]), fault)
                    continue
                for portion in lines.read(store, file, start, stop, setup["limits"]):
                    yield from rows_of(portion, lines.splits)
            for portion in documents.take(PORTION):
                yield from rows_of(portion)
    for portion in lines.take(1):
        yield from rows_of(portion, lines.splits)
    for portion in documents.take(1):
        yield from rows_of(portion)
    if lines.splits:
        yield split_rows(lines.splits, setup["files"], schema)


def open_duckdb(setup):
    db = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": KERNEL_MEMORY,
            "temp_directory": tempfile.gettempdir(),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    db.execute("SET TimeZone = 'UTC'")
    db.execute("CREATE TABLE files (file INTEGER, object VARCHAR, version VARCHAR, header VARCHAR[])")
    files = setup["files"]
    header = pyarrow.array([f["header"] for f in files], pyarrow.list_(pyarrow.string()))
    names = {key: [f[key] for f in files] for key in ("file", "object", "version")}
    db.register("f", pyarrow.table({**names, "header": header}))
    db.execute("INSERT INTO files FROM f")
    for name, columns, ndjson in setup["references"]:
        with tempfile.NamedTemporaryFile(suffix=".ndjson", delete=False) as file:
            file.write(ndjson)
        db.read_json(file.name, format="newline_delimited", columns=columns).create(name)
        os.unlink(file.name)
    return db


class Store:
    """Reads versions of objects, whose keys may be any, and files of this machine."""

    def __init__(self, region):
        self.region = region
        self.client = None

    def blocks(self, file: dict, start: int = 0):
        """The bytes from `start` to the end, a block at a time."""
        for position in range(start, file["size"], BLOCK):
            yield self.read(file, position, min(position + BLOCK, file["size"]))

    def head(self, file: dict, size: int) -> bytes:
        return self.read(file, 0, min(size, file["size"]))

    def read(self, file: dict, start: int, stop: int) -> bytes:
        scheme, _, path = file["uri"].partition("://")
        if scheme == "file":
            with open(path, "rb") as local:
                local.seek(start)
                return local.read(stop - start)
        if self.client is None:
            self.client = botocore.session.get_session().create_client("s3", region_name=self.region)
        bucket, _, key = path.partition("/")
        asked = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{stop - 1}"}
        if file["version"]:
            asked["VersionId"] = file["version"]
        for attempt in range(6):
            try:
                answer = self.client.get_object(**asked)
                body = answer["Body"].read()
                # A store may answer a range with the whole object.
                return body if "ContentRange" in answer else body[start:stop]
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion", "404"):
                    raise RuntimeError(f"ObjectMissing: {file['uri']} (version {file['version']}) is gone") from error
                raise
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.IncompleteReadError):
                # botocore repeats requests, but not the reading of an answer.
                if attempt == 5:
                    raise
                time.sleep(2**attempt / 4)


class BrokenArchive(Exception):
    pass


def contents(store: Store, file: dict):
    """The bytes of a file as they are, or unpacked, in blocks."""
    blocks = store.blocks(file)
    return {None: lambda b: b, "gzip": gunzip, "zstd": unzstd}[file["compression"]](blocks)


def gunzip(blocks):
    """One member or many (RFC 1952, 2.2); zero bytes may follow, as padding."""
    member = zlib.decompressobj(wbits=31)
    try:
        for block in blocks:
            while block:
                if member.eof:
                    if block[0] == 0:
                        return
                    member = zlib.decompressobj(wbits=31)
                unpacked = member.decompress(block, BLOCK)
                if unpacked:
                    yield unpacked
                block = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise BrokenArchive from error
    while not member.eof:
        unpacked = member.decompress(b"", BLOCK)
        if not unpacked:
            raise BrokenArchive
        yield unpacked


class Packed(io.RawIOBase):
    """Blocks as a file. What fails in them is not the archive's fault."""

    def __init__(self, blocks):
        self.blocks = blocks
        self.rest = b""
        self.failure = None

    def readable(self):
        return True

    def readinto(self, target):
        try:
            self.rest = self.rest or next(self.blocks, b"")
        except Exception as error:
            self.failure = error
            raise
        size = min(len(target), len(self.rest))
        target[:size] = self.rest[:size]
        self.rest = self.rest[size:]
        return size


def unzstd(blocks):
    packed = Packed(blocks)
    stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(packed, mode="r"), "zstd")
    while True:
        try:
            unpacked = stream.read(BLOCK)
        except (OSError, pyarrow.ArrowException) as error:
            raise packed.failure or BrokenArchive() from error
        if not unpacked:
            return
        yield unpacked


def archive_fault(store: Store, file: dict, limit: int):
    """Unpacks a file of lines once before its lines are read: one that is broken or too large is refused whole."""
    if file["compression"] is None:
        return None
    size = 0
    try:
        for block in contents(store, file):
            size += len(block)
            if size > limit:
                return "archive_too_large"
    except BrokenArchive:
        return "broken_archive"
    return None


class Lines:
    """Lines of several splits, put together until they are worth a query. Line: the split's place, then the line's in it."""

    def __init__(self, header_line: bool):
        self.header_line = header_line
        self.splits = []  # [file, start, lines] in the order of reading
        self.files, self.numbers, self.texts, self.faults = [], [], [], []
        self.bytes = 0

    def read(self, store: Store, file: dict, start: int, stop: int, limits: dict):
        """Portions that are full after the lines of this split, which begin in it."""
        self.splits.append([file["file"], start, 0])
        if file["compression"] is None:
            blocks = lines_within(store.blocks(file, max(start - 1, 0)), start, stop)
        else:
            blocks = contents(store, file)
        for lines, fault in lines_of(blocks, start == 0, limits["record"], limits["sample"]):
            self.add(lines, fault)
            yield from self.take(PORTION)

    def add(self, lines: list, fault):
        split = self.splits[-1]
        first = ((len(self.splits) - 1) << LINE_BITS) + split[2] + 1
        split[2] += len(lines)
        # Blank lines are no records, and there may be millions of them.
        kept = [place for place, line in enumerate(lines) if line.strip(b" \t\r")]
        if len(kept) < len(lines):
            lines = [lines[place] for place in kept]
        self.files.append(numpy.full(len(kept), split[0], dtype=numpy.int32))
        self.numbers.append(numpy.array(kept, dtype=numpy.int64) + first)
        self.texts += lines
        self.faults += [fault] * len(lines)
        self.bytes += sum(map(len, lines))

    def take(self, least: int):
        """What there is, if it is so many bytes or a row group of lines."""
        if not self.texts or (self.bytes < least and len(self.texts) < min(least, PORTION_LINES)):
            return
        records = pyarrow.table(
            {
                "file": numpy.concatenate(self.files),
                "line": numpy.concatenate(self.numbers),
                "raw": pyarrow.array(self.texts, pyarrow.binary()),
                "fault": pyarrow.array(self.faults, pyarrow.string()),
            }
        )
        self.files, self.numbers, self.texts, self.faults = [], [], [], []
        self.bytes = 0
        yield without_header(records, self.splits) if self.header_line else records


def lines_within(blocks, start: int, stop: int):
    """The bytes of the lines that begin from `start` to before `stop`, from blocks that begin one byte before `start`."""
    position = max(start - 1, 0)
    is_within = start == 0
    for block in blocks:
        if not is_within:
            end = block.find(b"\n")
            if end < 0:
                position += len(block)
                continue
            is_within = True
            position += end + 1
            block = block[end + 1 :]
            if position >= stop:
                return
        end = -1
        if position + len(block) >= stop:
            end = block.find(b"\n", max(stop - 1 - position, 0))
        if end >= 0:
            yield block[: end + 1]
            return
        yield block
        position += len(block)


def lines_of(blocks, is_start: bool, longest: int, sample: int):
    """(lines, fault): lines without their ends; of one that is too long, the first bytes alone. It is never held."""
    rest = b""
    is_skipping = False
    for block in blocks:
        if is_start:
            is_start = False
            block = block.removeprefix(b"\xef\xbb\xbf")
        if is_skipping:
            end = block.find(b"\n")
            if end < 0:
                continue
            block = block[end + 1 :]
            is_skipping = False
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        yield from judged(lines, longest, sample)
        if len(rest) > longest:
            yield [rest[:sample]], "record_too_large"
            rest = b""
            is_skipping = True
    if rest:
        yield from judged([rest], longest, sample)


def judged(lines: list, longest: int, sample: int):
    if lines and max(map(len, lines)) <= longest:
        yield lines, None
        return
    for line in lines:
        yield ([line], None) if len(line) <= longest else ([line[:sample]], "record_too_large")


class Documents:
    """Whole files, put together until they are worth a query."""

    def __init__(self, db, setup: dict):
        self.db = db
        self.documents = setup["documents"]
        self.limits = setup["limits"]
        self.files, self.raws, self.bytes = [], [], 0
        self.refused = []
        self.done = []

    def refuse(self, number: int, head: bytes, fault: str):
        self.refused.append((number, head, fault))

    def read(self, store: Store, file: dict):
        number = file["file"]
        limit = self.limits["json" if file["header"] is None else "csv"]
        chunks, size = [], 0
        try:
            for block in contents(store, file):
                chunks.append(block)
                size += len(block)
                if size > limit:
                    return self.refuse(number, store.head(file, self.limits["sample"]), "document_too_large")
        except BrokenArchive:
            return self.refuse(number, store.head(file, self.limits["sample"]), "broken_archive")
        raw = b"".join(chunks)
        if size < LARGE_DOCUMENT:
            self.files.append(number)
            self.raws.append(raw)
            self.bytes += size
            return None
        try:
            with alone_on_this_machine():
                self.done.append(self.records([number], [raw]))
        except duckdb.OutOfMemoryException:
            self.refuse(number, raw[: self.limits["sample"]], "document_too_large")
        return None

    def records(self, files: list, raws: list):
        documents = pyarrow.table(
            {"file": pyarrow.array(files, pyarrow.int32()), "raw": pyarrow.array(raws, pyarrow.binary())}
        )
        self.db.register("documents", documents)
        records = self.db.execute(self.documents).to_arrow_table()
        self.db.unregister("documents")
        return records

    def take(self, least: int):
        """Portions of records: of what there is, if it is so many bytes."""
        if self.raws and self.bytes >= least:
            self.done.append(self.records(self.files, self.raws))
            self.files, self.raws, self.bytes = [], [], 0
        while self.done:
            records = self.done.pop(0)
            size = max(1, records.num_rows * PORTION // max(records.nbytes, 1))
            for start in range(0, records.num_rows, size):
                yield records.slice(start, size)
        if self.refused and least == 1:
            numbers, heads, faults = zip(*self.refused)
            self.refused = []
            yield pyarrow.table(
                {
                    "file": pyarrow.array(numbers, pyarrow.int32()),
                    "line": pyarrow.array([1] * len(numbers), pyarrow.int64()),
                    "raw": pyarrow.array(heads, pyarrow.binary()),
                    "fault": pyarrow.array(faults, pyarrow.string()),
                }
            )


@contextlib.contextmanager
def alone_on_this_machine():
    with open(os.path.join(tempfile.gettempdir(), "sluice-large-document"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def without_header(records, splits):
    """The first line of a file that is read by lines is a CSV's header."""
    numbers = records.column("line").to_numpy()
    starts = numpy.array([start for _, start, _ in splits], dtype=numpy.int64)[numbers >> LINE_BITS]
    return records.filter(pyarrow.array((starts > 0) | (numbers & ((1 << LINE_BITS) - 1) > 1)))


def with_splits(rows, splits):
    """`splits` is None for records that are not lines."""
    lines = rows.column("_line").to_numpy()
    starts = numpy.zeros(len(lines), dtype=numpy.int64)
    if splits is not None and len(lines) > 0:
        starts = numpy.array([start for _, start, _ in splits], dtype=numpy.int64)[lines >> LINE_BITS]
        lines = lines & ((1 << LINE_BITS) - 1)
    place = rows.schema.get_field_index("_line")
    return (
        rows.set_column(place, "_line", pyarrow.array(lines))
        .append_column("_split", pyarrow.array(starts))
        .append_column("_lines", pyarrow.nulls(rows.num_rows, pyarrow.int64()))
    )


def split_rows(splits, files, schema):
    names = {f["file"]: (f["object"], f["version"]) for f in files}
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
    raw_bytes = sum(f["unpacked"] for f in job["files"]) / max(summary["rowsRead"], 1)
    # With a writer for each of its few partitions open at once, a task need not sort by them too.
    writers = -(-len(summary["partitions"]) // tasks)
    is_few = writers <= 16
    spark.conf.set("spark.sql.maxConcurrentOutputFileWriters", str(2 * writers if is_few else 0))
    order = [*([] if is_few else keys), *plan["set"]["sort"]]
    shared = (
        rows.select(*columns, *keys)
        .join(F.broadcast(slot_of), keys)
        .repartition(tasks, "_slot")
        .drop("_slot")
        .select(*(c["name"] for c in plan["columns"]), *keys)
    )
    (
        # A table of constant partitions without a key has no order.
        (shared.sortWithinPartitions(*order) if order else shared)
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
