-- whole files to records (DuckDB)
WITH bare AS (
  SELECT file, CASE WHEN raw[1:3] = '\xEF\xBB\xBF'::BLOB THEN raw[4:] ELSE raw END AS raw FROM documents
), decoded AS (
  SELECT file, raw, TRY(decode(raw)) AS text FROM bare
), tokens AS (
  SELECT file, unnest(generate_series(1, len(t))) AS n, unnest(t) AS token
  FROM (SELECT file, regexp_extract_all(text, '"(?:\\.|[^"\\])*(?:"|\\?$)|[{}]|[^"{}]+', 0, 's') AS t FROM decoded)
), steps AS (
  SELECT *, CASE token WHEN '{' THEN 1 WHEN '}' THEN -1 ELSE 0 END AS step FROM tokens
), sums AS (
  SELECT *, sum(step) OVER (PARTITION BY file ORDER BY n) AS height FROM steps
), depths AS (
  -- A closing brace that closes nothing leads no deeper than the ground.
  SELECT *, height - least(0, min(height) OVER (PARTITION BY file ORDER BY n)) AS depth FROM sums
), places AS (
  -- A record is over behind the brace that closes it, and before the brace that opens the next.
  SELECT *, sum(CASE WHEN depth <= 0 AND step < 0 THEN 1 WHEN depth = 1 AND step = 1 THEN 1 ELSE 0 END)
      OVER (PARTITION BY file ORDER BY n) - CASE WHEN depth <= 0 AND step < 0 THEN 1 ELSE 0 END AS place,
    sum(length(token) - length(replace(token, chr(10), ''))) OVER (PARTITION BY file ORDER BY n)
      - (length(token) - length(replace(token, chr(10), ''))) AS newlines
  FROM depths
), pieces AS (
  SELECT file, place, string_agg(token, '' ORDER BY n) AS text, min(newlines) AS newlines FROM places GROUP BY file, place
), begun AS (
  SELECT * REPLACE (CASE WHEN count(*) OVER (PARTITION BY file) > 1
      AND regexp_full_match(text, '[\x20\x09\x0d\x0a\x2c\x1e]*') THEN '' ELSE text END AS text),
    regexp_extract(text, '^[ \t\r\n]*') AS blank FROM pieces
), found AS (
  SELECT file, (newlines + length(blank) - length(replace(blank, chr(10), '')) + 1)::BIGINT AS line, encode(text) AS raw, NULL::VARCHAR AS fault FROM begun
  UNION ALL
  SELECT file, 1::BIGINT, raw[1:65536], 'invalid_document' FROM decoded WHERE text IS NULL
)
SELECT file, line, CASE WHEN octet_length(raw) > 16777216 THEN raw[1:65536] ELSE raw END AS raw,
  CASE WHEN octet_length(raw) > 16777216 THEN 'record_too_large' ELSE fault END AS fault
FROM found

-- row part (DuckDB)
WITH decoded AS (
  SELECT file AS __file, line AS __line, raw AS __raw, fault AS __fault,
    CASE WHEN fault IS NULL THEN TRY(decode(raw)) END AS __text
  FROM records
), lines AS (
  SELECT *, CASE WHEN coalesce(json_valid(__text), false) THEN CASE WHEN regexp_matches(__text, '^\s*[+-]?(?i:nan|inf)') OR regexp_matches(__text, ':\s*[+-]?(?i:nan|inf)') OR regexp_matches(__text, '\[\s*[+-]?(?i:nan|inf)') OR regexp_matches(__text, ',\s*(?:[\]}]|[+-]?(?i:nan|inf))')
      THEN NOT regexp_matches(regexp_replace(__text, '"(\\.|[^"\\])*"', '""', 'gs'), '(?i)nan|inf|,\s*[\]}]') ELSE true END ELSE false END AS __is_valid
  FROM decoded WHERE __fault IS NOT NULL OR __text IS NULL OR CASE WHEN __text >= '!' THEN true ELSE regexp_matches(__text, '[^ \t\r\n]') END
), objects AS (
  SELECT *,
    CASE WHEN __is_valid THEN CASE WHEN CASE WHEN starts_with(__text, '{') THEN true ELSE starts_with(trim(__text, ' 	
'), '{') END THEN __text END END AS __doc
  FROM lines
), parsed AS (
  SELECT *,
    json_transform(__doc, '{"id":"VARCHAR"}') AS __shape1
  FROM objects
), leaves AS (
  SELECT *,
    __shape1."id" AS __t1
  FROM parsed
), written AS (
  SELECT *
  FROM leaves
), trimmed AS (
  SELECT *,
    __t1 AS __s1
  FROM written
), cleaned AS (
  SELECT *,
    __s1 AS __r1
  FROM trimmed
), mapped AS (
  SELECT *
  FROM cleaned
), converted AS (
  SELECT *,
    CASE WHEN regexp_full_match(__r1, '[+-]?\d+') THEN TRY_CAST(__r1 AS BIGINT) END AS __c1
  FROM mapped
), judged AS (
  SELECT *,
    CASE WHEN __doc IS NOT NULL AND ((__r1 IS NOT NULL AND __c1 IS NULL) OR __c1 IS NULL)
    THEN [CASE WHEN (__r1 IS NOT NULL AND __c1 IS NULL) THEN 'bad_type' WHEN __c1 IS NULL THEN 'missing_required' END]::VARCHAR[] END AS __reasons
  FROM converted
), settled AS (
  SELECT *,
    list_position(list_transform(__reasons, lambda r : r IS NOT NULL), true) AS __bad,
    []::VARCHAR[] AS __nulled,
    __c1 AS "id"
  FROM judged
), derived AS (
  SELECT *
  FROM settled
), placed AS (
  SELECT *
  FROM derived
)
SELECT files.object AS _object, files.version AS _version, files.member AS _member, __line AS _line, 0::BIGINT AS _place,
  (hash(__text) >> 1)::BIGINT AS _digest,
  CASE WHEN __fault IS NOT NULL THEN __fault WHEN __text IS NULL THEN 'invalid_utf8'
    WHEN NOT __is_valid THEN 'invalid_json' WHEN __doc IS NULL THEN 'not_an_object'
    WHEN __bad IS NOT NULL THEN __reasons[__bad] END AS _reason,
  CASE WHEN _reason IS NOT NULL THEN coalesce(__text, TRY(decode(__raw)), __raw::VARCHAR) END AS _raw,
  CASE WHEN __bad IS NOT NULL THEN ['id'][__bad] END AS _column,
  CASE WHEN __fault IS NULL AND NOT __is_valid THEN list_transform([regexp_replace(__text, '"(\\.|[^"\\])*"', '""', 'gs')], lambda b : CASE WHEN regexp_matches(b, '\b(?:NaN|Infinity)\b', 's') THEN 'NaN and Infinity are no JSON; source.json.nonFinite: "null" reads them as null' WHEN regexp_matches(b, '\b(?:None|True|False)\b', 's') THEN 'None, True and False are of Python, and no JSON' WHEN regexp_matches(b, '[{,:\[]\s*''', 's') THEN 'single quotes: JSON has double ones' WHEN regexp_matches(b, ',\s*[}\]]', 's') THEN 'a comma before a closing bracket' WHEN regexp_matches(b, '[}\]]\s*,\s*$', 's') THEN 'a comma behind the object' WHEN contains(replace(b, '""', ''), '"') THEN 'a text without an end' WHEN regexp_matches(b, '^\s*[{\[](?:.*[^}\]\s])?\s*$', 's') THEN 'it is cut off: its last bracket does not close' WHEN regexp_matches(b, '[}\]]\s*[{\[]', 's') THEN 'several values in one record' ELSE 'no JSON by RFC 8259' END)[1]
    WHEN __bad IS NOT NULL THEN CASE WHEN regexp_matches(__doc, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN coalesce(json_extract_string(regexp_replace(regexp_replace(__doc, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), ['$."id"'][__bad]), [__t1][__bad]) ELSE [__t1][__bad] END END AS _value,
  __nulled AS _nulled,
  placed."id",
  'golden' AS "source"
FROM placed
JOIN files ON files.file = placed.__file

-- set part
{
  "joins": [],
  "dedupe": null,
  "sort": []
}

-- set part (DuckDB)
SELECT row_part.*, CASE WHEN _reason IS NOT NULL THEN 'quarantined' ELSE 'published' END AS _fate
FROM row_part

-- columns of golden, partitioned by source
id bigint
_batch string
_object string
_version string
_line bigint

-- expectations (Athena)
SELECT count(*) AS "check_0_0",
  count_if("id" IS NULL) AS "check_1_0",
  count_if(strpos("$path", '/source=golden' || '/') = 0) AS "check_2_0"
FROM "staging_golden"
WHERE "run" = '<run>'

-- set part (Spark)
SELECT row_part.*, CASE WHEN _reason IS NOT NULL THEN 'quarantined' ELSE 'published' END AS _fate
FROM row_part
