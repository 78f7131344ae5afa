/** Measures how the embedded engine's time grows when one thing grows and the number of rows stays the same. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { generateFeed } from '../scripts/generate-feed.ts';
import { measure } from './measure.ts';
import { contractWithPolygons } from './polygons.ts';

export interface Growth {
  readonly what: string;
  /** From few to many: the median of three runs, in seconds. */
  readonly steps: readonly { readonly count: number; readonly seconds: number }[];
}

interface Step {
  readonly count: number;
  readonly contract: string;
  /** Name -> lines. */
  readonly files: Readonly<Record<string, readonly string[]>>;
}

const root = resolve(import.meta.dirname, '..');
const contract = join(root, 'datasets/social_media.yml');
const rows = 100_000;

export async function measureGrowth(report: (message: string) => void): Promise<Growth[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-growth-'));
  try {
    const feed = (days = 2) => [...generateFeed({ rows, seed: 42, hours: days * 24, dirt: 0 })];
    const lines = feed();
    const growths: { what: string; steps: Step[] }[] = [
      {
        what: 'files of a batch',
        steps: [1, 100, 1000].map((count) => ({ count, contract, files: shared(lines, count) })),
      },
      {
        what: 'partitions',
        steps: [2, 100, 1000].map((count) => ({ count, contract, files: { feed: feed(count) } })),
      },
      {
        what: 'polygons',
        steps: await Promise.all(
          [36, 1024, 10_000].map(async (count) => ({
            count,
            contract: await contractWithPolygons(Math.sqrt(count)),
            files: { feed: lines },
          })),
        ),
      },
      {
        what: 'columns',
        steps: await Promise.all([10, 50, 200].map((count) => wide(join(folder, `wide-${count}`), count))),
      },
    ];
    const measured: Growth[] = [];
    for (const { what, steps } of growths) {
      const done: { count: number; seconds: number }[] = [];
      for (const step of steps) done.push({ count: step.count, seconds: await secondsOf(step, folder) });
      measured.push({ what, steps: done });
      report(`${what}: ${done.map((s) => `${s.count} ${s.seconds.toFixed(2)} s`).join(', ')}`);
    }
    return measured;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same lines in a number of files. */
function shared(lines: readonly string[], count: number): Record<string, readonly string[]> {
  const each = Math.ceil(lines.length / count);
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [String(i), lines.slice(i * each, (i + 1) * each)]),
  );
}

/** A contract with a number of columns, half of them numbers and half texts, and a feed for it. */
async function wide(folder: string, count: number): Promise<Step> {
  const names = Array.from({ length: count }, (_, i) => `field_${i}`);
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'wide.yml'),
    `dataset: wide
description: As many columns as the bench asks for
source: { prefix: wide/, formats: [ndjson] }
columns:
  - { name: at, path: at, type: timestamp, formats: [iso8601], required: true }
${names.map((name, i) => `  - { name: ${name}, path: ${name}, type: ${i % 2 === 0 ? 'bigint' : 'string'} }`).join('\n')}
partitionBy:
  - { name: day, of: at, part: day }
`,
  );
  const lines = Array.from({ length: rows }, (_, row) =>
    JSON.stringify({
      at: `2025-10-0${1 + (row % 9)}T10:00:00Z`,
      ...Object.fromEntries(names.map((name, i) => [name, i % 2 === 0 ? row * i : `text ${row % 97}`])),
    }),
  );
  return { count, contract: join(folder, 'wide.yml'), files: { feed: lines } };
}

async function secondsOf({ contract, files }: Step, folder: string): Promise<number> {
  const input = await mkdtemp(join(folder, 'input-'));
  const paths: string[] = [];
  for (const [name, lines] of Object.entries(files)) {
    paths.push(join(input, `${name}.json`));
    await writeFile(paths.at(-1) as string, `${lines.join('\n')}\n`);
  }
  const seconds: number[] = [];
  for (let round = 0; round < 3; round++) {
    const out = join(input, `out-${round}`);
    const run = await measure(join(root, 'node_modules/.bin/node'), [
      join(root, 'src/cli/sluice.ts'),
      'transform',
      '--contract',
      contract,
      '--out',
      out,
      ...paths,
    ]);
    const { rowsRead } = JSON.parse(run.output) as { rowsRead: number };
    if (rowsRead !== rows) throw new Error(`${rowsRead} rows were read of ${rows}`);
    seconds.push(run.seconds);
    await rm(out, { recursive: true, force: true });
  }
  await rm(input, { recursive: true, force: true });
  return seconds.sort((a, b) => a - b)[1] ?? 0;
}
