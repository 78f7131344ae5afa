"""The social media feed by hand in Polars, with Shapely for the boroughs. Prints its counts as JSON.

    python bench/peers/polars_peer.py FEED BOROUGHS.geojson SEGMENTS OUT
"""

import json
import os
import sys

import polars as pl
import shapely
from shapely.geometry import shape

feed, boroughs, segments, out = sys.argv[1:5]
os.makedirs(out, exist_ok=True)

STRUCT = pl.Struct(
    {
        "id": pl.String,
        "timestamp": pl.String,
        "text": pl.String,
        "user": pl.Struct({"id": pl.String, "screen_name": pl.String, "location": pl.String, "followers": pl.String}),
        "coordinates": pl.Struct({"lat": pl.Float64, "lon": pl.Float64}),
        "entities": pl.Struct({"hashtags": pl.List(pl.String)}),
        "lang": pl.String,
        "retweets": pl.Int32,
    }
)
PLACES = {
    **dict.fromkeys(["london", "london, uk", "london, england", "ldn", "londres", "greater london"], "London"),
    **dict.fromkeys(["manchester", "manchester, uk", "mcr", "manchester, england"], "Manchester"),
    **dict.fromkeys(["new york", "nyc", "new york city", "new york, ny"], "New York"),
    **dict.fromkeys(["tokyo", "東京", "tokyo, japan", "tokio"], "Tokyo"),
}

lines = pl.read_csv(feed, has_header=False, separator="\x01", quote_char=None, new_columns=["line"], schema={"line": pl.String})
lines = lines.filter(pl.col("line") != "")


def is_json(line: str) -> bool:
    try:
        json.loads(line, parse_constant=lambda _: 1 / 0)
        return True
    except (ValueError, ZeroDivisionError):
        return False


# Polars cannot isolate one bad line, so Python's own parser reads lines that may not be whole objects.
suspect = ~pl.col("line").str.ends_with("}") | ~pl.col("line").str.starts_with("{") | pl.col("line").str.contains(":NaN", literal=True)
bad = lines.filter(suspect).with_columns(
    pl.when(pl.col("line").map_elements(is_json, return_dtype=pl.Boolean)).then(pl.lit("not_an_object")).otherwise(pl.lit("invalid_json")).alias("reason")
)
good = lines.filter(~suspect)
j = good.with_columns(pl.col("line").str.json_decode(STRUCT).alias("j")).unnest("j").unnest("user", separator="_").unnest("coordinates").unnest("entities")
given = pl.col("timestamp")
iso = given.str.replace(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)$", "${1}Z").str.replace(r"(\.\d{6})\d+", "${1}")
typed = j.with_columns(
    pl.col("id").cast(pl.Int64, strict=False),
    pl.coalesce(
        pl.when(given.str.contains(r"^\d{4}-")).then(iso).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False),
        pl.from_epoch(pl.when(given.str.contains(r"^\d{1,11}$")).then(given).cast(pl.Int64, strict=False) * 1_000_000, time_unit="us").dt.replace_time_zone("UTC"),
        pl.from_epoch(pl.when(given.str.contains(r"^\d{12,14}$")).then(given).cast(pl.Int64, strict=False) * 1000, time_unit="us").dt.replace_time_zone("UTC"),
        pl.when(given.str.contains(r"^[A-Z][a-z]{2} ")).then(given).str.to_datetime("%a %b %d %H:%M:%S %z %Y", time_unit="us", time_zone="UTC", strict=False),
    ).alias("created_at"),
    pl.col("user_id").cast(pl.Int64, strict=False),
    pl.col("user_screen_name").str.strip_chars(),
    pl.col("user_location").str.strip_chars().replace(["", "N/A", "null", "-"], None).alias("place"),
    pl.col("user_followers").cast(pl.Int64, strict=False),
    pl.col("lang").str.strip_chars().str.to_lowercase().replace(["", "und"], None),
).with_columns(
    pl.col("place").str.to_lowercase().replace_strict(PLACES, default=pl.col("place")).alias("user_location"),
    pl.when(pl.any_horizontal(pl.col("id", "text", "user_id", "timestamp").is_null()))
    .then(pl.lit("missing_required"))
    .when(pl.col("created_at").is_null())
    .then(pl.lit("bad_type"))
    .when((pl.col("lat").abs() > 90) | (pl.col("lon").abs() > 180) | (pl.col("retweets") < 0))
    .then(pl.lit("out_of_range"))
    .alias("reason"),
)
refused = pl.concat([bad, typed.filter(pl.col("reason").is_not_null()).select("line", "reason")])
kept = (
    typed.filter(pl.col("reason").is_null())
    .sort(["retweets", "line"], descending=[True, False], nulls_last=True)
    .unique("id", keep="first", maintain_order=True)
)
features = json.load(open(boroughs))["features"]
names = [f["id"] for f in features]
tree = shapely.STRtree([shape(f["geometry"]) for f in features])
located = kept.select("id", "lat", "lon").filter(pl.col("lat").is_not_null() & pl.col("lon").is_not_null())
points, hit = tree.query(shapely.points(located["lon"].to_numpy(), located["lat"].to_numpy()), predicate="intersects")
districts = pl.DataFrame({"id": located["id"].gather(points), "district": [names[i] for i in hit]}).unique("id", keep="first")
users = pl.read_csv(segments, schema_overrides={"user_id": pl.Int64}).rename({"segment": "user_segment"})
final = (
    kept.select("id", "created_at", "text", "user_id", "user_screen_name", "user_location", "user_followers", pl.col("lat").alias("latitude"), pl.col("lon").alias("longitude"), "hashtags", "lang", "retweets")
    .join(districts, on="id", how="left")
    .join(users.select("user_id", "user_segment"), on="user_id", how="left")
    .sort("created_at", "id")
    .with_columns(
        pl.lit("social_media").alias("data_source"),
        pl.col("created_at").dt.strftime("%Y").alias("year"),
        pl.col("created_at").dt.strftime("%m").alias("month"),
        pl.col("created_at").dt.strftime("%d").alias("day"),
    )
)
keys = ["data_source", "year", "month", "day"]
for values, rows in final.partition_by(keys, as_dict=True, include_key=False, maintain_order=True).items():
    folder = os.path.join(out, "data", *(f"{k}={v}" for k, v in zip(keys, values)))
    os.makedirs(folder, exist_ok=True)
    rows.write_parquet(os.path.join(folder, "part-0.parquet"), compression="zstd")
refused.write_parquet(os.path.join(out, "quarantine.parquet"), compression="zstd")
print(
    json.dumps(
        {
            "rowsRead": len(lines),
            "published": len(final),
            "quarantined": len(refused),
            "duplicates": len(lines) - len(final) - len(refused),
            "districts": len(districts),
        }
    )
)
