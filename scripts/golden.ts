/** `npm run golden`: writes the compiled plans that the tests compare with. */
import { writeFileSync } from 'node:fs';
import { compileGolden } from '../test/support/golden.ts';
import { runPlain } from './plain.ts';

await runPlain(
  `Usage: npm run golden

Writes the compiled plans that the tests compare with (test/golden). Review them as a diff.`,
  async () => {
    for (const { file, text } of await compileGolden()) writeFileSync(file, text);
  },
);
