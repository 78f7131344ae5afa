/** Packages are compressed well. */
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { deflateRawSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { esbuildModule } from '../../../../infra/plugins/esbuildModule.ts';
import ZipLevel, { zipLevels } from '../../../../infra/plugins/zipLevel.ts';

interface Archive extends Readable {
  append(content: string, entry: { readonly name: string }): void;
  finalize(): Promise<void>;
}

test('archives that serverless-esbuild makes have the usual level on AWS, and are made fast on this machine', async () => {
  const archiver = esbuildModule<{ create(format: string): Archive }>('archiver');
  const text = Array.from({ length: 20_000 }, (_, i) => `${i * i}`).join();
  const size = async () => {
    const archive = archiver.create('zip');
    archive.append(text, { name: 'a' });
    await archive.finalize();
    return (await buffer(archive)).length;
  };
  const before = await size();
  const provider = { stage: 'local' };
  new ZipLevel({ service: { provider } });
  expect(await size()).toBe(before);
  provider.stage = 'prod';
  const after = await size();
  expect(after).toBeLessThan(0.95 * before);
  expect(after - deflateRawSync(text, { level: zipLevels.aws }).length).toBeLessThan(500);
});
