"""The job's counts, for the ledger and for the job's next steps."""

from typing import Literal, NamedTuple

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from sluice.description import FileCounts, Job, Summary
from sluice.partitions import collect_partitions
from sluice.set_part import Hold

# The reason of a record that belongs to another dataset (src/lib/model/plan.ts).
SKIPPED = "skipped"
# The estimated bytes of a quarantined row without its raw text.
REFUSED_ROW = 256


class Counted(NamedTuple):
    summary: Summary
    # The estimated bytes of the quarantine.
    quarantine_bytes: int


def summarize(records: DataFrame, ranked: DataFrame, job: Job, hold: Hold) -> Counted:
    """Counts rows read before the set part and all others after it, so that their sum is a check.

    The driver gets counts by file and reason, by column, and by partition. It never gets counts of their combinations,
    because there may be as many as rows.
    """
    keys = [key["name"] for key in job["plan"]["partitionKeys"]]
    most = job["plan"].get("maxPartitions")
    identity = ["_object", "_version"]
    files: dict[tuple[str, str], FileCounts] = {
        (f["object"], f["version"]): {"rowsRead": 0, "published": 0, "quarantined": 0, "duplicates": 0}
        for f in job["files"]
    }
    reasons: dict[str, int] = {}
    skipped: dict[tuple[str, str], int] = {}
    deletes: dict[tuple[str, str], int] = {}
    quarantine_bytes = 0

    def refuse(row: Row) -> None:
        nonlocal quarantine_bytes
        files[(row["_object"], row["_version"])]["quarantined"] += row["_count"]
        reasons[row["_reason"]] = reasons.get(row["_reason"], 0) + row["_count"]
        quarantine_bytes += row["_bytes"] + REFUSED_ROW * row["_count"]

    def raw_bytes(condition: str) -> Column:
        return F.sum(F.expr(f"IF({condition}, octet_length(coalesce(_raw, '')), 0L)")).alias("_bytes")

    # No column of a contract begins with an underscore.
    count = F.count("*").alias("_count")
    for row in records.groupBy(*identity, "_reason").agg(count, raw_bytes("_reason IS NOT NULL")).collect():
        files[(row["_object"], row["_version"])]["rowsRead"] += row["_count"]
        if row["_reason"] == SKIPPED:
            skipped[(row["_object"], row["_version"])] = row["_count"]
        elif row["_reason"] is not None:
            refuse(row)
    # One pass over the rows. Its result has few rows for most batches, and always stays on the executors.
    grouped = hold(
        ranked.groupBy(*identity, "_fate", "_reason", "_nulled", *keys).agg(count, raw_bytes("_fate = 'quarantined'"))
    )
    sums = (F.sum("_count").alias("_count"), F.sum("_bytes").alias("_bytes"))
    for row in grouped.groupBy(*identity, "_fate", "_reason").agg(*sums).collect():
        if row["_fate"] == "quarantined":
            refuse(row)
            continue
        if row["_fate"] == "deletes":
            deletes[(row["_object"], row["_version"])] = row["_count"]
            continue
        counts = files[(row["_object"], row["_version"])]
        counts["duplicates" if row["_fate"] == "duplicate" else "published"] += row["_count"]
    columns = grouped.where("_fate <> 'quarantined'").select(F.explode("_nulled").alias("name"), "_count")
    nulled = {
        row["name"]: row["_count"] for row in columns.groupBy("name").agg(F.sum("_count").alias("_count")).collect()
    }
    published = (
        grouped.where("_fate = 'published'").groupBy(*keys).agg(F.sum("_count").alias("_count")).where("_count > 0")
    )
    partitions = {tuple(row[key] for key in keys): row["_count"] for row in collect_partitions(published, most)}

    def total(field: Literal["rowsRead", "published", "quarantined", "duplicates"]) -> int:
        return sum(counts[field] for counts in files.values())

    summary: Summary = {
        "rowsRead": total("rowsRead"),
        "published": total("published"),
        "quarantined": total("quarantined"),
        "duplicates": total("duplicates"),
        "reasons": dict(sorted(reasons.items())),
        "nulled": dict(sorted(nulled.items())),
        "files": [{"object": object_, "version": version, **counts} for (object_, version), counts in files.items()],
        "partitions": [{"values": list(values), "rows": rows} for values, rows in sorted(partitions.items())],
    }
    if job["plan"]["set"].get("skips"):
        summary["skipped"] = sum(skipped.values())
        for file in summary["files"]:
            file["skipped"] = skipped.get((file["object"], file["version"]), 0)
    if (job["plan"]["set"].get("dedupe") or {}).get("deletes"):
        summary["deletes"] = sum(deletes.values())
        for file in summary["files"]:
            file["deletes"] = deletes.get((file["object"], file["version"]), 0)
    return Counted(summary, quarantine_bytes)
