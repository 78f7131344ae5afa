/** Makes a folder of the cache once, even if several processes ask for it at the same time. */
import { existsSync } from 'node:fs';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds between two looks at a folder that another process makes. */
const between = 500;

/**
 * Gives the folder after `make` has filled it; `make` is called with an empty folder. A folder that an interrupted process left
 * is made anew. Throws what `make` throws.
 */
export async function once(
  folder: string,
  report: (message: string) => void,
  make: () => Promise<void>,
): Promise<string> {
  const complete = join(folder, '.complete');
  const lock = `${folder}.lock`;
  let waits = false;
  while (!existsSync(complete)) {
    const holder = await take(lock);
    if (holder !== null) {
      if (!waits && holder > 0) report(`process ${holder} makes ${folder}; if it does not, remove ${lock}`);
      waits ||= holder > 0;
      await pause(between);
      continue;
    }
    try {
      // The other process may have been done in the meantime.
      if (existsSync(complete)) break;
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
      await make();
      await writeFile(complete, '');
    } finally {
      await rm(lock, { force: true });
    }
  }
  return folder;
}

/** Null if this process has the lock now; otherwise the process that has it, or 0 if it is free again. A lock whose process has ended is removed. */
async function take(lock: string): Promise<number | null> {
  await mkdir(dirname(lock), { recursive: true });
  const own = `${lock}.${process.pid}.${Math.random()}`;
  await writeFile(own, String(process.pid));
  try {
    // Unlike an exclusive write, a link never shows a lock that names nobody yet.
    await link(own, lock);
    return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(own);
  }
  const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
  if (holder === 0 || isAlive(holder)) return holder;
  await rm(lock, { force: true });
  return 0;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
