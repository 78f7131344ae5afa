"""Does once what jobs do, so that Java notes the classes for its archive of loaded classes. The only argument is a folder for scratch files."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

folder = f"file://{sys.argv[1]}"
spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
rows = spark.createDataFrame([(i, f"k{i % 3}", float(i)) for i in range(100)], "id bigint, k string, v double")
rows.mapInArrow(lambda batches: batches, rows.schema).cache().createOrReplaceTempView("rows")
spark.sql("""
    SELECT *, row_number() OVER (PARTITION BY k ORDER BY id DESC) AS place, sum(v) OVER (PARTITION BY k) AS total,
      named_struct('a', id, 'b', array(k)) AS nested, to_timestamp('2025-01-01') AS time, cast(id AS decimal(20, 2)) AS price,
      regexp_replace(k, '[0-9]', '') AS text, transform(array(id), x -> x + 1) AS list
    FROM rows r WHERE NOT EXISTS (SELECT 1 FROM rows o WHERE o.id = r.id + 1000)
""").createOrReplaceTempView("ranked")
found = spark.sql("SELECT r.*, c.n FROM ranked r JOIN (SELECT k, count(*) AS n FROM rows GROUP BY k) c USING (k) WHERE place < 20")
found.sortWithinPartitions("k", "id").write.partitionBy("k").parquet(f"{folder}/rows")
spark.read.parquet(f"{folder}/rows").selectExpr("to_json(struct(*)) AS line").write.text(f"{folder}/lines")
lines = spark.read.schema("id bigint, nested struct<a: bigint, b: array<string>>").json(f"{folder}/lines")
lines.groupBy("id").agg(F.collect_list("nested"), F.max("nested.a")).union(lines.selectExpr("id", "array(nested)", "1")).collect()
spark.sparkContext.parallelize([1, 2], 2).map(lambda x: x + 1).collect()
try:
    # Nobody answers; the client is loaded all the same.
    spark.read.text("s3a://none/none").collect()
except Exception as error:
    print(str(error)[:200])
spark.stop()
