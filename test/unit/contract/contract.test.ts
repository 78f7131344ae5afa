import { expect, test } from '@jest/globals';
import { datasetOfKey } from '../../../src/lib/contract/contract.ts';
import { loadContracts } from '../../../src/lib/contract/load.ts';
import { datasetsFolder } from '../../support/embedded.ts';

test('an object belongs to the dataset whose prefix it stands under', () => {
  const contracts = loadContracts(datasetsFolder);
  expect(datasetOfKey(contracts, 'social-media-feed/2025/a.json')?.dataset).toBe('social_media');
  expect(datasetOfKey(contracts, 'social-media-feed-1.json')).toBeUndefined();
});
