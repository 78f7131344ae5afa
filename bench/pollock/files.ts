/**
 * CSV files with one fault each, by the rules of the benchmark Pollock: https://github.com/HPI-Information-Systems/Pollock.
 * The table is our own and has the shape of the benchmark's: 84 rows, nine fields, of which some need quotes.
 */

/** What the benchmark tells a system about a file. */
export interface Parameters {
  readonly delimiter: string;
  readonly quote: string;
  /** Empty: quotes in a field are not escaped. */
  readonly escapeBy: string;
  readonly preambleLines: number;
  readonly headerLines: number;
  readonly names: readonly string[];
  readonly width: number;
}

export interface PollutedFile {
  readonly name: string;
  readonly text: string;
  readonly parameters: Parameters;
  /** The rows that a system should load, with the header first. */
  readonly clean: readonly (readonly string[])[];
  /** How often the fault occurs among the files that the benchmark's authors surveyed. */
  readonly weight: number;
}

interface Cell {
  readonly value: string;
  readonly isQuoted: boolean;
  /** An unescaped quote before the value. */
  readonly stray?: boolean;
}
interface Row {
  readonly cells: readonly Cell[];
  /** Between the cells. */
  readonly marks: readonly string[];
  readonly end: string;
}

const names = [
  'DATE',
  'TIME',
  'Qty',
  'PRODUCTID',
  'Price',
  'ProductType',
  'ProductDescription',
  'URL',
  'Comments',
];
const kinds = ["Men's Boots", 'Lamp, Striped', 'Table, 48"', 'Wool Hat', "Kids' Shirt, Graphic", 'Tent 2"'];
const texts = [
  'Keeps you warm, dry and visible, whatever the weather.',
  "A lamp that won't crack, peel or chip.",
  'Fits any room of 8\'9" length, and folds flat.',
  'Soft wool for slow mornings.',
  'Dries quickly: made for camp, sports and play.',
];

const table: readonly (readonly string[])[] = [
  names,
  ...Array.from({ length: 83 }, (_, i) => {
    const two = (n: number) => String(n).padStart(2, '0');
    const id = `${'ABCDEFG'[i % 7]}K-${1000 + ((i * 7919) % 9000)}`;
    return [
      `${two(1 + (i % 28))}/${two(1 + Math.floor(i / 28))}/2018`,
      `${two(Math.floor(i / 4))}:${two((i % 4) * 15)}`,
      String((i * 5) % 31),
      id,
      `$${(1 + ((i * 37) % 9000) / 100).toFixed(2)}`,
      kinds[i % kinds.length] ?? '',
      `${texts[i % texts.length]} Item ${i + 1} of a series.`,
      `https://www.example.com/product/${id}.html`,
      '',
    ];
  }),
];

const written: readonly Row[] = table.map((row) => ({
  cells: row.map((value, i) => ({ value, isQuoted: /[",]/.test(value) || i === 6 || i === 7 })),
  marks: Array.from({ length: row.length - 1 }, () => ','),
  end: '\r\n',
}));

const plain: Parameters = {
  delimiter: ',',
  quote: '"',
  escapeBy: '"',
  preambleLines: 0,
  headerLines: 1,
  names,
  width: names.length,
};

const textOf = (rows: readonly Row[], { quote, escapeBy }: Parameters): string =>
  rows
    .map(({ cells, marks, end }) => {
      const fields = cells.map(({ value, isQuoted, stray }) => {
        const escaped = (stray ? quote : '') + value.replaceAll('"', `${escapeBy}"`);
        return isQuoted ? quote + escaped + quote : escaped;
      });
      return fields.map((field, i) => field + (marks[i] ?? '')).join('') + end;
    })
    .join('');

const valuesOf = (rows: readonly Row[], quote: string) =>
  rows.map(({ cells }) => cells.map(({ value, stray }) => (stray ? quote : '') + value));

interface Fault {
  readonly rows?: readonly Row[];
  readonly clean?: readonly (readonly string[])[];
  readonly parameters?: Partial<Parameters>;
}

const fileOf = (
  name: string,
  weight: number,
  { rows = written, clean, parameters: told = {} }: Fault,
): PollutedFile => {
  const expected = clean ?? valuesOf(rows, told.quote ?? plain.quote);
  const parameters = { ...plain, names: expected[0] ?? [], ...told };
  return { name: `${name}.csv`, text: textOf(rows, parameters), parameters, clean: expected, weight };
};

const rowOf = (values: readonly string[]): Row => ({
  cells: values.map((value) => ({ value, isQuoted: false })),
  marks: values.slice(1).map(() => ','),
  end: '\r\n',
});
const mapped = (change: (row: Row, i: number) => Row): Row[] => written.map(change);
const withEnd = (at: number, end: string) => mapped((row, i) => (i === at ? { ...row, end } : row));
/** Quotes stay only where the source has them, even if a field contains the other delimiter. */
const split = (delimiter: string) => mapped((row) => ({ ...row, marks: row.marks.map(() => delimiter) }));
const put = (items: readonly string[], i: number, item: string) =>
  items.map((old, n) => (n === i ? item : old));

/** A second table below the first, of which the first columns are the same. */
const below = (width: number): Row[] =>
  table.slice(0, 83).map((row) => {
    const cells = Array.from({ length: width }, (_, i) => row[i] ?? '');
    return {
      cells: cells.map((value) => ({ value, isQuoted: value.includes(',') })),
      marks: cells.slice(1).map(() => ','),
      end: '\r\n',
    };
  });

const last = written.length - 1;
const clean = valuesOf(written, '"');
const headers = (n: number) => [
  names.map((name) => Array.from({ length: n }, () => name).join(' ')),
  ...clean.slice(1),
];

function* files(): Generator<PollutedFile> {
  yield fileOf('source', 1, {});
  yield fileOf('file_no_payload', 15, { rows: [], parameters: { names: [], headerLines: 0, width: 0 } });
  yield fileOf('file_no_trailing_newline', 184, { rows: withEnd(last, '') });
  yield fileOf('file_double_trailing_newline', 5, { rows: withEnd(last, '\r\n\r\n') });
  yield fileOf('file_no_header', 470, { rows: written.slice(1), parameters: { names: [], headerLines: 0 } });
  for (const n of [2, 3])
    yield fileOf(`file_header_multirow_${n}`, 47, {
      rows: [...Array.from({ length: n - 1 }).flatMap(() => written.slice(0, 1)), ...written],
      clean: headers(n),
      parameters: { headerLines: n },
    });
  yield fileOf('file_preamble', 282, {
    rows: [rowOf(['PREAMBLE', ...Array<string>(8).fill('')]), rowOf(Array<string>(9).fill('')), ...written],
    clean,
    parameters: { preambleLines: 2 },
  });
  for (const [kind, width] of [
    ['less', 8],
    ['same', 9],
    ['more', 10],
  ] as const)
    yield fileOf(`file_multitable_${kind}`, 188 / 3, { rows: [...written, ...below(width)], clean });
  yield fileOf('file_header_only', 3, { rows: written.slice(0, 1) });
  yield fileOf('file_one_data_row', 4, { rows: written.slice(0, 2) });
  const ends: [string, string, number][] = [
    ['0xA', '\n', 1691],
    ['0xD', '\r', 7],
  ];
  for (const [code, end, weight] of ends)
    yield fileOf(`file_record_delimiter_${code}`, weight, { rows: mapped((row) => ({ ...row, end })) });
  const delimiters: [string, string, number][] = [
    ['0x3B', ';', 834],
    ['0x9', '\t', 4],
    ['0x2C_0x20', ', ', 101],
    ['0x20', ' ', 4],
  ];
  for (const [code, delimiter, weight] of delimiters)
    yield fileOf(`file_field_delimiter_${code}`, weight, {
      rows: split(delimiter),
      parameters: { delimiter },
    });
  yield fileOf('file_quotation_char_0x27', 11, { clean, parameters: { quote: "'" } });
  yield fileOf('file_escape_char_0x5C', 1, { parameters: { escapeBy: '\\' } });
  yield fileOf('file_escape_char_0x00', 7, { parameters: { escapeBy: '' } });
  for (let r = 0; r < written.length; r++) {
    const changed = (change: (row: Row) => Row) => mapped((row, i) => (i === r ? change(row) : row));
    for (let c = 0; c < names.length; c++) {
      const withMark = (mark: string) => changed((row) => ({ ...row, marks: put(row.marks, c - 1, mark) }));
      const empty = { value: '', isQuoted: false };
      const shifted = (row: Row) => ({ ...row, cells: [empty, ...row.cells], marks: [',', ...row.marks] });
      const more = c === 0 ? changed(shifted) : withMark(',,');
      yield fileOf(`row_more_sep_row${r}_col${c}`, 0.3678, { rows: more, clean });
      if (c > 0) yield fileOf(`row_less_sep_row${r}_col${c}`, 0.3678, { rows: withMark(''), clean });
      yield fileOf(`row_extra_quote${r}_col${c}`, 0.0093, {
        rows: changed((row) => ({
          ...row,
          cells: row.cells.map((cell, i) => (i === c ? { ...cell, stray: true } : cell)),
        })),
      });
    }
    yield fileOf(`row_field_delimiter_${r}_0x20`, 0.1, {
      rows: changed((row) => ({ ...row, marks: row.marks.map(() => ' ') })),
      clean,
    });
  }
}

/** All 2,290 files of the benchmark. */
export const pollutedFiles = (): PollutedFile[] => [...files()];
