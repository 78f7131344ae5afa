/** `npm run golden`: writes the compiled plans that the tests compare with. Review them as a diff. */
import { writeFileSync } from 'node:fs';
import { compileGolden } from '../test/support/golden.ts';

for (const { file, text } of await compileGolden()) writeFileSync(file, text);
