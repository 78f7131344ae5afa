/** DuckDB's SQL that reads row groups of a Parquet file as records. A record is the row as a JSON object. */
import { maxRecordBytes } from '../model/plan.ts';
import { literal } from './duckdbNames.ts';

/**
 * A query that gives the query for a part of a file, because the columns differ from file to file. Both engines run both. It reads the
 * variables `parquet_path`, `parquet_file` (the number of the file), and `parquet_from` and `parquet_to` (rows from 0). NULL: the file has
 * no columns, or one that DuckDB needs itself. The result is like `records`, with lines from 1.
 *
 * Numbers and booleans stay what they are, other values are texts: times in ISO 8601, decimals with all their digits, bytes as UTF-8 or
 * else as Base64.
 */
export function parquetReader(): string {
  const name = `'"' || replace(column_name, '"', '""') || '"'`;
  const value = `CASE WHEN column_type LIKE 'DECIMAL%' THEN ${name} || '::VARCHAR'
      WHEN column_type = 'BLOB' THEN 'coalesce(TRY(decode(' || ${name} || ')), to_base64(' || ${name} || '))'
      ELSE ${name} END`;
  const key = `'''' || replace(column_name, '''', '''''') || ''''`;
  const record = `'json_object(' || string_agg(${key} || ', ' || ${value}, ', ') || ')::VARCHAR'`;
  const path = `'''' || replace(getvariable('parquet_path'), '''', '''''') || ''''`;
  const bounded = (raw: string) => `CASE WHEN octet_length(${raw}) > ${maxRecordBytes} THEN`;
  const select = `SELECT file, line, ${bounded('raw')} raw[1:65536] ELSE raw END AS raw, ${bounded('raw')} ''record_too_large'' END AS fault`;
  return `SELECT CASE WHEN count(*) > 0 AND count(*) FILTER (lower(column_name) = 'file_row_number') = 0 THEN
    ${`'${select} FROM (SELECT '`} || getvariable('parquet_file') || '::INTEGER AS file, (file_row_number + 1)::BIGINT AS line, encode(' || ${record}
    || ') AS raw FROM read_parquet(' || ${path} || ', file_row_number = true, hive_partitioning = false) WHERE file_row_number >= '
    || getvariable('parquet_from') || ' AND file_row_number < ' || getvariable('parquet_to') || ')' END AS sql
  FROM (DESCRIBE FROM read_parquet(getvariable('parquet_path'), hive_partitioning = false))`;
}

/** SQL that sets the variables. */
export const parquetVariables = (path: string, file: number, from: number, to: number): string =>
  `SET VARIABLE parquet_path = ${literal(path)}; SET VARIABLE parquet_file = ${file}; SET VARIABLE parquet_from = ${from}; SET VARIABLE parquet_to = ${to}`;
