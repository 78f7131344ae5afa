import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  batchKey,
  behind,
  fileKey,
  isBehind,
  listed,
  listShards,
  objectKey,
  openKey,
  orderIndex,
  pendingPlace,
  placeKey,
  queueShards,
  waitingPlace,
} from '../../../src/lib/ledger/keys.ts';
import { runs } from '../../support/thorough.ts';

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
    { numRuns: runs(25, 100) },
  );
});

test('the keys of a ledger that exists stay as they are', () => {
  const file = { object: 'feed/a', version: 'v1', size: 1, sequencer: '1' };
  const at = '2026-01-01T00:00:00.000Z';
  const retried = pendingPlace({ ...file, group: 'g' }, at);
  const found = {
    object: objectKey('feed', 'feed/a'),
    file: fileKey('feed', file),
    queued: placeKey('feed', file, pendingPlace(file, at)),
    backfill: placeKey('feed', file, pendingPlace(file, behind(at))),
    retried: placeKey('feed', file, retried),
    held: placeKey('feed', file, waitingPlace('held', 'b1', file)),
    failed: placeKey('feed', file, waitingPlace('failed', 'b1', file)),
    listed: listed('feed', 'files', 'feed/a', at),
    batch: batchKey('feed', 'b1'),
    open: openKey('feed', 'b1'),
    index: orderIndex,
    shards: [queueShards('feed').length, queueShards('feed')[7], listShards('feed', 'objects')[0]],
  };
  const pk = 'feed#d250488a932b838bf0291f9022848a6be66003cd';
  const digest = '823cd3fd884941d0db68'; // pragma: allowlist secret
  expect(found).toEqual({
    object: { pk, sk: 'OBJECT' },
    file: { pk, sk: 'FILE#ecef3fd0fb07b742d559' },
    queued: { pk: 'feed#pending-2', sk: `PENDING#${at}#${digest}` },
    backfill: { pk: 'feed#pending-2', sk: `PENDING#~${at}#${digest}` },
    retried: { pk: 'feed', sk: `RETRY#g#${digest}` },
    held: { pk: 'feed', sk: `HELD#b1#${digest}` },
    failed: { pk: 'feed', sk: `FAILED#b1#${digest}` },
    listed: { ix: 'feed#files-2', ik: at },
    batch: { pk: 'feed', sk: 'BATCH#b1' },
    open: { pk: 'feed', sk: 'OPEN#b1' },
    index: 'byOrder',
    shards: [8, 'feed#pending-7', 'feed#objects-0'],
  });
  expect([isBehind(found.backfill.sk), isBehind(found.queued.sk), isBehind(retried)]).toEqual([
    true,
    false,
    false,
  ]);
});
