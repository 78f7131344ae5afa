import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { columnFacts } from '../../../src/lib/quality/columns.ts';
import { reportPage } from '../../../src/lib/quality/page.ts';
import { driftOf, type QualityReport, qualityReport } from '../../../src/lib/quality/report.ts';
import { contractWith } from '../../support/embedded.ts';

const contract = contractWith(`  - { name: text, path: t, type: string }
  - { name: likes, path: l, type: int }
  - { name: tags, path: 'x[*]', type: array<string> }`);

/** A report of 100 published rows; `nulls` of them have no text. */
const reportOf = (batch: string, nulls: number, last?: QualityReport, values = ['a']): QualityReport =>
  qualityReport(
    { stage: 'local', dataset: 'test', table: 'db.test', batch, at: new Date('2025-10-07T00:00:00Z') },
    {
      rowsRead: 110,
      published: 100,
      quarantined: 8,
      duplicates: 2,
      reasons: { bad_type: 8 },
      nulled: {},
      files: [],
      partitions: [],
    },
    [{ name: 'row_count', severity: 'hold', passed: true, found: '100 rows', expected: '100 rows' }],
    columnFacts(
      contract,
      {
        column_2_nulls: String(nulls),
        column_2_top: JSON.stringify(Object.fromEntries(values.map((value) => [value, 2]))),
      },
      100,
    ),
    last,
  );

test('a report knows the batches before it, each once, and no more than twenty', () => {
  let last: QualityReport | undefined;
  for (let n = 0; n < 30; n++) last = reportOf(`b${n}`, 0, last);
  expect(last?.before.map((b) => b.batch)).toEqual(Array.from({ length: 20 }, (_, i) => `b${i + 9}`));
  expect(reportOf('b28', 0, last).before.map((b) => b.batch)).not.toContain('b28');
});

test('drift is what is far from the batches before; a first batch has none', () => {
  let last: QualityReport | undefined;
  for (let n = 0; n < 5; n++) last = reportOf(`b${n}`, n % 2, last);
  expect(driftOf(reportOf('same', 3, last))).toEqual([]);
  expect(driftOf(reportOf('other', 40, last))).toEqual([
    { kind: 'null share', of: 'text', now: 0.4, mean: 0.004 },
  ]);
  expect(driftOf(reportOf('first', 40))).toEqual([]);
  expect(reportPage(reportOf('other', 40, last))).toContain(
    '<b>null share of text</b>: 40.0 %, before 0.4 %',
  );
});

test('property: a value of the data is a text of the page, whatever it is', () => {
  const markup = (page: string) =>
    page.match(/<[a-z/!][^>]*>/g)?.map((tag) => tag.replace(/ title="[^"]*"/, ''));
  const plain = markup(reportPage(reportOf('b', 0, undefined, ['a'])));
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'<>&"\'/ ab=!-') }), (value) => {
      expect(markup(reportPage(reportOf('b', 0, undefined, [value])))).toEqual(plain);
    }),
  );
});

test('what hides in a value, or turns the direction of a text, is shown on the page', () => {
  const page = reportPage(reportOf('b', 0, undefined, ['exe.\u202efdp', '\u001b[2J', 'a\u200bb']));
  expect(page).not.toMatch(/[^\P{C}\n]/u);
  for (const shown of [String.raw`exe.\u202efdp`, String.raw`\u001b[2J`, String.raw`a\u200bb`])
    expect(page).toContain(shown);
});
