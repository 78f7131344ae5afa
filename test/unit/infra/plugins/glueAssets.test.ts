import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { strFromU8, unzipSync } from 'fflate';
import GlueAssets from '../../../../infra/plugins/glueAssets.ts';

const root = resolve(import.meta.dirname, '../../../..');
const serviceDir = mkdtempSync(join(tmpdir(), 'sluice-assets-'));
afterAll(() => rmSync(serviceDir, { recursive: true }));

/** The plugin, over an S3 that stores objects, and rejects a second put where requested. */
async function pluginOver(template: unknown) {
  const objects = new Map<string, Buffer>();
  const puts: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const key = (request.url ?? '').split('?')[0] ?? '';
      puts.push(key);
      if (objects.has(key) && request.headers['if-none-match'] === '*') {
        response.writeHead(412, { 'content-type': 'application/xml' });
        response.end('<Error><Code>PreconditionFailed</Code><Message>it is there</Message></Error>');
        return;
      }
      objects.set(key, Buffer.concat(chunks));
      response.end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const plugin = new GlueAssets(
    {
      serviceDir,
      service: { provider: { compiledCloudFormationTemplate: template } },
      classes: { Error },
      getProvider: () => ({
        getStage: () => 'local',
        getServerlessDeploymentBucketName: async () => 'deployments',
        getAwsSdkV3Config: async () => ({
          endpoint,
          region: 'us-east-1',
          credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
        }),
      }),
    },
    {},
    { log: { success: () => {} } },
  );
  return { hooks: plugin.hooks, objects, puts, close: () => server.close() };
}

test('the job’s files are packaged, and put once under keys of their digest, before the stack is updated', async () => {
  const { hooks, objects, puts, close } = await pluginOver({});
  try {
    await hooks['after:package:createDeploymentArtifacts']?.();
    const [digest = ''] = readdirSync(join(serviceDir, '.serverless/glue'));
    expect(digest).toMatch(/^[0-9a-f]{16}$/);
    const upload = hooks['before:aws:deploy:deploy:uploadArtifacts'];
    await upload?.();
    const key = `/deployments/glue/${digest}/job.py`;
    expect(objects.get(key)).toEqual(readFileSync(join(root, 'glue/job.py')));
    const modules = unzipSync(objects.get(`/deployments/glue/${digest}/modules.zip`) ?? Buffer.of());
    const imported = [...readFileSync(join(root, 'glue/job.py'), 'utf8').matchAll(/^from sluice\.(\w+)/gm)];
    expect(imported.length).toBeGreaterThan(3);
    for (const name of ['__init__', ...imported.map(([, name]) => name)])
      expect(strFromU8(modules[`sluice/${name}.py`] ?? Buffer.of())).toBe(
        readFileSync(join(root, `glue/sluice/${name}.py`), 'utf8'),
      );
    expect(Object.keys(modules)).not.toContain('job.py');
    // Existing files stay unchanged: a run that reads them now is not disturbed.
    objects.set(key, Buffer.from('as it was'));
    await upload?.();
    expect(puts.filter((k) => k === key)).toHaveLength(2);
    expect(objects.get(key)?.toString()).toBe('as it was');
  } finally {
    close();
  }
});

test('a template that names other files than those that are packaged is refused', async () => {
  const { hooks, close } = await pluginOver({ ScriptLocation: 's3://deployments/glue/0000/job.py' });
  close();
  await expect(hooks['after:aws:package:finalize:mergeCustomProviderResources']?.()).rejects.toThrow(
    'a file below glue/ was changed while it was packaged',
  );
});
