/** What goes on, told on a stream while a person waits. */
import { styleText } from 'node:util';
import type { Progress } from '../stage/follow.ts';

/** On a terminal the last line is rewritten; elsewhere what goes on is told every ten seconds. */
export function progressOn(stream: NodeJS.WriteStream): Progress {
  const { isTTY, columns } = stream;
  let told = Date.now();
  return {
    line: (text) => {
      told = Date.now();
      stream.write(`${isTTY ? '\r\u001b[2K' : ''}${text}\n`);
    },
    now: (text) => {
      if (isTTY) stream.write(`\r\u001b[2K${styleText('dim', text.slice(0, columns - 1))}`);
      else if (text !== '' && Date.now() - told > 10_000) {
        told = Date.now();
        stream.write(`  … ${text}\n`);
      }
    },
  };
}
