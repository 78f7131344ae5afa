/** The set part as SQL in the syntax that both engines share. It contains everything that needs more than one row. */
import { type OutputColumn, type SetPart, type SetSql, skipped } from '../model/plan.ts';
import { type LookupSql, lookupSql, type Quoting } from './lookup.ts';
import { type Step, statementOf } from './steps.ts';

/** The differences between the engines. */
export interface SetDialect extends Quoting {
  /** Bookkeeping columns of row_part that stay unchanged. */
  readonly carried: readonly string[];
  /** The bookkeeping columns that give the order of the lines of a file. */
  readonly lines: readonly string[];
}

/** The statements of the set part. See `plan.set.sql`. */
export function setSql(
  plan: { set: SetPart; columns: readonly OutputColumn[]; partitionKeys: readonly OutputColumn[] },
  dialect: SetDialect,
): SetSql {
  const { joins, dedupe } = plan.set;
  const { identifier, literal } = dialect;
  const keys = plan.partitionKeys.map((k) => k.name);
  const lookups = joins.map((join) => ({
    ...lookupSql(join, 'row_part', dialect),
    unmatched: join.unmatched,
  }));
  const looked = new Map(lookups.flatMap(({ values }) => [...values]));
  const refusing = lookups.filter((join) => join.unmatched === 'quarantine');
  const refused = (column: string, value: (join: LookupSql) => string) =>
    refusing.length === 0
      ? `row_part.${column}`
      : `CASE WHEN row_part._reason IS NOT NULL THEN row_part.${column} ${refusing.map((j) => `WHEN ${j.isUnmatched} THEN ${value(j)}`).join(' ')} END AS ${column}`;
  const published = plan.columns.filter((c) => !dialect.carried.includes(c.name) && c.name !== '_batch');
  const looking = [
    ...dialect.carried.map((name) => `row_part.${name}`),
    refused('_reason', () => literal('unmatched')),
    refused('_column', (j) => literal(j.column)),
    refused('_value', (j) => j.asked),
    ...published.map(({ name }) => {
      const sql = looked.get(name);
      return sql === undefined ? `row_part.${identifier(name)}` : `${sql} AS ${identifier(name)}`;
    }),
    ...keys.map((name) => `row_part.${identifier(name)}`),
  ];
  const rows = lookups.length > 0 ? 'joined' : 'row_part';
  const joined: readonly Step[] =
    lookups.length > 0
      ? [
          [
            'joined',
            `SELECT ${looking.join(', ')}\n  FROM row_part${lookups.map((j) => `\n  ${j.join}`).join('')}`,
          ],
        ]
      : [];
  const statement = (name: string, sql: string) => statementOf([...joined, [name, sql]]);
  const fated = (cases: string) =>
    `SELECT ${rows}.*, CASE ${plan.set.skips ? `WHEN _reason = ${literal(skipped)} THEN 'skipped' ` : ''}WHEN _reason IS NOT NULL THEN 'quarantined' ${cases}ELSE 'published' END AS _fate`;
  if (!dedupe)
    return { repeated: null, contested: null, ranked: statement('ranked', `${fated('')}\nFROM ${rows}`) };

  const key = dedupe.key.map((name) => `${rows}.${identifier(name)}`);
  const isRepeated = key.map((name, i) => `${name} IS NOT DISTINCT FROM repeated._k${i}`).join(' AND ');
  const order = [
    ...dedupe.order.map((o) => `${identifier(o.column)} ${o.direction.toUpperCase()} NULLS LAST`),
    ...['_object', '_version', '_digest', '_place', ...dialect.lines],
  ].map((o) => `${rows}.${o}`);
  const known = [...dedupe.key, ...keys].map((name) => identifier(name));
  const there = dedupe.published
    ? {
        join: `
LEFT JOIN (SELECT DISTINCT ${known.map((name, i) => `${name} AS _p${i}`).join(', ')}, true AS _is_there FROM published) AS published_before
  ON ${known.map((name, i) => `${rows}.${name} = _p${i}`).join(' AND ')}`,
        fate: "WHEN _is_there THEN 'duplicate' ",
        group: ['_is_there'],
      }
    : { join: '', fate: '', group: [] };
  const place = `row_number() OVER (PARTITION BY ${[...there.group, ...key].join(', ')} ORDER BY ${order.join(', ')})`;
  return {
    repeated: statement(
      'repeated',
      `SELECT ${key.map((name, i) => `${name} AS _k${i}`).join(', ')}, true AS _is_repeated FROM ${rows}
WHERE _reason IS NULL GROUP BY ${key.join(', ')} HAVING count(*) > 1`,
    ),
    contested: statement(
      'contested',
      `${fated(`${there.fate}WHEN ${place} > 1 THEN 'duplicate' `)}
FROM ${rows} JOIN repeated ON ${isRepeated}${there.join}
WHERE _reason IS NULL`,
    ),
    ranked: statement(
      'ranked',
      `${fated(there.fate)}
FROM ${rows} LEFT JOIN repeated ON ${isRepeated}${there.join}
WHERE _reason IS NOT NULL OR _is_repeated IS NULL
UNION ALL SELECT * FROM contested`,
    ),
  };
}
