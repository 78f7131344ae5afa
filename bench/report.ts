/** Tables and charts of what was measured, as Markdown. */

export interface Row {
  readonly name: string;
  readonly isOwn: boolean;
  /** Seconds. */
  readonly best: number;
  readonly median: number;
  readonly peakBytes: number;
}

export interface Comparison {
  readonly name: string;
  readonly title: string;
  readonly rows: number;
  readonly rounds: number;
  readonly results: readonly Row[];
}

export function report(comparisons: readonly Comparison[], machine: string): string {
  const parts = [
    '# Performance',
    'Written by `npm run bench`. Every contender is a process of its own, from its start to the last byte written, and gives the same counts, which are',
    'those that the feed was made with. Contenders run in turn, round after round. Ratios hold on one machine in one run; seconds are this machine’s.',
    '',
    `Machine: ${machine}.`,
    '',
    '## Goals',
    '',
    ...table(['', 'goal', 'measured', ''], comparisons.flatMap(goals)),
    '',
    ...comparisons.flatMap(section),
  ];
  return `${parts.join('\n')}\n`;
}

/** What was set out to be reached, beside what was. */
function goals({ name, rows, results }: Comparison): string[][] {
  const own = results.filter((r) => r.isOwn);
  const peers = results.filter((r) => !r.isOwn).map((r) => r.median);
  const [first, last] = [own[0], own.at(-1)];
  if (!first || !last) return [];
  const line = (what: string, limit: number, unit: string, measured: number) => [
    what,
    `${limit}${unit} at most`,
    `${measured.toFixed(2)}${unit}`,
    measured <= limit ? 'met' : 'missed',
  ];
  const ratio = first.median / Math.min(...peers);
  if (name === 'embedded' && rows === 1_000_000)
    return [line('one process, 1 M rows, to the best peer', 1, '', ratio)];
  if (name === 'embedded' && rows === 5_000_000)
    return [line('one process, 5 M rows, memory', 3, ' GB', first.peakBytes / 1e9)];
  if (name === 'spark' && rows === 5_000_000)
    return [line('Spark, 5 M rows, to PySpark by hand', 0.9, '', ratio)];
  if (name === 'polygons') return [line('10,000 polygons to 36', 1.3, '', last.median / first.median)];
  return [];
}

function section({ title, rows, rounds, results }: Comparison): string[] {
  const peers = results.filter((r) => !r.isOwn);
  const best = Math.min(...(peers.length > 0 ? peers : results).map((r) => r.median));
  const lines = results.map((r) => [
    r.name,
    r.best.toFixed(2),
    r.median.toFixed(2),
    (r.median / best).toFixed(2),
    (r.peakBytes / 1e9).toFixed(2),
  ]);
  const header = [
    '',
    'best, s',
    'median, s',
    peers.length > 0 ? 'to the best peer' : 'to the best',
    'peak memory, GB',
  ];
  return [
    `## ${title}, ${rows.toLocaleString('en')} rows`,
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

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((cell, i) =>
    Math.max(3, cell.length, ...rows.map((row) => (row[i] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((w, i) => (i === 0 ? '-'.repeat(w) : `${'-'.repeat(w - 1)}:`)).join(' | ')} |`;
  return [line(header), rule, ...rows.map(line)];
}
