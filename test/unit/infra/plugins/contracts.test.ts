import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import Contracts from '../../../../infra/plugins/contracts.ts';
import { readBuilt } from '../../../../src/lib/contract/built.ts';
import { tableFormatOf, tableOf } from '../../../../src/lib/contract/contract.ts';

/** What the framework prints without a stack. */
class Told extends Error {}

const serverlessIn = (serviceDir: string, tableFormat: string) => ({
  serviceDir,
  service: { custom: { parameters: { tableFormat } } },
  classes: { Error: Told },
});

test('a contract with a fault ends a deploy in the framework’s own error, which has no stack', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-plugin-'));
  try {
    mkdirSync(join(folder, 'datasets'));
    writeFileSync(join(folder, 'datasets/bad.yml'), 'dataset: "\\e[2J"\n');
    const serverless = serverlessIn(folder, 'hive');
    const { hooks } = new Contracts(serverless, {}, { log: { success: () => {} } });
    const failing = Object.values(hooks).map((hook) => hook());
    for (const hook of failing) await expect(hook).rejects.toThrow(Told);
    for (const hook of failing)
      await expect(hook).rejects.toThrow(`${folder}/datasets/bad.yml:1:10 dataset: `);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ['hive', { none: 'hive', named: 'hive', iceberg: 'iceberg' }],
  ['iceberg', { none: 'iceberg', named: 'iceberg', iceberg: 'iceberg', kept: 'hive' }],
])(
  'on a stage with %s, a table has this format unless its contract says otherwise',
  async (format, formats) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-plugin-'));
    const tables = {
      none: undefined,
      named: 'posts',
      iceberg: { format: 'iceberg' },
      kept: { format: 'hive' },
    };
    try {
      const datasets = join(folder, 'datasets');
      mkdirSync(datasets);
      for (const [dataset, table] of Object.entries(tables))
        writeFileSync(
          join(datasets, `${dataset}.yml`),
          JSON.stringify({
            dataset,
            table,
            source: { prefix: `${dataset}/`, formats: ['ndjson'] },
            columns: [{ name: 'id', path: 'id', type: 'bigint' }],
            partitionBy: [{ name: 'source', constant: 'x' }],
          }),
        );
      const { hooks } = new Contracts(serverlessIn(folder, format), {}, { log: { success: () => {} } });
      await Object.values(hooks)[0]?.();
      const built = [...readBuilt(datasets).values()];
      expect(Object.fromEntries(built.map((c) => [c.dataset, tableFormatOf(c)]))).toMatchObject(formats);
      expect(built.map(tableOf)).toEqual(['iceberg', 'kept', 'posts', 'none']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
