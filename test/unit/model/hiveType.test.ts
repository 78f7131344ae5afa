import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatHiveType, type HiveType, parseHiveType } from '../../../src/lib/model/hiveType.ts';

test('property: a Hive type is read back as it was written', () => {
  const type: fc.Arbitrary<HiveType> = fc.letrec<{ type: HiveType }>((tie) => ({
    type: fc.oneof(
      { depthSize: 'small' },
      fc
        .constantFrom('string', 'bigint', 'decimal(10,2)')
        .map((name): HiveType => ({ kind: 'scalar', name })),
      tie('type').map((element): HiveType => ({ kind: 'array', element })),
      fc
        .array(fc.tuple(fc.stringMatching(/^[a-z_]{1,5}$/), tie('type')), { minLength: 1, maxLength: 3 })
        .map(
          (fields): HiveType => ({ kind: 'struct', fields: fields.map(([name, t]) => ({ name, type: t })) }),
        ),
    ),
  })).type;
  fc.assert(
    fc.property(type, (t) => expect(parseHiveType(formatHiveType(t))).toEqual(t)),
    { seed: 2 },
  );
});
