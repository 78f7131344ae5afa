/**
 * The social media feed by hand in DuckDB, as one would write it for this one feed: lines are read as text, parsed once into a
 * struct, checked, deduplicated, placed by bounding box and ray casting, and written. Prints its counts as JSON.
 *
 *   node bench/peers/duckdb.mjs FEED BOROUGHS SEGMENTS OUT
 */
import { mkdirSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { boroughRings } from './boroughs.mjs';

const [feed, boroughs, segments, out] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const db = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
const text = (value) => `'${String(value).replaceAll("'", "''")}'`;

await db.run("SET TimeZone = 'UTC'; SET preserve_insertion_order = false");
const rings = boroughRings(boroughs);
const rows = (values) => `(VALUES ${values.map((v) => `(${v.join(', ')})`).join(', ')})`;
await db.run(`
  CREATE TABLE edges AS SELECT name, x1::DOUBLE AS x1, y1::DOUBLE AS y1, x2::DOUBLE AS x2, y2::DOUBLE AS y2
  FROM ${rows(rings.flatMap(({ name, edges }) => edges.map((e) => [text(name), ...e])))} AS t(name, x1, y1, x2, y2);
  -- By bands of latitude, so that a point meets the few edges beside it.
  CREATE TABLE banded AS
  SELECT *, unnest(range(floor(least(y1, y2) * 1000)::INT, floor(greatest(y1, y2) * 1000)::INT + 1)) AS band FROM edges`);
await db.run(
  `CREATE TABLE segments AS SELECT user_id::BIGINT AS user_id, segment FROM read_csv(${text(segments)}, header = true)`,
);

const isTime = (column) => `regexp_full_match(${column}, '\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d.*')`;
await db.run(`
  CREATE TABLE typed AS
  WITH lines AS (
    SELECT line, json_valid(line) AND NOT contains(line, ':NaN') AS is_valid
    FROM read_csv(${text(feed)}, columns = {line: 'VARCHAR'}, delim = chr(1), quote = '', escape = '', header = false,
      auto_detect = false)
    WHERE line <> ''
  ), parsed AS (
    SELECT line, is_valid, is_valid AND line[1] = '{' AS is_object,
      CASE WHEN is_valid AND line[1] = '{' THEN json_transform(line, '{"id":"VARCHAR","timestamp":"VARCHAR","text":"VARCHAR",
        "user":{"id":"VARCHAR","screen_name":"VARCHAR","location":"VARCHAR","followers":"VARCHAR"},
        "coordinates":{"lat":"VARCHAR","lon":"VARCHAR"},"entities":{"hashtags":["VARCHAR"]},"lang":"VARCHAR","retweets":"VARCHAR"}') END AS j
    FROM lines
  ), columns AS (
    SELECT line, is_valid, is_object, j.timestamp AS given,
      TRY_CAST(j.id AS BIGINT) AS id,
      CASE WHEN ${isTime('j.timestamp')} THEN TRY_CAST(j.timestamp AS TIMESTAMPTZ)
        WHEN regexp_full_match(j.timestamp, '\\d{1,11}') THEN to_timestamp(TRY_CAST(j.timestamp AS BIGINT))
        WHEN regexp_full_match(j.timestamp, '\\d{12,14}') THEN epoch_ms(TRY_CAST(j.timestamp AS BIGINT))::TIMESTAMPTZ
        ELSE try_strptime(j.timestamp, '%a %b %d %H:%M:%S %z %Y') END AS created_at,
      j.text AS text, TRY_CAST(j.user.id AS BIGINT) AS user_id, trim(j.user.screen_name) AS user_screen_name,
      CASE WHEN trim(j.user.location) NOT IN ('', 'N/A', 'null', '-') THEN trim(j.user.location) END AS place,
      TRY_CAST(j.user.followers AS BIGINT) AS followers,
      TRY_CAST(j.coordinates.lat AS DOUBLE) AS latitude, TRY_CAST(j.coordinates.lon AS DOUBLE) AS longitude,
      j.entities.hashtags AS hashtags, nullif(lower(trim(j.lang)), 'und') AS lang, TRY_CAST(j.retweets AS INTEGER) AS retweets
    FROM parsed
  )
  SELECT * EXCLUDE (place, followers, given),
    CASE WHEN lower(place) IN ('london', 'london, uk', 'london, england', 'ldn', 'londres', 'greater london') THEN 'London'
      WHEN lower(place) IN ('manchester', 'manchester, uk', 'mcr', 'manchester, england') THEN 'Manchester'
      WHEN lower(place) IN ('new york', 'nyc', 'new york city', 'new york, ny') THEN 'New York'
      WHEN lower(place) IN ('tokyo', '東京', 'tokyo, japan', 'tokio') THEN 'Tokyo' ELSE place END AS user_location,
    CASE WHEN followers >= 0 THEN followers END AS user_followers,
    CASE WHEN NOT is_valid THEN 'invalid_json' WHEN NOT is_object THEN 'not_an_object'
      WHEN id IS NULL OR text IS NULL OR user_id IS NULL OR given IS NULL THEN 'missing_required'
      WHEN created_at IS NULL THEN 'bad_type'
      WHEN latitude NOT BETWEEN -90 AND 90 OR longitude NOT BETWEEN -180 AND 180 OR retweets < 0 THEN 'out_of_range' END AS reason
  FROM columns`);
await db.run(`
  CREATE TABLE kept AS
  SELECT * EXCLUDE (is_valid, is_object, reason, line) FROM typed WHERE reason IS NULL
  QUALIFY row_number() OVER (PARTITION BY id ORDER BY retweets DESC NULLS LAST, line) = 1`);
await db.run(`
  CREATE TABLE placed AS
  WITH inside AS (
    SELECT id, name
    FROM kept JOIN banded ON band = floor(latitude * 1000)::INT
    WHERE (y1 > latitude) <> (y2 > latitude) AND longitude < (x2 - x1) * (latitude - y1) / (y2 - y1) + x1
    GROUP BY ALL HAVING count(*) % 2 = 1
  )
  SELECT id, min(name) AS district FROM inside GROUP BY id`);
await db.run(`
  COPY (
    SELECT kept.*, district, segment AS user_segment, 'social_media' AS data_source,
      strftime(created_at, '%Y') AS year, strftime(created_at, '%m') AS month, strftime(created_at, '%d') AS day
    FROM kept LEFT JOIN placed USING (id) LEFT JOIN segments USING (user_id)
    ORDER BY created_at, id
  ) TO ${text(`${out}/data`)} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (data_source, year, month, day), OVERWRITE_OR_IGNORE)`);
await db.run(
  `COPY (SELECT reason, line FROM typed WHERE reason IS NOT NULL) TO ${text(`${out}/quarantine.parquet`)} (FORMAT parquet, COMPRESSION zstd)`,
);
const counts = await db.runAndReadAll(`
  SELECT (SELECT count(*) FROM typed) AS rows, (SELECT count(*) FROM kept) AS published,
    (SELECT count(*) FROM typed WHERE reason IS NOT NULL) AS quarantined, (SELECT count(*) FROM placed) AS districts`);
const [[read, published, quarantined, districts]] = counts.getRows().map((row) => row.map(Number));
console.log(
  JSON.stringify({
    rowsRead: read,
    published,
    quarantined,
    duplicates: read - published - quarantined,
    districts,
  }),
);
process.exit();
