/** The contracts of docs/feeds.md with their samples: a block of YAML, and below it a link to a sample. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { root } from './docs.ts';

export interface UsualFeed {
  /** Of the sample. */
  readonly file: string;
  readonly contract: Contract;
  readonly sample: Buffer;
}

export const samplesFolder = join(root, 'test/fixtures/feeds/usual');

export const usualFeeds: readonly UsualFeed[] = readFileSync(join(root, 'docs/feeds.md'), 'utf8')
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const [, yaml = ''] = /```yaml\n(.*?)```/s.exec(section) ?? [];
    const [, file = ''] =
      /^Sample: \[`([^`]+)`\]\(\.\.\/test\/fixtures\/feeds\/usual\/\1\)$/m.exec(section) ?? [];
    const [, dataset] = /^dataset: (.*)$/m.exec(yaml) ?? [];
    return {
      file,
      contract: parseContract(`${dataset}.yml`, yaml),
      sample: readFileSync(join(samplesFolder, file)),
    };
  });
