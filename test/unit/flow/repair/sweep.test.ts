/** The sweep: what it takes back, and what it leaves alone. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { sweep } from '../../../../src/lib/flow/repair/sweep.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('an execution that was only just started may not be there yet: its lease is taken back after two minutes', async () => {
  const world = new World();
  const { ledger } = world.deps('test');
  const fence = await ledger.acquireLease(dataset);
  const look = () => world.call('sweep', (deps) => sweep(deps, dataset));
  expect(await look()).toMatchObject({ leaseRecovered: false });
  expect(await ledger.lease(dataset)).toMatchObject({ fence, execution: 'starting' });
  world.aws.clock.advance(121_000);
  expect(await look()).toMatchObject({ leaseRecovered: true });
  expect((await ledger.lease(dataset))?.execution).toBeUndefined();
});
