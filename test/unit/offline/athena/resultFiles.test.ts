/** The files of a query: their addresses, and the columns in binary form. */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import { manifestOf, outputLocation, writeResultFiles } from '../../../../offline/athena/resultFiles.ts';
import { substatementOf } from '../../../../offline/athena/substatement.ts';
import { connectUpstream } from '../../../../offline/aws.ts';

test.each<[string, 'DML' | 'DDL' | 'UTILITY', string, string]>([
  ['SELECT 1', 'DML', 's3://b/r/q.csv', 's3://b/r/q-manifest.csv'],
  ['-- why\nWITH a AS (SELECT 1) SELECT * FROM a', 'DML', 's3://b/r/q.csv', 's3://b/r/q-manifest.csv'],
  ['INSERT INTO t VALUES (1)', 'DML', 's3://b/r/q', 's3://b/r/q-manifest.csv'],
  ["UNLOAD (SELECT 1) TO 's3://b/u/'", 'DML', 's3://b/r/q', 's3://b/r/q-manifest.csv'],
  ['CREATE TABLE t AS SELECT 1', 'DML', 's3://b/r/tables/q', 's3://b/r/tables/q-manifest.csv'],
  ['SHOW TABLES', 'UTILITY', 's3://b/r/q.txt', 's3://b/r/q-manifest.csv'],
  ['DROP TABLE t', 'DDL', 's3://b/r/q.txt', 's3://b/r/q-manifest.csv'],
])('%s writes to an address of its kind', (sql, kind, location, manifest) => {
  const own = outputLocation('s3://b/r/', { id: 'q', kind, substatement: substatementOf(sql) });
  expect({ own, manifest: manifestOf(own) }).toEqual({ own: location, manifest });
});

test('beside a result are its columns, in the form that JDBC drivers read', async () => {
  const files = new Map<string, Buffer>();
  const upstream = connectUpstream('http://127.0.0.1:9');
  upstream.s3.middlewareStack.add(
    (_, context) =>
      async ({ input }) => {
        if (context.commandName === 'PutObjectCommand') {
          const { Key, Body } = new PutObjectCommand(input as { Bucket: string; Key: string; Body: Buffer })
            .input;
          files.set(String(Key), Body as Buffer);
        }
        return { response: {}, output: { $metadata: {} } };
      },
    { step: 'initialize', priority: 'high' },
  );
  const columns = [
    { name: 'n'.repeat(200), type: 'varchar', precision: 2_147_483_647, scale: 0 },
    { name: 'd', type: 'decimal', precision: 10, scale: 2 },
  ];
  const query = { id: 'q', kind: 'DML', substatement: 'SELECT', location: 's3://b/r/q.csv' } as const;
  await writeResultFiles(upstream, query, {
    columns,
    rows: [['a"b', null]],
    updateCount: 0,
    scannedBytes: 0,
  });
  expect([...files.keys()]).toEqual(['r/q.csv', 'r/q.csv.metadata']);
  expect(String(files.get('r/q.csv'))).toBe(`"${'n'.repeat(200)}","d"\n"a""b",\n`);
  const [id, first, second] = fieldsOf(files.get('r/q.csv.metadata') ?? Buffer.alloc(0));
  expect(id).toEqual([1, 'q']);
  const told = [first, second].map((field) => new Map(fieldsOf(Buffer.from(String(field?.[1]), 'latin1'))));
  expect(told.map((c) => [4, 6, 7, 8, 9, 10].map((n) => c.get(n)))).toEqual([
    ['n'.repeat(200), 'varchar', 2_147_483_647, 0, 3, 1],
    ['d', 'decimal', 10, 2, 3, 0],
  ]);
});

/** Reads a protobuf message of numbers and bytes. */
function fieldsOf(message: Buffer): [number, string | number][] {
  const fields: [number, string | number][] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    if (key % 8 === 0) fields.push([Math.floor(key / 8), varint()]);
    else {
      const length = varint();
      fields.push([Math.floor(key / 8), message.toString('latin1', at, at + length)]);
      at += length;
    }
  }
  return fields;
}
