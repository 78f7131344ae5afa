import { expect, test } from '@jest/globals';
import { TableUnsupported } from '../../../../src/lib/errors.ts';
import { newMetadata } from '../../../../src/lib/table/iceberg/evolve.ts';
import { formatMetadata, parseMetadata } from '../../../../src/lib/table/iceberg/metadata.ts';
import { wanted } from '../../../support/iceberg.ts';

const base = newMetadata(wanted, 1);

test('what others have put into metadata stays, exactly', () => {
  const text = JSON.stringify({
    ...JSON.parse(formatMetadata(base)),
    'next-row-id': 5,
    'current-snapshot-id': -1,
    'encryption-keys': [{ 'key-id': 'a' }],
  });
  const again: unknown = JSON.parse(formatMetadata(parseMetadata(text)));
  expect(again).toMatchObject({ 'next-row-id': 5, 'encryption-keys': [{ 'key-id': 'a' }] });
  expect(again).not.toHaveProperty('current-snapshot-id');
  expect(() => parseMetadata(text.replace('"format-version":2', '"format-version":3'))).toThrow(
    TableUnsupported,
  );
});
