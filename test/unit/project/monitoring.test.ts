import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { batchPublishedJsonSchema } from '../../../src/lib/flow/batch/batchPublished.ts';
import { metricUnits } from '../../../src/lib/flow/batch/measure.ts';
import { datasetsFolder } from '../../support/embedded.ts';

const root = join(datasetsFolder, '..');
const text = readFileSync(join(root, 'infra/monitoring.yml'), 'utf8');
const { Resources } = parse(text, { merge: true, logLevel: 'silent' }) as {
  Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
};
const alarms = Object.values(Resources).filter((r) => r.Type === 'AWS::CloudWatch::Alarm');

test('alarms and dashboard go by metrics that are measured', () => {
  const asked = alarms
    .filter((alarm) => alarm.Properties.Namespace === 'Sluice')
    .map((alarm) => String(alarm.Properties.MetricName));
  const shown = [...text.matchAll(/\["Sluice", "(\w+)"|^\s+\["\.", "(Rows\w+|Batch\w+|Files\w+)"/gm)].map(
    ([, first, later]) => String(first ?? later),
  );
  expect(asked.length).toBeGreaterThanOrEqual(4);
  expect(shown.length).toBeGreaterThanOrEqual(8);
  for (const name of [...asked, ...shown]) expect(Object.keys(metricUnits)).toContain(name);
});

test('every alarm says what to do, in whole sentences, and is on the dashboard', () => {
  for (const [name, { Type, Properties }] of Object.entries(Resources)) {
    if (Type !== 'AWS::CloudWatch::Alarm') continue;
    expect(String(Properties.AlarmDescription)).toMatch(
      /\. .*(Read|Look|Ask|See|Do) .*\.$|^.*\. (Read|Look|See)/,
    );
    expect(text).toContain(`"\${${name}.Arn}"`);
  }
});

test('every alarm is sent to somebody, and says in the operations guide what to do', () => {
  const guide = readFileSync(join(root, 'docs/operations.md'), 'utf8');
  expect(alarms.length).toBeGreaterThanOrEqual(11);
  for (const { Properties } of alarms) {
    expect(Properties.AlarmActions).toHaveLength(1);
    const name = String(Properties.AlarmName)
      .split('-')
      .slice(2)
      .join('-')
      .replace(/^.*?\}-/, '');
    expect(guide).toContain(`| \`${name}\``);
  }
});

test('the schema of the event is the one that is documented', () => {
  expect(readFileSync(join(root, 'docs/batch-published.schema.json'), 'utf8')).toBe(
    batchPublishedJsonSchema(),
  );
});
