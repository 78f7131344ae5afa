import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isNewer } from '../../../src/lib/model/records.ts';

test('sequencers of different lengths are compared as if the shorter one ended in zeros', () => {
  expect(isNewer('0055E6', '0055E5')).toBe(true);
  expect(isNewer('0055E5', '0055E6')).toBe(false);
  // The shorter one is later: its first digits are higher.
  expect(isNewer('1A', '19FF')).toBe(true);
  expect(isNewer('19FF', '1A')).toBe(false);
  expect(isNewer('1A0', '1A')).toBe(false);
  expect(isNewer('', '1A')).toBe(false);
  expect(isNewer('1A', '')).toBe(false);
});

test('property: of two sequencers at most one is newer, and none is newer than itself', () => {
  const sequencer = fc.string({ unit: fc.constantFrom(...'0123456789ABCDEF'), maxLength: 20 });
  fc.assert(
    fc.property(sequencer, sequencer, (a, b) => {
      expect(isNewer(a, a)).toBe(false);
      expect(isNewer(a, b) && isNewer(b, a)).toBe(false);
    }),
  );
});
