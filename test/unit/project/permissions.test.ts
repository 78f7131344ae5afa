/** What functions ask of Glue in memory is in their roles. A whole run compares all calls: test/e2e/permissions.test.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { parse } from 'yaml';
import * as z from 'zod';
import { World } from '../../support/flowWorld.ts';
import { root } from '../../support/gates.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const statements = z.array(z.object({ Action: z.union([z.string(), z.array(z.string())]) }));
const { 'x-statements': _, ...functions } = z
  .record(z.string(), z.unknown())
  .parse(parse(readFileSync(join(root, 'infra/permissions.yml'), 'utf8'), { logLevel: 'silent' }));
const actionsOf = (name: string) => statements.parse(functions[name]).flatMap(({ Action }) => Action);

test.each([
  ['hive', false],
  ['iceberg', false],
  ['iceberg', true],
] as const)(
  'a correction and newer rows of a table of the format %s (rewritten by Glue: %s)',
  async (format, isRewrittenByGlue) => {
    const world = new World({ format, isDeduped: true, isRewrittenByGlue });
    const asked = new Set<string>();
    world.aws.wire.turn = async (actor, operation) => {
      const [, name] = /^glue\W*(\w+)$/i.exec(operation.key) ?? [];
      if (name !== undefined) asked.add(`${actor.name.replace(/~.*/, '')} glue:${name}`);
    };
    for (const [key, lines] of [
      ['feed/m', ['1@06', '2@06', '3@06']],
      ['feed/l', ['1@06']],
      ['feed/m', ['2@06', '3@06']],
    ] as const) {
      world.put(key, lines);
      await world.settle();
    }
    const denied = [...asked].filter((one) => {
      const [name = '', action = ''] = one.split(' ');
      return !actionsOf(name === 'transform' ? 'transformEmbedded' : name).includes(action);
    });
    expect(asked.size).toBeGreaterThan(10);
    expect(denied).toEqual([]);
  },
);
