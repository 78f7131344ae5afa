"""Reads and writes small files through Hadoop, which has the store's credentials and address."""

from typing import Any

from pyspark.sql import SparkSession


def files_below(spark: SparkSession, uri: str) -> list[str]:
    """The Parquet files directly in a folder. The folder may be missing."""
    jvm: Any = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    system = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    if not system.exists(path):
        return []
    found = [str(status.getPath().toString()) for status in system.listStatus(path)]
    return [name for name in found if name.endswith(".parquet")]


def read_bytes(spark: SparkSession, uri: str) -> bytes:
    jvm: Any = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    stream = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()).open(path)
    try:
        return bytes(jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
    finally:
        stream.close()


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Through Hadoop, which knows the store's credentials and address."""
    jvm: Any = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    system = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    stream = system.create(path, True)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()
