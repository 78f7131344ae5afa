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

/** The resources of a stage besides those of its datasets, and a few more than there are now. */
const others: Resources = Object.fromEntries(
  Array.from({ length: 110 }, (_, i) => [`Other${i}`, { Type: 'AWS::Lambda::Function', Properties: { i } }]),
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

test('190 JSON datasets fit into a stack', () => {
  expect(excessOf(stackOf(190))).toBeUndefined();
});

test('a stack that CloudFormation would reject is named before anything is deployed', () => {
  expect(excessOf(stackOf(200))).toMatch(/^the stack has 511 resources, .* 500\. Its 200 JSON datasets/);
  const Big = { Type: 'AWS::CloudWatch::Dashboard', Properties: { DashboardBody: 'x'.repeat(1_000_000) } };
  expect(excessOf({ Resources: { Big } })).toMatch(/template of 10\d{5} bytes/);
});
