/** `sluice validate` rejects what the build rejects. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, expect, jest, test } from '@jest/globals';
import { run } from '../../../src/cli/validate.ts';
import { datasetsFolder } from '../../support/embedded.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-validate-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The exit status, and the text on both outputs. */
async function validate(...files: string[]): Promise<{ status: number; said: string }> {
  let said = '';
  const hear = (text: unknown) => {
    said += String(text);
    return true;
  };
  const spies = [
    jest.spyOn(process.stdout, 'write').mockImplementation(hear),
    jest.spyOn(process.stderr, 'write').mockImplementation(hear),
  ];
  try {
    return { status: await run(files), said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

test('two contracts with one prefix are refused together, unless each says which records are its own', async () => {
  const [created = '', refunded = ''] = ['created', 'refunded'].map((name) =>
    resolve(import.meta.dirname, `../../fixtures/cases/i05-same-prefix/${name}.yml`),
  );
  expect((await validate(created)).status).toBe(0);
  expect(await validate(created, refunded)).toMatchObject({
    status: 1,
    said: expect.stringContaining(
      `${refunded}:1:1 the prefix events/ belongs to the dataset "created" already; two share one if both have "when", which says whose a record is (${created})`,
    ),
  });
  const split = [created, refunded].map((path) => {
    const copied = join(folder, basename(path));
    writeFileSync(copied, readFileSync(path, 'utf8').replace('filter:', 'when:'));
    return copied;
  });
  expect((await validate(...split)).status).toBe(0);
});

test('an order without a scope is said to have another meaning than before', async () => {
  const write = (scope: string) => {
    const path = join(folder, 'orders.yml');
    writeFileSync(
      path,
      `dataset: orders
source: { prefix: orders/, formats: [ndjson] }
columns: [{ name: id, path: id, type: bigint, required: true }]
dedupe: { key: [id], ${scope}order: [{ column: id, direction: asc }] }
partitionBy: [{ name: source, constant: x }]`,
    );
    return path;
  };
  expect((await validate(write(''))).said).toContain('write scope: batch');
  expect((await validate(write('scope: batch, '))).said).toMatch(/: valid\n$/);
});

test('a contract is held against a copy of another under a new name', async () => {
  const copy = join(folder, 'copy.yml');
  copyFileSync(join(datasetsFolder, 'tweets.yml'), copy);
  const original = join(datasetsFolder, 'tweets.yml');
  expect(await validate(original, copy)).toMatchObject({
    status: 1,
    said: expect.stringContaining('the dataset "tweets" has a contract already'),
  });
});
