import { expect, test } from '@jest/globals';
import { checkQuery } from '../../../offline/athena/guard.ts';
import { expectationQuery } from '../../../src/lib/compiler/expectations.ts';
import { loadContracts } from '../../../src/lib/contract/load.ts';
import { columnAggregates, columnFacts } from '../../../src/lib/quality/columns.ts';
import { contractWith, datasetsFolder } from '../../support/embedded.ts';

const contract = contractWith(`  - { name: text, path: t, type: string }
  - { name: likes, path: l, type: int }
  - { name: tags, path: 'x[*]', type: array<string> }`);

test('the facts of every column are asked in the one scan of the expectations', () => {
  for (const each of loadContracts(datasetsFolder).values()) {
    const sql = expectationQuery(each, { table: 't', column: 'run', value: 'r' }, columnAggregates(each));
    expect(sql.match(/FROM/g)).toHaveLength(1);
    expect(checkQuery(sql).tables).toHaveLength(1);
  }
});

test('a column has the facts that its type can have', () => {
  const asked = [...columnAggregates(contract).keys()];
  expect(asked.filter((alias) => alias.startsWith('column_3_'))).toEqual(
    ['nulls', 'distinct', 'min', 'max', 'top'].map((fact) => `column_3_${fact}`),
  );
  expect(asked.filter((alias) => alias.startsWith('column_4_'))).toEqual(['column_4_nulls']);
  const [id, , text, likes] = columnFacts(
    contract,
    {
      column_0_top: '{"1":1,"2":1}',
      column_2_nulls: '4',
      column_2_top: '{"b":2,"a":2,"c":5}',
      column_3_min: '-1',
      column_3_max: '7',
    },
    100,
  );
  expect(id?.top).toEqual([]);
  expect(text).toMatchObject({ nulls: 4, top: [{ value: 'c' }, { value: 'a' }, { value: 'b' }] });
  expect(likes).toMatchObject({ min: '-1', max: '7' });
  // With many values a count may be too high, and one that may be chance is not shown.
  const [many] = columnFacts(contract, { column_0_distinct: '3651', column_0_top: '{"1":3,"2":96}' }, 3836);
  expect(many?.top).toEqual([{ value: '2', rows: 96 }]);
});
