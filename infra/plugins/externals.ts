/**
 * Serverless plugin: serverless-esbuild parses each bundle to learn which external packages it imports. Most bundles name none, and parsing
 * them takes more than half of the time of packaging.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

type DepsOf = (path: string, isEsm: boolean) => string[];

interface Serverless {
  readonly service: { readonly custom: { readonly esbuild: { readonly external: readonly string[] } } };
}

export default class Externals {
  readonly hooks = {};

  constructor(serverless: Serverless) {
    const require = createRequire(import.meta.url);
    const helper: { getDepsFromBundle: DepsOf } = createRequire(require.resolve('serverless-esbuild'))(
      './helper.js',
    );
    const depsOf = helper.getDepsFromBundle;
    helper.getDepsFromBundle = (path, isEsm) => {
      const text = readFileSync(path, 'utf8');
      const { external } = serverless.service.custom.esbuild;
      return external.some((name) => text.includes(name)) ? depsOf(path, isEsm) : [];
    };
  }
}
