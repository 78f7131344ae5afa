/** DuckDB's quoting and type names. */

/** The one way an identifier enters SQL. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The one way a text enters SQL. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A text without JSON's white space at its ends. */
export const trimmed = (text: string): string => `trim(${text}, ${literal(' \t\r\n')})`;

/** The same of a column. Few texts have white space there, and DuckDB's trim by a set of characters is slow. */
export const trimmedColumn = (name: string): string =>
  `CASE WHEN ${name} < '!' OR ends_with(${name}, ' ') OR ends_with(${name}, chr(9)) OR ends_with(${name}, chr(10)) OR ends_with(${name}, chr(13)) THEN ${trimmed(name)} ELSE ${name} END`;

/** A value of a text that is written as a pattern (RE2) asks, as a whole; NULL of any other. */
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
