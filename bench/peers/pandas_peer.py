"""The social media feed by hand in pandas, as an awswrangler Lambda does it: json.loads a line, a DataFrame, pyarrow's writer.

    python bench/peers/pandas_peer.py FEED BOROUGHS.geojson SEGMENTS OUT
"""

import json
import os
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import shapely
from shapely.geometry import shape

feed, boroughs, segments, out = sys.argv[1:5]
PLACES = {
    **dict.fromkeys(["london", "london, uk", "london, england", "ldn", "londres", "greater london"], "London"),
    **dict.fromkeys(["manchester", "manchester, uk", "mcr", "manchester, england"], "Manchester"),
    **dict.fromkeys(["new york", "nyc", "new york city", "new york, ny"], "New York"),
    **dict.fromkeys(["tokyo", "東京", "tokyo, japan", "tokio"], "Tokyo"),
}


def refuse_constant(_: str) -> None:
    raise ValueError("no JSON")


posts, refused = [], []
read = 0
with open(feed, encoding="utf-8") as file:
    for line in file:
        line = line.rstrip("\n")
        if not line:
            continue
        read += 1
        try:
            post = json.loads(line, parse_constant=refuse_constant)
        except ValueError:
            refused.append(("invalid_json", line))
            continue
        if not isinstance(post, dict):
            refused.append(("not_an_object", line))
            continue
        user, at, where = post.get("user") or {}, post.get("timestamp"), post.get("coordinates") or {}
        posts.append(
            (line, post.get("id"), None if at is None else str(at), post.get("text"), user.get("id"), user.get("screen_name"), user.get("location"),
             user.get("followers"), where.get("lat"), where.get("lon"), (post.get("entities") or {}).get("hashtags"), post.get("lang"), post.get("retweets"))
        )  # fmt: skip
names = ["line", "id", "given", "text", "user_id", "user_screen_name", "place", "user_followers", "latitude", "longitude", "hashtags", "lang", "retweets"]
# As objects: a column with a None would become floats, and the ids would lose digits.
frame = pd.DataFrame(posts, columns=names, dtype=object)
del posts
for column in ("id", "user_id"):
    frame[column] = frame[column].astype("Int64")
frame["retweets"] = frame["retweets"].astype("Int32")
for column in ("latitude", "longitude"):
    frame[column] = frame[column].astype("float64")
frame["user_followers"] = pd.to_numeric(frame["user_followers"], errors="coerce").astype("Int64")
given = frame["given"]
seconds, millis = given.str.fullmatch(r"\d{1,11}", na=False), given.str.fullmatch(r"\d{12,14}", na=False)
iso, other = given.str.match(r"\d{4}-", na=False), given.str.match(r"[A-Z][a-z]{2} ", na=False)
frame["created_at"] = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
cut = given[iso].str.replace(r"(\.\d{6})\d+", r"\1", regex=True)
frame.loc[iso, "created_at"] = pd.to_datetime(cut, format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
frame.loc[seconds, "created_at"] = pd.to_datetime(given[seconds].astype("int64"), unit="s", utc=True).astype("datetime64[us, UTC]")
frame.loc[millis, "created_at"] = pd.to_datetime(given[millis].astype("int64"), unit="ms", utc=True).astype("datetime64[us, UTC]")
frame.loc[other, "created_at"] = pd.to_datetime(given[other], format="%a %b %d %H:%M:%S %z %Y", utc=True, errors="coerce").astype("datetime64[us, UTC]")
frame["user_screen_name"] = frame["user_screen_name"].str.strip()
place = frame["place"].str.strip()
place = place.where(~place.isin(["", "N/A", "null", "-"]))
frame["user_location"] = place.str.lower().map(PLACES).fillna(place)
frame["lang"] = frame["lang"].str.strip().str.lower().where(lambda s: ~s.isin(["", "und"]))
missing = frame[["id", "text", "user_id", "given"]].isna().any(axis=1)
wrong = (frame["latitude"].abs() > 90) | (frame["longitude"].abs() > 180) | (frame["retweets"] < 0).fillna(False)
reason = pd.Series(None, index=frame.index, dtype=object)
reason[wrong] = "out_of_range"
reason[frame["created_at"].isna()] = "bad_type"
reason[missing] = "missing_required"
refused += list(zip(reason[reason.notna()], frame.loc[reason.notna(), "line"]))
kept = (
    frame[reason.isna()]
    .sort_values(["retweets", "line"], ascending=[False, True], na_position="last")
    .drop_duplicates("id")
    .sort_values(["created_at", "id"])
    .reset_index(drop=True)
)
features = json.load(open(boroughs))["features"]
tree = shapely.STRtree([shape(f["geometry"]) for f in features])
there = kept["latitude"].notna() & kept["longitude"].notna()
points, hit = tree.query(shapely.points(kept.loc[there, "longitude"], kept.loc[there, "latitude"]), predicate="intersects")
kept["district"] = None
kept.loc[kept.index[there][points], "district"] = [features[i]["id"] for i in hit]
kept = kept.merge(pd.read_csv(segments).rename(columns={"segment": "user_segment"}), on="user_id", how="left")
kept["data_source"] = "social_media"
for name, form in (("year", "%Y"), ("month", "%m"), ("day", "%d")):
    kept[name] = kept["created_at"].dt.strftime(form)
table = pa.Table.from_pandas(kept.drop(columns=["line", "given", "place"]), preserve_index=False)
keys = pa.schema([(k, pa.string()) for k in ("data_source", "year", "month", "day")])
zstd = ds.ParquetFileFormat().make_write_options(compression="zstd")
ds.write_dataset(table, f"{out}/data", format="parquet", partitioning=ds.partitioning(keys, flavor="hive"), file_options=zstd)
os.makedirs(f"{out}/quarantine", exist_ok=True)
pd.DataFrame(refused, columns=["reason", "line"]).to_parquet(f"{out}/quarantine/part-0.parquet", compression="zstd")
print(
    json.dumps(
        {
            "rowsRead": read,
            "published": len(kept),
            "quarantined": len(refused),
            "duplicates": read - len(kept) - len(refused),
            "districts": int(kept["district"].notna().sum()),
        }
    )
)
