/**
 * Serverless plugin: serverless-esbuild parses each bundle to learn which external packages it imports. Most bundles name none, and parsing
 * them takes more than half of the time of packaging.
 */
import { readFileSync } from 'node:fs';
import { esbuildModule } from './esbuildModule.ts';

type DepsOf = (path: string, isEsm: boolean) => string[];

interface Serverless {
  readonly service: { readonly custom: { readonly esbuild: { readonly external: readonly string[] } } };
}

export default class Externals {
  readonly hooks = {};

  constructor(serverless: Serverless) {
    const helper = esbuildModule<{ getDepsFromBundle: DepsOf }>('./helper.js');
    const depsOf = helper.getDepsFromBundle;
    helper.getDepsFromBundle = (path, isEsm) => {
      const text = readFileSync(path, 'utf8');
      const { external } = serverless.service.custom.esbuild;
      return external.some((name) => text.includes(name)) ? depsOf(path, isEsm) : [];
    };
  }
}
