"""
Spark on Iceberg tables, with Iceberg's own runtime: a request a line in, its rows or its error a line out.

    sparkJudge.py FOLDER                FOLDER/bucket/key stands for s3://bucket/key; a table is its metadata file
    sparkJudge.py ENDPOINT WAREHOUSE    the catalog `sluice` is the Glue of a local AWS

A request is a statement, or {"table": METADATA, "sql": "SELECT … FROM t", "snapshot": ID}, or {"folders": [FOLDER…], "base": FOLDER,
"sql": "SELECT … FROM t"}: the Parquet files of a Hive table's partitions, which Spark finds and reads by itself.
"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

place, *more = sys.argv[1:]
settings = {
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    # Each statement is small: code made for it would take longer than it does.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
if more:
    catalog = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".type": "glue",
        ".warehouse": more[0],
        ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        ".client.region": "us-east-1",
        ".glue.endpoint": place,
        ".s3.endpoint": place,
        ".s3.path-style-access": "true",
        # Commits of other engines are seen at once.
        ".cache-enabled": "false",
    }
    settings |= {f"spark.sql.catalog.sluice{name}": value for name, value in catalog.items()}
else:
    view = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
    settings |= {
        "spark.hadoop.fs.s3.impl": view,
        "spark.hadoop.fs.viewfs.overload.scheme.target.s3.impl": "org.apache.hadoop.fs.LocalFileSystem",
        "spark.hadoop.fs.viewfs.mounttable.processed.linkFallback": (Path(place).resolve() / "processed").as_uri(),
    }
builder = SparkSession.builder.appName("judge")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")


def rows_of(request):
    if isinstance(request, dict) and "folders" in request:
        spark.read.option("basePath", request["base"]).parquet(*request["folders"]).createOrReplaceTempView("t")
        request = request["sql"]
    if isinstance(request, dict):
        snapshot = request.get("snapshot")
        reader = spark.read.format("iceberg")
        if snapshot is not None:
            reader = reader.option("snapshot-id", snapshot)
        reader.load(request["table"]).createOrReplaceTempView("t")
        request = request["sql"]
    return [[None if value is None else str(value) for value in row] for row in spark.sql(request).collect()]


print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    try:
        said = {"rows": rows_of(json.loads(line))}
    except Exception as error:
        said = {"error": str(error)[:2000]}
    print(json.dumps(said), flush=True)
