import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { contractWith, record, transform } from '../../support/embedded.ts';

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

type ReadCase = readonly [formats: unknown, text: string, expected: string | null, zone?: string];

/** The value of each text, in one run: a column for each format, a row for each text. */
async function readAs(cases: readonly ReadCase[]) {
  const formats = [...new Set(cases.map(([format, , , zone = 'UTC']) => JSON.stringify([format, zone])))];
  const columns = formats.map((text, i) => {
    const [format, zone] = JSON.parse(text) as unknown[];
    return `  - { name: t${i}, path: t${i}, type: timestamp, onError: 'null', zone: ${zone}, formats: [${JSON.stringify(format)}] }`;
  });
  const columnOf = ([format, , , zone = 'UTC']: ReadCase) =>
    `t${formats.indexOf(JSON.stringify([format, zone]))}`;
  const { rows, quarantine } = await transform(contractWith(columns.join('\n')), {
    'test/a.json': cases.map((c, id) => record({ id, [columnOf(c)]: c[1] })).join('\n'),
  });
  expect(quarantine).toEqual([]);
  const byId = new Map(rows.map((row) => [Number(row.id), row]));
  const iso = (micros: bigint) => {
    const below = ((micros % 1000n) + 1000n) % 1000n;
    const ms = new Date(Number((micros - below) / 1000n)).toISOString().slice(0, -1);
    return below === 0n ? `${ms}Z` : `${ms}${String(below).padStart(3, '0')}Z`;
  };
  return cases.map((c, i) => {
    const found = byId.get(i)?.[columnOf(c)];
    return [c[0], c[1], typeof found === 'bigint' ? iso(found) : null];
  });
}
const expectRead = async (cases: readonly ReadCase[]) =>
  expect(await readAs(cases)).toEqual(cases.map(([format, text, expected]) => [format, text, expected]));

test('nanoseconds are cut by their digits, to the last of 19', () =>
  expectRead([
    ['epoch_ns', '616089948040436966', '1989-07-10T16:05:48.040436Z'],
    ['epoch_ns', '9223372036854775807', '2262-04-11T23:47:16.854775Z'],
    ['epoch_ns', '9999999999999999999', '2286-11-20T17:46:39.999999Z'],
    ['epoch_ns', '-9223372036854775808', '1677-09-21T00:12:43.145224Z'],
    ['epoch_ns', '-100000000000000001', '1966-10-31T14:13:19.999999Z'],
    ['epoch_ns', '-100000000000000000', '1966-10-31T14:13:20.000Z'],
    ['epoch_ns', '10000000000000000000', null],
    ['epoch_s', '1759729200.123456789', '2025-10-06T05:40:00.123456Z'],
    ['epoch_s', '-0.000000001', '1969-12-31T23:59:59.999999Z'],
    ['epoch_s', '1.', null],
    ['epoch_s', '.5', null],
    ['epoch_s', '+5', null],
    ['epoch_s', '99999999999', '5138-11-16T09:46:39.000Z'],
  ]));

test('ISO 8601 has two digits of each part, and a fraction only behind seconds', () =>
  expectRead([
    ['iso8601', '2025-10-06T05:40:001Z', null],
    ['iso8601', '1975-10-03T05:550', null],
    ['iso8601', '2025-09-07 13:59:45901', null],
    ['iso8601', '2025-10-06T05:40.5', null],
    ['iso8601', '2025-10-06T05:40:00.', null],
    ['iso8601', `2025-10-06T05:40:00.${'9'.repeat(40)}`, '2025-10-06T05:40:00.999999Z'],
    ['iso8601', `2025-10-06t05:40:00.${'9'.repeat(40)}+0130`, '2025-10-06T04:10:00.999999Z'],
    ['iso8601', '2025-10-06 05:40-14', '2025-10-06T19:40:00.000Z'],
    ['iso8601', '2025-10-06T05:40:00+14:59', '2025-10-05T14:41:00.000Z'],
    ['iso8601', '2025-10-06T05:40:00+15:00', null],
    ['iso8601', ' 2025-10-06T05:40:00Z', null],
    ['iso8601', '2025-10-06T05:40:00 Z', null],
    ['iso8601', '9999-12-31T23:59:59-01:00', null],
    ['iso8601', '0001-01-01T00:00:00+02:00', null],
    ['iso8601', '0001-01-01T02:00:00+02:00', '0001-01-01T00:00:00.000Z'],
    ['iso8601', '9999-12-31T23:59:59', null, 'America/New_York'],
  ]));

test('a weekday is that of its date, and RFC 2822 may leave out seconds and zeros', () =>
  expectRead([
    ['twitter', 'Sun Aug 31 00:29:15 +0000 2014', '2014-08-31T00:29:15.000Z'],
    ['twitter', 'Mon Aug 31 00:29:15 +0000 2014', null],
    ['twitter', 'Sun Aug 31 23:29:15 -0200 2014', '2014-09-01T01:29:15.000Z'],
    ['twitter', 'Mon Sep 01 00:29:15 +0100 2014', '2014-08-31T23:29:15.000Z'],
    ['twitter', 'Sun Sep 01 00:29:15 +0100 2014', null],
    ['twitter', 'Sun Aug 31 00:29:15 +1500 2014', null],
    ['twitter', 'Sun Aug 31 00:29:15 +0060 2014', null],
    ['twitter', 'sun Aug 31 00:29:15 +0000 2014', null],
    ['twitter', 'Sun Aug  31 00:29:15 +0000 2014', null],
    ['twitter', 'Xyz Aug 31 00:29:15 +0000 2014', null],
    ['twitter', 'Fri Dec 31 23:59:59 -0100 9999', null],
    ['twitter', 'Mon Mar 31 00:29:15 +0000 2014', '2014-03-31T00:29:15.000Z'],
    ['twitter', 'Mon Feb 31 00:29:15 +0000 2014', null],
    ['twitter', 'Mon Feb 31 00:29:15 -0100 2014', null],
    ['rfc2822', 'Mon, 6 Oct 2025 05:40 GMT', '2025-10-06T05:40:00.000Z'],
    ['rfc2822', 'mon,06 OCT 2025  05:40:01 +0200', '2025-10-06T03:40:01.000Z'],
    ['rfc2822', '6 Oct 2025 05:40 UT', '2025-10-06T05:40:00.000Z'],
    ['rfc2822', 'Tue, 06 Oct 2025 05:40:00 GMT', null],
    ['rfc2822', 'Mon, 06 Oct 2025 23:40:00 -0200', '2025-10-07T01:40:00.000Z'],
    ['rfc2822', 'Mon 06 Oct 2025 05:40:00 GMT', null],
    ['rfc2822', '06 Oct 2025 05:40:60 GMT', null],
    ['rfc2822', '31 Feb 2025 05:40:00 GMT', null],
    ['rfc2822', '06 Oct 25 05:40:00 GMT', null],
  ]));

test('a pattern reads exactly the digits that it names, and no white space that it does not', () =>
  expectRead([
    [{ pattern: '%d/%m/%Y' }, '06/10/2025', '2025-10-06T00:00:00.000Z'],
    [{ pattern: '%d/%m/%Y' }, '06/10/25', null],
    [{ pattern: '%d/%m/%Y' }, '6/10/2025', null],
    [{ pattern: '%d/%m/%Y' }, ' 06/10/2025', null],
    [{ pattern: '%d/%m/%Y' }, '06/10/0000', null],
    [{ pattern: '%d/%m/%Y' }, '30/02/2025', null],
    [{ pattern: '%-d.%-m.%Y %-H:%M' }, '6.10.2025 5:40', '2025-10-06T05:40:00.000Z'],
    [{ pattern: '%-d.%-m.%Y %-H:%M' }, '06.10.2025 05:40', '2025-10-06T05:40:00.000Z'],
    [{ pattern: '%-d.%-m.%Y %-H:%M' }, '006.10.2025 05:40', null],
    [{ pattern: '%y%m%d' }, '31109', null],
    [{ pattern: '%y%m%d' }, '311009', '2031-10-09T00:00:00.000Z'],
    [{ pattern: '%y%m%d' }, '691009', '1969-10-09T00:00:00.000Z'],
    [{ pattern: '%Y%m%d%H%M%S%f' }, '20251006054001123', '2025-10-06T05:40:01.123Z'],
    [{ pattern: '%Y %b' }, '2025 OCT', '2025-10-01T00:00:00.000Z'],
    [{ pattern: '%Y  %b' }, '2025 Oct', null],
    [{ pattern: '%B %Y' }, 'october 2025', '2025-10-01T00:00:00.000Z'],
    [{ pattern: '%B %Y' }, 'oct 2025', null],
    [{ pattern: '%Y-%m-%d %I:%M %p' }, '2025-10-06 12:40 am', '2025-10-06T00:40:00.000Z'],
    [{ pattern: '%Y-%m-%d %I:%M %p' }, '2025-10-06 00:40 AM', null],
    [{ pattern: '%Y-%m-%dT%H:%M%z' }, '2025-10-06T05:40Z', '2025-10-06T05:40:00.000Z', 'Europe/London'],
    [{ pattern: '%Y-%m-%dT%H:%M%z' }, '2025-10-06T05:40+01:30', '2025-10-06T04:10:00.000Z'],
    [{ pattern: '%Y-%m-%dT%H:%M%z' }, '2025-10-06T05:40-01', '2025-10-06T06:40:00.000Z'],
    [{ pattern: '%Y-%m-%dT%H:%M%z' }, '2025-10-06T05:40+99:00', null],
    [{ pattern: '%Y-%m-%dT%H:%M%z' }, '0001-01-01T00:00+02:00', null],
    [{ pattern: '%Y-%m-%dT%H:%M%z' }, '2025-02-30T00:00+02:00', null],
    [{ pattern: '%z %d.%m.%Y' }, '-0130 06.10.2025', '2025-10-06T01:30:00.000Z'],
    [{ pattern: '[%Y].(x|y)*' }, '[2025].(x|y)*', '2025-01-01T00:00:00.000Z'],
    [{ pattern: '%d.%m.%Y' }, '06.10.2025', '2025-10-05T23:00:00.000Z', 'Europe/London'],
  ]));

test.each([
  ['%m/%d', 'names no year'],
  ['%Y %y', 'names the year twice'],
  ['%Y %b %m', 'names the month twice'],
  ['%Y %I', 'has %p exactly with %I'],
  ['%Y %H %p', 'has %p exactly with %I'],
  ['%Y-%-m%-d', 'has digits next to %-m'],
  ['%Y %f1', 'has digits next to %f'],
  ['%Y %j', 'is made of'],
])('the pattern %s is refused', (pattern, message) => {
  const column = `  - { name: t, path: t, type: timestamp, formats: [{ pattern: "${pattern}" }] }`;
  expect(() => contractWith(column)).toThrow(message);
});

test('a day begins with the earlier of two midnights, or behind the gap at midnight', () =>
  expectRead([
    ['iso8601_date', '2025-11-02', '2025-11-02T04:00:00.000Z', 'America/Havana'],
    ['iso8601', '2025-11-02T00:00', '2025-11-02T05:00:00.000Z', 'America/Havana'],
    ['iso8601_date', '2025-03-09', '2025-03-09T05:00:00.000Z', 'America/Havana'],
    ['iso8601_date', '2018-11-04', '2018-11-04T03:00:00.000Z', 'America/Sao_Paulo'],
    ['iso8601_date', '2018-02-18', '2018-02-18T03:00:00.000Z', 'America/Sao_Paulo'],
    ['iso8601_date', '2025-07-01', '2025-06-30T23:00:00.000Z', 'Europe/London'],
    ['iso8601_date', '2025-02-30', null, 'Europe/London'],
  ]));
