/**
 * Measures a function's process from its start to the first row, without the network: loading modules, contracts, the polygon index
 * and DuckDB, and transforming one line. It is bundled like the package and runs once per process.
 */
import '../src/handlers/transformEmbedded.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile } from '../src/lib/compiler/compile.ts';
import { readBuilt } from '../src/lib/contract/built.ts';
import { runEmbedded } from '../src/lib/engine/embedded.ts';
import { loadReferences, noRows } from '../src/lib/reference/load.ts';

const loaded = performance.now();
const [datasets = '', line = ''] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'sluice-cold-'));
const path = join(folder, 'input');
await writeFile(path, line);
const contract = readBuilt(datasets).get('social_media');
if (!contract) throw new Error('there is no contract social_media');
const references = await loadReferences(contract, datasets, noRows(contract));
const compiled = performance.now();
const { published } = await runEmbedded({
  plan: compile(contract, null, references),
  references,
  inputs: [{ object: 'one.json', version: '1', path, layout: 'lines', header: null, fault: null }],
  batch: 'cold',
  outputDir: join(folder, 'out'),
});
console.log(JSON.stringify({ published, loaded, compiled, done: performance.now() }));
await rm(folder, { recursive: true });
