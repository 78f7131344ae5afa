import { expect, test } from '@jest/globals';
import { datasetsOfKey } from '../../../src/lib/contract/contract.ts';
import { loadContracts } from '../../../src/lib/contract/load.ts';
import { datasetsFolder } from '../../support/embedded.ts';

test('an object belongs to the dataset whose prefix it stands under', () => {
  const contracts = loadContracts(datasetsFolder);
  const of = (key: string) => datasetsOfKey(contracts, key).map(({ dataset }) => dataset);
  expect(of('social-media-feed/2025/a.json')).toEqual(['social_media']);
  expect(of('social-media-feed-1.json')).toEqual([]);
});
