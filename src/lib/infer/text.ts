/** Recognizes lines of known logs, and fields at fixed positions. */
import type { Contract } from '../contract/schema.ts';
import { type LogName, logNames, logPattern, textLayout, textOptions } from '../contract/textFormat.ts';
import { valueOfField } from './column.ts';
import type { Sample } from './source.ts';

type Encoding = NonNullable<Contract['source']['text']>['encoding'];

/** The lines on which a log is recognized. */
const triedLines = 1000;
const mostLines = 100_000;

/** The records of a known log; null if most lines are others. */
export function sampleOfLog(text: string, encoding?: Encoding): Sample | null {
  const lines = text.split(/\r?\n/, mostLines).filter((line) => line.trim() !== '');
  const found = logNames.find((log) => {
    const tried = recordsAmong(lines, log).slice(0, triedLines);
    return tried.length > 0 && fits(tried, log).length >= tried.length * 0.8;
  });
  if (found === undefined) return null;
  const records = recordsAmong(lines, found);
  const groups = fits(records, found);
  const { nullText } = textLayout(textOptions.parse({ log: found }));
  const odd = records.length - groups.length;
  return {
    source: sourceOf({ log: found }, encoding),
    records: groups.map((fields) =>
      Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [
          name,
          valueIn(value === nullText ? '' : (value ?? '')),
        ]),
      ),
    ),
    notes: [
      `The lines are those of the log ${found}: its fields are in docs/contract.md.`,
      ...(odd > 0 ? [`${odd} of ${records.length} lines are others: they go to quarantine.`] : []),
    ],
  };
}

const recordsAmong = (lines: readonly string[], log: LogName): readonly string[] => {
  const { comment } = textLayout(textOptions.parse({ log }));
  return comment === null ? lines : lines.filter((line) => !line.startsWith(comment));
};

function fits(lines: readonly string[], log: LogName): Readonly<Record<string, string | undefined>>[] {
  const pattern = logPattern(log);
  return lines.flatMap((line) => {
    const groups = pattern.exec(line)?.groups;
    return groups === undefined ? [] : [{ ...groups }];
  });
}

const valueIn = (text: string) => (text === '' ? null : valueOfField(text));

function sourceOf(text: object, encoding: Encoding | undefined): Partial<Contract['source']> {
  const source = {
    formats: ['text'],
    text: { ...text, ...(encoding === undefined ? {} : { encoding }) },
  };
  return source as Partial<Contract['source']>;
}

/**
 * Fields at the same positions of every line; null if no column of spaces, or change from digits to letters, goes through all lines. Lines
 * without a delimiter, of which no CSV is made, are read so.
 */
export function sampleOfPositions(text: string, encoding?: Encoding): Sample | null {
  const lines = text.split(/\r?\n/, mostLines).filter((line) => line.trim() !== '');
  const width = Math.max(...lines.map((line) => line.length), 0);
  if (
    lines.length < 2 ||
    width > 2000 ||
    lines.some((line) => line.length < width / 2 || line.includes('\t'))
  )
    return null;
  const tried = lines.slice(0, triedLines);
  const kinds = Array.from({ length: width }, (_, i) => kindAt(tried, i));
  const starts = kinds.flatMap((kind, i) => {
    const before = kinds[i - 1];
    const isStart = kind !== 'space' && (before === 'space' || (before === 'digit') !== (kind === 'digit'));
    return i === 0 || isStart ? [i] : [];
  });
  if (starts.length < 2 || starts.length > 200) return null;
  const fields = starts.map((start, i) => ({
    name: `field_${i + 1}`,
    width: (starts[i + 1] ?? width) - start,
    start,
  }));
  return {
    source: sourceOf({ fields: fields.map(({ name, width: w }) => ({ name, width: w })) }, encoding),
    records: lines.map((line) =>
      Object.fromEntries(
        fields.map(({ name, start, width: w }) => [name, valueIn(line.slice(start, start + w).trim())]),
      ),
    ),
    notes: ['The fields have fixed positions. Names and widths are guesses: correct source.text.fields.'],
  };
}

/** Whether spaces fill the fields of a text, and nothing else separates them: its lines have one length. */
export function isPadded(text: string): boolean {
  const lines = text.split(/\r?\n/, triedLines).filter((line) => line.trim() !== '');
  const [first = ''] = lines;
  return (
    lines.length > 1 &&
    lines.every((line) => line.length === first.length && !/[,;|\t"]/.test(line)) &&
    lines.some((line) => /\S {2,}\S/.test(line))
  );
}

/** What all lines have at a position. */
function kindAt(lines: readonly string[], at: number): 'space' | 'digit' | 'other' {
  const found = new Set(lines.map((line) => line[at] ?? ' '));
  if (found.size === 1 && found.has(' ')) return 'space';
  return [...found].every((c) => /[0-9 ]/.test(c)) ? 'digit' : 'other';
}
