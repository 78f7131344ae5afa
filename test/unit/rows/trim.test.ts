import { expect, test } from '@jest/globals';
import { spaces, withoutSpace } from '../../../src/lib/contract/letters.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { contractOf, filesOf } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';

test('the case n02-trim: every kind of white space at an end is off', async () => {
  const contract = contractOf({ name: 'n02-trim', rows: [] });
  const { rows } = await transform(contract, filesOf('n02-trim'));
  expect(rows.map(({ s, n, x }) => [s, n, x])).toEqual(Array(8).fill(['42', 42n, 42n]));
});

test('trim and nullValues take off the same characters, all of White_Space among them, and no other', async () => {
  const all = Array.from({ length: 0x11000 }, (_, code) => String.fromCodePoint(code)).filter(
    (c) =>
      !/[\ud800-\udfff\0]/.test(c) && (/\p{White_Space}/u.test(c) || /\p{Cf}/u.test(c) || spaces.includes(c)),
  );
  const contract = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'] },
      columns: [
        { name: 'space', path: 'c', type: 'string' },
        { name: 'text', path: 'v', type: 'string', trim: true },
        { name: 'nothing', path: 'v', type: 'string', nullValues: ['x 桜'] },
      ],
      partitionBy: [{ name: 'source', constant: 'test' }],
    }),
  );
  const lines = all.map((c) => JSON.stringify({ c, v: `${c}${c}x 桜${c}` }));
  const { rows } = await transform(contract, { a: lines.join('\n') });
  expect(rows).toHaveLength(all.length);
  for (const { space, text, nothing } of rows) {
    const isSpace = spaces.includes(String(space));
    expect([space, text, nothing == null]).toEqual([
      space,
      isSpace ? 'x 桜' : `${space}${space}x 桜${space}`,
      isSpace,
    ]);
    expect(withoutSpace(`${space}a${space}`)).toBe(isSpace ? 'a' : `${space}a${space}`);
  }
  expect(all.filter((c) => /\p{White_Space}/u.test(c) && !spaces.includes(c))).toEqual([]);
});
