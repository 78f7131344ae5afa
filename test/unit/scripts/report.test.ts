import { expect, test } from '@jest/globals';
import { checkQuery } from '../../../offline/athena/guard.ts';
import { sampleStatement } from '../../../scripts/report.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';

test('rows of a dataset named order with columns named from and to can be asked for', () => {
  const contract = parseContract(
    'order.yml',
    `dataset: order
source: { prefix: order/, formats: [ndjson] }
columns:
  - { name: from, path: f, type: timestamp, required: true, formats: [iso8601] }
  - { name: to, path: t, type: string, required: true }
  - { name: select, path: s, type: string }
dedupe: { key: [to] }
partitionBy:
  - { name: group, of: from, part: year }`,
  );
  const sql = sampleStatement(contract);
  expect(sql).toBe('SELECT "from", "to", "select" FROM "order" ORDER BY "from", "to", "select" LIMIT 3');
  expect(checkQuery(sql).tables).toEqual([{ database: null, table: 'order' }]);
});
