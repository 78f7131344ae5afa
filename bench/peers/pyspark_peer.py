"""The social media feed by hand in PySpark: from_json, a pandas UDF with Shapely, a window, one partitioned write.

It takes the shortest way: rows are counted as they pass, and rejected ones are not kept.

    python bench/peers/pyspark_peer.py FEED BOROUGHS.geojson SEGMENTS OUT
"""

import json
import sys

import pandas as pd
import shapely
from pyspark.sql import Observation, SparkSession, Window
from pyspark.sql import functions as F
from shapely.geometry import shape

feed, boroughs, segments, out = sys.argv[1:5]
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", "4g")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "8")
    .config("spark.sql.parquet.compression.codec", "zstd")
    .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    .config("spark.sql.legacy.timeParserPolicy", "CORRECTED")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
SCHEMA = """id string, timestamp string, text string,
  user struct<id: string, screen_name: string, location: string, followers: string>,
  coordinates struct<lat: double, lon: double>, entities struct<hashtags: array<string>>, lang string, retweets int"""
PLACES = {
    "London": ["london", "london, uk", "london, england", "ldn", "londres", "greater london"],
    "Manchester": ["manchester", "manchester, uk", "mcr", "manchester, england"],
    "New York": ["new york", "nyc", "new york city", "new york, ny"],
    "Tokyo": ["tokyo", "東京", "tokyo, japan", "tokio"],
}
features = json.load(open(boroughs))["features"]
names = [f["id"] for f in features]
shapes = spark.sparkContext.broadcast([shapely.to_wkb(shape(f["geometry"])) for f in features])


@F.pandas_udf("string")
def district_of(lat: pd.Series, lon: pd.Series) -> pd.Series:
    tree = shapely.STRtree(shapely.from_wkb(shapes.value))
    result = pd.Series([None] * len(lat), dtype=object)
    there = lat.notna() & lon.notna()
    points, hit = tree.query(shapely.points(lon[there].to_numpy(), lat[there].to_numpy()), predicate="intersects")
    places = there.to_numpy().nonzero()[0]
    for at, which in zip(points, hit):
        result.iat[places[at]] = names[which]
    return result


lines = spark.read.text(feed).where("value <> ''").withColumnRenamed("value", "line")
options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_corrupt", "allowNonNumericNumbers": "false"}
parsed = lines.select(F.from_json("line", SCHEMA + ", _corrupt string", options).alias("j"))
given = F.col("j.timestamp")
place = F.trim("j.user.location")
location = F.when(place.isin("", "N/A", "null", "-"), None)
for name, variants in PLACES.items():
    location = location.when(F.lower(place).isin(variants), name)
typed = parsed.select(
    F.col("j._corrupt").isNotNull().alias("is_bad"),
    F.col("j.id").cast("bigint").alias("id"),
    F.when(given.substr(5, 1) == "-", F.regexp_replace(given, r"(\.\d{6})\d+", "$1").cast("timestamp"))
    .when(given.rlike(r"^\d{1,11}$"), F.timestamp_seconds(given.cast("bigint")))
    .when(given.rlike(r"^\d{12,14}$"), F.timestamp_millis(given.cast("bigint")))
    .otherwise(F.to_timestamp(F.substring(given, 5, 100), "MMM dd HH:mm:ss Z yyyy"))
    .alias("created_at"),
    F.col("j.text").alias("text"),
    F.col("j.user.id").cast("bigint").alias("user_id"),
    F.trim("j.user.screen_name").alias("user_screen_name"),
    location.otherwise(place).alias("user_location"),
    F.when(F.col("j.user.followers").cast("bigint") >= 0, F.col("j.user.followers").cast("bigint")).alias("user_followers"),
    F.col("j.coordinates.lat").alias("latitude"),
    F.col("j.coordinates.lon").alias("longitude"),
    F.col("j.entities.hashtags").alias("hashtags"),
    F.nullif(F.lower(F.trim("j.lang")), F.lit("und")).alias("lang"),
    F.col("j.retweets").alias("retweets"),
)
read, good, published = Observation("read"), Observation("good"), Observation("published")
count = F.count(F.lit(1)).alias("rows")
kept = (
    typed.observe(read, count)
    .where("NOT is_bad AND id IS NOT NULL AND text IS NOT NULL AND user_id IS NOT NULL AND created_at IS NOT NULL")
    .where("coalesce(abs(latitude) <= 90, true) AND coalesce(abs(longitude) <= 180, true) AND coalesce(retweets >= 0, true)")
    .observe(good, count)
    .drop("is_bad")
)
users = spark.read.csv(segments, header=True).select(F.col("user_id").cast("bigint"), F.col("segment").alias("user_segment"))
order = Window.partitionBy("id").orderBy(F.col("retweets").desc_nulls_last(), "created_at")
(
    kept.withColumn("place", F.row_number().over(order))
    .where("place = 1")
    .drop("place")
    .withColumn("district", district_of("latitude", "longitude"))
    .join(F.broadcast(users), "user_id", "left")
    .observe(published, count, F.count("district").alias("districts"))
    .withColumn("data_source", F.lit("social_media"))
    .withColumn("year", F.date_format("created_at", "yyyy"))
    .withColumn("month", F.date_format("created_at", "MM"))
    .withColumn("day", F.date_format("created_at", "dd"))
    .repartition("year", "month", "day")
    .write.partitionBy("data_source", "year", "month", "day")
    .parquet(f"{out}/data", mode="overwrite")
)
rows = published.get["rows"]
print(
    json.dumps(
        {
            "rowsRead": read.get["rows"],
            "published": rows,
            "quarantined": read.get["rows"] - good.get["rows"],
            "duplicates": good.get["rows"] - rows,
            "districts": published.get["districts"],
        }
    )
)
