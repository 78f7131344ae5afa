/** Feeds of any size with their expected counts. Each is generated once and cached. */
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../offline/setup/environments.ts';
import { type FeedCounts, generateFeed } from '../scripts/generate-feed.ts';

export interface Feed {
  readonly path: string;
  readonly counts: FeedCounts;
}

export async function feedOf(rows: number, report: (message: string) => void): Promise<Feed> {
  const folder = join(cacheFolder(), 'bench');
  const path = join(folder, `feed-${rows}.json`);
  const counts = `${path}.counts`;
  if (!existsSync(counts)) {
    report(`making a feed of ${rows} rows (once)`);
    await mkdir(folder, { recursive: true });
    const file = createWriteStream(`${path}.part`);
    const generator = generateFeed({ rows, seed: 42 });
    let next = generator.next();
    let lines: string[] = [];
    for (; !next.done; next = generator.next()) {
      lines.push(next.value);
      if (lines.length < 5000) continue;
      if (!file.write(`${lines.join('\n')}\n`)) await once(file, 'drain');
      lines = [];
    }
    file.end(lines.map((line) => `${line}\n`).join(''));
    await once(file, 'close');
    await rename(`${path}.part`, path);
    await writeFile(counts, JSON.stringify(next.value));
  }
  return { path, counts: JSON.parse(await readFile(counts, 'utf8')) as FeedCounts };
}
