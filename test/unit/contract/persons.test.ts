/** Who is erased: a condition or a file of keys never means somebody else, and never silently nobody. */
import { expect, test } from '@jest/globals';
import { personsOfCondition, personsOfFile } from '../../../src/lib/contract/persons.ts';

const columns = new Map([
  ['id', 'int'],
  ['email', 'string'],
]);

test.each([['id = 1 and id = 2'], ['id = 2 and id in (1, 2)'], ["email = 'a' and id = 1 and email = 'b'"]])(
  'a condition that names a column twice is rejected: %s',
  (where) => {
    expect(() => personsOfCondition(where, columns)).toThrow(/given twice/);
  },
);

test.each([['\n'], ['\r\n'], ['\r']])(
  'a line was added to a file of keys with other ends of lines: %j',
  (end) => {
    const text = `\ufeffemail${end}a@b${end}${end}"c\nd"${end}`;
    for (const more of ['e@f\n', 'e@f\r\n', 'e@f'])
      expect(personsOfFile(text + more, columns).texts).toEqual([['a@b'], ['c\nd'], ['e@f']]);
  },
);

test('a file of keys that names a column twice is rejected', () => {
  expect(() => personsOfFile('id,email,id\n1,a,2\n', columns)).toThrow(/given twice/);
});
