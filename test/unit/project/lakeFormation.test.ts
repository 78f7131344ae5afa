import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import * as z from 'zod';

const root = resolve(import.meta.dirname, '../../..');
const withoutTags = (text: string) => text.replaceAll(/!(GetAtt|Sub|Ref) /g, '');
const statement = z.looseObject({ Action: z.union([z.string(), z.array(z.string())]) });
const { 'x-statements': _, ...functions } = z
  .record(z.string(), z.array(z.unknown()))
  .parse(parse(withoutTags(readFileSync(join(root, 'infra/permissions.yml'), 'utf8')), { merge: true }));
/** Functions with a matching action on tables. */
const functionsWith = (action: RegExp) =>
  Object.entries(functions)
    .filter(([, statements]) =>
      statements.some((s) => [statement.parse(s).Action].flat().some((a) => action.test(a))),
    )
    .map(([name]) => `${name[0]?.toUpperCase()}${name.slice(1)}`)
    .sort();

test('the commands for Lake Formation name every function that asks the Data Catalog, by what it does there', () => {
  const guide = readFileSync(join(root, 'docs/security.md'), 'utf8');
  const groups = [...guide.matchAll(/^for f in (.*); do\n((?: {2}grant .*\n)+)done$/gm)].map(
    ([, names = '', grants = '']) => ({ names: names.split(' ').sort(), grants }),
  );
  const namesWith = (permission: string) =>
    [...new Set(groups.filter((g) => g.grants.includes(permission)).flatMap((g) => g.names))].sort();
  expect(namesWith(' CREATE_TABLE')).toEqual(functionsWith(/^glue:CreateTable$/));
  expect(namesWith(' ALTER')).toEqual(
    functionsWith(/^glue:((Create|Update)Table|Batch(Create|Delete)Partition)$/),
  );
  expect(namesWith(' DESCRIBE')).toEqual(functionsWith(/^glue:\w*(Table|Tables|Partition|Partitions)$/));
});
