/** The only way to a person's terminal. Hidden characters are made visible here; only the colours of `styled` are sent. */
import { styleText } from 'node:util';
import { oneLine, visible, visibleLine } from '../lib/visible.ts';

export interface Styled {
  readonly style: 'bold' | 'dim' | 'green' | 'red';
  readonly text: string;
}

/** Text, in a style or plain. */
export type Part = string | Styled;

/** Standard output or error, or a replacement. */
type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export type Print = (...parts: Part[]) => void;

export const styled = (style: Styled['style'], text: string): Styled => ({ style, text });

/** Parts in a row, as the stream can show them: without colours where it is not a terminal, or under NO_COLOR. */
const shown = (stream: Output, parts: readonly Part[], show: (text: string) => string = visible): string =>
  parts
    .map((part) =>
      typeof part === 'string' ? show(part) : styleText(part.style, show(part.text), { stream }),
    )
    .join('');

/** Lines to a stream of one's own. */
export const printTo =
  (stream: Output): Print =>
  (...parts) => {
    stream.write(`${shown(stream, parts)}\n`);
  };

/** Prints the answer of a command. */
export const print: Print = printTo(process.stdout);

/** Prints errors and progress. */
export const complain: Print = printTo(process.stderr);

/** For scripts: JSON of the same value, in ASCII where it would be hidden. */
export const printJson = (value: unknown, indent?: number): void =>
  print(JSON.stringify(value, null, indent));

/** A question, after which the answer is typed. */
export const prompt = (text: string): void => {
  process.stdout.write(visible(text));
};

/** Progress: finished lines, and the present one. */
export interface Progress {
  readonly line: Print;
  now(text: string): void;
}

/** On a terminal the last line is rewritten; elsewhere the progress is printed every ten seconds. */
export function progressOn(stream: Output): Progress {
  const { isTTY = false, columns = 80 } = stream;
  const rewrite = isTTY ? '\r\u001b[2K' : '';
  let told = Date.now();
  return {
    line: (...parts) => {
      told = Date.now();
      stream.write(`${rewrite}${shown(stream, parts, visibleLine)}\n`);
    },
    now: (text) => {
      if (isTTY) stream.write(`${rewrite}${shown(stream, [styled('dim', oneLine(text, columns - 1))])}`);
      else if (text !== '' && Date.now() - told > 10_000) {
        told = Date.now();
        stream.write(`  … ${visibleLine(text)}\n`);
      }
    },
  };
}
