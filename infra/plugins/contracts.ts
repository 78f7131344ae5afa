/** Serverless plugin: stops packaging when a contract has a fault. It puts contracts and polygons into the package in the form that the functions read. */
import { resolve } from 'node:path';
import * as z from 'zod';
import { tableFormats } from '../../src/lib/model/plan.ts';
import { loadReferences, noRows } from '../../src/lib/reference/load.ts';
import { buildDatasets } from '../buildDatasets.ts';
import { withoutStack } from './withoutStack.ts';

interface Serverless {
  readonly serviceDir: string;
  readonly service: { readonly custom: { readonly parameters: unknown } };
  readonly classes: { readonly Error: new (message: string) => Error };
}

const chosen = z.object({ tableFormat: z.enum(tableFormats) });

interface Tools {
  readonly log: { success(message: string): void };
}

export default class Contracts {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(serverless: Serverless, _options: unknown, { log }: Tools) {
    const validate = () =>
      withoutStack(serverless.classes.Error, async () => {
        const folder = resolve(serverless.serviceDir, 'datasets');
        const { tableFormat } = chosen.parse(serverless.service.custom.parameters);
        const contracts = await buildDatasets(folder, tableFormat);
        for (const contract of contracts.values()) await loadReferences(contract, folder, noRows(contract));
        log.success(`${contracts.size} contracts are valid: ${[...contracts.keys()].join(', ')}`);
      });
    this.hooks = {
      'before:package:createDeploymentArtifacts': validate,
      'before:offline:start': validate,
      'before:offline:start:init': validate,
    };
  }
}
