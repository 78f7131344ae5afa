/** The sweep: what it takes back, and what it leaves alone. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { sweep } from '../../../../src/lib/flow/repair/sweep.ts';
import { maintaining } from '../../../../src/lib/ledger/leases.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test.each<[string, string, string, number]>([
  ['an execution that was only just started may not be there yet', 'after two minutes', 'starting', 120_000],
  ['maintenance has no execution', 'after five', `${maintaining}1`, 300_000],
])('%s: its lease is taken back %s', async (_, __, holder, patience) => {
  const world = new World();
  const { ledger } = world.deps('test');
  const fence = await ledger.acquireLease(dataset, holder);
  const look = () => world.call('sweep', (deps) => sweep(deps, dataset));
  for (const wait of [0, patience - 1000]) {
    world.aws.clock.advance(wait);
    expect(await look()).toMatchObject({ leaseRecovered: false });
    expect(await ledger.lease(dataset)).toMatchObject({ fence, execution: holder });
  }
  world.aws.clock.advance(2000);
  expect(await look()).toMatchObject({ leaseRecovered: true });
  expect((await ledger.lease(dataset))?.execution).toBeUndefined();
});
