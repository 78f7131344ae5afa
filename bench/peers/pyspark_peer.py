"""The social media feed by hand in PySpark: from_json, a pandas UDF with Shapely, a window, one partitioned write.

    python bench/peers/pyspark_peer.py FEED BOROUGHS.geojson SEGMENTS OUT
"""

import json
import sys

import pandas as pd
import shapely
from pyspark.sql import SparkSession, Window
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
parsed = lines.withColumn("j", F.from_json("line", SCHEMA + ", _corrupt string", options))
given = F.col("j.timestamp")
place = F.trim("j.user.location")
location = F.when(place.isin("", "N/A", "null", "-"), None)
for name, variants in PLACES.items():
    location = location.when(F.lower(place).isin(variants), name)
is_object = F.col("line").startswith("{")
typed = (
    parsed.withColumn("is_bad", (F.col("j").isNull() | F.col("j._corrupt").isNotNull()) & is_object)
    .select(
        "line",
        "is_bad",
        is_object.alias("is_object"),
        given.alias("given"),
        F.col("j.id").cast("bigint").alias("id"),
        F.when(given.rlike(r"^\d{4}-\d\d-\d\d[T ]"), F.regexp_replace(given, r"(\.\d{6})\d+", "$1").cast("timestamp"))
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
    .withColumn(
        "reason",
        F.when(F.col("is_bad"), "invalid_json")
        .when(~F.col("is_object"), "not_an_object")
        .when(F.col("id").isNull() | F.col("text").isNull() | F.col("user_id").isNull() | F.col("given").isNull(), "missing_required")
        .when(F.col("created_at").isNull(), "bad_type")
        .when((F.abs("latitude") > 90) | (F.abs("longitude") > 180) | (F.col("retweets") < 0), "out_of_range"),
    )
)
users = spark.read.csv(segments, header=True).select(F.col("user_id").cast("bigint"), F.col("segment").alias("user_segment"))
order = Window.partitionBy(F.col("reason").isNull(), F.coalesce("id", F.xxhash64("line"))).orderBy(F.col("retweets").desc_nulls_last(), "line")
ranked = (
    typed.withColumn("place", F.row_number().over(order))
    .withColumn("fate", F.when(F.col("reason").isNotNull(), "quarantined").when(F.col("place") > 1, "duplicate").otherwise("published"))
    .withColumn("district", F.when(F.col("fate") == "published", district_of("latitude", "longitude")))
    .join(F.broadcast(users), "user_id", "left")
    .persist()
)
counts = {row["fate"]: row["n"] for row in ranked.groupBy("fate").agg(F.count("*").alias("n")).collect()}
districts = ranked.where("district IS NOT NULL").count()
(
    ranked.where("fate = 'published'")
    .drop("line", "reason", "fate", "place", "is_bad", "is_object", "given")
    .withColumn("data_source", F.lit("social_media"))
    .withColumn("year", F.date_format("created_at", "yyyy"))
    .withColumn("month", F.date_format("created_at", "MM"))
    .withColumn("day", F.date_format("created_at", "dd"))
    .repartition("year", "month", "day")
    .sortWithinPartitions("year", "month", "day", "created_at", "id")
    .write.partitionBy("data_source", "year", "month", "day")
    .parquet(f"{out}/data", mode="overwrite")
)
ranked.where("fate = 'quarantined'").select("reason", "line").write.parquet(f"{out}/quarantine", mode="overwrite")
print(
    json.dumps(
        {
            "rowsRead": sum(counts.values()),
            "published": counts.get("published", 0),
            "quarantined": counts.get("quarantined", 0),
            "duplicates": counts.get("duplicate", 0),
            "districts": districts,
        }
    )
)
