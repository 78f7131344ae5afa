import { createRequire } from 'node:module';

/** A module as serverless-esbuild loads it, so that a plugin can change what packaging calls. */
export const esbuildModule = <T>(name: string): T =>
  createRequire(createRequire(import.meta.url).resolve('serverless-esbuild'))(name) as T;
