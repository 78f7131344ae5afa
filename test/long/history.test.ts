/** `npm run bench -- history`: what each kind of work costs in lakes of a month and of ten years, on both table formats. */
import { writeFileSync } from 'node:fs';
import { afterEach, expect, jest, test } from '@jest/globals';
import type { TableFormatName } from '../../src/lib/model/plan.ts';
import { type Cost, costsOf, lakeOf } from '../support/lake.ts';

const perDay = Number(process.env.SLUICE_HISTORY_PER_DAY ?? 27);
const days = [30, 300, Number(process.env.SLUICE_HISTORY_DAYS ?? 3652)];
/** A reconcile compares every object: its cost by object shows in smaller lakes. */
const reconciled = 300;

afterEach(() => {
  jest.restoreAllMocks();
});

const measured: Record<string, { batches: number; costs: Record<string, Cost> }[]> = {};

test.each<TableFormatName>(['hive', 'iceberg'])(
  'the costs of a lake of ten years on %s are those of a month',
  async (format) => {
    // Modules and compiled code are there before anything is measured.
    await costsOf(await lakeOf(2, 4, { format }), { withMemory: true });
    const lakes = [];
    for (const some of days) {
      jest.restoreAllMocks();
      const lake = await lakeOf(some, perDay, { format });
      lakes.push({
        batches: lake.batches,
        costs: await costsOf(lake, { withMemory: true, withReconcile: some <= reconciled }),
      });
    }
    measured[format] = lakes;
    const { SLUICE_HISTORY_OUT: out } = process.env;
    if (out !== undefined) writeFileSync(out, JSON.stringify(measured));
    const [first, last] = [lakes[0], lakes.at(-1)];
    for (const name of [
      'a claim',
      'a batch',
      'a correction of an old file',
      'a replay of the first day',
      'a sweep',
      'status',
    ])
      expect(last?.costs[name]?.calls).toBeLessThanOrEqual(1.2 * (first?.costs[name]?.calls ?? 0));
  },
  3_600_000,
);
