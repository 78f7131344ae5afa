import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { headBytes, lookAt } from '../../../src/lib/engine/layout.ts';
import { contractWith } from '../../support/embedded.ts';

const contract = contractWith('');
const layoutOf = async (text: string) => {
  const bytes = Buffer.from(text);
  return (await lookAt(contract, bytes.subarray(0, headBytes), bytes.length)).layout;
};
const records = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 2 });

test('property: an array is a document, however its lines are broken, and wherever it is cut', async () => {
  const layouts: ((all: readonly object[]) => string)[] = [
    (all) => JSON.stringify(all),
    (all) => JSON.stringify(all, null, 2),
    (all) => `[\n${all.map((record) => JSON.stringify(record)).join(',\n')}\n]\n`,
    (all) => `[${all.map((record) => JSON.stringify(record)).join('\n,')}]`,
  ];
  await fc.assert(
    fc.asyncProperty(records, fc.constantFrom(...layouts), fc.nat(300_000), async (all, write, spaces) => {
      expect(await layoutOf(`\uFEFF${write(all).replace('[', `[${' '.repeat(spaces)}`)}`)).toBe('document');
    }),
  );
});

test('property: of lines, a first one that begins like an array costs only itself', async () => {
  const first = fc.constantFrom('[', '[1, 2]', '[{"id": 1}', '["a', '[]');
  await fc.assert(
    fc.asyncProperty(first, records, fc.boolean(), async (broken, all, isLong) => {
      const lines = [broken, ...all.map((record) => JSON.stringify(record))];
      const filler = isLong ? [JSON.stringify({ text: 'x'.repeat(headBytes) })] : [];
      expect(await layoutOf([...lines, '', ...filler].join('\r\n'))).toBe('lines');
    }),
  );
});

test('an array whose end is missing is still a document, and refused as one', async () => {
  for (const end of [',\n{"id":', ',', '', '\n'])
    expect(await layoutOf(`[{"id": 1},\n{"id": 2}${end}`)).toBe('document');
});
