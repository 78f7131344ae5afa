-- whole files to records (DuckDB)
WITH bare AS (
  SELECT file, CASE WHEN raw[1:3] = '\xEF\xBB\xBF'::BLOB THEN raw[4:] ELSE raw END AS raw FROM documents
), decoded AS (
  SELECT file, raw, TRY(decode(raw)) AS text FROM bare
), ended AS (
  SELECT decoded.*, files.cr AS ends_in_cr FROM decoded JOIN files USING (file)
), pieces AS (
  SELECT file, text IS NOT NULL AS is_text, ends_in_cr,
    CASE WHEN text IS NOT NULL
        THEN list_transform(CASE WHEN ends_in_cr THEN regexp_extract_all(text, '(?:\x22[^\x22]*(?:\x22\x22[^\x22]*)*\x22|[^\x7c\r\n]*)(?:\x7c(?:\x22[^\x22]*(?:\x22\x22[^\x22]*)*\x22|[^\x7c\r\n]*))*(?:\r+|$)|[^\r]+(?:\r|$)', 0, 's') ELSE regexp_extract_all(text, '(?:\x22[^\x22]*(?:\x22\x22[^\x22]*)*\x22|[^\x7c\r\n]*)(?:\x7c(?:\x22[^\x22]*(?:\x22\x22[^\x22]*)*\x22|[^\x7c\r\n]*))*\r*(?:\n(?:\r*\n)*|$)|[^\n]+(?:\n|$)', 0, 's') END, lambda r : encode(r))
      ELSE list_transform(string_split(raw::VARCHAR, CASE WHEN ends_in_cr THEN '\x0D' ELSE '\x0A' END), lambda l : l::BLOB) END AS found
  FROM ended
), numbered AS (
  SELECT file, is_text, ends_in_cr, unnest(generate_series(1, len(found))) AS n, unnest(found) AS raw FROM pieces
), counted AS (
  SELECT *, CASE WHEN is_text THEN length(decode(raw)) - length(replace(decode(raw), CASE WHEN ends_in_cr THEN chr(13) ELSE chr(10) END, ''))
      ELSE 1 END AS newlines
  FROM numbered
), placed AS (
  SELECT *, sum(newlines) OVER (PARTITION BY file ORDER BY n) - newlines + 1 AS line FROM counted
), found AS (
  SELECT file, line::BIGINT AS line, raw, NULL::VARCHAR AS fault
  FROM placed
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
  SELECT * REPLACE (rtrim(__text, chr(13) || chr(10)) AS __text)
  FROM decoded WHERE (__fault IS NOT NULL OR __text IS NULL OR CASE WHEN __text >= '!' THEN true ELSE regexp_matches(__text, '[^ \t\r\n]') END)
), marks AS (
  SELECT lines.*, headers.* EXCLUDE (file), __text AS __marked
  FROM lines JOIN (SELECT file, len(header) AS __width, list_position(header, 'id') AS __p1 FROM files) AS headers ON headers.file = __file
), fields AS (
  SELECT *,
    CASE WHEN (NOT contains(__marked, '"') AND NOT contains(__marked, chr(13)) AND NOT contains(__marked, chr(10))) THEN true ELSE coalesce(regexp_full_match(__marked, '(?:\x22[^\x22]*(?:\x22\x22[^\x22]*)*\x22|[^\x22\x7c\r\n]*)(?:\x7c(?:\x22[^\x22]*(?:\x22\x22[^\x22]*)*\x22|[^\x22\x7c\r\n]*))*'), false) END AS __is_strict,
    CASE WHEN (NOT contains(__marked, '"') AND NOT contains(__marked, chr(13)) AND NOT contains(__marked, chr(10))) THEN list_transform(string_split(__marked, '|'), lambda f : nullif(f, '\\N'))
      WHEN __is_strict THEN list_transform(regexp_extract_all(__marked || '|', '(\x22[^\x22]*(?:\x22\x22[^\x22]*)*\x22|[^\x22\x7c\r\n]*)\x7c', 1), lambda g : CASE WHEN g[1] = '"' THEN replace(substring(g, 2, length(g) - 2), '""', '"') ELSE nullif(g, '\\N') END) END AS __fields,
    __fields IS NOT NULL AS __is_valid
  FROM marks
), objects AS (
  SELECT *,
    CASE WHEN len(__fields) >= __width AND len(__fields) <= __width THEN __fields END AS __cells,
    CASE WHEN __cells IS NOT NULL THEN '{}' END AS __doc
  FROM fields
), parsed AS (
  SELECT *
  FROM objects
), leaves AS (
  SELECT *,
    __cells[__p1] AS __t1
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
SELECT files.object AS _object, files.version AS _version, files.member AS _member, __line + files.skip AS _line, 0::BIGINT AS _place,
  (hash(__text) >> 1)::BIGINT AS _digest,
  CASE WHEN __fault IS NOT NULL THEN __fault WHEN __text IS NULL THEN 'invalid_utf8'
    WHEN __doc IS NULL THEN 'invalid_csv'
    WHEN __bad IS NOT NULL THEN __reasons[__bad] END AS _reason,
  CASE WHEN _reason IS NOT NULL THEN coalesce(__text, TRY(decode(__raw)), __raw::VARCHAR) END AS _raw,
  CASE WHEN __bad IS NOT NULL THEN ['id'][__bad] END AS _column,
  CASE WHEN __fault = 'unknown_header' THEN 'the header has ' || left(to_json(files.header)::VARCHAR, 2000) || ', the contract reads ["id"]'
    WHEN __fault = 'invalid_header' THEN 'the header is missing, is not a record, or follows a line sep= that names another delimiter'
    WHEN __fault IS NULL AND __text IS NOT NULL AND __doc IS NULL AND NOT __is_valid
      THEN CASE WHEN contains(__text, '"') THEN 'a quote has no end, or stands in the middle of a field' ELSE 'a CR is in the middle of a field' END
    WHEN __doc IS NULL AND __is_valid THEN 'fields: ' || len(__fields) || ', in the header: ' || __width
    WHEN __bad IS NOT NULL THEN [__t1][__bad] END AS _value,
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
