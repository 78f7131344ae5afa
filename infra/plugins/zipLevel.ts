/**
 * Serverless plugin: compresses packages as gzip does by default. serverless-esbuild leaves the level to archiver, whose default is the fastest
 * one; the engine's package is a tenth larger with it, and each cold start fetches it.
 */
import { createRequire } from 'node:module';

type Archive = (format: string, options?: object) => object;

export const zipLevel = 6;

export default class ZipLevel {
  readonly hooks = {};

  constructor() {
    const require = createRequire(import.meta.url);
    // The one that serverless-esbuild uses.
    const archiver: { create: Archive } = createRequire(require.resolve('serverless-esbuild'))('archiver');
    const create = archiver.create.bind(archiver);
    archiver.create = (format, options = {}) => create(format, { zlib: { level: zipLevel }, ...options });
  }
}
