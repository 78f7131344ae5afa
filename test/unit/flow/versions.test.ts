/** A history in the flow, on DuckDB: each version of a key stays, with the time from which and until which it is valid. */
import { afterEach, expect, jest } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { replay } from '../../../src/lib/flow/operate/again.ts';
import { rollback } from '../../../src/lib/flow/operate/rollback.ts';
import type { TableFormatName } from '../../../src/lib/model/plan.ts';
import { columnsIn } from '../../support/changesWorld.ts';
import { dataset, expectCounted, World } from '../../support/flowWorld.ts';
import { realEngine } from '../../support/realEngine.ts';
import { formatUnderTest, thoroughTest } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const history = { validFrom: 'since', validTo: 'until', current: 'is_current' };
const contract = (format: TableFormatName, more: object = {}) =>
  parseContract(
    'feed.yml',
    JSON.stringify({
      dataset,
      table: { format },
      source: { prefix: 'feed/', formats: ['ndjson'] },
      columns: [
        { name: 'id', path: 'id', type: 'string', required: true },
        { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'], required: true },
        { name: 'is_gone', path: 'gone', type: 'boolean', publish: false },
      ],
      dedupe: {
        key: ['id'],
        scope: 'table',
        order: [{ column: 'at', direction: 'desc' }],
        deleteWhen: 'is_gone',
      },
      partitionBy: [
        { name: 'source', constant: 'feed' },
        { name: 'month', of: 'at', part: 'month' },
      ],
      history,
      ...more,
    }),
  );

/** `key1` is the version of the first month; `key1!` deletes the key then. */
async function publish(world: World, file: string, ...versions: readonly string[]): Promise<void> {
  const lines = versions.map((text) => {
    const [, id, month, gone] = /^(\w)(\d)(!?)$/.exec(text) ?? [];
    return JSON.stringify({ id, at: `2026-0${month}-01T00:00:00Z`, gone: gone === '!' });
  });
  world.putText(`feed/${file}`, lines.join('\n'));
  await world.settle();
}

/** The versions, such as `a1-3` and, for a current one, `a3-`. */
async function versions(world: World): Promise<string> {
  const rows = await columnsIn(
    world,
    'id, month("at") AS "at", month(since) AS since, month(until) AS until, is_current',
  );
  return rows
    .map(({ id, at, since, until, is_current: isCurrent }) =>
      since === at && isCurrent === (until === null) ? `${id}${at}-${until ?? ''}` : `${id}${at} broken`,
    )
    .sort()
    .join(' ');
}

thoroughTest(
  'versions get their place between others, a delete closes the last one, and a rollback opens it again',
  async () => {
    const world = new World({
      format: formatUnderTest,
      engine: realEngine,
      contract: contract(formatUnderTest),
    });
    await publish(world, 'a', 'a1', 'a5', 'b2', 'b2');
    expect(await versions(world)).toBe('a1-5 a5- b2-');
    await publish(world, 'b', 'a3', 'a5', 'b4!');
    expect(await versions(world)).toBe('a1-3 a3-5 a5- b2-4');
    const { ledger } = world.deps('test');
    const last = (await ledger.batches(dataset)).at(-1);
    expect(last?.counts).toMatchObject({
      published: 1,
      duplicates: 1,
      deletes: 1,
      replacedRows: 0,
      changedRows: 2,
    });
    await world.operate((deps) =>
      rollback(deps, dataset, last?.batch ?? '', { reason: 'a test', at: new Date().toISOString() }),
    );
    await world.settle();
    expect(await versions(world)).toBe('a1-5 a5- b2-');
    await world.cleanUp();
    await expectCounted(world);
  },
);

thoroughTest('a delete that is not remembered any more still closes its version', async () => {
  const world = new World({
    format: formatUnderTest,
    engine: realEngine,
    contract: contract(formatUnderTest),
  });
  await publish(world, 'a', 'a1', 'b5!', 'a4!');
  await publish(world, 'b', 'b4');
  expect(await versions(world)).toBe('a1-4 b4-5');
  world.aws.clock.advance(31 * 86_400_000);
  await publish(world, 'c', 'a2', 'b3');
  expect(await versions(world)).toBe('a1-2 a2-4 b3-4 b4-5');
  await publish(world, 'b', 'b4', 'b6');
  expect(await versions(world)).toBe('a1-2 a2-4 b3-4 b4-5 b6-');
  await publish(world, 'c', 'c1');
  expect(await versions(world)).toBe('a1-4 b4-5 b6- c1-');
  await expectCounted(world);
});

thoroughTest('a dataset that gets a history has it after a replay', async () => {
  const plain = contract(formatUnderTest, { history: undefined, dedupe: undefined });
  const world = new World({ format: formatUnderTest, engine: realEngine, contract: plain });
  await publish(world, 'a', 'a1', 'b2');
  await publish(world, 'b', 'a3', 'c1');
  world.changeContract(() => contract(formatUnderTest), 'claimBatch');
  await publish(world, 'c', 'a2');
  expect(await versions(world)).toContain('a2-3');
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  expect(await versions(world)).toBe('a1-2 a2-3 a3- b2- c1-');
  await world.cleanUp();
  await expectCounted(world);
});
