-- whole files to records (DuckDB)
WITH bare AS (
  SELECT file, CASE WHEN raw[1:3] = '\xEF\xBB\xBF'::BLOB THEN raw[4:] ELSE raw END AS raw FROM documents
), decoded AS (
  SELECT file, raw, TRY(decode(raw)) AS text FROM bare
), parsed AS (
  SELECT file, raw, text, CASE WHEN regexp_matches(text, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN list_transform(TRY(json_extract(regexp_replace(regexp_replace(regexp_replace(text, '([:,\[{]\s*"\\u0001)', '\1\\u0001', 'g'), '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\\u0001\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$[*]')), lambda i : regexp_replace(regexp_replace(i::VARCHAR, '(^|[:,\[])"\\u0001(-?[0-9][^"]*)"', '\1\2', 'g'), '((?:^|[:,\[{])"\\u0001)\\u0001', '\1', 'g'))
      ELSE TRY(json_extract(text, '$[*]'))::VARCHAR[] END AS found FROM decoded
), listed AS (
  SELECT file, raw[1:65536] AS sample,
    CASE WHEN found IS NULL OR NOT CASE WHEN regexp_matches(text, '^\s*[+-]?(?i:nan|inf)') OR regexp_matches(text, ':\s*[+-]?(?i:nan|inf)') OR regexp_matches(text, '\[\s*[+-]?(?i:nan|inf)') OR regexp_matches(text, ',\s*(?:[\]}]|[+-]?(?i:nan|inf))')
      THEN NOT regexp_matches(regexp_replace(text, '"(\\.|[^"\\])*"', '""', 'gs'), '(?i)nan|inf|,\s*[\]}]') ELSE true END THEN 'invalid_document'
      WHEN len(found) = 0 THEN CASE WHEN coalesce(json_type(text, '$'), '') <> 'ARRAY' THEN 'records_missing' END END AS fault,
    CASE WHEN fault IS NULL THEN found ELSE [NULL] END AS items
  FROM parsed
), unlisted AS (
  SELECT file, fault, sample, unnest(generate_series(1, len(items)))::BIGINT AS line, unnest(items) AS item FROM listed
), found AS (
  SELECT file, line, CASE WHEN fault IS NULL THEN encode(item::VARCHAR) ELSE sample END AS raw, fault FROM unlisted
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
    json_transform(__doc, '{"id":"VARCHAR","day":"VARCHAR"}') AS __shape1
  FROM objects
), leaves AS (
  SELECT *,
    __shape1."id" AS __t1,
    __shape1."day" AS __t2
  FROM parsed
), written AS (
  SELECT *
  FROM leaves
), trimmed AS (
  SELECT *,
    __t1 AS __s1,
    __t2 AS __s2
  FROM written
), cleaned AS (
  SELECT *,
    __s1 AS __r1,
    __s2 AS __r2
  FROM trimmed
), mapped AS (
  SELECT *,
    coalesce(CASE WHEN regexp_full_match(__r2, '(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])-\d\d-\d\d') THEN TRY_CAST(__r2 AS DATE)::TIMESTAMP END) AS __m2
  FROM cleaned
), converted AS (
  SELECT *,
    CASE WHEN regexp_full_match(__r1, '[+-]?\d+') THEN TRY_CAST(__r1 AS BIGINT) END AS __c1,
    __m2::DATE AS __c2
  FROM mapped
), judged AS (
  SELECT *,
    CASE WHEN __doc IS NOT NULL AND ((__r1 IS NOT NULL AND __c1 IS NULL) OR __c1 IS NULL
      OR CASE WHEN __t2 < '[' THEN false WHEN __t2 < '\' OR (__t2 >= '{' AND __t2 < '|') THEN json_type(__doc, '$."day"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r2 IS NOT NULL AND __c2 IS NULL) OR (__m2 < TIMESTAMP '0001-01-01 00:00:00' OR __m2 > TIMESTAMP '9999-12-31 23:59:59.999999') OR __c2 IS NULL)
    THEN [CASE WHEN (__r1 IS NOT NULL AND __c1 IS NULL) THEN 'bad_type' WHEN __c1 IS NULL THEN 'missing_required' END, CASE WHEN CASE WHEN __t2 < '[' THEN false WHEN __t2 < '\' OR (__t2 >= '{' AND __t2 < '|') THEN json_type(__doc, '$."day"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r2 IS NOT NULL AND __c2 IS NULL) OR (__m2 < TIMESTAMP '0001-01-01 00:00:00' OR __m2 > TIMESTAMP '9999-12-31 23:59:59.999999') THEN 'bad_type' WHEN __c2 IS NULL THEN 'missing_required' END]::VARCHAR[] END AS __reasons
  FROM converted
), settled AS (
  SELECT *,
    list_position(list_transform(__reasons, lambda r : r IS NOT NULL), true) AS __bad,
    []::VARCHAR[] AS __nulled,
    __c1 AS "id",
    __c2 AS "day"
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
  CASE WHEN __bad IS NOT NULL THEN ['id', 'day'][__bad] END AS _column,
  CASE WHEN __fault IS NULL AND NOT __is_valid THEN list_transform([regexp_replace(__text, '"(\\.|[^"\\])*"', '""', 'gs')], lambda b : CASE WHEN regexp_matches(b, '\b(?:NaN|Infinity)\b', 's') THEN 'NaN and Infinity are no JSON; source.json.nonFinite: "null" reads them as null' WHEN regexp_matches(b, '\b(?:None|True|False)\b', 's') THEN 'None, True and False are of Python, and no JSON' WHEN regexp_matches(b, '[{,:\[]\s*''', 's') THEN 'single quotes: JSON has double ones' WHEN regexp_matches(b, ',\s*[}\]]', 's') THEN 'a comma before a closing bracket' WHEN regexp_matches(b, '[}\]]\s*,\s*$', 's') THEN 'a comma behind the object' WHEN contains(replace(b, '""', ''), '"') THEN 'a text without an end' WHEN regexp_matches(b, '^\s*[{\[](?:.*[^}\]\s])?\s*$', 's') THEN 'it is cut off: its last bracket does not close' WHEN regexp_matches(b, '[}\]]\s*[{\[]', 's') THEN 'several values in one record' ELSE 'no JSON by RFC 8259' END)[1]
    WHEN __bad IS NOT NULL THEN CASE WHEN regexp_matches(__doc, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN coalesce(json_extract_string(regexp_replace(regexp_replace(__doc, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), ['$."id"', '$."day"'][__bad]), [__t1, __t2][__bad]) ELSE [__t1, __t2][__bad] END END AS _value,
  __nulled AS _nulled,
  placed."id",
  placed."day",
  'golden' AS "source"
FROM placed
JOIN files ON files.file = placed.__file

-- set part
{
  "joins": [],
  "dedupe": {
    "key": [
      "source"
    ],
    "order": [
      {
        "column": "day",
        "direction": "desc"
      }
    ],
    "published": true,
    "keepsAll": true
  },
  "sort": []
}

-- set part (DuckDB)
-- ranked
WITH told AS (
  SELECT "source" AS _k0, "day" AS _t, _object FROM row_part WHERE _reason IS NULL
UNION ALL SELECT "source" AS _k0, "day" AS _t, _object FROM candidates
), newest AS (
  SELECT _k0 AS _n0, max(_t) AS _newest FROM told GROUP BY _k0
)
SELECT row_part.*, CASE WHEN _reason IS NOT NULL THEN 'quarantined' WHEN row_part."day" < _newest THEN 'duplicate' ELSE 'published' END AS _fate
FROM row_part LEFT JOIN newest ON row_part."source" = newest._n0

-- lost
WITH told AS (
  SELECT "source" AS _k0, "day" AS _t, _object FROM ranked WHERE _fate IN ('published', 'duplicate')
UNION ALL SELECT "source" AS _k0, "day" AS _t, _object FROM candidates
), newest AS (
  SELECT _k0 AS _n0, max(_t) AS _newest FROM told GROUP BY _k0
), compared AS (
  SELECT told.*, _newest FROM told JOIN newest ON told._k0 = newest._n0
), winners AS (
  SELECT _k0 AS _w0, min(_object) AS winner FROM compared WHERE _t = _newest GROUP BY _k0
)
SELECT DISTINCT winner, _object AS loser FROM compared JOIN winners ON compared._k0 = winners._w0
WHERE (_newest IS NOT NULL AND (_t IS NULL OR _t < _newest)) AND winner <> _object

-- columns of golden, partitioned by source
id bigint
day date
_batch string
_object string
_version string
_line bigint

-- expectations (Athena)
SELECT count(*) AS "check_0_0",
  count_if("id" IS NULL) AS "check_1_0",
  count_if("day" IS NULL) AS "check_2_0",
  count_if(strpos("$path", '/source=golden' || '/') = 0) AS "check_3_0"
FROM "staging_golden"
WHERE "run" = '<run>'

-- set part (Spark)
-- ranked
WITH told AS (
  SELECT `source` AS _k0, `day` AS _t, _object FROM row_part WHERE _reason IS NULL
UNION ALL SELECT `source` AS _k0, `day` AS _t, _object FROM candidates
), newest AS (
  SELECT _k0 AS _n0, max(_t) AS _newest FROM told GROUP BY _k0
)
SELECT row_part.*, CASE WHEN _reason IS NOT NULL THEN 'quarantined' WHEN row_part.`day` < _newest THEN 'duplicate' ELSE 'published' END AS _fate
FROM row_part LEFT JOIN newest ON row_part.`source` = newest._n0

-- lost
WITH told AS (
  SELECT `source` AS _k0, `day` AS _t, _object FROM ranked WHERE _fate IN ('published', 'duplicate')
UNION ALL SELECT `source` AS _k0, `day` AS _t, _object FROM candidates
), newest AS (
  SELECT _k0 AS _n0, max(_t) AS _newest FROM told GROUP BY _k0
), compared AS (
  SELECT told.*, _newest FROM told JOIN newest ON told._k0 = newest._n0
), winners AS (
  SELECT _k0 AS _w0, min(_object) AS winner FROM compared WHERE _t = _newest GROUP BY _k0
)
SELECT DISTINCT winner, _object AS loser FROM compared JOIN winners ON compared._k0 = winners._w0
WHERE (_newest IS NOT NULL AND (_t IS NULL OR _t < _newest)) AND winner <> _object
