import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { contractWith, record, transform } from '../support/embedded.ts';

const contract = contractWith('');
const read = async (values: readonly unknown[]) => {
  const { rows, quarantine } = await transform(contract, {
    'test/a.json': values.map((at, id) => record({ id, at })).join('\n'),
  });
  const byId = new Map(rows.map((r) => [Number(r.id), r.at as bigint]));
  return { micros: values.map((_, id) => byId.get(id) ?? null), quarantine };
};

test('every form of the feed comes out in UTC, right to the microsecond', async () => {
  const { micros } = await read([
    '2025-10-06T05:40:00.123456Z',
    '2025-10-06T06:40:00.123456+01:00',
    '2025-10-06 00:10:00.123456-0530',
    '2025-10-06T05:40:00.123456',
    '1759729200.123456',
    1759729200123,
    1759729200,
    'Mon Oct 06 07:40:00 +0200 2025',
    '2025-10-06T05:40Z',
  ]);
  const exact = 1759729200123456n;
  expect(micros).toEqual([
    exact,
    exact,
    exact,
    exact,
    exact,
    1759729200123000n,
    1759729200000000n,
    1759729200000000n,
    1759729200000000n,
  ]);
});

test('an offset or a number cannot lead out of the years 1 to 9999', async () => {
  const { micros, quarantine } = await read([
    '9999-12-31T23:59:59.999999Z',
    '9999-12-31T23:59:59-05:00',
    '0001-01-01T00:00:00Z',
    '0001-01-01T00:00:00+05:00',
    -99_999_999_999,
  ]);
  expect(micros).toEqual([253402300799999999n, null, -62135596800000000n, null, null]);
  expect(quarantine.map((q) => q.reason)).toEqual(['bad_type', 'bad_type', 'bad_type']);
});

test('impossible times are quarantined, not wrapped', async () => {
  const wrong = [
    '2025-02-30T10:00:00Z',
    '2025-13-01T10:00:00Z',
    '2025-10-06T24:00:00Z',
    '2025-10-06T10:60:00Z',
    '2025-12-31T23:59:60Z',
    '0000-01-01T00:00:00Z',
    '2025-10-06',
    'yesterday',
    '',
    true,
  ];
  const { micros, quarantine } = await read(wrong);
  expect(micros).toEqual(wrong.map(() => null));
  expect(quarantine.map((q) => q.column_name)).toEqual(wrong.map(() => 'at'));
});

test('property: ISO 8601 with any offset and epoch milliseconds agree with JavaScript', async () => {
  const times = fc.sample(
    fc.record({
      ms: fc.integer({ min: Date.UTC(1980), max: Date.UTC(2100) }),
      offset: fc.integer({ min: -14 * 60, max: 14 * 60 }),
    }),
    { numRuns: 500, seed: 5 },
  );
  const iso = times.map(({ ms, offset }) => {
    const local = new Date(ms + offset * 60_000).toISOString().slice(0, 23);
    const [sign, size] = offset < 0 ? ['-', -offset] : ['+', offset];
    return `${local}${sign}${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`;
  });
  const expected = times.map(({ ms }) => BigInt(ms) * 1000n);
  expect((await read(iso)).micros).toEqual(expected);
  expect((await read(times.map((t) => t.ms))).micros).toEqual(expected);
});

test('epochs are told apart by their length, and nanoseconds are cut to microseconds', async () => {
  const epochs = contractWith(
    '  - { name: t, path: t, type: timestamp, formats: [epoch_s, epoch_ms, epoch_us, epoch_ns] }',
  );
  const values = [
    1759729200,
    1759729200123,
    '1759729200123456',
    '1759729200123456789',
    '-1759729200123456789',
    '123456789012345678901',
  ];
  const { rows, quarantine } = await transform(epochs, {
    'test/a.json': values.map((t, id) => record({ id, t })).join('\n'),
  });
  expect(rows.map((r) => r.t)).toEqual([
    1759729200000000n,
    1759729200123000n,
    1759729200123456n,
    1759729200123456n,
    -1759729200123457n,
  ]);
  expect(quarantine).toHaveLength(1);
});

test('RFC 2822, dates alone and patterns of your own', async () => {
  const forms = contractWith(
    "  - { name: t, path: t, type: timestamp, zone: Europe/London, formats: [rfc2822, iso8601_date, { pattern: '%d/%m/%Y %H:%M' }] }",
  );
  const values = [
    'Mon, 06 Oct 2025 05:40:00 GMT',
    '6 Oct 2025 07:40:00 +0200',
    '2025-10-06',
    '06/10/2025 06:40',
    '31/02/2025 06:40',
  ];
  const { rows, quarantine } = await transform(forms, {
    'test/a.json': values.map((t, id) => record({ id, t })).join('\n'),
  });
  const iso = (t: unknown) => new Date(Number((t as bigint) / 1000n)).toISOString();
  expect(rows.map((r) => iso(r.t))).toEqual([
    '2025-10-06T05:40:00.000Z',
    '2025-10-06T05:40:00.000Z',
    '2025-10-05T23:00:00.000Z',
    '2025-10-06T05:40:00.000Z',
  ]);
  expect(quarantine.map((q) => q.value)).toEqual(['31/02/2025 06:40']);
});

test('in a gap the offset before it counts, in a fold the later time', async () => {
  const zoned = contractWith(
    '  - { name: t, path: t, type: timestamp, zone: America/New_York, formats: [iso8601] }',
  );
  const { rows } = await transform(zoned, {
    'test/a.json': ['2025-03-09T02:30:00', '2025-11-02T01:30:00', '2025-07-01T12:00:00']
      .map((t, id) => record({ id, t }))
      .join('\n'),
  });
  expect(rows.map((r) => new Date(Number((r.t as bigint) / 1000n)).toISOString())).toEqual([
    '2025-03-09T07:30:00.000Z',
    '2025-11-02T06:30:00.000Z',
    '2025-07-01T16:00:00.000Z',
  ]);
});
