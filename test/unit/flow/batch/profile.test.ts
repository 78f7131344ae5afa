import { expect, test } from '@jest/globals';
import { shapeOfContent } from '../../../../src/lib/flow/batch/profile.ts';

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
