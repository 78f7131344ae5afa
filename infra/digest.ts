/** Files from package registries are used only if their digest is the reviewed one. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { SetupError } from '../src/lib/errors.ts';

/** SHA-256 of a file, in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Throws SetupError for a file with another digest, and removes it, so that the next run fetches it anew. */
export async function requireDigest(path: string, sha256: string, name: string): Promise<void> {
  const found = await sha256Of(path);
  if (found === sha256) return;
  await rm(path, { force: true });
  throw new SetupError(
    `${name} is not the file that is expected: its SHA-256 is ${found}, and should be ${sha256}. It was removed. Run this again; if the digest stays, do not use the file: the registry has another one than the one that was reviewed.`,
  );
}
