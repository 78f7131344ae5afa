import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { batchId } from '../../src/lib/flow/batch/id.ts';
import { nextBatch } from '../../src/lib/flow/batch/limits.ts';
import { shapeOfContent } from '../../src/lib/flow/batch/profile.ts';
import { parallel } from '../../src/lib/parallel.ts';

test('a batch id follows from its files, not from their order', () => {
  const a = { object: 'x/a', version: '1' };
  const b = { object: 'x/b', version: '1' };
  expect(batchId([a, b])).toBe(batchId([b, a]));
  expect(batchId([a])).not.toBe(batchId([{ ...a, version: '2' }]));
});

test('property: batches respect both limits, and a file beyond the limit is a batch of its own', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 150 }).map((size) => ({ size })));
  fc.assert(
    fc.property(sizes, (files) => {
      const taken = nextBatch(files, { files: 5, bytes: 100 });
      expect(taken).toEqual(files.slice(0, taken.length));
      expect(taken.length).toBeGreaterThanOrEqual(Math.min(1, files.length));
      expect(taken.length).toBeLessThanOrEqual(5);
      if (taken.length > 1) expect(taken.reduce((n, f) => n + f.size, 0)).toBeLessThanOrEqual(100);
    }),
  );
});

test('the fields of a cut file are those of its whole lines', () => {
  const source = { prefix: 'x/', formats: ['ndjson' as const], records: undefined };
  const shape = shapeOfContent(
    source,
    { layout: 'lines', header: null },
    Buffer.from('{"a":1}\nbroken\n{"b":1}\n{"c"'),
    true,
  );
  expect(shape.kind === 'struct' && [...shape.fields.keys()]).toEqual(['a', 'b']);
});

test('the fields of a cut document are those of its whole records', () => {
  const fields = (source: object, text: string) => {
    const shape = shapeOfContent(
      { prefix: 'x/', formats: ['json_document'], ...source },
      { layout: 'document', header: null },
      Buffer.from(text),
      true,
    );
    return shape.kind === 'struct' ? [...shape.fields.keys()] : [];
  };
  const start = '{"meta":{"n":2},"data":{"item s":[{"a":{"x":1}},{"b":"}"},{"c"';
  expect(fields({ records: 'data."item s"' }, start)).toEqual(['a', 'b']);
  expect(fields({ records: 'data.items' }, start)).toEqual([]);
  expect(fields({ formats: ['json_array'] }, '[{"a":1},{"b":[{"z":1}]},{')).toEqual(['a', 'b']);
});

test('parallel keeps the order of the results and the limit', async () => {
  let running = 0;
  let most = 0;
  const results = await parallel([5, 1, 3], 2, async (n) => {
    most = Math.max(most, ++running);
    await new Promise((done) => setTimeout(done, n));
    running--;
    return n * 2;
  });
  expect([results, most]).toEqual([[10, 2, 6], 2]);
});
