import { AthenaClient } from '@aws-sdk/client-athena';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GlueClient } from '@aws-sdk/client-glue';
import { S3Client } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import { createAthena } from '../../../../src/lib/aws/athena.ts';
import { createCatalog } from '../../../../src/lib/aws/catalog.ts';
import { createPointers } from '../../../../src/lib/aws/pointer.ts';
import { createStore } from '../../../../src/lib/aws/store.ts';
import type { Deps } from '../../../../src/lib/flow/batch/deps.ts';
import { checkValidation } from '../../../../src/lib/flow/steps/checkValidation.ts';
import { createLedger } from '../../../../src/lib/ledger/ledger.ts';
import { tableFormats } from '../../../../src/lib/table/formats.ts';
import { testConfig } from '../../../support/config.ts';

/** Athena ends every query in this way; no other service answers. */
function depsWhere(Status: object): Deps {
  const region = 'us-east-1';
  const send = async () => {
    throw new Error('nobody should be asked');
  };
  const athena = Object.assign(new AthenaClient({ region }), {
    send: async () => ({ QueryExecution: { Status } }),
  });
  const glue = Object.assign(new GlueClient({ region }), { send });
  const store = createStore(Object.assign(new S3Client({ region }), { send }));
  const catalog = createCatalog('db', glue);
  return {
    config: testConfig,
    contracts: new Map(),
    store,
    catalog,
    formats: tableFormats({ store, catalog, pointers: createPointers('db', glue, glue) }),
    athena: createAthena({ database: 'db', workgroup: 'w' }, athena),
    ledger: createLedger('ledger', Object.assign(new DynamoDBClient({ region }), { send })),
    measure: () => {},
  };
}

const input = { dataset: 'd', batch: 'b', fence: 1, run: 'r', query: 'q' };

test('a query that Athena broke off, and says may succeed, is started again a few times', async () => {
  const broken = {
    State: 'FAILED',
    StateChangeReason: 'Query exhausted resources at this scale factor',
    AthenaError: { ErrorCategory: 1, Retryable: true },
  };
  expect(await checkValidation(depsWhere(broken), { ...input, broken: 0 })).toEqual({ status: 'again' });
  await expect(checkValidation(depsWhere(broken), { ...input, broken: 4 })).rejects.toMatchObject({
    name: 'AthenaQueryFailed',
    message: expect.stringContaining('exhausted resources'),
  });
});

test('a query that failed for its own reason is not started again', async () => {
  const failed = { State: 'FAILED', StateChangeReason: 'SYNTAX_ERROR', AthenaError: { Retryable: false } };
  await expect(checkValidation(depsWhere(failed), { ...input, broken: 0 })).rejects.toMatchObject({
    name: 'AthenaQueryFailed',
  });
  const stopped = { State: 'CANCELLED', AthenaError: { Retryable: true } };
  await expect(checkValidation(depsWhere(stopped), { ...input, broken: 0 })).rejects.toMatchObject({
    name: 'AthenaQueryFailed',
  });
});
