/** Serverless plugin: no package is built while a contract has a fault. */
import { resolve } from 'node:path';
import { loadContracts } from '../../src/lib/contract/load.ts';
import { loadReferences } from '../../src/lib/reference/load.ts';

interface Serverless {
  readonly serviceDir: string;
}

interface Tools {
  readonly log: { success(message: string): void };
}

export default class Contracts {
  readonly hooks: Readonly<Record<string, () => void>>;

  constructor(serverless: Serverless, _options: unknown, { log }: Tools) {
    const validate = () => {
      const folder = resolve(serverless.serviceDir, 'datasets');
      const contracts = loadContracts(folder);
      for (const contract of contracts.values()) loadReferences(contract, folder);
      log.success(`${contracts.size} contracts are valid: ${[...contracts.keys()].join(', ')}`);
    };
    this.hooks = {
      'before:package:createDeploymentArtifacts': validate,
      'before:offline:start:init': validate,
    };
  }
}
