"""One warm Spark that carries out jobs: an address a line in; out, for each, the address and "done" or the error."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import job
from pyspark.sql import SparkSession

# Small jobs, each with columns of its own: code made for them would take longer than they do.
spark = (
    SparkSession.builder.appName("sluice")
    .config("spark.sql.codegen.wholeStage", "false")
    .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")


def carry_out(address: str) -> None:
    try:
        # A session of its own keeps views and settings apart.
        job.carry_out(spark.newSession(), address)
        said = "done"
    except Exception as error:
        said = str(error)
    sys.stdout.write(json.dumps({"job": address, "said": said}) + "\n")
    sys.stdout.flush()


print("ready", flush=True)
with ThreadPoolExecutor(max_workers=4) as pool:
    for line in sys.stdin:
        pool.submit(carry_out, line.strip())
