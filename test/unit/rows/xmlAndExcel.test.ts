/** XML and Excel files: elements and rows are read by the contract's rules, and what is damaged or hostile is refused by name. */
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { transform } from '../../support/embedded.ts';
import { refusedOfXlsx, workbook, xlsxContract, xlsxFiles } from '../../support/xlsxFiles.ts';
import { refusedOfXml, xmlContract, xmlFiles } from '../../support/xmlFiles.ts';

test('XML: records have attributes, texts and lists; other files are refused whole', async () => {
  const { rows, summary, quarantine } = await transform(xmlContract, xmlFiles);
  const whole = rows.filter((row) => row._object === 'test/whole.xml');
  expect(whole.map((r) => [r.id, r.sku, r.quantity, r.tags ?? null, r._line])).toEqual([
    [1n, 'a&b', 2, ['x'], 1n],
    [1n, 'c"', 3, ['x'], 1n],
    [2n, 'a', 2, ['y', null, 'z'], 2n],
    [3n, 'd', null, null, 3n],
  ]);
  expect(whole[0]).toMatchObject({
    at: 1_759_729_200_000_000n,
    customer: '{"@vip":"yes","name":"Zoë 😀","phone":null}',
    note: '<b> <5',
    _rescued: '{"#text":"mixed"}',
  });
  expect(whole[3]?._rescued).toBe('{"order":{"@id":"9"}}');
  expect(rows.filter((row) => row._object !== 'test/whole.xml').map((r) => [r.id, r.note ?? null])).toEqual([
    [4n, null],
    [5n, null],
    [7n, 'é'],
    [8n, 'é'],
  ]);
  expect(summary.reasons).toEqual(refusedOfXml);
  expect(quarantine.find(({ object }) => object === 'test/packed.zip/b.xml')).toMatchObject({
    line: 1n,
    reason: 'invalid_document',
  });
});

test('Excel: a sheet has a header, days, times, errors and the saved values of formulas; other files are refused whole', async () => {
  const { rows, summary } = await transform(xlsxContract, xlsxFiles);
  expect(rows.map((r) => [r.id, r.name, r.day, r.at, r.price, r.paid, r._line])).toEqual([
    [1n, 'Anna, "A"\r\n2nd 😀', new Date('2025-10-06'), 1_759_729_200_000_000n, 1.1, true, 4n],
    [2n, null, new Date('1900-02-28'), 1_759_708_800_000_000n, null, false, 6n],
    [4n, null, null, null, null, null, 8n],
    [6n, null, new Date('2025-10-06'), null, null, null, 3n],
  ]);
  expect(summary.reasons).toEqual(refusedOfXlsx);
});

test('Excel: the first sheet by default, a sheet by its place, and none without a header', async () => {
  const file = workbook({ rows: '<row><c><v>7</v></c></row>' });
  const by = (xlsx: object) =>
    transform(
      parseContract(
        'test.yml',
        JSON.stringify({
          dataset: 'test',
          source: { prefix: 'test/', formats: ['xlsx'], xlsx },
          columns: [{ name: 'n', path: 'n', type: 'int' }],
          partitionBy: [],
        }),
      ),
      { 'test/a.xlsx': file },
    );
  expect((await by({ header: ['n'] })).summary.rowsRead).toBe(0);
  expect((await by({ header: ['n'], sheet: 2 })).rows.map((r) => r.n)).toEqual([7]);
  expect((await by({ header: ['n'], sheet: 3 })).summary.reasons).toEqual({ records_missing: 1 });
});
