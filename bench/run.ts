/** `npm run bench`: compares Sluice's engines with jobs written by hand for the same feed, and measures the whole flow on a local AWS. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildDatasets } from '../infra/buildDatasets.ts';
import { SetupError } from '../src/lib/errors.ts';
import { measureColdCommits } from './coldCommit.ts';
import { type Contender, contenders } from './contenders.ts';
import { costReport } from './cost.ts';
import { type Feed, feedOf } from './feeds.ts';
import { measureFlow, measurePublications } from './flow.ts';
import { measureGrowth } from './growth.ts';
import { historySection, measureHistory, withHistory } from './history.ts';
import { type Measured, measure } from './measure.ts';
import { measureMerges } from './merges.ts';
import { type OutputFile, outputFiles } from './output.ts';
import { measurePackages } from './packages.ts';
import { type Comparison, type Kept, type Row, report as written } from './report.ts';
import { measureWriters } from './writers.ts';

const help = `Usage: npm run bench [-- [history] [options]]

Runs every contender on the same feeds, one after the other and round after round, and checks that all give the same counts;
measures how time grows, what a query reads, and the whole flow on a local AWS; writes docs/cost.md, and docs/performance.md, in
which the sections "Every goal" and "Where the time goes" are kept as they are. With the defaults it takes about an hour on two cores.

  history        what a batch, a correction, a replay, a sweep and other work cost in lakes of a month and of ten years, by counted
                 calls, items and bytes; writes the tables of docs/scale.md (some minutes and 3 GB)
  --days N       age of the old lake (3652)
  --per-day N    its batches per day, of one file and one partition each (27)
  --rows LIST    sizes, 100000,1000000,5000000 by default
  --rounds N     repetitions of each (3); the largest size runs once
  --files N      files of which the latency is measured (100)
  --only NAME    embedded, spark, polygons, growth, publishing, merges or flow; the tables are printed, and only docs/cost.md is written (by flow)
  --dry          prints the tables and writes nothing
  -h, --help     this text

Exit status: 0 done; 1 a contender gave other counts; 2 it could not be set up.`;

const gigabyte = 1e9;
const root = resolve(import.meta.dirname, '..');
const report = (message: string) => console.error(`  ${message}`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      days: { type: 'string', default: '3652' },
      'per-day': { type: 'string', default: '27' },
      rows: { type: 'string', default: '100000,1000000,5000000' },
      rounds: { type: 'string', default: '3' },
      files: { type: 'string', default: '100' },
      only: { type: 'string' },
      dry: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (positionals[0] === 'history') {
    const measured = await measureHistory({ days: values.days, perDay: values['per-day'] });
    console.log(historySection(measured).join('\n'));
    const page = join(root, 'docs/scale.md');
    if (!values.dry) await writeFile(page, withHistory(await readFile(page, 'utf8'), measured));
    return 0;
  }
  const isWanted = (name: string) => values.only === undefined || values.only === name;
  // The index that a package has.
  await buildDatasets(join(root, 'datasets'));
  // The long runs come last.
  const flow = isWanted('flow')
    ? {
        hive: await measureFlow(report, Number(values.files), 'hive'),
        iceberg: await measureFlow(report, Number(values.files), 'iceberg'),
      }
    : null;
  const publishing = isWanted('publishing')
    ? {
        hive: await measurePublications(report, 'hive'),
        iceberg: await measurePublications(report, 'iceberg'),
        writers: await measureWriters(report),
        commits: await measureColdCommits(report),
      }
    : null;
  const merges = isWanted('merges') ? await measureMerges(report) : [];
  const packages = flow && (await measurePackages());
  const growth = isWanted('growth') ? await measureGrowth(report) : [];
  const all = await contenders(report);
  const groups = {
    embedded: {
      title: 'One process',
      members: [all.embedded, all.duckdb, all.duckdb2, all.polars, all.pandas],
      isFor: (_rows: number) => true,
    },
    // A small feed would only measure Spark's start.
    spark: { title: 'Spark', members: [all.spark, all.pyspark], isFor: (rows: number) => rows >= 1_000_000 },
    polygons: { title: 'Polygons', members: all.polygons, isFor: (rows: number) => rows === 1_000_000 },
  };
  const sizes = values.rows.split(',').map(Number);
  const comparisons: Comparison[] = [];
  const output: Record<string, readonly OutputFile[]> = {};
  for (const [name, { title, members: group, isFor }] of Object.entries(groups)) {
    if (!isWanted(name)) continue;
    for (const rows of sizes.filter(isFor)) {
      const rounds = rows >= 5_000_000 ? 1 : Number(values.rounds);
      // pandas would need more memory than this machine has.
      const members = group.filter((c) => !(c === all.pandas && rows > 1_000_000));
      const feed = await feedOf(rows, report);
      const keep = async ({ name: member, isOwn }: Contender, out: string) => {
        if (isOwn && rows === 1_000_000 && name !== 'polygons')
          output[member] = await outputFiles(join(out, 'data'), 'created_at');
      };
      comparisons.push({ name, title, rows, rounds, results: await compare(members, feed, rounds, keep) });
    }
  }
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / gigabyte)} GB, Node ${process.version}`;
  const file = join(root, 'docs/performance.md');
  const text = written(
    { machine, comparisons, growth, output, publishing, merges, flow, packages },
    await keptOf(file),
  );
  console.log(text);
  if (values.dry) return 0;
  if (values.only === undefined) await writeFile(file, text);
  if (flow) await writeFile(join(root, 'docs/cost.md'), costReport(flow.hive.usage));
  return 0;
}

/** The sections that a person wrote. */
async function keptOf(file: string): Promise<Kept> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const section = (title: string) =>
    new RegExp(`^## ${title}\\n[\\s\\S]*?(?=\\n## )`, 'm').exec(text)?.[0].trimEnd() ?? '';
  return { goals: section('Every goal'), notes: section('Where the time goes') };
}

/** Runs them in turn, so that other load on the machine affects all of them. */
async function compare(
  members: readonly Contender[],
  feed: Feed,
  rounds: number,
  keep: (member: Contender, out: string) => Promise<void>,
): Promise<Row[]> {
  const runs = new Map<Contender, Measured[]>(members.map((member) => [member, []]));
  for (let round = 0; round < rounds; round++)
    for (const member of members) {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
      try {
        const run = await measure(
          member.program,
          member.args(feed.path, join(folder, 'out')),
          member.environment,
        );
        mustAgree(member, run, feed);
        runs.get(member)?.push(run);
        await keep(member, join(folder, 'out'));
        report(
          `${member.name}, ${feed.counts.rows} rows: ${run.seconds.toFixed(2)} s, ${run.cpuSeconds.toFixed(2)} s of CPU, ${(run.peakBytes / gigabyte).toFixed(2)} GB`,
        );
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
  return [...runs].map(([{ name, isOwn }, measured]) => {
    const seconds = measured.map((run) => run.seconds).sort((a, b) => a - b);
    return {
      name,
      isOwn,
      best: seconds[0] ?? 0,
      median: seconds[Math.floor(seconds.length / 2)] ?? 0,
      cpu: Math.min(...measured.map((run) => run.cpuSeconds)),
      peakBytes: Math.max(...measured.map((run) => run.peakBytes)),
    };
  });
}

/** Throws Error if the counts differ from those of the generated feed. */
function mustAgree({ name }: Contender, { output }: Measured, { counts }: Feed): void {
  const lines = output.trim().split('\n');
  const found = JSON.parse(output.trim().startsWith('{\n') ? output : (lines.at(-1) ?? '')) as Record<
    string,
    number
  >;
  const wanted = {
    rowsRead: counts.rows,
    published: counts.published,
    quarantined: counts.quarantined,
    duplicates: counts.duplicates,
  };
  for (const [key, value] of Object.entries(wanted))
    if (found[key] !== value)
      throw new Error(`${name} counts ${found[key]} ${key}, and the feed has ${value}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof SetupError ? 2 : 1;
}
// The SDK clients' idle connections would keep the process alive.
process.exit();
