import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { failureOf } from '../../src/cli/program.ts';
import { printAnswer, printTable } from '../../src/cli/table.ts';
import { SetupError } from '../../src/lib/errors.ts';
import { oneLine, visible, visibleLine } from '../../src/lib/visible.ts';
import { printTo, progressOn, styled } from '../../src/stage/terminal.ts';

const root = resolve(import.meta.dirname, '../..');

test.each([
  ['\u001b[2J\u001b]0;owned\u0007', String.raw`\u001b[2J\u001b]0;owned\u0007`],
  ['\u009b31m', String.raw`\u009b31m`],
  ['a\r\nb\tc\u007f\u0000', `a\\r\nb\\tc\\u007f\\u0000`],
  ['report\u202efdp.exe', String.raw`report\u202efdp.exe`],
  ['a\u200bb\u00ad\ufeff\u2028\u3164', String.raw`a\u200bb\u00ad\ufeff\u2028\u3164`],
  ['tag\u{e0041}', String.raw`tag\udb40\udc41`],
  ['half \ud83d', String.raw`half \ud83d`],
  ['plain\ufe0f, ❤️', 'plain\\ufe0f, ❤️'],
  ['Zürich 東京 😀 café', 'Zürich 東京 😀 café'],
])('%j is shown as %j', (text, shown) => {
  expect(visible(text)).toBe(shown);
});

/** Mostly characters that control a terminal or are invisible in a text. */
const hostile = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '\u001b',
      '[2J',
      '\u009b',
      '\u202e',
      '\u2066',
      '\u200b',
      '\u200d',
      '\ufeff',
      '\r',
      '\n',
      '\t',
    ),
    fc.constantFrom('\ufe0f', '😀', '❤', '\u{e0001}', '\ud800', '\udc00', '"', '\\', "'", '\u2028', '\u0085'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

test('no control or format character survives but the line break, and what is visible stays as it is', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(visible(text).replaceAll('\n', '')).not.toMatch(unsafe);
      expect(visibleLine(text)).not.toMatch(unsafe);
      expect(oneLine(text, 40)).not.toMatch(unsafe);
      expect([...oneLine(text, 40)].length).toBeLessThanOrEqual(40);
      expect(visible(visible(text))).toBe(visible(text));
    }),
    { numRuns: 2000 },
  );
});

test('visible JSON is JSON of the same value', () => {
  // Not in field names: V8 13.6 reads the name \u0000 as \ if an object of the same shape had the name \ before.
  fc.assert(
    fc.property(fc.array(fc.array(hostile)), (value) => {
      expect(JSON.parse(visible(JSON.stringify(value, null, 2)))).toEqual(value);
    }),
  );
});

/** The output on a terminal with colours. */
function terminal() {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 60, hasColors: () => true });
  const text = () => stripVTControlCharacters(String(stream.read() ?? '').replaceAll('\r', ''));
  return { stream, text };
}

test('tables, progress and messages show hostile text on the lines that are theirs, without what steers a terminal', () => {
  fc.assert(
    fc.property(hostile, hostile, (one, other) => {
      const { stream, text } = terminal();
      const print = printTo(stream);
      printTable(
        print,
        ['object', 'n', 'reason'],
        [
          [one, 1, other],
          [other, 22, one],
        ],
      );
      expect(lines(text())).toHaveLength(3);
      printAnswer(print, [one], [[other], [null]]);
      expect(lines(text())).toHaveLength(3);
      const progress = progressOn(stream);
      progress.line(styled('green', one), other);
      expect(lines(text())).toHaveLength(1);
      progress.now(`${one}${other}`.repeat(3));
      expect([...text()].length).toBeLessThan(60);
      print(failureOf(new SetupError(one)).message, styled('red', other));
      lines(text());
    }),
  );
});

/** Lines of an output; none of them may contain a hidden character. */
function lines(text: string): string[] {
  const found = text.replace(/\n$/, '').split('\n');
  for (const line of found) expect(line).not.toMatch(unsafe);
  return found;
}

test('everything that is printed goes through src/stage/terminal.ts', () => {
  const files = (folder: string): string[] =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => `${folder}/${name}`);
  const printing = [...files('src'), ...files('offline'), 'scripts/start.ts', 'scripts/report.ts']
    // The second one is a function's thread, whose output passes through it.
    .filter((file) => !['src/stage/terminal.ts', 'offline/functionOutput.ts'].includes(file))
    .filter((file) =>
      /console\.\w+[(,]|(stdout|stderr)\.write|styleText/.test(readFileSync(join(root, file), 'utf8')),
    );
  expect(printing).toEqual([]);
});
