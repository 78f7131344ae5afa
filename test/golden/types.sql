-- whole files to records (DuckDB)
WITH decoded AS (
  SELECT file, raw, ltrim(TRY(decode(raw)), chr(65279)) AS text FROM documents
), parsed AS (
  SELECT file, raw, CASE WHEN CASE WHEN NOT coalesce(json_valid(text), false) THEN false
      WHEN regexp_matches(text, '^\s*[+-]?(?i:nan|inf)') OR regexp_matches(text, ':\s*[+-]?(?i:nan|inf)') OR regexp_matches(text, '\[\s*[+-]?(?i:nan|inf)') OR regexp_matches(text, ',\s*(?:[\]}]|[+-]?(?i:nan|inf))')
      THEN NOT regexp_matches(regexp_replace(text, '"(\\.|[^"\\])*"', '""', 'gs'), '(?i)nan|inf|,\s*[\]}]') ELSE true END THEN text END AS doc FROM decoded
), found AS (
  SELECT file, raw, doc,
    CASE WHEN json_type(doc, '$') = 'ARRAY' THEN json_extract(doc, '$[*]') END AS items
  FROM parsed
)
SELECT file, unnest(generate_series(1, len(items)))::BIGINT AS line, encode(unnest(items)::VARCHAR) AS raw,
  NULL::VARCHAR AS fault
FROM found WHERE items IS NOT NULL
UNION ALL
SELECT file, 1::BIGINT, raw[1:65536],
  CASE WHEN doc IS NULL THEN 'invalid_document' ELSE 'records_missing' END
FROM found WHERE items IS NULL

-- row part (DuckDB)
WITH decoded AS (
  SELECT file AS __file, line AS __line, raw AS __raw, fault AS __fault,
    CASE WHEN fault IS NULL THEN TRY(decode(raw)) END AS __text
  FROM records
), lines AS (
  SELECT *, CASE WHEN NOT coalesce(json_valid(__text), false) THEN false
      WHEN regexp_matches(__text, '^\s*[+-]?(?i:nan|inf)') OR regexp_matches(__text, ':\s*[+-]?(?i:nan|inf)') OR regexp_matches(__text, '\[\s*[+-]?(?i:nan|inf)') OR regexp_matches(__text, ',\s*(?:[\]}]|[+-]?(?i:nan|inf))')
      THEN NOT regexp_matches(regexp_replace(__text, '"(\\.|[^"\\])*"', '""', 'gs'), '(?i)nan|inf|,\s*[\]}]') ELSE true END AS __is_valid
  FROM decoded WHERE __fault IS NOT NULL OR __text IS NULL OR regexp_matches(__text, '[^ \t\r\n]')
), objects AS (
  SELECT *, CASE WHEN __is_valid THEN CASE WHEN CASE WHEN starts_with(__text, '{') THEN true ELSE starts_with(trim(__text, ' 	
'), '{') END THEN __text END END AS __doc FROM lines
), values AS (
  SELECT *,
    json_extract_string(__doc, ['$."id"', '$."s"', '$."a"."b"[0]."i"', '$."x"', '$."m"', '$."ok"', '$."a day"', '$."j"', '$."l"']) AS __v,
    json_extract(__doc, ['$."j"', '$."l"']) AS __j
  FROM objects
), leaves AS (
  SELECT *,
    CASE WHEN starts_with(__j[2], '[') THEN json_extract_string(__j[2], '$[*]."v"') END AS __a9, CASE WHEN starts_with(__j[2], '[') THEN CASE WHEN contains(__j[2], '{') OR contains(__j[2][2:], '[') THEN len(list_filter(json_type(__j[2], '$[*]."v"'), lambda x : x IN ('OBJECT', 'ARRAY'))) > 0 ELSE false END END AS __l9
  FROM values
), cleaned AS (
  SELECT *,
    __v[1] AS __r1,
    __v[2] AS __r2,
    __v[3] AS __r3,
    __v[4] AS __r4,
    __v[5] AS __r5,
    __v[6] AS __r6,
    __v[7] AS __r7,
    nullif(__j[1]::VARCHAR, 'null') AS __r8,
    __a9 AS __r9
  FROM leaves
), converted AS (
  SELECT *,
    CASE WHEN regexp_full_match(__r1, '-?\d{1,30}') THEN TRY_CAST(__r1 AS BIGINT) END AS __c1,
    __r2 AS __c2,
    CASE WHEN regexp_full_match(__r3, '-?\d{1,30}') THEN TRY_CAST(__r3 AS INTEGER) END AS __c3,
    CASE WHEN regexp_full_match(__r4, '-?\d+(\.\d+)?([eE][+-]?\d+)?') THEN CASE WHEN isfinite(TRY_CAST(__r4 AS DOUBLE)) THEN TRY_CAST(__r4 AS DOUBLE) END END AS __c4,
    CASE WHEN regexp_full_match(__r5, '-?\d{1,38}(\.\d{0,3}0*)?') THEN TRY_CAST(__r5 AS DECIMAL(12,3)) END AS __c5,
    CASE WHEN regexp_full_match(__r6, 'true|false') THEN __r6 = 'true' END AS __c6,
    CASE WHEN regexp_full_match(__r7, '\d{4}-\d\d-\d\d') THEN TRY_CAST(__r7 AS DATE) END AS __c7,
    __r8 AS __c8,
    list_transform(__r9, lambda x : CASE WHEN regexp_full_match(x, '-?\d{1,30}') THEN TRY_CAST(x AS BIGINT) END) AS __c9
  FROM cleaned
), judged AS (
  SELECT *,
    coalesce(CASE WHEN CASE WHEN starts_with(__v[1], '{') OR starts_with(__v[1], '[') THEN json_type(__doc, '$."id"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r1 IS NOT NULL AND __c1 IS NULL) THEN 'bad_type' END, CASE WHEN __c1 IS NULL THEN 'missing_required' END, NULL::VARCHAR) AS __e1,
    coalesce(CASE WHEN CASE WHEN starts_with(__v[2], '{') OR starts_with(__v[2], '[') THEN json_type(__doc, '$."s"') IN ('OBJECT', 'ARRAY') ELSE false END THEN 'bad_type' END, NULL::VARCHAR) AS __e2,
    coalesce(CASE WHEN CASE WHEN starts_with(__v[3], '{') OR starts_with(__v[3], '[') THEN json_type(__doc, '$."a"."b"[0]."i"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r3 IS NOT NULL AND __c3 IS NULL) THEN 'bad_type' END, NULL::VARCHAR) AS __e3,
    coalesce(CASE WHEN CASE WHEN starts_with(__v[4], '{') OR starts_with(__v[4], '[') THEN json_type(__doc, '$."x"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r4 IS NOT NULL AND __c4 IS NULL) THEN 'bad_type' END, NULL::VARCHAR) AS __e4,
    coalesce(CASE WHEN CASE WHEN starts_with(__v[5], '{') OR starts_with(__v[5], '[') THEN json_type(__doc, '$."m"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r5 IS NOT NULL AND __c5 IS NULL) OR CASE WHEN length(regexp_replace(__v[5], '^-?0*|[.]', '', 'g')) > 15 THEN json_type(__doc, '$."m"') = 'DOUBLE' ELSE false END THEN 'bad_type' END, NULL::VARCHAR) AS __e5,
    coalesce(CASE WHEN CASE WHEN starts_with(__v[6], '{') OR starts_with(__v[6], '[') THEN json_type(__doc, '$."ok"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r6 IS NOT NULL AND __c6 IS NULL) THEN 'bad_type' END, NULL::VARCHAR) AS __e6,
    coalesce(CASE WHEN CASE WHEN starts_with(__v[7], '{') OR starts_with(__v[7], '[') THEN json_type(__doc, '$."a day"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r7 IS NOT NULL AND __c7 IS NULL) THEN 'bad_type' END, NULL::VARCHAR) AS __e7,
    coalesce(CASE WHEN false THEN 'bad_type' END, NULL::VARCHAR) AS __e8,
    coalesce(CASE WHEN (NOT starts_with(__j[2], '[') AND __j[2]::VARCHAR <> 'null') OR __l9 OR len(list_filter(__c9, lambda x : x IS NULL)) > len(list_filter(__r9, lambda x : x IS NULL)) THEN 'bad_type' END, NULL::VARCHAR) AS __e9
  FROM converted
), settled AS (
  SELECT *, CASE WHEN __doc IS NULL THEN NULL WHEN __e1 IS NOT NULL THEN 1 WHEN __e2 IS NOT NULL THEN 2 WHEN __e3 IS NOT NULL THEN 3 WHEN __e4 IS NOT NULL THEN 4 WHEN __e5 IS NOT NULL THEN 5 WHEN __e6 IS NOT NULL THEN 6 WHEN __e7 IS NOT NULL THEN 7 WHEN __e8 IS NOT NULL THEN 8 WHEN __e9 IS NOT NULL THEN 9 END AS __bad,
    list_filter([]::VARCHAR[], lambda n : n IS NOT NULL) AS __nulled,
    __c1 AS "id",
    __c2 AS "s",
    __c3 AS "i",
    __c4 AS "x",
    __c5 AS "m",
    __c6 AS "ok",
    __c7 AS "d",
    __c8 AS "j",
    __c9 AS "l"
  FROM judged
), derived AS (
  SELECT *
  FROM settled
), placed AS (
  SELECT *
  FROM derived
)
SELECT files.object AS _object, files.version AS _version, __line AS _line, 0::BIGINT AS _place,
  (hash(__text) >> 1)::BIGINT AS _digest,
  CASE WHEN __fault IS NOT NULL THEN __fault WHEN __text IS NULL THEN 'invalid_utf8'
    WHEN NOT __is_valid THEN 'invalid_json' WHEN __doc IS NULL THEN 'not_an_object'
    WHEN __bad IS NOT NULL THEN [__e1, __e2, __e3, __e4, __e5, __e6, __e7, __e8, __e9][__bad] END AS _reason,
  CASE WHEN _reason IS NOT NULL THEN coalesce(__text, TRY(decode(__raw)), __raw::VARCHAR) END AS _raw,
  CASE WHEN __bad IS NOT NULL THEN ['id', 's', 'i', 'x', 'm', 'ok', 'd', 'j', 'l'][__bad] END AS _column,
  CASE WHEN __bad IS NOT NULL THEN __v[__bad] END AS _value,
  __nulled AS _nulled,
  placed."id",
  placed."s",
  placed."i",
  placed."x",
  placed."m",
  placed."ok",
  placed."d",
  placed."j",
  placed."l",
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
s string
i int
x double
m decimal(12,3)
ok boolean
d date
j string
l array<bigint>
_batch string
_object string
_version string

-- expectations (Athena)
SELECT count(*) AS "check_0_0",
  count_if("id" IS NULL) AS "check_1_0",
  count_if(strpos("$path", '/source=golden' || '/') = 0) AS "check_2_0"
FROM "staging_golden"
WHERE "run" = '<run>'

-- set part (Spark)
SELECT row_part.*, CASE WHEN _reason IS NOT NULL THEN 'quarantined' ELSE 'published' END AS _fate
FROM row_part
