/** A Trino server on this machine. Its catalogs are the Hive and the Iceberg tables of the local Data Catalog. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SetupError } from '../../src/lib/errors.ts';
import { localEnvironment } from '../../src/stage/localEndpoint.ts';
import { freePort } from '../ports.ts';
import type { TrinoHome } from '../setup/environments.ts';
import { catalogName, icebergCatalog } from './catalogs.ts';
import { createTrinoClient, type TrinoClient } from './trinoClient.ts';

export interface TrinoServer {
  readonly client: TrinoClient;
  close(): Promise<void>;
}

/**
 * Starts the server and waits until it answers. `endpoint` is the address of Glue and S3; data and log go to `folder`. Throws
 * SetupError with the last lines of the log.
 */
export async function startTrino(home: TrinoHome, endpoint: string, folder: string): Promise<TrinoServer> {
  const port = await freePort();
  // Any web page can send statements to a port, but cannot guess this user name.
  const user = `athena-${randomBytes(32).toString('hex')}`;
  await configure(folder, port, endpoint);
  await admitOnly(user, folder);
  const server = spawn(
    join(home.javaHome, 'bin', 'java'),
    [
      // A validation query groups the keys of a batch: 700 bytes for each row.
      '-Xmx2G',
      // It lives for minutes only: fast compilation matters more than fast code.
      '-XX:TieredStopAtLevel=1',
      '-Djdk.attach.allowAttachSelf=true',
      '--enable-native-access=ALL-UNNAMED',
      '--sun-misc-unsafe-memory-access=allow',
      '-Dnode.environment=local',
      '-Dnode.id=local',
      `-Dnode.data-dir=${join(folder, 'data')}`,
      '-Dnode.internal-address=127.0.0.1',
      '-Dnode.bind-ip=127.0.0.1',
      `-Dplugin.dir=${join(home.folder, 'plugin')}`,
      `-Dconfig=${join(folder, 'config.properties')}`,
      '-cp',
      join(home.folder, 'lib', '*'),
      'io.trino.server.TrinoServer',
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...localEnvironment } },
  );
  const kill = () => server.kill('SIGKILL');
  process.once('exit', kill);
  const path = join(folder, 'trino.log');
  const log = createWriteStream(path);
  server.stdout.pipe(log, { end: false });
  server.stderr.pipe(log, { end: false });
  const close = async () => {
    process.off('exit', kill);
    await endServer(server);
    log.end();
  };
  const client = createTrinoClient(`http://127.0.0.1:${port}`, user);
  try {
    await waitUntilReady(client, server);
  } catch (error) {
    await close();
    const lines = (await readFile(path, 'utf8')).trim().split('\n').slice(-20).join('\n');
    throw new SetupError(`Trino did not start: ${error instanceof Error ? error.message : error}\n${lines}`);
  }
  return { client, close };
}

async function configure(folder: string, port: number, endpoint: string): Promise<void> {
  await mkdir(join(folder, 'catalog'), { recursive: true });
  const { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret, AWS_REGION: region } = localEnvironment;
  await writeFile(
    join(folder, 'config.properties'),
    properties({
      coordinator: 'true',
      'node-scheduler.include-coordinator': 'true',
      'http-server.http.port': String(port),
      'discovery.uri': `http://127.0.0.1:${port}`,
      'catalog.config-dir': join(folder, 'catalog'),
      'query.max-memory': '1280MB',
      'query.max-memory-per-node': '1280MB',
      'memory.heap-headroom-per-node': '256MB',
      'web-ui.enabled': 'false',
      // Each writer may open 100 partitions. Athena allows 100 for a statement.
      'task.min-writer-count': '1',
      'task.max-writer-count': '1',
      'access-control.config-files': join(folder, 'access-control.properties'),
    }),
  );
  const glueAndS3 = {
    'hive.metastore.glue.region': region,
    'hive.metastore.glue.endpoint-url': endpoint,
    'hive.metastore.glue.aws-access-key': key,
    'hive.metastore.glue.aws-secret-key': secret,
    'hive.metastore.glue.catalogid': '000000000000',
    'fs.native-s3.enabled': 'true',
    's3.endpoint': endpoint,
    's3.region': region,
    's3.path-style-access': 'true',
    's3.aws-access-key': key,
    's3.aws-secret-key': secret,
  };
  await writeFile(
    join(folder, 'catalog', `${catalogName}.properties`),
    properties({
      'connector.name': 'hive',
      'hive.metastore': 'glue',
      ...glueAndS3,
      'hive.non-managed-table-writes-enabled': 'true',
      'hive.recursive-directories': 'true',
      'hive.partition-projection-enabled': 'true',
      // Athena keeps none. Those of an empty table do not fit Glue's model.
      'hive.collect-column-statistics-on-write': 'false',
      // Athena reads Parquet's columns by name.
      'hive.parquet.use-column-names': 'true',
      // Athena has one catalog for both kinds of tables.
      'hive.iceberg-catalog-name': icebergCatalog,
    }),
  );
  await writeFile(
    join(folder, 'catalog', `${icebergCatalog}.properties`),
    properties({
      'connector.name': 'iceberg',
      'iceberg.catalog.type': 'glue',
      ...glueAndS3,
      // The table's own properties say what VACUUM may remove.
      'iceberg.expire-snapshots.min-retention': '0s',
      'iceberg.remove-orphan-files.min-retention': '0s',
      'iceberg.allowed-extra-properties': '*',
    }),
  );
}

/** https://trino.io/docs/476/security/file-system-access-control.html: what no rule allows is forbidden. */
async function admitOnly(user: string, folder: string): Promise<void> {
  const rules = join(folder, 'rules.json');
  await writeFile(
    rules,
    JSON.stringify({
      catalogs: [{ user, allow: 'all' }],
      queries: [{ user, allow: ['execute', 'kill', 'view'] }],
      schemas: [{ user, owner: true }],
      tables: [{ user, privileges: ['SELECT', 'INSERT', 'DELETE', 'UPDATE', 'OWNERSHIP', 'GRANT_SELECT'] }],
    }),
  );
  await writeFile(
    join(folder, 'access-control.properties'),
    properties({ 'access-control.name': 'file', 'security.config-file': rules }),
  );
}

const properties = (all: Readonly<Record<string, string>>): string =>
  Object.entries(all)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');

/** The server answers before it can run queries: it first has to register itself as a worker. */
async function waitUntilReady(client: TrinoClient, server: ChildProcess): Promise<void> {
  let last: unknown;
  for (const deadline = Date.now() + 300_000; Date.now() < deadline; await pause(100)) {
    if (server.exitCode !== null || server.signalCode !== null)
      throw new Error(`it ended with ${server.signalCode ?? server.exitCode}`);
    try {
      await client.run('SELECT count(*) FROM (VALUES 1) AS t(x)', 'default');
      return;
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

async function endServer(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((done) => server.once('exit', done));
  // It has no state that an orderly end would save.
  server.kill('SIGKILL');
  await gone;
}
