"""The limit of a batch's partitions, because the driver has a list of them."""

from pyspark.sql import DataFrame, Row

# Publish copies at least one object for each of them within a Lambda's time limit.
MOST_PARTITIONS = 100_000


def collect_partitions(partitions: DataFrame, most: int | None) -> list[Row]:
    """A row for each partition. Raises RuntimeError if a batch has too many."""
    limit = min(most or MOST_PARTITIONS, MOST_PARTITIONS)
    rows = partitions.limit(limit + 1).collect()
    if len(rows) > limit:
        raise RuntimeError(
            f"TooManyPartitions: the batch has rows for more than {limit} partitions;"
            " choose coarser keys in partitionBy, raise maxPartitions, or make batches smaller"
        )
    return rows
