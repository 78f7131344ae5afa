"""The social media feed by hand in DuckDB 2 from PyPI, with its own reader of JSON and Shapely for the boroughs. Prints its counts as JSON.

It takes the shortest way: rows that cannot be read are counted and not kept, and no reason is recorded.

    python bench/peers/duckdb2_peer.py FEED BOROUGHS.geojson SEGMENTS OUT
"""

import json
import os
import sys

import duckdb
import numpy as np
import pyarrow as pa
import shapely
from shapely.geometry import shape

feed, boroughs, segments, out = sys.argv[1:5]
os.makedirs(out, exist_ok=True)
db = duckdb.connect(config={"threads": 2})
db.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
db.execute(f"CREATE TABLE segments AS SELECT user_id::BIGINT AS user_id, segment FROM read_csv('{segments}', header = true)")
db.execute(f"""
    CREATE TABLE posts AS SELECT * FROM read_ndjson('{feed}', ignore_errors = true, columns = {{
        id: 'BIGINT', timestamp: 'VARCHAR', "text": 'VARCHAR',
        "user": 'STRUCT(id BIGINT, screen_name VARCHAR, "location" VARCHAR, followers VARCHAR)',
        coordinates: 'STRUCT(lat DOUBLE, lon DOUBLE)', entities: 'STRUCT(hashtags VARCHAR[])', lang: 'VARCHAR', retweets: 'VARCHAR'}})
""")
db.execute("""
    CREATE TABLE places AS SELECT unnest(['london', 'london, uk', 'london, england', 'ldn', 'londres', 'greater london']) AS variant, 'London' AS place
    UNION ALL SELECT unnest(['manchester', 'manchester, uk', 'mcr', 'manchester, england']), 'Manchester'
    UNION ALL SELECT unnest(['new york', 'nyc', 'new york city', 'new york, ny']), 'New York'
    UNION ALL SELECT unnest(['tokyo', '東京', 'tokyo, japan', 'tokio']), 'Tokyo'
""")
# DuckDB reads NaN as a number, but JSON has no NaN. As a text, NaN is not an integer.
db.execute("""
    CREATE TABLE kept AS
    WITH typed AS (
        SELECT id, "text", "user".id AS user_id, trim("user".screen_name) AS user_screen_name, trim("user"."location") AS given,
            TRY_CAST("user".followers AS BIGINT) AS followers, coordinates.lat AS latitude, coordinates.lon AS longitude,
            entities.hashtags AS hashtags, nullif(lower(trim(lang)), 'und') AS lang, TRY_CAST(retweets AS INTEGER) AS retweets, retweets AS given_retweets,
            CASE WHEN timestamp[5] = '-' THEN TRY_CAST(timestamp AS TIMESTAMPTZ)
                WHEN timestamp[1] <= '9' THEN make_timestamptz(TRY_CAST(timestamp AS BIGINT) * CASE WHEN length(timestamp) > 11 THEN 1000 ELSE 1000000 END)
                ELSE try_strptime(timestamp, '%a %b %d %H:%M:%S %z %Y') END AS created_at
        FROM posts
    )
    SELECT * EXCLUDE (given, given_retweets, followers), CASE WHEN given NOT IN ('', 'N/A', 'null', '-') THEN given END AS given,
        CASE WHEN followers >= 0 THEN followers END AS user_followers
    FROM typed
    WHERE id IS NOT NULL AND "text" IS NOT NULL AND user_id IS NOT NULL AND created_at IS NOT NULL
        AND (latitude IS NULL OR abs(latitude) <= 90) AND (longitude IS NULL OR abs(longitude) <= 180) AND (given_retweets IS NULL OR retweets >= 0)
""")
read, good = db.execute("SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM kept)").fetchone()
db.execute("""
    CREATE TABLE latest AS SELECT * FROM kept QUALIFY row_number() OVER (PARTITION BY id ORDER BY retweets DESC NULLS LAST, created_at) = 1
""")
features = json.load(open(boroughs))["features"]
tree = shapely.STRtree([shape(f["geometry"]) for f in features])
points = db.execute("SELECT id, longitude, latitude FROM latest WHERE longitude IS NOT NULL AND latitude IS NOT NULL").fetchnumpy()
which, hit = tree.query(shapely.points(points["longitude"], points["latitude"]), predicate="intersects")
ids, first = np.unique(points["id"][which], return_index=True)
names = np.array([f["id"] for f in features], dtype=object)
districts = pa.table({"id": ids, "district": pa.array(names[hit[first]])})
db.execute(f"""
    COPY (
        SELECT latest.* EXCLUDE (given), coalesce(place, given) AS user_location, district, segment AS user_segment,
            'social_media' AS data_source,
            strftime(created_at, '%Y') AS year, strftime(created_at, '%m') AS month, strftime(created_at, '%d') AS day
        FROM latest LEFT JOIN places ON variant = lower(given) LEFT JOIN districts USING (id) LEFT JOIN segments USING (user_id)
    ) TO '{out}/data' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (data_source, year, month, day))
""")
(published,) = db.execute("SELECT count(*) FROM latest").fetchone()
print(
    json.dumps(
        {
            "rowsRead": read,
            "published": published,
            "quarantined": read - good,
            "duplicates": good - published,
            "districts": len(districts),
        }
    )
)
