"""What the job counted, for the ledger."""

from typing import Literal

from pyspark.sql import DataFrame, Row

from sluice.description import FileCounts, Job, Summary


def summarize(records: DataFrame, ranked: DataFrame, job: Job) -> Summary:
    """Rows read are counted before the set part, the others after it, so that their sum is a check."""
    keys = [key["name"] for key in job["plan"]["partitionKeys"]]
    identity = ["_object", "_version"]
    files: dict[tuple[str, str], FileCounts] = {
        (f["object"], f["version"]): {"rowsRead": 0, "published": 0, "quarantined": 0, "duplicates": 0}
        for f in job["files"]
    }
    reasons: dict[str, int] = {}
    nulled: dict[str, int] = {}
    partitions: dict[tuple[str, ...], int] = {}

    def refuse(row: Row) -> None:
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
        counts = files[(row["_object"], row["_version"])]
        counts["duplicates" if row["_fate"] == "duplicate" else "published"] += row["count"]
        for name in row["_nulled"]:
            nulled[name] = nulled.get(name, 0) + row["count"]
        if row["_fate"] == "published":
            values = tuple(row[key] for key in keys)
            partitions[values] = partitions.get(values, 0) + row["count"]

    def total(field: Literal["rowsRead", "published", "quarantined", "duplicates"]) -> int:
        return sum(counts[field] for counts in files.values())

    return {
        "rowsRead": total("rowsRead"),
        "published": total("published"),
        "quarantined": total("quarantined"),
        "duplicates": total("duplicates"),
        "reasons": dict(sorted(reasons.items())),
        "nulled": dict(sorted(nulled.items())),
        "files": [{"object": object_, "version": version, **counts} for (object_, version), counts in files.items()],
        "partitions": [{"values": list(values), "rows": rows} for values, rows in sorted(partitions.items())],
    }
