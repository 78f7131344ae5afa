/** Objects are left out by their bounds only if they have no key of the batch. */
import { expect, test } from '@jest/globals';
import { keyFilter } from '../../../../src/lib/table/iceberg/keyRanges.ts';
import {
  compare,
  lowerBound,
  toBytes,
  upperBound,
  type Value,
} from '../../../../src/lib/table/iceberg/values.ts';
import { Dice } from '../../../oracle/dice.ts';

const schema = {
  fields: [
    { id: 1, name: 'id', type: 'long', required: true },
    { id: 2, name: 'word', type: 'string', required: true },
    { id: 3, name: 'part', type: 'double', required: false },
    { id: 4, name: 'small', type: 'int', required: false },
  ],
};
const file = (bounds: Record<number, readonly [Buffer | undefined, Buffer | undefined]>) => {
  const side = (i: 0 | 1) =>
    new Map(Object.entries(bounds).flatMap(([id, of]) => (of[i] ? [[Number(id), of[i]] as const] : [])));
  return { lowerBounds: side(0), upperBounds: side(1) };
};
const long = (low: bigint, high: bigint) => [toBytes('long', low), toBytes('long', high)] as const;

test('an object stays unless its bounds exclude a range; a missing bound, column or order excludes nothing', () => {
  const filter = keyFilter(schema, [{ column: 'id', least: '10', greatest: '9007199254740993' }]);
  const has = (low: bigint, high: bigint) => filter(file({ 1: long(low, high) }));
  expect([has(0n, 9n), has(0n, 10n), has(11n, 12n)]).toEqual([false, true, true]);
  expect([has(9007199254740993n, 2n ** 62n), has(9007199254740994n, 2n ** 62n)]).toEqual([true, false]);
  // The column was widened since.
  expect(filter(file({ 1: [toBytes('int', 1), toBytes('int', 9)] }))).toBe(false);
  expect(filter(file({ 1: [toBytes('int', -9), toBytes('int', 11)] }))).toBe(true);
  expect(filter(file({ 1: [undefined, toBytes('long', 9n)] }))).toBe(false);
  expect(filter(file({ 1: [toBytes('long', 1n), undefined] }))).toBe(true);
  expect(filter({ lowerBounds: null, upperBounds: null })).toBe(true);
  for (const column of ['part', 'none'])
    expect(keyFilter(schema, [{ column, least: '10', greatest: '11' }])(file({ 3: long(1n, 2n) }))).toBe(
      true,
    );
  // Each column may exclude it.
  const both = keyFilter(schema, [
    { column: 'id', least: '1', greatest: '1' },
    { column: 'small', least: '5', greatest: '5' },
  ]);
  const small = [toBytes('int', 6), toBytes('int', 7)] as const;
  expect(both(file({ 1: long(1n, 1n), 4: small }))).toBe(false);
});

test('a text bound that another writer has cut within a character excludes no key', () => {
  const key = 'ü';
  const filter = keyFilter(schema, [{ column: 'word', least: key, greatest: key }]);
  expect(filter(file({ 2: [Buffer.from(key).subarray(0, 1), undefined] }))).toBe(true);
  expect(filter(file({ 2: [Buffer.from('ý'), undefined] }))).toBe(false);
});

test('of random objects and batches, no object is left out that has a key of the batch', () => {
  const dice = new Dice(41);
  const letters = ['a', 'b', '\u0000', 'ü', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}'];
  const word = () => Array.from({ length: dice.from(0, 20 - 1) }, () => dice.pick(letters)).join('');
  const number = () => BigInt(dice.from(0, 60 - 1)) - 30n;
  const kinds = [
    { column: 'id', id: 1, type: 'long', value: number as () => Value },
    { column: 'word', id: 2, type: 'string', value: word as () => Value },
  ] as const;
  let left = 0;
  for (let n = 0; n < 4000; n++) {
    const { column, id, type, value } = dice.pick(kinds);
    const sorted = (count: number) => Array.from({ length: dice.from(1, count) }, value).sort(compare);
    const [rows, batch] = [sorted(4), sorted(3)];
    const [low, high] = [rows[0] ?? '', rows.at(-1) ?? ''];
    const range = { column, least: String(batch[0]), greatest: String(batch.at(-1)) };
    const isThere = keyFilter(schema, [range])(
      file({ [id]: [lowerBound(type, low), upperBound(type, high)] }),
    );
    if (!isThere) left++;
    const shared = rows.filter((row) => batch.some((key) => compare(row, key) === 0));
    expect(isThere || shared.length === 0).toBe(true);
  }
  expect(left).toBeGreaterThan(400);
});
