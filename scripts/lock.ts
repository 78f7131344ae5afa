/** `npm run lock`: writes the lists of Python packages. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureUv } from '../offline/setup/environments.ts';
import { runPlain } from './plain.ts';

const help = `Usage: npm run lock

Writes the lists of Python packages (*.txt) from the requirements (*.in): every needed package with the hashes of all its files, for
Linux and macOS, x86-64 and arm64. It asks PyPI. Review the lists as a diff.`;

await runPlain(help, async () => {
  const root = resolve(import.meta.dirname, '..');
  const uv = await ensureUv((message) => console.log(`  ${message}`));
  for (const folder of ['offline/setup', 'bench'])
    for (const name of readdirSync(join(root, folder)).filter((file) => file.endsWith('.in'))) {
      const options = [
        '--universal',
        '--python-version=3.11',
        '--generate-hashes',
        '--no-annotate',
        '--no-header',
        // pip asks for a package's extras by name.
        '--no-strip-extras',
      ];
      const out = name.replace(/\.in$/, '.txt');
      execFileSync(uv, ['pip', 'compile', '--quiet', ...options, name, '--output-file', out], {
        cwd: join(root, folder),
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      console.log(`wrote ${folder}/${out}`);
    }
});
