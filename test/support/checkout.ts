/** A separate checkout, for tests that edit sources or contracts. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

/** Copies the files of this checkout to a new folder, which the caller removes. */
export function copyCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-checkout-'));
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  for (const file of files
    .toString()
    .split('\0')
    .filter((f) => f !== '' && existsSync(join(root, f))))
    cpSync(join(root, file), join(folder, file));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
