import { expect, test } from '@jest/globals';
import { loadLookup } from '../../../src/lib/reference/lookup.ts';
import { readRows } from '../../../src/lib/reference/rows.ts';

test('a lookup whose key stands twice is refused, naming the rows', async () => {
  const load = async (text: string, value = 'v') =>
    loadLookup('f.csv', await readRows('f.csv', Buffer.from(text)), { id: 'bigint' }, [value]);
  await expect(load('id,v\n1,a\n2,b\n1,c\n')).rejects.toThrow(
    'f.csv, rows 1 and 3: the key ["1"] occurs twice',
  );
  await expect(load('id,v\nx,a\n')).rejects.toThrow('id "x" is not a bigint');
  await expect(load('id,v\n1,a\n', 'w')).rejects.toThrow('has no column w');
});
