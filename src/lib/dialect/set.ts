/** The set part as SQL in the syntax that both engines share. It contains everything that needs more than one row. */
import { type OutputColumn, type SetPart, type SetSql, skipped } from '../model/plan.ts';
import { changedSql, touchedRows, validitySteps, withValidity } from './history.ts';
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
  const deletes = dedupe?.deletes === true;
  const truncates = dedupe?.truncates === true;
  const carried = [
    ...dialect.carried,
    ...(deletes ? ['_deletes'] : []),
    ...(truncates ? ['_truncates'] : []),
  ];
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
      : `CASE WHEN row_part._reason IS NOT NULL THEN row_part.${column} ${refusing.map((j) => `WHEN ${deletes ? `NOT row_part._deletes AND ${j.isUnmatched}` : j.isUnmatched} THEN ${value(j)}`).join(' ')} END AS ${column}`;
  const published = plan.columns.filter((c) => !carried.includes(c.name) && c.name !== '_batch');
  const looking = [
    ...carried.map((name) => `row_part.${name}`),
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
    `SELECT ${rows}.*, CASE ${plan.set.skips ? `WHEN _reason = ${literal(skipped)} THEN 'skipped' ` : ''}WHEN _reason IS NOT NULL THEN 'quarantined' ${cases}${deletes ? "WHEN _deletes THEN 'deletes' " : ''}ELSE 'published' END AS _fate`;
  if (!dedupe)
    return {
      before: null,
      candidates: null,
      repeated: null,
      contested: null,
      ranked: statement('ranked', `${fated('')}\nFROM ${rows}`),
      replaced: null,
      changed: null,
      tombstones: null,
      lost: null,
    };

  const { history } = dedupe;
  if (dedupe.keepsAll) return snapshotSql(dedupe, rows, { joined, fated }, dialect);
  const key = dedupe.key.map((name) => `${rows}.${identifier(name)}`);
  const isRepeated = key.map((name, i) => `${name} IS NOT DISTINCT FROM repeated._k${i}`).join(' AND ');
  const wanted = dedupe.order.map((o) => `${identifier(o.column)} ${o.direction.toUpperCase()} NULLS LAST`);
  const order = [...wanted, '_object', '_version', '_digest', '_place', ...dialect.lines].map(
    (o) => `${rows}.${o}`,
  );
  const there = dedupe.published
    ? publishedSql(dedupe, rows, wanted, dialect)
    : { best: [], join: '', fate: '' };
  /** Not asked of a row that deletes all older ones, because it has no key. */
  const isKeyed = truncates ? ' AND NOT _truncates' : '';
  const place = `row_number() OVER (PARTITION BY ${key.join(', ')} ORDER BY ${order.join(', ')})`;
  const known = dedupe.key.map((name) => identifier(name));
  const inObject = dedupe.key.filter((name) => !keys.includes(name)).map((name) => identifier(name));
  const gone = ['candidates._path', ...inObject.map((name) => `candidates.${name}`)];
  const placed = [...gone, 'candidates._row'];
  const isOf = (from: string, other: string) =>
    known.map((name) => `${from}.${name} = ${other}.${name}`).join(' AND ');
  const decided = (name: string, sql: string) => statementOf([...joined, ...there.best, [name, sql]]);
  const rankedSql = (sql: string) =>
    history === undefined
      ? decided('ranked', sql)
      : statementOf([
          ...joined,
          ...there.best,
          ['decided', sql],
          ...validitySteps(history, 'decided', deletes, dialect),
          ['ranked', withValidity(history, all, dialect)],
        ]);
  const all = [
    ...carried,
    ...['_reason', '_column', '_value'],
    ...published.map(({ name }) => name),
    ...keys,
    '_fate',
  ];
  return {
    before: history === undefined ? null : statement('before', touchedRows(history, rows, dialect)),
    candidates: dedupe.published
      ? statement(
          'candidates',
          history !== undefined
            ? 'SELECT * FROM before WHERE NOT _is_gone'
            : truncates
              ? truncatedCandidates(dedupe, rows, dialect)
              : `SELECT published.* FROM published
SEMI JOIN (SELECT ${key.join(', ')} FROM ${rows} WHERE _reason IS NULL) AS given ON ${isOf('published', 'given')}`,
        )
      : null,
    repeated: statement(
      'repeated',
      `SELECT ${key.map((name, i) => `${name} AS _k${i}`).join(', ')}, true AS _is_repeated FROM ${rows}
WHERE _reason IS NULL${isKeyed} GROUP BY ${key.join(', ')} HAVING count(*) > 1`,
    ),
    contested: decided(
      'contested',
      `${fated(`${there.fate}WHEN ${place} > 1 THEN 'duplicate' `)}
FROM ${rows} JOIN repeated ON ${isRepeated}${there.join}
WHERE _reason IS NULL${isKeyed}`,
    ),
    ranked: rankedSql(
      `${fated(there.fate)}
FROM ${rows} LEFT JOIN repeated ON ${isRepeated}${there.join}
WHERE _reason IS NOT NULL OR _is_repeated IS NULL${truncates ? ' OR _truncates' : ''}
UNION ALL SELECT * FROM contested`,
    ),
    changed: history === undefined ? null : changedSql(dedupe, history, gone, dialect),
    replaced: !dedupe.published
      ? null
      : truncates
        ? truncatedRows(dedupe, placed, isOf('candidates', 'won'), dialect)
        : deletes
          ? `SELECT ${[...placed, "won._fate = 'deletes' AS _is_deleted"].join(', ')} FROM candidates
JOIN (SELECT ${[...known, '_fate'].join(', ')} FROM ranked WHERE _fate IN ('published', 'deletes')) AS won ON ${isOf('candidates', 'won')}
WHERE NOT candidates._is_tombstone`
          : `SELECT ${placed.join(', ')} FROM candidates
SEMI JOIN (SELECT ${known.join(', ')} FROM ranked WHERE _fate = 'published') AS won ON ${isOf('candidates', 'won')}`,
    tombstones: deletes
      ? `SELECT ${tombstoneColumns(plan).map(identifier).join(', ')} FROM ranked WHERE _fate = 'deletes'`
      : null,
    lost: dedupe.published ? lostSql(dedupe, wanted, dialect) : null,
  };
}

/**
 * The statements for snapshots: the rows of the newest one stay, of the batch and of the published rows. Rows that are older than the
 * contract's column for snapshots are of none, and leave.
 */
function snapshotSql(
  { key, order }: NonNullable<SetPart['dedupe']>,
  rows: string,
  { joined, fated }: { joined: readonly Step[]; fated: (cases: string) => string },
  { identifier }: SetDialect,
): SetSql {
  const by = identifier(order[0]?.column ?? '');
  const named = key.map((_, i) => `_k${i}`);
  /** The rows that are compared: the key of their group, the snapshot, and the file. */
  const told = (from: string, where: string) =>
    `SELECT ${[...key.map((name, i) => `${identifier(name)} AS _k${i}`), `${by} AS _t`, '_object'].join(', ')} FROM ${from}${where}`;
  const newest = (from: string, value: string): Step => [
    'newest',
    `SELECT ${[...named.map((name) => `${name} AS _n${name.slice(2)}`), value].join(', ')} FROM ${from}${key.length === 0 ? '' : ` GROUP BY ${named.join(', ')}`}`,
  ];
  const join = (of: readonly string[], to: string, at: string) =>
    of.length === 0
      ? `CROSS JOIN ${to}`
      : `JOIN ${to} ON ${of.map((name, i) => `${name} = ${to}.${at}${i}`).join(' AND ')}`;
  const columnsOf = (from: string) => key.map((name) => `${from}.${identifier(name)}`);
  const greatest = 'max(_t) AS _newest';
  const of = (fates: string) => told('ranked', ` WHERE _fate IN (${fates})`);
  return {
    before: null,
    changed: null,
    candidates: 'SELECT * FROM published',
    repeated: null,
    contested: null,
    ranked: statementOf([
      ...joined,
      ['told', `${told(rows, ' WHERE _reason IS NULL')}\nUNION ALL ${told('candidates', '')}`],
      newest('told', greatest),
      [
        'ranked',
        `${fated(`WHEN ${rows}.${by} < _newest THEN 'duplicate' `)}\nFROM ${rows} ${key.length === 0 ? '' : 'LEFT '}${join(columnsOf(rows), 'newest', '_n')}`,
      ],
    ]),
    replaced: statementOf([
      ['told', of("'published'")],
      newest('told', greatest),
      [
        'replaced',
        `SELECT candidates._path, candidates.${by}, candidates._row FROM candidates ${join(columnsOf('candidates'), 'newest', '_n')}\nWHERE NOT candidates._is_fixed AND ${isOlder(`candidates.${by}`, '_newest')}`,
      ],
    ]),
    tombstones: null,
    lost: statementOf([
      ['told', `${of("'published', 'duplicate'")}\nUNION ALL ${told('candidates', '')}`],
      newest('told', greatest),
      [
        'compared',
        `SELECT told.*, _newest FROM told ${join(
          named.map((name) => `told.${name}`),
          'newest',
          '_n',
        )}`,
      ],
      [
        'winners',
        `SELECT ${[...named.map((name) => `${name} AS _w${name.slice(2)}`), 'min(_object) AS winner'].join(', ')} FROM compared WHERE _t = _newest${key.length === 0 ? '' : ` GROUP BY ${named.join(', ')}`}`,
      ],
      [
        'lost',
        `SELECT DISTINCT winner, _object AS loser FROM compared ${join(
          named.map((name) => `compared.${name}`),
          'winners',
          '_w',
        )}\nWHERE ${isOlder('_t', '_newest')} AND winner <> _object`,
      ],
    ]),
  };
}

/**
 * Which files have lost rows, and to which. A row that is not in the table has lost to the row of its key that stays in this batch, to a
 * published row or a tombstone, or to a truncate. The winner may lose later, which is another pair: so a file has to be read again only if
 * a file that it lost to changes.
 */
function lostSql(
  dedupe: NonNullable<SetPart['dedupe']>,
  wanted: readonly string[],
  { identifier }: SetDialect,
): string {
  const { key, order, deletes, truncates } = dedupe;
  const keys = key.map((name) => identifier(name));
  const first = identifier(order[0]?.column ?? '');
  const known = (from: string) => keys.map((name, i) => `${from}.${name} AS _k${i}`).join(', ');
  const isOf = (other: string, is = '=') =>
    keys.map((_, i) => `gone._k${i} ${is} ${other}${i}`).join(' AND ');
  const time = (from: string) => (truncates ? `, ${from}.${first} AS _t` : '');
  const isKeyed = truncates ? ' AND NOT _truncates' : '';
  const lastOf = (from: string) =>
    `SELECT max(_t) AS _latest, min(_object) AS _by FROM ${from} WHERE _t = (SELECT max(_t) FROM ${from})`;
  const steps: Step[] = [
    [
      'won',
      `SELECT ${keys.map((name, i) => `${name} AS _w${i}`).join(', ')}, _object AS _winner FROM ranked WHERE _fate IN ('published', 'deletes')${isKeyed}`,
    ],
    numberedStep(dedupe, wanted, identifier),
    [
      'best',
      `SELECT ${keys.map((name, i) => `${name} AS _p${i}`).join(', ')}, _object AS _there FROM numbered WHERE _nth = 1`,
    ],
    ...(truncates
      ? ([
          ['own', `SELECT ${first} AS _t, _object FROM ranked WHERE _fate = 'deletes' AND _truncates`],
          ['told', `SELECT * FROM own UNION ALL SELECT ${first}, _object FROM candidates WHERE _truncates`],
          ['newest_own', lastOf('own')],
          ['newest', lastOf('told')],
        ] satisfies Step[])
      : []),
  ];
  const ofBatch = `SELECT gone._object AS loser, coalesce(_winner, ${truncates ? `CASE WHEN ${isOlder('gone._t', 'newest._latest')} THEN newest._by END, ` : ''}_there) AS winner
FROM (SELECT ${known('ranked')}${time('ranked')}, _object FROM ranked WHERE _fate = 'duplicate') AS gone
LEFT JOIN won ON ${isOf('_w', 'IS NOT DISTINCT FROM')}
LEFT JOIN best ON ${isOf('_p')}${truncates ? '\nCROSS JOIN newest' : ''}`;
  const stays = ['NOT _is_fixed', ...(deletes ? ['NOT _is_tombstone'] : [])].join(' AND ');
  const ofTable = `SELECT gone._object, ${truncates ? `coalesce(_winner, CASE WHEN ${isOlder('gone._t', 'newest_own._latest')} THEN newest_own._by END)` : '_winner'}
FROM (SELECT ${known('candidates')}${time('candidates')}, _object FROM candidates WHERE ${stays}) AS gone
LEFT JOIN won ON ${isOf('_w')}${truncates ? '\nCROSS JOIN newest_own' : ''}`;
  return statementOf([
    ...steps,
    ['pairs', `${ofBatch}\nUNION ALL ${ofTable}`],
    ['lost', `SELECT DISTINCT winner, loser FROM pairs WHERE winner IS NOT NULL AND winner <> loser`],
  ]);
}

/** The published rows of each key, in the order in which they win. A fixed row always stays. */
const numberedStep = (
  { key, truncates }: NonNullable<SetPart['dedupe']>,
  wanted: readonly string[],
  identifier: SetDialect['identifier'],
): Step => [
  'numbered',
  `SELECT *, row_number() OVER (PARTITION BY ${key.map((name) => identifier(name)).join(', ')} ORDER BY ${['_is_fixed DESC', ...wanted, '_object', '_version'].join(', ')}) AS _nth FROM candidates${truncates === true ? ' WHERE NOT _truncates' : ''}`,
];

/** The columns of a tombstone: those that decide between rows, and the origin of the row that deleted the key. */
export const tombstoneColumns = ({
  set: { dedupe },
}: {
  readonly set: Pick<SetPart, 'dedupe'>;
}): string[] => [
  ...new Set([
    ...(dedupe?.key ?? []),
    ...(dedupe?.order.map(({ column }) => column) ?? []),
    '_object',
    '_version',
    '_line',
    ...(dedupe?.truncates === true ? ['_truncates'] : []),
  ]),
];

/** The latest truncate, of the batch or before: `t`, NULL if there was none. */
const truncatedStep = (
  { order }: Pick<NonNullable<SetPart['dedupe']>, 'order'>,
  rows: string,
  identifier: SetDialect['identifier'],
): Step => {
  const column = identifier(order[0]?.column ?? '');
  return [
    'truncated',
    `SELECT max(t) AS t FROM (SELECT max(${column}) AS t FROM ${rows} WHERE _reason IS NULL AND _truncates
UNION ALL SELECT max(${column}) FROM candidates WHERE _truncates) AS told`,
  ];
};

/** Whether a row, by its column of the order, is older than the latest truncate or the newest snapshot. */
const isOlder = (column: string, latest = '(SELECT t FROM truncated)'): string =>
  `(${latest} IS NOT NULL AND (${column} IS NULL OR ${column} < ${latest}))`;

/** The published rows with a key of the batch, the truncates before it, and the rows that are older than one of the batch. */
function truncatedCandidates(
  { key, order }: NonNullable<SetPart['dedupe']>,
  rows: string,
  { identifier }: SetDialect,
): string {
  const keys = key.map((name) => identifier(name));
  const column = identifier(order[0]?.column ?? '');
  const given = keys.map((name, i) => `${name} AS _g${i}`);
  return `SELECT published.* FROM published
LEFT JOIN (SELECT DISTINCT ${given.join(', ')}, true AS _is_given FROM ${rows} WHERE _reason IS NULL AND NOT _truncates) AS given ON ${keys.map((name, i) => `published.${name} = given._g${i}`).join(' AND ')}
CROSS JOIN (SELECT max(${column}) AS _t FROM ${rows} WHERE _reason IS NULL AND _truncates) AS latest
WHERE _is_given OR published._truncates OR ${isOlder(`published.${column}`, 'latest._t')}`;
}

/** The published rows that lose to a row of their key, and those that a truncate of the batch deletes. Rows without a key stay. */
function truncatedRows(
  { key, order }: NonNullable<SetPart['dedupe']>,
  gone: readonly string[],
  isOf: string,
  { identifier }: SetDialect,
): string {
  const column = identifier(order[0]?.column ?? '');
  const keys = key.map((name) => identifier(name));
  const isKeyed = keys.map((name) => `candidates.${name} IS NOT NULL`).join(' AND ');
  return `SELECT ${[...gone, "coalesce(won._fate = 'deletes', true) AS _is_deleted"].join(', ')} FROM candidates
LEFT JOIN (SELECT ${[...keys, '_fate'].join(', ')} FROM ranked WHERE _fate IN ('published', 'deletes') AND NOT _truncates) AS won ON ${isOf}
CROSS JOIN (SELECT max(${column}) AS _t FROM ranked WHERE _fate = 'deletes' AND _truncates) AS latest
WHERE NOT candidates._is_tombstone AND NOT candidates._is_fixed AND ${isKeyed}
AND (won._fate IS NOT NULL OR ${isOlder(`candidates.${column}`, 'latest._t')})`;
}

/**
 * How rows are compared with the published rows of their key: `best` has the first of these by the order. Their digests and positions are
 * not published, so ties end with the object and its version: a batch replaces the rows of an object that it has itself.
 */
function publishedSql(
  dedupe: NonNullable<SetPart['dedupe']>,
  rows: string,
  wanted: readonly string[],
  { identifier }: SetDialect,
): { best: readonly Step[]; join: string; fate: string } {
  const { key, order, truncates } = dedupe;
  const known = key.map((name) => identifier(name));
  const isTruncated =
    truncates === true
      ? `WHEN NOT _truncates AND ${isOlder(`${rows}.${identifier(order[0]?.column ?? '')}`)} THEN 'duplicate' `
      : '';
  const text = (name: string) => `CAST(${rows}.${name} AS STRING)`;
  const loses = order.reduceRight(
    (next, { column, direction }, i) => {
      const [own, other] = [`${rows}.${identifier(column)}`, `_q${i}`];
      return `CASE WHEN ${own} IS NOT DISTINCT FROM ${other} THEN ${next} WHEN ${own} IS NULL THEN true WHEN ${other} IS NULL THEN false ELSE ${own} ${direction === 'asc' ? '>' : '<'} ${other} END`;
    },
    `CASE WHEN ${text('_object')} = _there_object THEN ${text('_version')} >= _there_version ELSE ${text('_object')} > _there_object END`,
  );
  const names = [
    ...known.map((name, i) => `${name} AS _p${i}`),
    ...order.map(({ column }, i) => `${identifier(column)} AS _q${i}`),
    '_object AS _there_object',
    '_version AS _there_version',
    '_is_fixed AS _there_is_fixed',
  ];
  return {
    best: [
      ...(truncates === true ? [truncatedStep({ order }, rows, identifier)] : []),
      numberedStep(dedupe, wanted, identifier),
      ['best', `SELECT ${names.join(', ')} FROM numbered WHERE _nth = 1`],
    ],
    join: `\nLEFT JOIN best ON ${known.map((name, i) => `${rows}.${name} = _p${i}`).join(' AND ')}`,
    fate: `${isTruncated}WHEN ${truncates === true ? 'NOT _truncates AND ' : ''}_there_object IS NOT NULL AND (_there_is_fixed OR ${loses}) THEN 'duplicate' `,
  };
}
