/** `npm run bench -- history`: what work costs in lakes of different ages, in the memory's AWS with the real code above it. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { table } from '../scripts/markdownTable.ts';

const root = resolve(import.meta.dirname, '..');

const costSchema = z.object({ calls: z.number(), items: z.number(), bytes: z.number(), memory: z.number() });
type Cost = z.output<typeof costSchema>;
/** By table format, from the youngest lake to the oldest. */
const measuredSchema = z.record(
  z.string(),
  z.array(z.object({ batches: z.number(), costs: z.record(z.string(), costSchema) })),
);
export type Measured = z.output<typeof measuredSchema>;

/** Runs the measurement (test/long/history.test.ts). Throws Error if it fails. */
export async function measureHistory({ days, perDay }: { days: string; perDay: string }): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-history-'));
  const out = join(folder, 'costs.json');
  try {
    const jest = spawn(
      join(root, 'node_modules/.bin/node'),
      [
        '--disable-warning=ExperimentalWarning',
        '--experimental-vm-modules',
        // Ten years of batches have two to three gigabytes.
        '--max-old-space-size=12000',
        join(root, 'node_modules/jest/bin/jest.js'),
        '--selectProjects',
        'long',
        '--testPathPatterns',
        'test/long/history',
      ],
      {
        cwd: root,
        stdio: ['ignore', 2, 2],
        env: {
          ...process.env,
          SLUICE_HISTORY_OUT: out,
          SLUICE_HISTORY_DAYS: days,
          SLUICE_HISTORY_PER_DAY: perDay,
        },
      },
    );
    const end = () => jest.kill();
    process.once('exit', end);
    const code = await new Promise<number | null>((done, fail) => {
      jest.on('error', fail);
      jest.on('close', done);
    });
    process.off('exit', end);
    if (code !== 0) throw new Error(`the measurement ended with ${code}`);
    return measuredSchema.parse(JSON.parse(await readFile(out, 'utf8')));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const count = (value: number): string => value.toLocaleString('en');
const short = (value: number, unit: number): string => (value / unit).toFixed(value < 10 * unit ? 1 : 0);

/** The section of docs/scale.md. */
export function historySection(measured: Measured): string[] {
  return Object.entries(measured).flatMap(([format, lakes]) => {
    const [youngest] = lakes;
    if (!youngest) return [];
    const all = (name: string, of: (cost: Cost) => string) =>
      lakes.flatMap(({ costs: { [name]: cost } }) => (cost ? [of(cost)] : [])).join(' → ');
    return [
      `### ${format === 'hive' ? 'Hive' : 'Iceberg'}: ${lakes.map(({ batches }) => count(batches)).join(' → ')} batches, files and partitions`,
      '',
      ...table(
        ['', 'calls', 'items read', 'kB read and written', 'MB allocated'],
        Object.keys(youngest.costs).map((name) => [
          name,
          all(name, ({ calls }) => count(calls)),
          all(name, ({ items }) => count(items)),
          all(name, ({ bytes }) => short(bytes, 1e3)),
          all(name, ({ memory }) => short(memory, 1e6)),
        ]),
      ),
      '',
    ];
  });
}

const start = '<!-- npm run bench -- history -->';
const end = '<!-- end -->';

/** The page with a new section in place of the last one. */
export function withHistory(page: string, measured: Measured): string {
  const [before, rest = ''] = page.split(start);
  const [, after] = rest.split(end);
  if (after === undefined) throw new Error(`docs/scale.md has no place for the section: ${start} … ${end}`);
  return [before, start, '\n\n', historySection(measured).join('\n'), end, after].join('');
}
