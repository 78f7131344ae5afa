import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fileKey, objectKey, pendingPlace, placeKey } from '../../../src/lib/ledger/keys.ts';

test('property: item keys fit into DynamoDB, whatever keys and version ids S3 has', () => {
  const text = fc.string({ unit: 'binary', maxLength: 1024 });
  fc.assert(
    fc.property(text, text, (object, version) => {
      const file = { object, version, size: 1, sequencer: '1' };
      const waiting = placeKey('feed', file, pendingPlace(file, '2026-01-01T00:00:00.000Z'));
      for (const { pk, sk } of [objectKey('feed', object), fileKey('feed', file), waiting]) {
        expect(Buffer.byteLength(pk)).toBeLessThanOrEqual(2048);
        expect(Buffer.byteLength(sk)).toBeLessThanOrEqual(1024);
      }
      expect(fileKey('feed', { object: `${object}x`, version })).not.toEqual(fileKey('feed', file));
      expect(fileKey('feed', { object, version: `${version}x` })).not.toEqual(fileKey('feed', file));
    }),
  );
});
