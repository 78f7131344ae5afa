-- whole files to records (DuckDB)
WITH bare AS (
  SELECT file, CASE WHEN raw[1:3] = '\xEF\xBB\xBF'::BLOB THEN raw[4:] ELSE raw END AS raw FROM documents
), decoded AS (
  SELECT file, raw, CASE WHEN regexp_matches(TRY(decode(raw)), 'NaN|Infinity')
      THEN regexp_replace(regexp_replace(TRY(decode(raw)), '((?:[^"NI-]|-[0-9]|"(?:\\.|[^"\\])*")*)(?:-?(?:NaN|Infinity)|$)', '\1null', 'gs'), 'null$', '') ELSE TRY(decode(raw)) END AS text FROM bare
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
), repaired AS (
  SELECT *,
    CASE WHEN regexp_matches(__text, 'NaN|Infinity')
      THEN regexp_replace(regexp_replace(__text, '((?:[^"NI-]|-[0-9]|"(?:\\.|[^"\\])*")*)(?:-?(?:NaN|Infinity)|$)', '\1null', 'gs'), 'null$', '') ELSE __text END AS __json
  FROM decoded
), lines AS (
  SELECT *, CASE WHEN coalesce(json_valid(__json), false) THEN CASE WHEN regexp_matches(__json, '^\s*[+-]?(?i:nan|inf)') OR regexp_matches(__json, ':\s*[+-]?(?i:nan|inf)') OR regexp_matches(__json, '\[\s*[+-]?(?i:nan|inf)') OR regexp_matches(__json, ',\s*(?:[\]}]|[+-]?(?i:nan|inf))')
      THEN NOT regexp_matches(regexp_replace(__json, '"(\\.|[^"\\])*"', '""', 'gs'), '(?i)nan|inf|,\s*[\]}]') ELSE true END ELSE false END AS __is_valid
  FROM repaired WHERE __fault IS NOT NULL OR __text IS NULL OR CASE WHEN __text >= '!' THEN true ELSE regexp_matches(__text, '[^ \t\r\n]') END
), objects AS (
  SELECT *,
    CASE WHEN __is_valid THEN CASE WHEN CASE WHEN starts_with(__json, '{') THEN true ELSE starts_with(trim(__json, ' 	
'), '{') END THEN __json END END AS __doc
  FROM lines
), parsed AS (
  SELECT *,
    json_transform(__doc, '{"id":"VARCHAR","amount":"VARCHAR","ok":"VARCHAR","day":"VARCHAR"}') AS __shape1
  FROM objects
), leaves AS (
  SELECT *,
    __shape1."id" AS __t1,
    __shape1."amount" AS __t2,
    __shape1."ok" AS __t3,
    __shape1."day" AS __t4
  FROM parsed
), written AS (
  SELECT *,
    CASE WHEN __t2 < ':' THEN CASE WHEN regexp_full_match(__t2, '-?(?:0|\d+\.\d+|\d+(?:\.\d+)?e[+-]?\d+)')
      THEN CASE WHEN regexp_matches(__doc, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN json_extract_string(regexp_replace(regexp_replace(__doc, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."amount"') ELSE __t2 END ELSE __t2 END ELSE __t2 END AS __w2,
    CASE WHEN __t3 < ':' THEN CASE WHEN regexp_full_match(__t3, '-?(?:0|\d+\.\d+|\d+(?:\.\d+)?e[+-]?\d+)')
      THEN CASE WHEN regexp_matches(__doc, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN json_extract_string(regexp_replace(regexp_replace(__doc, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."ok"') ELSE __t3 END ELSE __t3 END ELSE __t3 END AS __w3,
    CASE WHEN __t4 < ':' THEN CASE WHEN regexp_full_match(__t4, '-?(?:0|\d+\.\d+|\d+(?:\.\d+)?e[+-]?\d+)')
      THEN CASE WHEN regexp_matches(__doc, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN json_extract_string(regexp_replace(regexp_replace(__doc, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."day"') ELSE __t4 END ELSE __t4 END ELSE __t4 END AS __w4
  FROM leaves
), trimmed AS (
  SELECT *,
    __t1 AS __s1,
    __w2 AS __s2,
    __w3 AS __s3,
    __w4 AS __s4
  FROM written
), cleaned AS (
  SELECT *,
    __s1 AS __r1,
    __s2 AS __r2,
    __s3 AS __r3, lower(__r3) AS __k3,
    __s4 AS __r4
  FROM trimmed
), mapped AS (
  SELECT *,
    CASE WHEN json_type(__doc, '$."amount"') IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT') THEN __r2 ELSE CASE WHEN regexp_full_match(__r2, '(?:[+\x{2212}-][ \t\x{a0}\x{202f}]*)?(?:(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)(?:[ \t\x{a0}\x{202f}]*%)?|(?:EUR|\x{20ac})[ \t\x{a0}\x{202f}]*(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)|(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)[ \t\x{a0}\x{202f}]*(?:EUR|\x{20ac}))|(?:EUR|\x{20ac})[ \t\x{a0}\x{202f}]*[+\x{2212}-]?(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)|\([ \t\x{a0}\x{202f}]*(?:(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)(?:[ \t\x{a0}\x{202f}]*%)?|(?:EUR|\x{20ac})[ \t\x{a0}\x{202f}]*(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)|(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)[ \t\x{a0}\x{202f}]*(?:EUR|\x{20ac}))[ \t\x{a0}\x{202f}]*\)|(?:(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)(?:[ \t\x{a0}\x{202f}]*%)?|(?:EUR|\x{20ac})[ \t\x{a0}\x{202f}]*(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)|(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)[ \t\x{a0}\x{202f}]*(?:EUR|\x{20ac}))[ \t\x{a0}\x{202f}]*[\x{2212}-]|(?:EUR|\x{20ac})[ \t\x{a0}\x{202f}]*\([ \t\x{a0}\x{202f}]*(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)[ \t\x{a0}\x{202f}]*\)|\([ \t\x{a0}\x{202f}]*(?:(?:\d+|\d{1,3}(?:[\x{2e}]\d{3})+)(?:\x{2c}\d*)?|\x{2c}\d+)[ \t\x{a0}\x{202f}]*\)[ \t\x{a0}\x{202f}]*(?:EUR|\x{20ac})') THEN list_transform([regexp_replace(__r2, '(?:EUR|\x{20ac})', '')], lambda b : CASE WHEN regexp_matches(b, '[(−-]') THEN '-' ELSE '' END || CASE WHEN contains(b, '%') THEN list_transform([replace(regexp_replace(b, '[^0-9\x{2c}]', '', 'g'), ',', '.')], lambda d : list_transform([lpad(split_part(d, '.', 1), greatest(length(split_part(d, '.', 1)), 3)::INTEGER, '0')],
      lambda w : left(w, -2) || '.' || right(w, 2) || split_part(d, '.', 2))[1])[1] ELSE replace(regexp_replace(b, '[^0-9\x{2c}]', '', 'g'), ',', '.') END)[1] END END AS __m2,
    CASE WHEN __k3 IN ('true', 'y') THEN 'true' WHEN __k3 IN ('false', 'n') THEN 'false' ELSE __r3 END AS __m3,
    coalesce(CASE WHEN regexp_full_match(__r4, '(?:0[1-9]|[12]\d|3[01])\x{2e}(?:0[1-9]|1[0-2])\x{2e}(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])') THEN try_strptime(__r4, '%d.%m.%Y') END, CASE WHEN regexp_full_match(__r4, '\d{1,7}(?:\.\d{1,17})?') THEN CASE WHEN split_part(__r4, '.', 1)::INTEGER BETWEEN 1 AND 2958465 AND split_part(__r4, '.', 1)::INTEGER <> 60
        THEN make_timestamp(((split_part(__r4, '.', 1)::INTEGER - CASE WHEN split_part(__r4, '.', 1)::INTEGER < 60 THEN 25568 ELSE 25569 END) * 86400000::BIGINT + round(('0.' || split_part(__r4, '.', 2))::DECIMAL(38, 17) * 86400000)::BIGINT) * 1000) END END) AS __m4
  FROM cleaned
), converted AS (
  SELECT *,
    CASE WHEN regexp_full_match(__r1, '[+-]?\d+') THEN TRY_CAST(__r1 AS BIGINT) END AS __c1,
    CASE WHEN regexp_full_match(__m2, '[+-]?(\d+(\.\d{0,2}0*)?|\.\d{1,2}0*)') THEN TRY_CAST(__m2 AS DECIMAL(12,2)) END AS __c2,
    CASE WHEN regexp_full_match(__m3, 'true|false') THEN __m3 = 'true' END AS __c3,
    __m4::DATE AS __c4
  FROM mapped
), judged AS (
  SELECT *,
    CASE WHEN __doc IS NOT NULL AND ((__r1 IS NOT NULL AND __c1 IS NULL) OR __c1 IS NULL
      OR CASE WHEN __w2 < '[' THEN false WHEN __w2 < '\' OR (__w2 >= '{' AND __w2 < '|') THEN json_type(__doc, '$."amount"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r2 IS NOT NULL AND __c2 IS NULL)
      OR CASE WHEN __w3 < '[' THEN false WHEN __w3 < '\' OR (__w3 >= '{' AND __w3 < '|') THEN json_type(__doc, '$."ok"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__m3 IS NOT NULL AND __c3 IS NULL)
      OR CASE WHEN __w4 < '[' THEN false WHEN __w4 < '\' OR (__w4 >= '{' AND __w4 < '|') THEN json_type(__doc, '$."day"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r4 IS NOT NULL AND __c4 IS NULL) OR (__m4 < TIMESTAMP '0001-01-01 00:00:00' OR __m4 > TIMESTAMP '9999-12-31 23:59:59.999999'))
    THEN [CASE WHEN (__r1 IS NOT NULL AND __c1 IS NULL) THEN 'bad_type' WHEN __c1 IS NULL THEN 'missing_required' END, CASE WHEN CASE WHEN __w2 < '[' THEN false WHEN __w2 < '\' OR (__w2 >= '{' AND __w2 < '|') THEN json_type(__doc, '$."amount"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r2 IS NOT NULL AND __c2 IS NULL) THEN 'bad_type' END, CASE WHEN CASE WHEN __w3 < '[' THEN false WHEN __w3 < '\' OR (__w3 >= '{' AND __w3 < '|') THEN json_type(__doc, '$."ok"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__m3 IS NOT NULL AND __c3 IS NULL) THEN 'bad_type' END, CASE WHEN CASE WHEN __w4 < '[' THEN false WHEN __w4 < '\' OR (__w4 >= '{' AND __w4 < '|') THEN json_type(__doc, '$."day"') IN ('OBJECT', 'ARRAY') ELSE false END OR (__r4 IS NOT NULL AND __c4 IS NULL) OR (__m4 < TIMESTAMP '0001-01-01 00:00:00' OR __m4 > TIMESTAMP '9999-12-31 23:59:59.999999') THEN 'bad_type' END]::VARCHAR[] END AS __reasons
  FROM converted
), settled AS (
  SELECT *,
    list_position(list_transform(__reasons, lambda r : r IS NOT NULL), true) AS __bad,
    []::VARCHAR[] AS __nulled,
    __c1 AS "id",
    __c2 AS "amount",
    __c3 AS "ok",
    __c4 AS "day"
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
  CASE WHEN __bad IS NOT NULL THEN ['id', 'amount', 'ok', 'day'][__bad] END AS _column,
  CASE WHEN __fault IS NULL AND NOT __is_valid THEN list_transform([regexp_replace(__text, '"(\\.|[^"\\])*"', '""', 'gs')], lambda b : CASE WHEN regexp_matches(b, '\b(?:NaN|Infinity)\b', 's') THEN 'NaN and Infinity are no JSON; source.json.nonFinite: "null" reads them as null' WHEN regexp_matches(b, '\b(?:None|True|False)\b', 's') THEN 'None, True and False are of Python, and no JSON' WHEN regexp_matches(b, '[{,:\[]\s*''', 's') THEN 'single quotes: JSON has double ones' WHEN regexp_matches(b, ',\s*[}\]]', 's') THEN 'a comma before a closing bracket' WHEN regexp_matches(b, '[}\]]\s*,\s*$', 's') THEN 'a comma behind the object' WHEN contains(replace(b, '""', ''), '"') THEN 'a text without an end' WHEN regexp_matches(b, '^\s*[{\[](?:.*[^}\]\s])?\s*$', 's') THEN 'it is cut off: its last bracket does not close' WHEN regexp_matches(b, '[}\]]\s*[{\[]', 's') THEN 'several values in one record' ELSE 'no JSON by RFC 8259' END)[1]
    WHEN __bad IS NOT NULL THEN CASE WHEN regexp_matches(__doc, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN coalesce(json_extract_string(regexp_replace(regexp_replace(__doc, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), ['$."id"', '$."amount"', '$."ok"', '$."day"'][__bad]), [__t1, __w2, __w3, __w4][__bad]) ELSE [__t1, __w2, __w3, __w4][__bad] END END AS _value,
  __nulled AS _nulled,
  placed."id",
  placed."amount",
  placed."ok",
  placed."day",
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
amount decimal(12,2)
ok boolean
day date
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
