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
), strings AS (
  SELECT *,
    list_transform([CASE WHEN regexp_matches(__doc, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN regexp_replace(regexp_replace(json_extract(regexp_replace(regexp_replace(regexp_replace(__doc, '([:,\[{]\s*"\\u0001)', '\1\\u0001', 'g'), '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\\u0001\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."body"')::VARCHAR, '(^|[:,\[])"\\u0001(-?[0-9][^"]*)"', '\1\2', 'g'), '((?:^|[:,\[{])"\\u0001)\\u0001', '\1', 'g')
      ELSE json_extract(__doc, '$."body"')::VARCHAR END], lambda f : CASE WHEN f[1] = '"' THEN nullif(trim(json_extract_string(f, '$'), ' 	
'), '') ELSE nullif(f, 'null') END)[1] AS __string
  FROM objects
), inners AS (
  SELECT *,
    list_transform([__string], lambda t : CASE WHEN CASE WHEN coalesce(json_valid(t), false) THEN CASE WHEN regexp_matches(t, '^\s*[+-]?(?i:nan|inf)') OR regexp_matches(t, ':\s*[+-]?(?i:nan|inf)') OR regexp_matches(t, '\[\s*[+-]?(?i:nan|inf)') OR regexp_matches(t, ',\s*(?:[\]}]|[+-]?(?i:nan|inf))')
      THEN NOT regexp_matches(regexp_replace(t, '"(\\.|[^"\\])*"', '""', 'gs'), '(?i)nan|inf|,\s*[\]}]') ELSE true END ELSE false END THEN t END)[1] AS __inner
  FROM strings
), arrays AS (
  SELECT *,
    json_type(__inner, '$."orders"') AS __array_type,
    CASE WHEN json_type(__inner, '$."orders"') = 'ARRAY' THEN CASE WHEN regexp_matches(__inner, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN list_transform(TRY(json_extract(regexp_replace(regexp_replace(regexp_replace(__inner, '([:,\[{]\s*"\\u0001)', '\1\\u0001', 'g'), '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\\u0001\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."orders"[*]')), lambda i : regexp_replace(regexp_replace(i::VARCHAR, '(^|[:,\[])"\\u0001(-?[0-9][^"]*)"', '\1\2', 'g'), '((?:^|[:,\[{])"\\u0001)\\u0001', '\1', 'g'))
      ELSE TRY(json_extract(__inner, '$."orders"[*]'))::VARCHAR[] END END AS __items
  FROM inners
), elements AS (
  SELECT *,
    unnest(CASE WHEN len(__items) > 0 THEN __items ELSE [NULL] END)::VARCHAR AS __item,
    unnest(generate_series(0, greatest(coalesce(len(__items), 0), 1) - 1))::BIGINT AS __place
  FROM arrays
), arrays2 AS (
  SELECT *,
    json_type(__inner, '$."prices"') AS __array_type2,
    CASE WHEN json_type(__inner, '$."prices"') = 'OBJECT' AND NOT (coalesce(__array_type NOT IN ('ARRAY', 'NULL'), false)) THEN CASE WHEN regexp_matches(__inner, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN list_transform(TRY(coalesce(list_transform(map_entries(json_transform(json_extract(regexp_replace(regexp_replace(regexp_replace(__inner, '([:,\[{]\s*"\\u0001)', '\1\\u0001', 'g'), '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\\u0001\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."prices"'), '"MAP(VARCHAR, JSON)"')), lambda e : CASE WHEN coalesce(e.value::VARCHAR, 'null') = '{}' THEN '{"_key":' || to_json(e.key)::VARCHAR || '}'
      WHEN coalesce(e.value::VARCHAR, 'null')[1] = '{' THEN '{"_key":' || to_json(e.key)::VARCHAR || ',' || coalesce(e.value::VARCHAR, 'null')[2:] ELSE '{"_key":' || to_json(e.key)::VARCHAR || ',"_value":' || coalesce(e.value::VARCHAR, 'null') || '}' END), [])), lambda i : regexp_replace(regexp_replace(i::VARCHAR, '(^|[:,\[])"\\u0001(-?[0-9][^"]*)"', '\1\2', 'g'), '((?:^|[:,\[{])"\\u0001)\\u0001', '\1', 'g'))
      ELSE TRY(coalesce(list_transform(map_entries(json_transform(json_extract(__inner, '$."prices"'), '"MAP(VARCHAR, JSON)"')), lambda e : CASE WHEN coalesce(e.value::VARCHAR, 'null') = '{}' THEN '{"_key":' || to_json(e.key)::VARCHAR || '}'
      WHEN coalesce(e.value::VARCHAR, 'null')[1] = '{' THEN '{"_key":' || to_json(e.key)::VARCHAR || ',' || coalesce(e.value::VARCHAR, 'null')[2:] ELSE '{"_key":' || to_json(e.key)::VARCHAR || ',"_value":' || coalesce(e.value::VARCHAR, 'null') || '}' END), []))::VARCHAR[] END END AS __items2
  FROM elements
), elements2 AS (
  SELECT *,
    unnest(CASE WHEN len(__items2) > 0 THEN __items2 ELSE [NULL] END)::VARCHAR AS __item2,
    unnest(generate_series(0, greatest(coalesce(len(__items2), 0), 1) - 1))::BIGINT AS __place2
  FROM arrays2
), arrays3 AS (
  SELECT *,
    json_type(__item, '$."items"') AS __array_type3,
    CASE WHEN json_type(__item, '$."items"') = 'ARRAY' AND NOT (coalesce(__array_type NOT IN ('ARRAY', 'NULL'), false) OR coalesce(__array_type2 NOT IN ('OBJECT', 'NULL'), false)) THEN CASE WHEN regexp_matches(__item, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN list_transform(TRY(json_extract(regexp_replace(regexp_replace(regexp_replace(__item, '([:,\[{]\s*"\\u0001)', '\1\\u0001', 'g'), '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\\u0001\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."items"[*]')), lambda i : regexp_replace(regexp_replace(i::VARCHAR, '(^|[:,\[])"\\u0001(-?[0-9][^"]*)"', '\1\2', 'g'), '((?:^|[:,\[{])"\\u0001)\\u0001', '\1', 'g'))
      ELSE TRY(json_extract(__item, '$."items"[*]'))::VARCHAR[] END END AS __items3
  FROM elements2
), elements3 AS (
  SELECT *,
    unnest(CASE WHEN len(__items3) > 0 THEN __items3 ELSE [NULL] END)::VARCHAR AS __item3,
    unnest(generate_series(0, greatest(coalesce(len(__items3), 0), 1) - 1))::BIGINT AS __place3
  FROM arrays3
), parsed AS (
  SELECT *,
    json_transform(__doc, '{"id":"VARCHAR"}') AS __shape1,
    json_transform(__item, '{"no":"VARCHAR"}') AS __shape2,
    json_transform(__item3, '{"sku":"VARCHAR"}') AS __shape3,
    json_transform(__item2, '{"_key":"VARCHAR"}') AS __shape4,
    json_transform(__inner, '{"tags":"JSON"}') AS __shape5
  FROM elements3
), leaves AS (
  SELECT *,
    __shape1."id" AS __t1,
    __shape2."no" AS __t2,
    __shape3."sku" AS __t3,
    __shape4."_key" AS __t4,
    __shape5."tags" AS __j5
  FROM parsed
), written AS (
  SELECT *,
    CASE WHEN __t2 < ':' THEN CASE WHEN regexp_full_match(__t2, '-?(?:0|\d+\.\d+|\d+(?:\.\d+)?e[+-]?\d+)')
      THEN CASE WHEN regexp_matches(__item, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN json_extract_string(regexp_replace(regexp_replace(__item, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."no"') ELSE __t2 END ELSE __t2 END ELSE __t2 END AS __w2,
    CASE WHEN __t3 < ':' THEN CASE WHEN regexp_full_match(__t3, '-?(?:0|\d+\.\d+|\d+(?:\.\d+)?e[+-]?\d+)')
      THEN CASE WHEN regexp_matches(__item3, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN json_extract_string(regexp_replace(regexp_replace(__item3, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."sku"') ELSE __t3 END ELSE __t3 END ELSE __t3 END AS __w3,
    CASE WHEN __t4 < ':' THEN CASE WHEN regexp_full_match(__t4, '-?(?:0|\d+\.\d+|\d+(?:\.\d+)?e[+-]?\d+)')
      THEN CASE WHEN regexp_matches(__item2, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN json_extract_string(regexp_replace(regexp_replace(__item2, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."_key"') ELSE __t4 END ELSE __t4 END ELSE __t4 END AS __w4,
    CASE WHEN regexp_matches(__j5, '(?:^|[:,\[])-?(?:0(?:$|[,}\]])|\d+\.\d|\d+e)')
      THEN CASE WHEN regexp_matches(__inner, '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN json_extract(regexp_replace(regexp_replace(__inner, '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), '$."tags"') ELSE __j5 END ELSE __j5 END AS __w5
  FROM leaves
), trimmed AS (
  SELECT *,
    __t1 AS __s1,
    __w2 AS __s2,
    __w3 AS __s3,
    __w4 AS __s4,
    CASE WHEN starts_with(__w5, '[') THEN list_transform(flatten(list_transform(json_extract(__w5, '$[*]'), lambda x : CASE WHEN json_type(x, '$."names"') = 'ARRAY' THEN json_extract(x, '$."names"[*]') ELSE []::JSON[] END)), lambda x : json_extract_string(x, '$')) END AS __a5, CASE WHEN starts_with(__w5, '[') THEN CASE WHEN contains(__w5, '{') OR contains(__w5, '[[') OR contains(__w5, ',[') THEN (len(list_filter(flatten(list_transform(json_extract(__w5, '$[*]'), lambda x : CASE WHEN json_type(x, '$."names"') = 'ARRAY' THEN json_extract(x, '$."names"[*]') ELSE []::JSON[] END)), lambda x : json_type(x, '$') IN ('OBJECT', 'ARRAY'))) > 0 OR len(list_filter(json_extract(__w5, '$[*]'), lambda x : json_type(x, '$."names"') NOT IN ('ARRAY', 'NULL'))) > 0) ELSE false END END AS __l5
  FROM written
), cleaned AS (
  SELECT *,
    __s1 AS __r1,
    __s2 AS __r2,
    __s3 AS __r3,
    __s4 AS __r4,
    __a5 AS __r5
  FROM trimmed
), mapped AS (
  SELECT *
  FROM cleaned
), converted AS (
  SELECT *,
    CASE WHEN regexp_full_match(__r1, '[+-]?\d+') THEN TRY_CAST(__r1 AS BIGINT) END AS __c1,
    __r2 AS __c2,
    __r3 AS __c3,
    __r4 AS __c4,
    __r5 AS __c5
  FROM mapped
), judged AS (
  SELECT *,
    CASE WHEN __doc IS NOT NULL AND NOT coalesce(__array_type NOT IN ('ARRAY', 'NULL'), false) AND NOT coalesce(__array_type2 NOT IN ('OBJECT', 'NULL'), false) AND NOT coalesce(__array_type3 NOT IN ('ARRAY', 'NULL'), false) AND ((__r1 IS NOT NULL AND __c1 IS NULL) OR __c1 IS NULL
      OR (__string IS NOT NULL AND __inner IS NULL) OR CASE WHEN __w2 < '[' THEN false WHEN __w2 < '\' OR (__w2 >= '{' AND __w2 < '|') THEN json_type(__item, '$."no"') IN ('OBJECT', 'ARRAY') ELSE false END
      OR (__string IS NOT NULL AND __inner IS NULL) OR CASE WHEN __w3 < '[' THEN false WHEN __w3 < '\' OR (__w3 >= '{' AND __w3 < '|') THEN json_type(__item3, '$."sku"') IN ('OBJECT', 'ARRAY') ELSE false END OR __c3 IS NULL
      OR (__string IS NOT NULL AND __inner IS NULL) OR CASE WHEN __w4 < '[' THEN false WHEN __w4 < '\' OR (__w4 >= '{' AND __w4 < '|') THEN json_type(__item2, '$."_key"') IN ('OBJECT', 'ARRAY') ELSE false END
      OR (__string IS NOT NULL AND __inner IS NULL) OR (NOT starts_with(__w5, '[') AND __w5::VARCHAR <> 'null') OR __l5)
    THEN [CASE WHEN (__r1 IS NOT NULL AND __c1 IS NULL) THEN 'bad_type' WHEN __c1 IS NULL THEN 'missing_required' END, CASE WHEN (__string IS NOT NULL AND __inner IS NULL) OR CASE WHEN __w2 < '[' THEN false WHEN __w2 < '\' OR (__w2 >= '{' AND __w2 < '|') THEN json_type(__item, '$."no"') IN ('OBJECT', 'ARRAY') ELSE false END THEN 'bad_type' END, CASE WHEN (__string IS NOT NULL AND __inner IS NULL) OR CASE WHEN __w3 < '[' THEN false WHEN __w3 < '\' OR (__w3 >= '{' AND __w3 < '|') THEN json_type(__item3, '$."sku"') IN ('OBJECT', 'ARRAY') ELSE false END THEN 'bad_type' WHEN __c3 IS NULL THEN 'missing_required' END, CASE WHEN (__string IS NOT NULL AND __inner IS NULL) OR CASE WHEN __w4 < '[' THEN false WHEN __w4 < '\' OR (__w4 >= '{' AND __w4 < '|') THEN json_type(__item2, '$."_key"') IN ('OBJECT', 'ARRAY') ELSE false END THEN 'bad_type' END, CASE WHEN (__string IS NOT NULL AND __inner IS NULL) OR (NOT starts_with(__w5, '[') AND __w5::VARCHAR <> 'null') OR __l5 THEN 'bad_type' END]::VARCHAR[] END AS __reasons
  FROM converted
), settled AS (
  SELECT *,
    list_position(list_transform(__reasons, lambda r : r IS NOT NULL), true) AS __bad,
    []::VARCHAR[] AS __nulled,
    __c1 AS "id",
    __c2 AS "no",
    __c3 AS "sku",
    __c4 AS "currency",
    __c5 AS "tags"
  FROM judged
), derived AS (
  SELECT *
  FROM settled
), placed AS (
  SELECT *
  FROM derived
)
SELECT files.object AS _object, files.version AS _version, files.member AS _member, __line AS _line, ((((__place) * 2097152 + __place2)) * 2097152 + __place3) AS _place,
  (hash(__text) >> 1)::BIGINT AS _digest,
  CASE WHEN __fault IS NOT NULL THEN __fault WHEN __text IS NULL THEN 'invalid_utf8'
    WHEN NOT __is_valid THEN 'invalid_json' WHEN __doc IS NULL THEN 'not_an_object'
    WHEN __bad IS NOT NULL THEN __reasons[__bad] WHEN __doc IS NOT NULL AND coalesce(__array_type NOT IN ('ARRAY', 'NULL'), false) THEN 'not_an_array' WHEN __doc IS NOT NULL AND coalesce(__array_type2 NOT IN ('OBJECT', 'NULL'), false) THEN 'not_an_array' WHEN __doc IS NOT NULL AND coalesce(__array_type3 NOT IN ('ARRAY', 'NULL'), false) THEN 'not_an_array' END AS _reason,
  CASE WHEN _reason IS NOT NULL THEN coalesce(__text, TRY(decode(__raw)), __raw::VARCHAR) END AS _raw,
  CASE WHEN __bad IS NOT NULL THEN ['id', 'no', 'sku', 'currency', 'tags'][__bad] WHEN __doc IS NOT NULL AND coalesce(__array_type NOT IN ('ARRAY', 'NULL'), false) THEN NULL::VARCHAR WHEN __doc IS NOT NULL AND coalesce(__array_type2 NOT IN ('OBJECT', 'NULL'), false) THEN NULL::VARCHAR WHEN __doc IS NOT NULL AND coalesce(__array_type3 NOT IN ('ARRAY', 'NULL'), false) THEN NULL::VARCHAR END AS _column,
  CASE WHEN __fault IS NULL AND NOT __is_valid THEN list_transform([regexp_replace(__text, '"(\\.|[^"\\])*"', '""', 'gs')], lambda b : CASE WHEN regexp_matches(b, '\b(?:NaN|Infinity)\b', 's') THEN 'NaN and Infinity are no JSON; source.json.nonFinite: "null" reads them as null' WHEN regexp_matches(b, '\b(?:None|True|False)\b', 's') THEN 'None, True and False are of Python, and no JSON' WHEN regexp_matches(b, '[{,:\[]\s*''', 's') THEN 'single quotes: JSON has double ones' WHEN regexp_matches(b, ',\s*[}\]]', 's') THEN 'a comma before a closing bracket' WHEN regexp_matches(b, '[}\]]\s*,\s*$', 's') THEN 'a comma behind the object' WHEN contains(replace(b, '""', ''), '"') THEN 'a text without an end' WHEN regexp_matches(b, '^\s*[{\[](?:.*[^}\]\s])?\s*$', 's') THEN 'it is cut off: its last bracket does not close' WHEN regexp_matches(b, '[}\]]\s*[{\[]', 's') THEN 'several values in one record' ELSE 'no JSON by RFC 8259' END)[1]
    WHEN __bad IS NOT NULL THEN CASE WHEN regexp_matches([__doc, __item, __item3, __item2, __inner][__bad], '(?:\d[eE][+-]?\d+|\.\d+0|-0)\s*(?:[,\]}]|$)|\d{9}\.\d|\.\d{8}|\.0{6}') THEN coalesce(json_extract_string(regexp_replace(regexp_replace([__doc, __item, __item3, __item2, __inner][__bad], '((?:[^"0-9-]|"(?:\\.|[^"\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)', '\1"\2"', 'gs'), '"(?:\\u0001)?"$', ''), ['$."id"', '$."no"', '$."sku"', '$."_key"', NULL][__bad]), [__t1, coalesce(__w2, CASE WHEN __string IS NOT NULL AND __inner IS NULL THEN left(__string, 2000) END), coalesce(__w3, CASE WHEN __string IS NOT NULL AND __inner IS NULL THEN left(__string, 2000) END), coalesce(__w4, CASE WHEN __string IS NOT NULL AND __inner IS NULL THEN left(__string, 2000) END), coalesce(json_extract_string(__w5, '$'), CASE WHEN __string IS NOT NULL AND __inner IS NULL THEN left(__string, 2000) END)][__bad]) ELSE [__t1, coalesce(__w2, CASE WHEN __string IS NOT NULL AND __inner IS NULL THEN left(__string, 2000) END), coalesce(__w3, CASE WHEN __string IS NOT NULL AND __inner IS NULL THEN left(__string, 2000) END), coalesce(__w4, CASE WHEN __string IS NOT NULL AND __inner IS NULL THEN left(__string, 2000) END), coalesce(json_extract_string(__w5, '$'), CASE WHEN __string IS NOT NULL AND __inner IS NULL THEN left(__string, 2000) END)][__bad] END WHEN __doc IS NOT NULL AND coalesce(__array_type NOT IN ('ARRAY', 'NULL'), false) THEN json_extract_string(__inner, '$."orders"') WHEN __doc IS NOT NULL AND coalesce(__array_type2 NOT IN ('OBJECT', 'NULL'), false) THEN json_extract_string(__inner, '$."prices"') WHEN __doc IS NOT NULL AND coalesce(__array_type3 NOT IN ('ARRAY', 'NULL'), false) THEN json_extract_string(__item, '$."items"') END AS _value,
  __nulled AS _nulled,
  placed."id",
  placed."no",
  placed."sku",
  placed."currency",
  placed."tags",
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
no string
sku string
currency string
tags array<string>
_batch string
_object string
_version string
_line bigint

-- expectations (Athena)
SELECT count(*) AS "check_0_0",
  count_if("id" IS NULL) AS "check_1_0",
  count_if("sku" IS NULL) AS "check_2_0",
  count_if(strpos("$path", '/source=golden' || '/') = 0) AS "check_3_0"
FROM "staging_golden"
WHERE "run" = '<run>'

-- set part (Spark)
SELECT row_part.*, CASE WHEN _reason IS NOT NULL THEN 'quarantined' ELSE 'published' END AS _fate
FROM row_part
