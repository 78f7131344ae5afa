import { expect, test } from '@jest/globals';
import { crawlerResources } from '../../../../infra/plugins/crawlers.ts';
import type { Resources } from '../../../../infra/plugins/roles.ts';
import { excessOf } from '../../../../infra/plugins/stackLimits.ts';
import { parseContract } from '../../../../src/lib/contract/load.ts';

const contract = parseContract(
  'orders.yml',
  `dataset: orders
source: { prefix: orders/, formats: [ndjson] }
columns: [{ name: id, path: id, type: string }]
partitionBy: [{ name: source, constant: orders }]`,
);

const names = { raw: 'raw', crawler: 'sluice-prod-raw', crawl: 'sluice-prod-crawl' };

/** As many resources as a stage has besides those of its datasets: see test/static/template.test.ts. */
const others: Resources = Object.fromEntries(
  Array.from({ length: 99 }, (_, i) => [`Other${i}`, { Type: 'AWS::Lambda::Function', Properties: { i } }]),
);

const stackOf = (datasets: number): { Resources: Resources } => ({
  Resources: {
    ...others,
    ...crawlerResources(
      Array.from({ length: datasets }, (_, i) => ({ ...contract, dataset: `dataset_${i}` })),
      names,
    ),
  },
});

test('200 JSON datasets fit into a stack', () => {
  expect(excessOf(stackOf(200))).toBeUndefined();
});

test('a stack that CloudFormation would reject is named before anything is deployed', () => {
  expect(excessOf(stackOf(201))).toMatch(/^the stack has 502 resources, .* 500\. Its 201 JSON datasets/);
  const Big = { Type: 'AWS::CloudWatch::Dashboard', Properties: { DashboardBody: 'x'.repeat(1_000_000) } };
  expect(excessOf({ Resources: { Big } })).toMatch(/template of 10\d{5} bytes/);
});
