/** Tables and charts of the measurements, as Markdown. */
import { table } from '../scripts/markdownTable.ts';
import type { ColdCommit } from './coldCommit.ts';
import { type FlowResults, type Publication, priceOf, type Usage } from './flow.ts';
import type { Growth } from './growth.ts';
import { type Merge, mergedBy } from './merges.ts';
import type { OutputFile } from './output.ts';
import type { Packages } from './packages.ts';
import type { Writer } from './writers.ts';

export interface Row {
  readonly name: string;
  readonly isOwn: boolean;
  /** Seconds. */
  readonly best: number;
  readonly median: number;
  /** CPU time, the best of all rounds. */
  readonly cpu: number;
  readonly peakBytes: number;
}

export interface Comparison {
  readonly name: string;
  readonly title: string;
  readonly rows: number;
  readonly rounds: number;
  readonly results: readonly Row[];
}

export interface Measurements {
  readonly machine: string;
  readonly comparisons: readonly Comparison[];
  readonly growth: readonly Growth[];
  /** By engine. */
  readonly output: Readonly<Record<string, readonly OutputFile[]>>;
  readonly publishing: Publishing | null;
  readonly merges: readonly Merge[];
  /** By the format of the tables. */
  readonly flow: { readonly hive: FlowResults; readonly iceberg: FlowResults } | null;
  readonly packages: Packages | null;
}

/** How long it takes to make rows visible, by format and by other writers. */
export interface Publishing {
  readonly hive: readonly Publication[];
  readonly iceberg: readonly Publication[];
  readonly writers: readonly Writer[];
  readonly commits: readonly ColdCommit[];
}

/** What a person wrote, each with its heading; '' for nothing. */
export interface Kept {
  readonly goals: string;
  readonly notes: string;
}

/** `goals` and `notes` are sections that a person wrote. They are kept unchanged. */
export function report(measured: Measurements, { goals, notes }: Kept): string {
  const { machine, comparisons, growth, output, publishing, merges, flow, packages } = measured;
  return `${[
    '# Performance',
    '',
    'To measure your own machine, run `npm run bench`, which writes this page. Every contender is a process of its own, measured from its start to the last written byte. All contenders must give',
    'the counts that the feed was made with. They run in turn, round after round. Compare ratios, not seconds: seconds depend on the machine.',
    '',
    `Machine: ${machine}.`,
    '',
    ...(goals === '' ? [] : [goals, '']),
    '## Goals of this run',
    '',
    ...table(
      ['', 'goal, at most', 'measured', ''],
      [
        ...comparisons.flatMap(comparedGoals),
        ...outputGoals(output),
        ...publishingGoals(publishing),
        ...mergeGoals(merges),
        ...flowGoals(flow),
        ...packageGoals(packages),
      ],
    ),
    '',
    ...(notes === '' ? [] : [notes, '']),
    ...comparisons.flatMap(comparisonSection),
    ...(growth.length > 0 ? growthSection(growth) : []),
    ...Object.entries(output).flatMap(([engine, files]) => outputSection(engine, files)),
    ...(publishing ? publishingSection(publishing) : []),
    ...(merges.length > 0 ? mergeSection(merges) : []),
    ...(flow ? flowSection(flow) : []),
    ...(packages ? packageSection(packages) : []),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

/** The goals next to the results. */
const goal = (what: string, limit: number, unit: string, measured: number): string[] => [
  what,
  `${limit}${unit}`,
  `${measured.toFixed(2)}${unit}`,
  measured <= limit ? 'met' : '**missed**',
];

function comparedGoals({ name, rows, results }: Comparison): string[][] {
  const own = results.filter((r) => r.isOwn);
  const peers = results.filter((r) => !r.isOwn).map((r) => r.median);
  const [first, last] = [own[0], own.at(-1)];
  if (!first || !last) return [];
  const ratio = first.median / Math.min(...peers);
  if (name === 'embedded' && rows === 1_000_000)
    return [goal('embedded, 1 M rows: time to the best peer’s', 0.9, '', ratio)];
  if (name === 'embedded' && rows === 5_000_000)
    return [goal('embedded, 5 M rows: memory', 2, ' GB', first.peakBytes / 1e9)];
  if (name === 'spark' && rows === 5_000_000)
    return [goal('Spark, 5 M rows: time to PySpark by hand', 0.65, '', ratio)];
  if (name === 'polygons')
    return [goal('10,000 polygons: time to that of 33', 1.3, '', last.median / first.median)];
  return [];
}

/** For columns with repeated values and for the sort column. A column of random values cannot be made smaller. */
const outputGoals = (output: Measurements['output']): string[][] =>
  Object.entries(output).flatMap(([engine, files]) => {
    const shares = files.flatMap((f) => Object.values(f.columns)).sort((a, b) => a - b);
    if (shares.length === 0) return [];
    return [
      goal(
        `${engine}: a filter on one column of a day, median`,
        10,
        ' %',
        100 * (shares[shares.length >> 1] ?? 0),
      ),
      goal(`${engine}: the same on one hour`, 10, ' %', 100 * Math.max(...files.map((f) => f.hour))),
    ];
  });

const flowGoals = (flow: Measurements['flow']): string[][] =>
  flow === null
    ? []
    : [goal('10,000 rows from PutObject to Athena, median', 0.8, ' s', flow.hive.latency.p50)];

/** The time of Sluice to that of the fastest other one. */
const mergeGoals = (merges: readonly Merge[]): string[][] =>
  merges
    .filter(({ share }) => share <= 0.01)
    .map(({ rows, seconds }) => {
      const others = [mergedBy.trino, mergedBy.spark, mergedBy.pyiceberg].map(
        (by) => seconds[by] ?? Infinity,
      );
      const own = seconds[mergedBy.sluice] ?? Number.NaN;
      return goal(`merge of ${number(rows)} rows, to the fastest other`, 1, '', own / Math.min(...others));
    });

function publishingGoals(publishing: Publishing | null): string[][] {
  if (publishing === null) return [];
  const [, , thousand, most] = publishing.iceberg;
  const [few, many] = publishing.commits;
  return [
    ...(thousand
      ? [
          goal('Iceberg, 1,000 partitions: publishing, CPU', 1.5, ' s', thousand.cpuSeconds),
          goal('Iceberg, 1,000 partitions: S3 writes', 8, '', thousand.s3Writes),
        ]
      : []),
    ...(most ? [goal('Iceberg, 10,000 partitions: publishing, CPU', 10, ' s', most.cpuSeconds)] : []),
    ...(few && many
      ? [
          goal(
            'a first commit after 10,000, maintained: CPU to that after 10',
            2,
            '',
            many.cpuSeconds / few.cpuSeconds,
          ),
        ]
      : []),
  ];
}

const packageGoals = (packages: Packages | null): string[][] =>
  packages === null
    ? []
    : [
        goal('process start to the first row, cold', 300, ' ms', packages.cold.done),
        goal('largest package but the engine’s, zipped', 1.5, ' MB', packages.largest.bytes / 1e6),
        goal('the engine’s package, zipped', 25, ' MB', packages.engine / 1e6),
      ];

function comparisonSection({ title, rows, rounds, results }: Comparison): string[] {
  const peers = results.filter((r) => !r.isOwn);
  const best = Math.min(...(peers.length > 0 ? peers : results).map((r) => r.median));
  const lines = results.map((r) => [
    r.name,
    r.best.toFixed(2),
    r.median.toFixed(2),
    (r.median / best).toFixed(2),
    r.cpu.toFixed(2),
    (r.peakBytes / 1e9).toFixed(2),
  ]);
  const header = [
    '',
    'best, s',
    'median, s',
    peers.length > 0 ? 'to the best peer' : 'to the best',
    'CPU, s',
    'peak memory, GB',
  ];
  return [
    `## ${title}, ${number(rows)} rows`,
    '',
    `${rounds} ${rounds === 1 ? 'round' : 'rounds'}.`,
    '',
    ...table(header, lines),
    '',
    '```mermaid',
    'xychart-beta horizontal',
    `  x-axis [${results.map((r) => `"${r.name}"`).join(', ')}]`,
    '  y-axis "seconds (median)"',
    `  bar [${results.map((r) => r.median.toFixed(2)).join(', ')}]`,
    '```',
    '',
  ];
}

function growthSection(growth: readonly Growth[]): string[] {
  const rows = growth.map(({ what, steps }) => [
    what,
    ...steps.map(({ count, seconds }) => `${number(count)}: ${seconds.toFixed(2)} s`),
  ]);
  return [
    '## How time grows',
    '',
    'The embedded engine on 100,000 rows, one thing growing at a time; the median of three runs.',
    '',
    ...table(['', 'few', 'more', 'many'], rows),
    '',
  ];
}

function outputSection(engine: string, files: readonly OutputFile[]): string[] {
  const columns = Object.keys(files[0]?.columns ?? {}).filter((name) => !name.startsWith('_'));
  const percent = (share: number) => (100 * share).toFixed(1);
  return [
    `## What a query reads: ${engine}`,
    '',
    'The files of 1 M rows, and the share of a file’s bytes, in percent, that a filter on one column reads. For one hour of `created_at`, the query reads',
    'only the row groups whose statistics include it.',
    '',
    ...table(
      ['', ...files.map((f) => f.partition.split('/').slice(-1).join())],
      [
        ['MB', ...files.map((f) => (f.bytes / 1e6).toFixed(1))],
        ['rows', ...files.map((f) => number(f.rows))],
        ['row groups', ...files.map((f) => String(f.rowGroups))],
        ['one hour', ...files.map((f) => percent(f.hour))],
        ...columns.map((name) => [`\`${name}\``, ...files.map((f) => percent(f.columns[name] ?? 0))]),
      ],
    ),
    '',
  ];
}

/** A number of partitions is left out if a writer was not measured with it. */
function publishingSection({ hive, iceberg, writers, commits }: Publishing): string[] {
  const sizes = [1, 100, 1000, 10_000];
  const seconds = (value: number) => `${value.toFixed(2)} s`;
  const rows = <T>(name: string, steps: readonly T[], of: (step: T) => string) => [
    name,
    ...sizes.map((_, i) => {
      const step = steps[i];
      return step === undefined ? '' : of(step);
    }),
  ];
  const cell = (time: number, s3Writes: number, requests: number) =>
    `${seconds(time)}, ${number(s3Writes)} + ${number(requests)}`;
  const own = (steps: readonly Publication[], time: (step: Publication) => number) => (name: string) =>
    rows(name, steps, (step) => cell(time(step), step.s3Writes, step.catalogRequests));
  return [
    '## Publishing: both formats, and writers by hand',
    '',
    'Ten rows a partition. Each cell has the time, the writes to S3 and the requests to the Data Catalog. For Sluice these are the steps Publish and RepairPartitions of a batch of the example dataset; its rows were',
    'staged by the transform before, and the lines “with the transform” include that time. The others add rows of three columns to an Iceberg table, and write their Parquet objects in the same statement.',
    '',
    ...table(
      ['partitions', ...sizes.map(number)],
      [
        own(hive, (s) => s.seconds)('Sluice, Hive'),
        own(iceberg, (s) => s.seconds)('Sluice, Iceberg'),
        rows('CPU of Publish and RepairPartitions, Hive', hive, (s) => seconds(s.cpuSeconds)),
        rows('CPU of Publish and RepairPartitions, Iceberg', iceberg, (s) => seconds(s.cpuSeconds)),
        own(hive, (s) => s.withTransform)('Sluice, Hive, with the transform'),
        own(iceberg, (s) => s.withTransform)('Sluice, Iceberg, with the transform'),
        ...writers.map(({ name, steps }) =>
          rows(name, steps, (step) => cell(step.seconds, step.s3Writes, step.catalogRequests)),
        ),
      ],
    ),
    '',
    'A commit by a process that sees its table for the first time, after a number of commits, one every five minutes; medians of five. Maintenance has the limits that contracts have by default.',
    '',
    ...table(
      ['', 'snapshots', 'metadata, MB', 'time', 'CPU'],
      commits.map((c) => [
        `${number(c.commits)} commits${c.isMaintained ? '' : ', no maintenance'}`,
        number(c.snapshots),
        (c.metadataBytes / 1e6).toFixed(2),
        `${c.seconds.toFixed(3)} s`,
        `${c.cpuSeconds.toFixed(3)} s`,
      ]),
    ),
    '',
  ];
}

function mergeSection(merges: readonly Merge[]): string[] {
  return [
    '## Merges',
    '',
    "LHBench's merge microbenchmark: TPC-DS's table `store_sales` at scale factor 1 (2.9 M rows of 24 columns) as one Iceberg table for each, without partitions. Half of the changed rows have keys of the table,",
    'chosen at random, and half are new. All tables are equal after each change. Sluice reads the changes from a Parquet file; its whole batch also claims the file, checks rows and accounts with Athena, and keeps',
    'the ledger. A dash: it took more than a minute for fewer rows.',
    '',
    ...table(
      ['changed rows', ...merges.map(({ rows, share }) => `${number(rows)} (${100 * share} %)`)],
      Object.values(mergedBy).map((by) => [
        by,
        ...merges.map(({ seconds }) => {
          const time = seconds[by];
          return time === null || time === undefined ? '-' : `${time.toFixed(2)} s`;
        }),
      ]),
    ),
    '',
  ];
}

function flowSection({ hive, iceberg }: NonNullable<Measurements['flow']>): string[] {
  const counts: readonly (readonly [string, (u: Usage) => string])[] = [
    ['batches', (u) => String(u.batches)],
    ['state transitions', (u) => String(u.transitions)],
    ['invocations of steps', (u) => String(u.invocations)],
    ['Lambda, GB-seconds', (u) => u.gigabyteSeconds.toFixed(1)],
    ['S3 writes and lists', (u) => number(u.s3Writes)],
    ['S3 reads', (u) => number(u.s3Reads)],
    ['DynamoDB writes', (u) => number(u.dynamoWrites)],
    ['DynamoDB reads', (u) => number(u.dynamoReads)],
    ['Data Catalog requests', (u) => number(u.catalogRequests)],
    ['Athena queries', (u) => number(u.queries)],
    ['cents, by the list', (u) => (100 * priceOf(u)).toFixed(3)],
  ];
  const latencyOf = ({ latency, burst }: FlowResults) =>
    `median ${latency.p50.toFixed(2)} s, 95th percentile ${latency.p95.toFixed(2)} s, at most ${latency.max.toFixed(2)} s. A burst of ${burst.files} files of 100 rows: all published after ${burst.seconds.toFixed(1)} s in ${burst.batches} batches, ${(burst.files / burst.seconds).toFixed(0)} files a second.`;
  const { files, rows } = hive.latency;
  return [
    '## The flow on the local AWS',
    '',
    `From PutObject to the Athena answer that contains the row, ${files} files of ${number(rows)} rows one after the other:`,
    '',
    `- Hive: ${latencyOf(hive)}`,
    `- Iceberg: ${latencyOf(iceberg)}`,
    '',
    'The calls to each service, counted in the executions and at the gateway. Lambda’s time is this machine’s; prices are in `bench/prices.ts`:',
    '',
    ...[hive, iceberg].flatMap(({ format, usage }) => [
      ...table(
        [format === 'hive' ? 'Hive' : 'Iceberg', ...usage.map((u) => u.name)],
        counts.map(([name, of]) => [name, ...usage.map(of)]),
      ),
      '',
    ]),
  ];
}

const packageSection = ({ largest, engine, cold }: Packages): string[] => [
  '## Packages and cold starts',
  '',
  `The largest function without the engine is \`${largest.name}\` with ${(largest.bytes / 1e6).toFixed(2)} MB zipped; the functions with the engine have ${(engine / 1e6).toFixed(0)} MB.`,
  `A process of the engine’s function has loaded its modules after ${cold.loaded.toFixed(0)} ms, compiled contract and polygons after ${cold.compiled.toFixed(0)} ms, and`,
  `written its first row after ${cold.done.toFixed(0)} ms (without the network; medians of 11).`,
  '',
];

const number = (value: number): string => value.toLocaleString('en');
