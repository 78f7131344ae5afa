/** Fields that a crawl did not bring: how long, and for how many of them, no other crawl starts. */
import { expect, test } from '@jest/globals';
import { contractVersion } from '../../../../src/lib/contract/version.ts';
import { readUnlearned } from '../../../../src/lib/flow/batch/unlearned.ts';
import { testConfig } from '../../../support/config.ts';
import { contractWith } from '../../../support/embedded.ts';

const contract = contractWith('');
const now = new Date('2026-06-08T00:00:00.000Z');
const field = (...keys: string[]) => ({ keys, isInArray: false });
const at = (daysAgo: number, ms = 0) => new Date(now.getTime() - daysAgo * 86_400_000 - ms).toISOString();
const noted = (fields: Readonly<Record<string, string>>, version = contractVersion(contract)) =>
  readUnlearned(
    {
      config: testConfig,
      store: { findJson: async (_, schema) => schema.parse({ contract: version, fields }) },
    },
    contract,
    now,
  );
const named = (...names: string[]) => JSON.stringify(names);

test('a field is known for seven days, under this version of the contract', async () => {
  const fields = { [named('old')]: at(7), [named('young')]: at(7, -1), [named('a', 'b')]: at(0) };
  const known = await noted(fields);
  expect(['old', 'young', 'YOUNG', 'a'].map((name) => known.has(field(name)))).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect([known.has(field('a', 'b')), known.has(field('b'))]).toEqual([true, false]);
  expect((await noted(fields, 'another')).has(field('young'))).toBe(false);
});

test('an object with twenty of them is a map: its other keys are known, too, and those of other objects not', async () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [named('map', `k${i}`), at(1)]));
  expect((await noted(many(19))).has(field('Map', 'new'))).toBe(false);
  const known = await noted(many(20));
  expect(
    [field('Map', 'new'), field('map', 'new', 'below'), field('map'), field('other', 'new')].map((f) =>
      known.has(f),
    ),
  ).toEqual([true, false, false, false]);
});

test('the last two thousand are kept', async () => {
  const old = Object.fromEntries(Array.from({ length: 1999 }, (_, i) => [named(`k${i}`), at(1)]));
  const text = (await noted(old)).with([field('New'), field('x', 'y')], now);
  const { contract: version, fields } = JSON.parse(text) as {
    contract: string;
    fields: Record<string, string>;
  };
  expect(version).toBe(contractVersion(contract));
  expect(Object.keys(fields)).toHaveLength(2000);
  expect(fields).toMatchObject({ [named('new')]: now.toISOString(), [named('x', 'y')]: now.toISOString() });
  expect([named('k0') in fields, named('k1') in fields]).toEqual([false, true]);
});
