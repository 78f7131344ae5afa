import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import Contracts from '../../../../infra/plugins/contracts.ts';

/** What the framework prints without a stack. */
class Told extends Error {}

test('a contract with a fault ends a deploy in the framework’s own error, which has no stack', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-plugin-'));
  try {
    mkdirSync(join(folder, 'datasets'));
    writeFileSync(join(folder, 'datasets/bad.yml'), 'dataset: "\\e[2J"\n');
    const serverless = { serviceDir: folder, classes: { Error: Told } };
    const { hooks } = new Contracts(serverless, {}, { log: { success: () => {} } });
    const failing = Object.values(hooks).map((hook) => hook());
    for (const hook of failing) await expect(hook).rejects.toThrow(Told);
    for (const hook of failing)
      await expect(hook).rejects.toThrow(`${folder}/datasets/bad.yml:1:10 dataset: `);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
