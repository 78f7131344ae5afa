"""Partitions of a batch, of which the driver holds a list: how many there may be."""

from pyspark.sql import DataFrame, Row

# Publish copies an object or more for each within a Lambda's time.
MOST_PARTITIONS = 100_000


def collect_partitions(partitions: DataFrame) -> list[Row]:
    """A row for each partition. Raises RuntimeError when there are more than a batch may have."""
    rows = partitions.limit(MOST_PARTITIONS + 1).collect()
    if len(rows) > MOST_PARTITIONS:
        raise RuntimeError(
            f"TooManyPartitions: the batch has rows for more than {MOST_PARTITIONS} partitions;"
            " choose coarser keys in partitionBy, or make batches smaller"
        )
    return rows
