"""One warm Spark session that carries out job after job: an address a line in, "done" or the error out."""

import json
import sys

import job
from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("sluice").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
print("ready", flush=True)
for line in sys.stdin:
    try:
        job.carry_out(spark, line.strip())
        print("done", flush=True)
    except Exception as error:
        print(f"failed {json.dumps(str(error))}", flush=True)
