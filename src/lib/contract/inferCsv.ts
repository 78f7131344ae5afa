/** How a sample of a CSV is written: its delimiter, whether its first record names the fields, and what is odd about it. */
import { parse } from 'csv-parse/sync';
import { valueOfField } from './inferColumn.ts';
import type { Question, Sample } from './inferSource.ts';
import { timeOfTexts } from './inferTime.ts';
import type { Contract } from './schema.ts';

type CsvOptions = Partial<NonNullable<Contract['source']['csv']>>;

/** The commonest first: of equals it is taken. */
const delimiters = [',', ';', '\t', '|'];

/** A text as the records of a CSV; null for what has no two fields. */
export function sampleOfCsv(text: string): Sample | null {
  const tables = delimiters.flatMap((delimiter) => tableOf(text, delimiter) ?? []);
  const best = tables.sort((a, b) => b.score - a.score)[0];
  if (best === undefined) return null;
  const { delimiter, rows, width } = best;
  const own: CsvOptions = delimiter === ',' ? {} : { delimiter };
  const [first = [], ...others] = rows;
  const named = sampleOf(
    own,
    first,
    others.filter((row) => row.length === width),
    [],
  );
  const names = first.map((_, i) => `column_${i + 1}`);
  const unnamed = sampleOf(
    { ...own, header: names },
    names,
    rows.filter((row) => row.length === width),
    [
      'The first line is taken for data: no line names the fields. Rename them in source.csv.header and in the paths.',
    ],
  );
  const verdict = hasHeader(first, others);
  if (verdict === 'yes') return named;
  const options = [
    { name: 'names', sample: named },
    { name: 'data', sample: unnamed },
  ];
  if (verdict === 'no') options.reverse();
  const [likely] = options;
  const question: Question = {
    text: `does the first line (${first.join(delimiter).slice(0, 60)}) hold names or data (names, data)`,
    options,
  };
  return { ...(likely?.sample ?? named), question };
}

interface Table {
  readonly delimiter: string;
  readonly rows: readonly string[][];
  /** The commonest number of fields. */
  readonly width: number;
  readonly score: number;
}

/** How well a delimiter cuts a text into rows of one width. */
function tableOf(text: string, delimiter: string): Table | null {
  try {
    const rows: string[][] = parse(text, { delimiter, relax_column_count: true, skip_empty_lines: true });
    const widths = new Map<number, number>();
    for (const row of rows) widths.set(row.length, (widths.get(row.length) ?? 0) + 1);
    const [[width, count] = [0, 0]] = [...widths].sort(([a, m], [b, n]) => n - m || b - a);
    return width < 2 ? null : { delimiter, rows, width, score: (count / rows.length) * (width - 1) };
  } catch {
    return null;
  }
}

function sampleOf(
  csv: CsvOptions,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  notes: readonly string[],
): Sample {
  const source = { formats: ['csv'], ...(Object.keys(csv).length > 0 ? { csv } : {}) };
  return {
    source: source as Partial<Contract['source']>,
    records: rows.map((row) =>
      Object.fromEntries(header.map((name, i) => [name, valueOfField(row[i] ?? '')])),
    ),
    notes,
  };
}

/** Whether the first row names the fields. It does where a name stands over numbers or times, and not where it is one of them. */
function hasHeader(
  first: readonly string[],
  others: readonly (readonly string[])[],
): 'yes' | 'no' | 'unclear' {
  if (first.some((name) => name.trim() === '') || new Set(first).size < first.length)
    return first.every((name) => kindOfField(name) === 'text' || name === '') ? 'yes' : 'unclear';
  const kinds = first.map((_, i) => {
    const found = new Set(others.map((row) => kindOfField(row[i] ?? '')).filter((kind) => kind !== 'none'));
    return found.size === 1 ? [...found][0] : 'text';
  });
  const typed = kinds.flatMap((kind, i) => (kind === 'text' ? [] : [{ kind, name: first[i] ?? '' }]));
  if (typed.some(({ kind, name }) => kindOfField(name) !== kind && kindOfField(name) === 'text'))
    return 'yes';
  // Names such as 2019, 2020, 2021 are numbers over numbers.
  const years = typed.map(({ name }) => Number(name));
  if (
    typed.length > 1 &&
    years.every((year, i) => year >= 1800 && year <= 2200 && year === (years[0] ?? 0) + i)
  )
    return 'unclear';
  if (typed.length > 0) return 'no';
  return first.every((name) => /^[\p{L}_][\p{L}\p{N}_ .()/%#-]{0,60}$/u.test(name.trim()))
    ? 'yes'
    : 'unclear';
}

function kindOfField(text: string): 'none' | 'number' | 'boolean' | 'time' | 'text' {
  const value = valueOfField(text.trim());
  if (value === null) return 'none';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value !== 'string') return 'number';
  return timeOfTexts([value], undefined) === null ? 'text' : 'time';
}
