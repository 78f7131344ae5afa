/** Tables for people. */
import { fatesOf } from '../lib/model/fates.ts';
import type { Accounting } from '../lib/model/plan.ts';
import { oneLine, visibleLine } from '../lib/visible.ts';
import { type Print, styled } from '../stage/terminal.ts';

/**
 * Aligns columns. Columns of numbers are aligned to the right. On a terminal of fewer than `most` columns, each row is a block with a
 * line for each of its values.
 */
export function printTable(
  print: Print,
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  most: number = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): void {
  const cells = [header, ...rows].map((row) => row.map((cell) => visibleLine(String(cell))));
  const widths = header.map((_, i) => Math.max(...cells.map((row) => displayWidth(row[i] ?? ''))));
  const isNumber = header.map(
    (_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number' || row[i] === '-'),
  );
  if (rows.length > 0 && widths.reduce((sum, width) => sum + width + 2, 0) > most) {
    const longest = Math.max(...header.map((name) => displayWidth(name)));
    for (const [index, row] of cells.slice(1).entries()) {
      if (index > 0) print('');
      for (const [i, name] of header.entries())
        if (row[i] !== '') {
          const space = ' '.repeat(longest - displayWidth(name));
          print('  ', styled('dim', `${visibleLine(name)}${space}`), `  ${row[i]}`);
        }
    }
    return;
  }
  for (const [index, row] of cells.entries()) {
    const line = row
      .map((cell, i) => {
        const space = ' '.repeat((widths[i] ?? 0) - displayWidth(cell));
        return isNumber[i] ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
    print('  ', index === 0 ? styled('dim', line) : line);
  }
}

/**
 * Columns with the counts of rows; dashes until they are counted. `signs`: written as a sum.
 */
export function accountingColumns(
  all: readonly (Accounting | undefined)[],
  signs = false,
): { heads: string[]; cells: (counts: Accounting | undefined) => (string | number)[] } {
  const shown = fatesOf(all);
  return {
    heads: ['rows read', ...shown.map((fate, i) => (signs ? `${i === 0 ? '=' : '+'} ${fate}` : fate))],
    cells: (counts) => [counts?.rowsRead ?? '-', ...shown.map((fate) => counts?.[fate] ?? '-')],
  };
}

/** The most characters of a reason in a table. */
const reasonWidth = 100;

/** A reason in a table. `printReasons` prints what it leaves out. */
export const reasonCell = (reason: string | undefined): string => oneLine(reason ?? '', reasonWidth);

/** Prints the reasons whole that a table cuts, each once. */
export function printReasons(
  print: Print,
  all: readonly { name: string; reason: string | undefined }[],
): void {
  const cut = all.flatMap(({ name, reason }) =>
    reason !== undefined && reasonCell(reason).endsWith('…') ? [{ name, reason }] : [],
  );
  for (const [reason, of] of Map.groupBy(cut, (each) => each.reason)) {
    const [first] = of;
    const others = of.length > 1 ? ` and ${of.length - 1} more` : '';
    print(`\n  ${oneLine(first?.name ?? '', 200)}${others}: ${visibleLine(reason)}`);
  }
}

/** Rows of a query, each value on one line. */
export const printAnswer = (
  print: Print,
  columns: readonly string[],
  rows: readonly (readonly (string | null)[])[],
): void =>
  printTable(
    print,
    columns,
    rows.map((row) => row.map((value) => oneLine(value ?? 'NULL', 60))),
  );

/** The width of a text in terminal columns: two for East Asian wide characters and emoji. */
function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text))
    width +=
      /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60\uffe0-\uffe6]|\ufe0f/u.test(
        segment,
      )
        ? 2
        : 1;
  return width;
}
