"""The one Glue job: runs any compiled plan (src/lib/model/plan.ts) on Spark, and rewrites published objects.

The row part is DuckDB SQL and runs inside the executors; the set part (duplicates, counts, partitioned writing) is
Spark's. The step StartGlueJob describes the job in a JSON file in S3. The job writes its counts next to the
rows as summary.json. It gives the same rows as the embedded engine.

Glue runs this file as the script. The modules that it imports come as one archive (--extra-py-files).
"""

import argparse
import json

from pyspark.sql import DataFrame, SparkSession

from sluice.description import Job, Summary
from sluice.hadoop import read_bytes, write_text
from sluice.output import with_line_numbers, write_lost, write_published, write_quarantine, write_replaced
from sluice.rewriting import rewrite
from sluice.row_part import SPLIT, row_part
from sluice.set_part import changed_rows, replaced_rows, set_part, tombstones_of
from sluice.summary import summarize

# What a run writes.
OUTPUTS = ("data", "quarantine", "replaced", "changed", "tombstones", "lost", "summary", "losing", "outcomes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", required=True, help="address of the job's description")
    # Glue passes it to every script.
    parser.add_argument("--JOB_RUN_ID", default="", help="takes the place of {jobRun} in the addresses of the output")
    args, _ = parser.parse_known_args()
    carry_out(SparkSession.builder.appName("sluice").getOrCreate(), args.job, args.JOB_RUN_ID)


def carry_out(spark: SparkSession, address: str, job_run: str = "") -> None:
    job = json.loads(read_bytes(spark, address))
    # A StartJobRun that failed may still have started a run, so each run has its own folder.
    for output, place in job.items():
        if output in OUTPUTS:
            job[output] = place.replace("{jobRun}", job_run)
    # One task for each 64 MB, and at least one for each core: Spark's 200 are all overhead for a small batch.
    tasks = max(spark.sparkContext.defaultParallelism, sum(f["unpacked"] for f in job.get("files", [])) // SPLIT)
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(tasks),
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.autoBroadcastJoinThreshold": str(64 * 2**20),
        # Dates before 1582 are written unchanged, as every engine except Spark 2 expects.
        **{
            f"spark.sql.parquet.{kind}RebaseModeIn{way}": "CORRECTED"
            for kind in ("datetime", "int96")
            for way in ("Read", "Write")
        },
        # Kept rows are read three times at most, so compressing them costs more than it saves.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
    }.items():
        spark.conf.set(key, value)
    if "rewritings" in job:
        write_text(spark, job["outcomes"], json.dumps(rewrite(spark, job)))
    else:
        write_text(spark, job["summary"], json.dumps(run(spark, job)))


def run(spark: SparkSession, job: Job) -> Summary:
    held: list[DataFrame] = []

    def hold(rows: DataFrame) -> DataFrame:
        held.append(rows.persist())
        return held[-1]

    parsed = hold(row_part(spark, job))
    records = parsed.where("_lines IS NULL").drop("_lines")
    ranked = set_part(spark, records.where("_reason IS NULL"), job, hold)
    part = job["plan"]["set"]
    # Recompute the view if the join is small (few repeated keys); keep it if the join is large.
    if part["joins"] or (part["dedupe"] and part["dedupe"]["published"]):
        ranked = hold(ranked)
    summary, quarantine_bytes = summarize(records, ranked, job, hold)
    replaced = replaced_rows(spark, ranked, job, hold)
    if replaced is not None:
        deleted = replaced.where("_is_deleted").count() if "deletes" in summary else 0
        summary["replacedRows"] = replaced.count() - deleted
        if "deletes" in summary:
            summary["deletedRows"] = deleted
        if summary["replacedRows"] + deleted > 0:
            write_replaced(spark, replaced.drop("_is_deleted"), job["replaced"])
    changed = changed_rows(spark, ranked, job, hold)
    if changed is not None:
        summary["changedRows"] = changed.count()
        if summary["changedRows"] > 0:
            write_replaced(spark, changed, job["changed"])
    lost = part["sql"]["spark"].get("lost")
    if lost is not None:
        write_lost(spark.sql(lost), job["lost"])
    if summary.get("deletes", 0) > 0:
        tombstones_of(spark, ranked, job).coalesce(1).write.mode("append").parquet(job["tombstones"])
    splits = parsed.where("_lines IS NOT NULL")
    published = ranked.where("_fate = 'published'")
    write_published(spark, with_line_numbers(spark, published, splits, job), job, summary)
    if summary["quarantined"] > 0:
        refused = records.where("_reason <> 'skipped'").unionByName(ranked.where("_fate = 'quarantined'").drop("_fate"))
        write_quarantine(with_line_numbers(spark, refused, splits, job), job["quarantine"], quarantine_bytes)
    for rows in reversed(held):
        rows.unpersist()
    return summary


if __name__ == "__main__":
    main()
