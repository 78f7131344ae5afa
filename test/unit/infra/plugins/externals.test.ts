/** Packaging parses only bundles that can import an external package. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { esbuildModule } from '../../../../infra/plugins/esbuildModule.ts';
import Externals from '../../../../infra/plugins/externals.ts';

test('a bundle that names no external package is not parsed; of another one, serverless-esbuild knows what it imports', () => {
  const helper = esbuildModule<{ getDepsFromBundle(path: string, isEsm: boolean): string[] }>('./helper.js');
  const folder = mkdtempSync(join(tmpdir(), 'sluice-externals-'));
  const bundle = (text: string) => {
    const path = join(folder, 'bundle.mjs');
    writeFileSync(path, text);
    return path;
  };
  try {
    expect(() => helper.getDepsFromBundle(bundle('no JavaScript'), true)).toThrow(SyntaxError);
    new Externals({ service: { custom: { esbuild: { external: ['@duckdb/node-api'] } } } });
    expect(helper.getDepsFromBundle(bundle('no JavaScript'), true)).toEqual([]);
    const engine = "import { a } from '@duckdb/node-api'; const b = await import('node:fs');";
    expect(helper.getDepsFromBundle(bundle(engine), true)).toEqual(['@duckdb/node-api', 'node:fs']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
