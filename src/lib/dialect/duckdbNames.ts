/** DuckDB's quoting and type names. */
import { spaces } from '../contract/letters.ts';

/** The one way an identifier enters SQL. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/**
 * A column of Parquet files that are read with the option `filename`. DuckDB 1.5 takes a condition on a column that is called filename for one on the
 * path of the file, and leaves files out. It moves no condition past a random number.
 */
export const columnBesidePath = (relation: string, name: string): string => {
  const column = `${relation}.${identifier(name)}`;
  return name.toLowerCase() === 'filename' ? `CASE WHEN random() >= 0 THEN ${column} END` : column;
};

/** The one way a text enters SQL. DuckDB's SQL ends at a NUL. */
export const literal = (text: string): string => {
  const quoted = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`);
  return quoted.length === 1 ? (quoted[0] ?? '') : `(${quoted.join(' || chr(0) || ')})`;
};

/** Removes JSON's white space at both ends of a text. */
export const trimmed = (text: string): string => `trim(${text}, ${literal(' \t\r\n')})`;

/**
 * Removes white space at both ends of a column's text, including Unicode's. DuckDB's trim with a set of characters is slow and few texts need
 * it, so the first and last characters are looked at before: one up to a space may be white space, one behind ASCII must be compared.
 */
export function trimmedColumn(name: string): string {
  const last = `${name}[-1]`;
  const isSpace = (pattern: string, text: string) => `regexp_matches(${text}, ${literal(pattern)})`;
  return `CASE WHEN ${name} < '!' OR ${last} < '!' OR (${name} > '~' AND ${isSpace(`^[${spaces}]`, name)}) OR (${last} > '~' AND ${isSpace(`[${spaces}]`, last)})
    THEN trim(${name}, ${literal(spaces)}) ELSE ${name} END`;
}

/** Converts to upper case. The only letter for which DuckDB and Java, and so Athena, differ stays unchanged. */
export const upperCase = (text: string): string =>
  `array_to_string(list_transform(string_split(${text}, 'ß'), lambda part: system.main.upper(part)), 'ß')`;

/** A value from a text that matches a pattern (RE2) as a whole; otherwise NULL. */
export const whenWritten = (text: string, pattern: string, value: string): string =>
  `CASE WHEN regexp_full_match(${text}, ${literal(pattern)}) THEN ${value} END`;

/** A list value of SQL expressions. */
export const list = (items: readonly string[]): string => `[${items.join(', ')}]`;

const duckTypes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    string: 'VARCHAR',
    int: 'INTEGER',
    bigint: 'BIGINT',
    double: 'DOUBLE',
    boolean: 'BOOLEAN',
    date: 'DATE',
    timestamp: 'TIMESTAMPTZ',
    json: 'VARCHAR',
  }),
);

/** Hive type -> DuckDB type. */
export function duckType(hiveType: string): string {
  const element = /^array<(.*)>$/.exec(hiveType)?.[1];
  if (element !== undefined) return `${duckType(element)}[]`;
  if (/^decimal\(\d+,\d+\)$/.test(hiveType)) return hiveType.toUpperCase();
  const type = duckTypes.get(hiveType);
  if (type === undefined) throw new TypeError(`DuckDB has no type for ${hiveType}`);
  return type;
}
