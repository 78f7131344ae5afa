/** Partition values as DuckDB computes them, against those of the table format. */
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import type { TransformKey } from '../../../src/lib/contract/schema.ts';
import { transformed } from '../../../src/lib/dialect/duckdbTransforms.ts';
import { textOfValue, valueOfText } from '../../../src/lib/table/iceberg/partitionTexts.ts';
import { applyTransform } from '../../../src/lib/table/iceberg/transforms.ts';
import type { Value } from '../../../src/lib/table/iceberg/values.ts';

const micros = (text: string) => BigInt(Date.parse(text)) * 1000n;
const days = (text: string) => Date.parse(text) / 86_400_000;

/** Hive type, Iceberg's type, and values with their SQL. */
const samples: readonly [type: string, source: string, values: readonly [sql: string, value: Value][]][] = [
  [
    'string',
    'string',
    [
      '',
      'a',
      'abc',
      'iceberg',
      'ééé',
      '日本語テキスト',
      '😀😀😀😀',
      '~',
      '~x',
      '__HIVE_DEFAULT_PARTITION__',
      '_',
      ' a ',
      '1/2=%',
      'x'.repeat(99),
    ].map((text) => [`'${text}'`, text]),
  ],
  ['int', 'int', [0, 1, -1, 34, 2_147_483_647, -2_147_483_640].map((n) => [`(${n})::INTEGER`, n])],
  [
    'bigint',
    'long',
    [0n, 1n, -1n, 34n, -34n, 2n ** 63n - 1n, -(2n ** 63n) + 8n, 2n ** 32n].map((n) => [`'${n}'::BIGINT`, n]),
  ],
  [
    'date',
    'date',
    ['1970-01-01', '1969-12-31', '2025-10-06', '0001-01-01', '9999-12-31'].map((d) => [
      `DATE '${d}'`,
      days(d),
    ]),
  ],
  [
    'timestamp',
    'timestamptz',
    [
      '1970-01-01T00:00:00Z',
      '1969-12-31T23:59:59.999Z',
      '2025-10-06T05:40:00Z',
      '0001-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
    ].map((t) => [`TIMESTAMP '${t.replace('T', ' ').replace('Z', '')}'`, micros(t)]),
  ],
];
const transforms: readonly [name: TransformKey['transform'], width: number, types: readonly string[]][] = [
  ['year', 0, ['date', 'timestamp']],
  ['month', 0, ['date', 'timestamp']],
  ['day', 0, ['date', 'timestamp']],
  ['hour', 0, ['timestamp']],
  ['bucket', 16, ['string', 'int', 'bigint', 'date', 'timestamp']],
  ['bucket', 2_147_483, ['string', 'int', 'bigint', 'date', 'timestamp']],
  ['truncate', 4, ['string', 'int', 'bigint']],
];

test('DuckDB puts each value into the partition that the table format says, and its text stands for that', async () => {
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  try {
    for (const [name, width, types] of transforms)
      for (const [type, source, values] of samples) {
        if (!types.includes(type)) continue;
        const key = { name: 'k', of: 'v', transform: name, width };
        const transform = width === 0 ? name : `${name}[${width}]`;
        const answer = await db.runAndReadAll(
          `SELECT (${transformed(key, 'v', type)})::VARCHAR AS text FROM (SELECT unnest([${[...values.map(([sql]) => sql), 'NULL'].join(', ')}]) AS v)`,
        );
        const texts = answer.getRowObjectsJson().map((row) => row.text);
        const wanted = values.map(([, value]) => applyTransform(transform, source, value));
        expect([transform, type, texts.pop()]).toEqual([transform, type, null]);
        expect([transform, type, texts.map((text) => valueOfText(transform, source, String(text)))]).toEqual([
          transform,
          type,
          wanted,
        ]);
        expect(wanted.map((value) => textOfValue(transform, source, value ?? ''))).toEqual(texts);
        expect(texts).not.toContain('');
      }
  } finally {
    db.closeSync();
    instance.closeSync();
  }
});

test('a number whose multiple is none of its type has no text', async () => {
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  try {
    const key = { name: 'k', of: 'v', transform: 'truncate' as const, width: 10 };
    const answer = await db.runAndReadAll(
      `SELECT (${transformed(key, 'v', 'int')})::VARCHAR AS text FROM (SELECT (-2147483648)::INTEGER AS v)`,
    );
    expect(answer.getRowObjectsJson()).toEqual([{ text: null }]);
  } finally {
    db.closeSync();
    instance.closeSync();
  }
});
