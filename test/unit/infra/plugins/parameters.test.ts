import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import * as z from 'zod';
import { parameters, unknownParameters } from '../../../../infra/plugins/parameters.ts';

const file = resolve(import.meta.dirname, '../../../../serverless.yml');
const { params, custom } = z
  .object({
    params: z.object({ default: z.record(z.string(), z.unknown()) }),
    custom: z.object({
      names: z.record(z.string(), z.string()),
      parameters: z.record(z.string(), z.string()),
    }),
  })
  .parse(parse(readFileSync(file, 'utf8'), { logLevel: 'error' }));
const faults = (given: object): string[] =>
  parameters
    .safeParse({ ...params.default, stage: 'dev', region: 'us-east-1', ...given })
    .error?.issues.map((i) => `${i.path.join('.')}: ${i.message}`) ?? [];

test('every parameter of serverless.yml is checked, and its defaults pass', () => {
  expect(faults({})).toEqual([]);
  expect(Object.keys(custom.parameters).sort()).toEqual(
    [...Object.keys(params.default), 'stage', 'region'].sort(),
  );
});

test('more than ten events at once need a window in which the queue gathers them', () => {
  expect(faults({ dispatchWindow: 0 })).toEqual([expect.stringMatching(/^dispatchBatch: /)]);
  expect(faults({ dispatchWindow: 0, dispatchBatch: 10 })).toEqual([]);
});

test('a batch has at most 100,000 files and 500 GB', () => {
  expect(faults({ batchFiles: 100_000, batchLimitMb: 512_000 })).toEqual([]);
  expect(faults({ batchFiles: 100_001, batchLimitMb: 512_001 })).toHaveLength(2);
});

test('a bucket’s name has the account and the region, and no accepted stage makes it longer than S3 allows', () => {
  for (const region of ['us-east-1', 'ap-southeast-1', 'us-isof-south-1'])
    for (let length = 1; length <= 25; length++) {
      const stage = 's'.repeat(length);
      const longest = Math.max(
        ...['raw', 'processed', 'work'].map((name) => {
          const template = String(custom.names[name]);
          expect(template).toMatch(/\$\{AWS::AccountId\}-\$\{AWS::Region\}$/);
          return template
            .replace(/\$\{sls:stage\}/, stage)
            .replace(/\$\{AWS::AccountId\}/, '123456789012')
            .replace(/\$\{AWS::Region\}/, region).length;
        }),
      );
      expect([region, length, faults({ stage, region }).length === 0]).toEqual([
        region,
        length,
        length <= 20 && longest <= 63,
      ]);
    }
  expect(faults({ stage: 'a-stage-of-19-letter', region: 'us-isof-south-1' })).toEqual([
    'stage: "a-stage-of-19-letter" makes the name of a bucket in us-isof-south-1 longer than 63 characters; use 17 at most',
  ]);
});

test.each(['nowhere', 'us_east_1', '', 'us-east-1/..'])('the region %j is refused by name', (region) => {
  expect(faults({ region })).toEqual(['region: is a region of AWS, such as eu-west-1']);
});

test('a parameter that does not exist is rejected, with the name that was meant', () => {
  expect(unknownParameters(['engine=glue', 'alarmEmail=a=b@example.com', 'kmsKeyArn='])).toEqual([]);
  expect(unknownParameters(['engin=glue', 'stage=dev', 'x'])).toEqual([
    '--param engin: there is no such parameter; did you mean "engine"?',
    '--param stage: there is no such parameter',
    '--param x: there is no such parameter',
  ]);
});

test('the operations guide lists every parameter with its default', () => {
  const guide = readFileSync(resolve(file, '../docs/operations.md'), 'utf8');
  for (const [name, value] of Object.entries(params.default))
    expect(guide).toMatch(
      new RegExp(`^\\| \`${name}\` +\\| ${value === '' ? 'empty' : `\`${value}\``} +\\|`, 'm'),
    );
});
