/** The set part as one SQL statement: what needs more than one row, in the words that both engines have. */
import type { OutputColumn, SetPart } from '../compiler/plan.ts';

/** What differs between the engines. */
export interface SetDialect {
  identifier(name: string): string;
  literal(text: string): string;
  /** Bookkeeping columns of row_part that are carried through as they are. */
  readonly carried: readonly string[];
}

/** row_part -> its rows with what the large lookups give, and with `_fate`. See `plan.set.sql`. */
export function setSql(
  plan: { set: SetPart; columns: readonly OutputColumn[]; partitionKeys: readonly OutputColumn[] },
  dialect: SetDialect,
): string {
  const { joins, dedupe } = plan.set;
  const { identifier, literal } = dialect;
  const keys = plan.partitionKeys.map((k) => k.name);
  const lookups = joins.map((join) => {
    const table = identifier(join.reference);
    const pairs = Object.entries(join.on).map(([column, key]) => ({
      column: `row_part.${identifier(column)}`,
      key: `${table}.${identifier(key)}`,
    }));
    const hasKey = pairs.map(({ column }) => `${column} IS NOT NULL`).join(' AND ');
    return {
      ...join,
      table,
      condition: pairs.map(({ column, key }) => `${column} = ${key}`).join(' AND '),
      isUnmatched: `(${hasKey} AND ${pairs[0]?.key} IS NULL)`,
      asked: pairs.map(({ column }) => `CAST(${column} AS STRING)`).join(" || ', ' || "),
    };
  });
  const looked = new Map(
    lookups.flatMap((join) =>
      Object.entries(join.columns).map(([column, from]) => {
        const value = `${join.table}.${identifier(from)}`;
        const sql =
          typeof join.unmatched === 'object'
            ? `CASE WHEN ${join.isUnmatched} THEN ${literal(join.unmatched.default)} ELSE ${value} END`
            : value;
        return [column, sql] as const;
      }),
    ),
  );
  const refusing = lookups.filter((join) => join.unmatched === 'quarantine');
  const refused = (column: string, value: (join: (typeof lookups)[number]) => string) =>
    refusing.length === 0
      ? `row_part.${column}`
      : `CASE WHEN row_part._reason IS NOT NULL THEN row_part.${column} ${refusing.map((j) => `WHEN ${j.isUnmatched} THEN ${value(j)}`).join(' ')} END AS ${column}`;
  const published = plan.columns.filter((c) => !dialect.carried.includes(c.name) && c.name !== '_batch');
  const joined = [
    ...dialect.carried.map((name) => `row_part.${name}`),
    refused('_reason', () => literal('unmatched')),
    refused('_column', (j) => literal(Object.keys(j.columns)[0] ?? '')),
    refused('_value', (j) => j.asked),
    ...published.map(({ name }) => {
      const sql = looked.get(name);
      return sql === undefined ? `row_part.${identifier(name)}` : `${sql} AS ${identifier(name)}`;
    }),
    ...keys.map((name) => `row_part.${identifier(name)}`),
  ];
  const isPublished = dedupe?.published === true;
  const known = [...(dedupe?.key ?? []), ...keys].map((name) => identifier(name));
  const order = [
    ...(dedupe?.order ?? []).map((o) => `${identifier(o.column)} ${o.direction.toUpperCase()} NULLS LAST`),
    ...['_object', '_version', '_raw', '_place'],
  ];
  const place = dedupe?.key.map((name) => `joined.${identifier(name)}`).join(', ');
  const fate = dedupe
    ? `${isPublished ? "WHEN published_before._is_there THEN 'duplicate' " : ''}WHEN row_number() OVER (PARTITION BY _reason IS NULL, ${isPublished ? 'published_before._is_there IS NULL, ' : ''}${place}
      ORDER BY ${order.map((o) => `joined.${o}`).join(', ')}) > 1 THEN 'duplicate' `
    : '';
  return `
WITH joined AS (
  SELECT ${joined.join(', ')}
  FROM row_part${lookups.map((j) => `\n  LEFT JOIN ${j.table} ON ${j.condition}`).join('')}
)
SELECT joined.*, CASE WHEN _reason IS NOT NULL THEN 'quarantined' ${fate}ELSE 'published' END AS _fate
FROM joined${
    isPublished
      ? `
LEFT JOIN (SELECT DISTINCT ${known.map((name, i) => `${name} AS _k${i}`).join(', ')}, true AS _is_there FROM published) AS published_before
  ON ${known.map((name, i) => `joined.${name} = _k${i}`).join(' AND ')}`
      : ''
  }`.trim();
}
