/**
 * Serverless plugin: `sls offline --stage local` starts the local AWS, deploys to it, and runs its Lambda functions in
 * serverless-offline, which loads a handler again after an edit.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { showHiddenOutput } from './functionOutput.ts';
import { functionNamed } from './namedErrors.ts';
import type { Reload } from './reload.ts';

interface FunctionDefinition {
  handler: string;
  name: string;
  environment?: Record<string, string>;
  events?: readonly unknown[];
}

interface Serverless {
  readonly serviceDir: string;
  readonly service: {
    readonly provider: { environment?: unknown };
    readonly functions: Record<string, FunctionDefinition>;
    readonly custom: {
      readonly localAws: { readonly port: number | string };
      readonly 'serverless-offline'?: { readonly lambdaPort?: number };
    };
  };
  readonly classes: { readonly Error: new (message: string) => Error };
  getProvider(name: 'aws'): { getStage(): string };
  readonly pluginManager: { readonly plugins: readonly object[]; spawn(command: string): Promise<void> };
  readonly processedInput: {
    readonly options: { readonly lambdaPort?: string; readonly param?: string | readonly string[] };
  };
}

interface Tools {
  readonly log: { notice(message: string): void };
}

export default class LocalAwsPlugin {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(serverless: Serverless, _options: unknown, { log }: Tools) {
    const start = async () => {
      if (serverless.getProvider('aws').getStage() !== 'local')
        throw new serverless.classes.Error('sls offline is for the stage local: sls offline --stage local');
      // Other commands of the framework do not need these modules.
      const { visible } = await import('../src/lib/visible.ts');
      const { withoutStack } = await import('../infra/plugins/withoutStack.ts');
      await withoutStack(serverless.classes.Error, () =>
        startOffline(serverless, Number(serverless.service.custom.localAws.port), (message) =>
          log.notice(`  ${visible(message)}`),
        ),
      );
    };
    this.hooks = {
      'before:offline:start': start,
      'before:offline:start:init': start,
      // Files of an sls offline that was killed would be packaged with every function.
      'before:package:createDeploymentArtifacts': async () => removeBuilt(serverless.serviceDir),
    };
  }
}

async function startOffline(
  serverless: Serverless,
  port: number,
  report: (message: string) => void,
): Promise<void> {
  const [
    { exportLine, localEnvironment },
    { deploy },
    { startLocalAws },
    { requireFree },
    { guardServers },
    { functionEnvironments },
    { connectStage },
    { startWatchServer },
    { Reload },
  ] = await Promise.all([
    import('../src/stage/localEndpoint.ts'),
    import('./deploy.ts'),
    import('./localAws.ts'),
    import('./ports.ts'),
    import('./guardServers.ts'),
    import('./functions.ts'),
    import('../src/stage/connect.ts'),
    import('../src/watch/server.ts'),
    import('./reload.ts'),
  ]);
  const { service, processedInput } = serverless;
  const lambdaPort = Number(
    processedInput.options.lambdaPort ?? service.custom['serverless-offline']?.lambdaPort ?? 3002,
  );
  const reload = new Reload(report);
  const isReady = Promise.withResolvers<void>();
  // Steps have no events, because the state machine calls them and waits for their answers.
  const forEvents = Object.values(service.functions).filter(({ events = [] }) => events.length > 0);
  guardServers(reload, (path) => forEvents.some(({ name }) => path.includes(`/${name}/`)), isReady.resolve);
  await requireFree(lambdaPort, 'choose another one for the functions with --lambdaPort');
  const at = (name: string) => `http://127.0.0.1:${lambdaPort}/2015-03-31/functions/${name}/invocations`;
  const names = Object.values(service.functions).map((f) => f.name);
  const aws = await startLocalAws({
    port,
    portHint: 'choose another one with --param localPort=N; 0 takes a free one',
    athena: 'duckdb',
    report,
    functions: Object.fromEntries(names.map((name) => [name, at(name)])),
  });
  process.once('exit', () => {
    aws.abandon();
    removeBuilt(serverless.serviceDir);
  });
  await deploy({ endpoint: aws.endpoint, params: stageParameters(processedInput.options.param), report });
  // serverless-offline passes AWS_* on to the functions.
  Object.assign(process.env, localEnvironment, { AWS_ENDPOINT_URL: aws.endpoint });
  const environments = await functionEnvironments(aws.endpoint, names);
  service.provider.environment = {};
  for (const definition of Object.values(service.functions)) {
    definition.environment = {
      ...environments.get(definition.name),
      LAMBDA_TASK_ROOT: serverless.serviceDir,
    };
    definition.handler = wrapped(serverless.serviceDir, definition.handler);
  }
  takeUpEdits(serverless, reload, async () => {
    report('the code runs again; the sweep continues the work that had stopped');
    await fetch(at(service.functions.sweep?.name ?? ''), { method: 'POST', body: '{}' });
  });
  const watch = await startWatchServer(await connectStage(aws.endpoint), 0);
  // serverless-offline lists its functions first.
  void isReady.promise.then(() =>
    setImmediate(() => {
      report(`ready; watch it at ${watch.address}`);
      report(`local AWS at ${aws.endpoint}; in another terminal:`);
      report(`  ${exportLine(aws.endpoint)}`);
    }),
  );
}

/** An edit is built between invocations, and the old workers end before the next one. */
function takeUpEdits({ pluginManager }: Serverless, reload: Reload, onMended: () => Promise<void>): void {
  const builder = pluginManager.plugins.find((plugin): plugin is Builder => 'bundle' in plugin);
  if (!builder) throw new Error('serverless-esbuild is not among the plugins of serverless.yml');
  const bundle = builder.bundle;
  builder.bundle = async () => {
    const isMended = await reload.edit(async () => {
      await bundle();
      await pluginManager.spawn('offline:functionsUpdated');
    });
    if (isMended) void onMended();
  };
  builder.notifyServerlessOffline = () => undefined;
}

/** The parts of serverless-esbuild that its watcher calls, one after the other. */
interface Builder {
  bundle(): Promise<void>;
  notifyServerlessOffline(): void;
}

const wrappers = '.sluice-offline';

function removeBuilt(root: string): void {
  for (const folder of [wrappers, '.esbuild/.build'])
    rmSync(join(root, folder), { recursive: true, force: true });
}

/** Writes a module that keeps the names of the handler's errors and makes its output visible. Gives the new handler. */
function wrapped(root: string, handler: string): string {
  const dot = handler.lastIndexOf('.');
  const [path, name] = [handler.slice(0, dot), handler.slice(dot + 1)];
  const folder = join(root, wrappers);
  const file = join(folder, `${path.split('/').at(-1)}.ts`);
  const specifier = (target: string) => relative(folder, resolve(root, target));
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    file,
    [
      `import { ${name} as inner } from '${specifier(`${path}.ts`)}';`,
      `import { ${functionNamed.name} } from '${specifier('offline/namedErrors.ts')}';`,
      `import { ${showHiddenOutput.name} } from '${specifier('offline/functionOutput.ts')}';`,
      `${showHiddenOutput.name}();`,
      `export const ${name} = ${functionNamed.name}(inner);`,
      '',
    ].join('\n'),
  );
  return `${relative(root, file).slice(0, -'.ts'.length)}.${name}`;
}

/** The command's parameters for the stage. The port is for the local AWS itself. */
function stageParameters(given: string | readonly string[] = []): Record<string, string> {
  const pairs = [given].flat().map((pair) => {
    const [name = '', ...value] = pair.split('=');
    return [name, value.join('=')];
  });
  return Object.fromEntries(pairs.filter(([name]) => name !== 'localPort'));
}
