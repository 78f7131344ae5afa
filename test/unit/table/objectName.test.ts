import { expect, test } from '@jest/globals';
import {
  objectName,
  ownFolder,
  ownObject,
  rewrittenFolder,
  rewrittenObject,
  withinAttempt,
} from '../../../src/lib/table/objectName.ts';

const attempt = { batch: 'ab'.repeat(10), fence: 12 };
const rowsOf = 'cd'.repeat(10);
const partition = 'source=a%2Fb/day=06/';

test('a name tells the attempt that wrote an object, and the batch whose rows it has', () => {
  const own = { ...attempt, rowsOf: attempt.batch };
  const ofOther = { ...attempt, rowsOf };
  const names = {
    [`t/${partition}${ownObject(attempt, 3)}`]: own,
    [`t/${partition}${rewrittenObject(attempt, rowsOf, 3)}`]: ofOther,
    [`t/${ownFolder(attempt, '1a2b-jr_3')}${partition}part-0.c000.zstd.parquet`]: own,
    [`t/${rewrittenFolder(attempt, rowsOf, '1a2b')}${partition}0.parquet`]: ofOther,
    [`t/${partition}part-0.parquet`]: null,
    't/metadata/00000-1.metadata.json': null,
    // A partition's value is not the folder of an attempt.
    [`t/source=${ownFolder(attempt, 'r')}x.parquet`]: null,
  };
  for (const [key, expected] of Object.entries(names))
    expect([key, objectName(key)]).toEqual([key, expected]);
});

test('below the folder of an attempt are the same folders of partitions', () => {
  expect(withinAttempt(`${ownFolder(attempt, 'r')}${partition}0.parquet`)).toBe(`${partition}0.parquet`);
  expect(withinAttempt(`${rewrittenFolder(attempt, rowsOf, 'r')}${partition}`)).toBe(partition);
  expect(withinAttempt(`${partition}${ownObject(attempt, 0)}`)).toBe(`${partition}${ownObject(attempt, 0)}`);
});
