/**
 * Serverless plugin: compresses packages as gzip does by default. serverless-esbuild leaves the level to archiver, whose default is the fastest
 * one; the engine's package is a tenth larger with it, and each cold start fetches it. On this machine nobody fetches it, and a person waits.
 */
import { esbuildModule } from './esbuildModule.ts';

type Archive = (format: string, options?: object) => object;

interface Serverless {
  readonly service: { readonly provider: { readonly stage?: string } };
}

export const zipLevels = { local: 1, aws: 6 };

export default class ZipLevel {
  readonly hooks = {};

  constructor(serverless: Serverless) {
    const archiver = esbuildModule<{ create: Archive }>('archiver');
    const create = archiver.create.bind(archiver);
    archiver.create = (format, options = {}) => {
      const isLocal = serverless.service.provider.stage === 'local';
      return create(format, { zlib: { level: isLocal ? zipLevels.local : zipLevels.aws }, ...options });
    };
  }
}
