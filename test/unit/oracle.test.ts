/** The embedded engine gives what docs/contract.md says, told by an interpreter that shares nothing with it. */
import { expect, test } from '@jest/globals';
import { compareColumns } from '../oracle/compareColumns.ts';
import { compareGenerated } from '../oracle/compareExpressions.ts';
import { compareFiles } from '../oracle/compareFiles.ts';
import { report, unknown } from '../oracle/difference.ts';
import { knownInColumns, knownInExpressions, knownInFiles } from '../oracle/knownFaults.ts';

test('columns of every type have the values that the reference says, at the limits of what can be written', async () => {
  const { differences } = await compareColumns(19, { columns: 60, rows: 80 });
  expect(report(unknown(differences, knownInColumns))).toBe('');
});

test('expressions have the values that the reference says, at the limits of every type', async () => {
  const { differences } = await compareGenerated(19, { expressions: 120, rows: 40 });
  expect(report(unknown(differences, knownInExpressions))).toBe('');
});

test.each([1, 2, 3, 4])(
  'files of every format give the rows, the quarantine and the counts that the reference says (%i)',
  async (seed) => {
    const { differences } = await compareFiles(seed, 40);
    expect(report(unknown(differences, knownInFiles))).toBe('');
  },
);
