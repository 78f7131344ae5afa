"""Partitions of a batch, of which the driver holds a list: how many there may be."""

from pyspark.sql import DataFrame, Row

# Publish copies an object or more for each within a Lambda's time.
MOST_PARTITIONS = 100_000


def collect_partitions(partitions: DataFrame, most: int | None) -> list[Row]:
    """A row for each partition. Raises RuntimeError when there are more than a batch may have."""
    limit = min(most or MOST_PARTITIONS, MOST_PARTITIONS)
    rows = partitions.limit(limit + 1).collect()
    if len(rows) > limit:
        raise RuntimeError(
            f"TooManyPartitions: the batch has rows for more than {limit} partitions;"
            " choose coarser keys in partitionBy, raise maxPartitions, or make batches smaller"
        )
    return rows
