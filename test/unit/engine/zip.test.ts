/** Zip archives: each member is a file of its own, and no archive takes more than its limits. */
import { expect, test } from '@jest/globals';
import { looksAt } from '../../../src/lib/engine/looks.ts';
import { contractWith, record, transform } from '../../support/embedded.ts';
import { thoroughTest } from '../../support/thorough.ts';
import { zipOf } from '../../support/zipArchive.ts';
import { refusedOfZips, zipFiles } from '../../support/zipFiles.ts';

const contract = contractWith(
  "  - { name: member, path: $key, type: string, extract: '^[^/]*/(.*)$', onError: 'null' }",
);

test('members are files with names and lines of their own; what cannot be read is refused by its name, and costs no other', async () => {
  const { rows, quarantine, summary } = await transform(contract, zipFiles);
  expect(rows.map((row) => [row._object, row.member, Number(row._line), Number(row.id)]).sort()).toEqual([
    ['a.zip', '../../etc/passwd', 1, 1],
    ['a.zip', '../../etc/passwd', 3, 2],
    ['a.zip', 'stored.json', 1, 3],
    ['a.zip', 'ä.json', 1, 4],
    ['a.zip', 'ä.json', 2, 5],
    ['inner.zip', 'good.json', 1, 90],
    ['long.zip', 'x.json', 1, 6],
  ]);
  expect(quarantine.map((q) => [q.object, Number(q.line), q.reason])).toEqual(refusedOfZips);
  expect(summary.files.map(({ object, rowsRead }) => [object, rowsRead])).toEqual([
    ['a.zip', 6],
    ['long.zip', 1],
    ['none.zip', 0],
    ['folders.zip', 0],
    ['inner.zip', 12],
    ['overlapping.zip', 1],
    ['cut.zip', 1],
    ['start.zip', 1],
    ['many.zip', 1],
  ]);
});

thoroughTest(
  'a bomb costs its limit, and the archive of one that says so is not unpacked at all',
  async () => {
    const bomb = zipOf([
      { name: 'zeros', bytes: Buffer.alloc(3_000_000, '\n') },
      { name: 'good', bytes: record({}) },
    ]);
    const { summary } = await transform(contract, { 'bomb.zip': bomb }, { limits: { archive: 1_000_000 } });
    expect(summary).toMatchObject({ published: 1, reasons: { archive_too_large: 1 } });
    const small = { 'small.zip': zipOf([{ name: 'good', bytes: record({}) }]) };
    const { length } = record({});
    const upTo = async (archive: number) =>
      (await transform(contract, small, { limits: { archive } })).summary;
    expect(await upTo(length)).toMatchObject({ published: 1, reasons: {} });
    expect(await upTo(length - 1)).toMatchObject({ published: 0, reasons: { archive_too_large: 1 } });
    const huge = zipOf(
      Array.from({ length: 40 }, (_, i) => ({ name: `${i}`, bytes: 'x', unpacked: 0xfffffffe })),
    );
    expect((await transform(contract, { 'huge.zip': huge })).summary.reasons).toEqual({
      archive_too_large: 1,
    });
  },
);

test('a large archive is read by ranges: its directory, and the start of each member', async () => {
  const bytes = zipOf([
    { name: 'a', bytes: Buffer.alloc(20_000_000, '{"id":1}\n'), isStored: true },
    { name: 'b', bytes: record({}) },
  ]);
  let read = 0;
  const file = {
    size: bytes.length,
    read: async (start: number, end: number) => {
      read += end - start;
      return bytes.subarray(start, end);
    },
  };
  const looks = await looksAt(contract, file, (look) => look);
  expect(looks.map(({ layout, member, unpacked }) => [layout, member?.name, unpacked])).toEqual([
    ['lines', 'a', 20_000_000],
    ['lines', 'b', record({}).length],
  ]);
  expect(read).toBeLessThan(1_000_000);
});

test('property: an archive that is cut or changed anywhere is read, or refused by a reason', async () => {
  const bytes = zipFiles['inner.zip'] ?? Buffer.alloc(0);
  const files: Record<string, Uint8Array> = {};
  for (let at = 0; at < bytes.length; at += 61) {
    files[`cut-${at}.zip`] = bytes.subarray(0, at);
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 0x41;
    files[`changed-${at}.zip`] = changed;
  }
  const { summary } = await transform(contract, files);
  expect(summary.files).toHaveLength(Object.keys(files).length);
});
