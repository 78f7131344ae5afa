/** Rows of a contract that is partitioned by Iceberg's transforms, for both engines. */
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';

export const byTransforms: Contract = parseContract(
  'transforms.yml',
  `
dataset: test
table: { format: iceberg }
source: { prefix: test/, formats: [ndjson] }
columns:
  - { name: id, path: id, type: bigint, required: true }
  - { name: name, path: name, type: string }
  - { name: posted, path: at, type: timestamp, formats: [iso8601] }
  - { name: tags, path: 'tags[*]', type: array<string> }
dedupe: { key: [id], scope: partition }
partitionBy:
  - { name: source, constant: x }
  - day(posted)
  - bucket(4, id)
  - truncate(2, name)`,
);

const row = (id: number | string, name: string | null, at: string | null = '2025-10-06T05:40:00Z') =>
  JSON.stringify({ id, name, at, tags: ['a', null] });

/** Of the first file, the fifth row has no partition: its text has a NUL. */
export const rowsOfTransforms: Readonly<Record<string, string>> = {
  'test/a.json': [
    row(34, 'abc'),
    row(35, 'abd', '2025-10-06T23:59:59Z'),
    row('-9223372036854775808', '', '1969-12-31T23:59:59Z'),
    row(36, null, null),
    row(37, 'a\0'),
    row(34, 'ab other'),
  ].join('\n'),
  'test/b.json': [row(38, '日本語'), row(39, '~/='), row(40, '__HIVE_DEFAULT_PARTITION__')].join('\n'),
};
