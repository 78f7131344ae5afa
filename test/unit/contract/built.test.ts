import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { readBuilt, writeBuilt } from '../../../src/lib/contract/built.ts';
import { loadContracts } from '../../../src/lib/contract/load.ts';
import { contractVersion } from '../../../src/lib/contract/version.ts';
import { datasetsFolder } from '../../support/embedded.ts';

test('a function has the contracts that its package was built from, whole and in order', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-built-'));
  try {
    const contracts = loadContracts(datasetsFolder);
    writeBuilt(contracts, folder);
    const built = readBuilt(folder);
    expect([...built]).toEqual([...contracts]);
    expect([...built.values()].map(contractVersion)).toEqual([...contracts.values()].map(contractVersion));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
