/** Columns, with values at the limits of what their types hold or read. */
import type { Dice } from './dice.ts';

/** A column of a contract in YAML, without its name, with texts for JSON or CSV. */
export interface ColumnCase {
  readonly column: Readonly<Record<string, unknown>> & { readonly type: string };
  /** A value as JSON text; '' for a field that is missing. */
  readonly json: (dice: Dice) => string;
}

const limits = [
  '0',
  '-0',
  '00',
  '1',
  '-1',
  '007',
  '2147483647',
  '2147483648',
  '-2147483648',
  '-2147483649',
  '9007199254740991',
  '9007199254740993',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775808',
  '-9223372036854775809',
  '18446744073709551615',
  '18446744073709551616',
  '170141183460469231731687303715884105727',
  '170141183460469231731687303715884105728',
  '99999999999999999999999999999999999999',
  '100000000000000000000000000000000000000',
];

/** Digits, near a limit or anywhere, sometimes with a wrong character. */
function wholeText(dice: Dice): string {
  const text = dice.oneOf(
    () => dice.pick(limits),
    () => dice.digits(dice.from(1, 20)),
    () => `-${dice.digits(dice.from(1, 20))}`,
    () => `${dice.from(-200, 200)}`,
    () => `${'0'.repeat(dice.from(1, 40))}${dice.digits(dice.from(0, 3))}`,
    () => dice.digits(dice.from(30, 45)),
  );
  return dice.isOne(12) ? withNoise(dice, text) : text;
}

const noise = [' ', '+', '-', '.', ',', 'e', '_', 'x', '\u00a0', '٣', '\0', '\n', "'", '"', '\\', '0'];

/** With one character added or removed. */
function withNoise(dice: Dice, text: string): string {
  const place = dice.from(0, text.length);
  return `${text.slice(0, place)}${dice.isOne(3) ? '' : dice.pick(noise)}${text.slice(place + dice.from(0, 1))}`;
}

function decimalText(dice: Dice): string {
  const text = dice.oneOf(
    () => `${wholeText(dice)}.${dice.digits(dice.from(1, 6))}`,
    () => `${dice.digits(dice.from(1, 9))}.${dice.digits(dice.from(1, 9))}${'0'.repeat(dice.from(0, 5))}`,
    () => `-${dice.digits(dice.from(1, 15))}.${dice.digits(dice.from(1, 25))}`,
    () => wholeText(dice),
    () => `0.${'0'.repeat(dice.from(0, 30))}${dice.digits(dice.from(1, 4))}`,
    () => dice.pick(['0.1', '1.50', '-0.0', '1.005', '999999999.999', '0.000', '-0.001', '1.', '12345678.9']),
  );
  return dice.isOne(15) ? withNoise(dice, text) : text;
}

function doubleText(dice: Dice): string {
  const text = dice.oneOf(
    () => decimalText(dice),
    () =>
      dice.pick([
        ...['5e-324', '2e-324', '4.9e-324', '2.4703282292062327e-324', '2.4703282292062328e-324'],
        ...['1.7976931348623157e308', '1.7976931348623158e308', '1.7976931348623159e308', '1e308', '1e309'],
        ...['1e400', '-1e400', '1e-400', '0e999', '9007199254740993', '9007199254740992.5', '0.1e1', '1E5'],
        ...['NaN', 'Infinity', '-inf', '1e', 'e5', '0x10', '1e+5', '1e-5', '2.2250738585072011e-308'],
      ]),
    () => `${dice.digits(dice.from(1, 18))}.${dice.digits(dice.from(1, 18))}e${dice.from(-340, 320)}`,
  );
  return dice.isOne(15) ? withNoise(dice, text) : text;
}

const texts = [
  ...['', ' ', '\t', '\u00a0', '\u2028', 'a', 'A', ' a ', '\r\na\n', 'N/A', ' N/A ', 'n/a', 'null', 'true'],
  ...['ß', 'ẞ', 'ΑΘΗΝΑΣ', 'αθηνας', 'αθηνασ', 'İ', 'ı', 'I', 'i', 'é', 'e\u0301', 'ﬁ', '桜', '🦆', '👩‍👩‍👧'],
  ...['{', '[', '{}', '[1]', '"', "'", '\\', '%', '{"a":1}', 'x'.repeat(300), '\u0001', '\u007f', 'a\ufeff'],
  ...['Ⅷ', 'ǅ', 'ǆ', 'Ǆ', 'K', 'Å', 'Å', 'ſ', 'ŉ', 'ᾳ', 'ΐ', '\u0345', '𐐀', '𐐨', 'Straße', 'LONDON'],
];
export const anyText = (dice: Dice): string =>
  dice.oneOf(
    () => dice.pick(texts),
    () => dice.pick(texts) + dice.pick(texts),
    () => Array.from({ length: dice.from(0, 6) }, () => character(dice)).join(''),
  );

function character(dice: Dice): string {
  const code = dice.oneOf(
    () => dice.from(0x20, 0x7e),
    () => dice.from(0xa0, 0x24f),
    () => dice.from(0x370, 0x3ff),
    () => dice.from(0x1, 0x1c7f),
    () => dice.from(0x1e00, 0xa7af),
    () => dice.from(0x10000, 0x1044f),
    () => dice.from(0x1f300, 0x1f9ff),
  );
  // Letters that got an upper case in recent years: the engines' Unicode differs from Node's.
  return [0x19b, 0x264].includes(code) ? 'a' : String.fromCodePoint(code);
}

const years = [
  '0000',
  '0001',
  '0002',
  '0099',
  '1000',
  '1582',
  '1899',
  '1900',
  '1969',
  '1970',
  '1972',
  '2000',
  '2025',
  '2038',
  '9998',
  '9999',
];
const dates = [
  '01-01',
  '02-28',
  '02-29',
  '02-30',
  '03-01',
  '10-26',
  '03-30',
  '06-30',
  '12-31',
  '10-04',
  '10-15',
  '13-01',
  '00-10',
  '04-31',
  '11-00',
];
const dateText = (dice: Dice): string => {
  const text = dice.oneOf(
    () => `${dice.pick(years)}-${dice.pick(dates)}`,
    () => `${four(dice.from(1, 9999))}-${two(dice.from(1, 12))}-${two(dice.from(1, 31))}`,
  );
  return dice.isOne(12) ? withNoise(dice, text) : text;
};
const four = (n: number): string => String(n).padStart(4, '0');
const two = (n: number): string => String(n).padStart(2, '0');

const clocks = [
  '00:00',
  '23:59',
  '23:59:59',
  '00:00:00',
  '23:59:60',
  '24:00',
  '24:00:00',
  '12:60',
  '02:30',
  '01:30:00',
  '03:00',
  '01:59:59',
];
const fractions = [
  '.0',
  '.5',
  '.999999',
  '.9999999',
  '.000001',
  '.0000009',
  '.123456789',
  '.1234567890123456789012',
  '.',
];
const zones = [
  'Z',
  'z',
  '+00:00',
  '-00:00',
  '+02:00',
  '-0530',
  '+14:00',
  '-14:00',
  '+14:59',
  '+15:00',
  '+99:00',
  '+01',
  '-12',
  '+0',
  '+2:00',
  ' Z',
  'UTC',
  '+02:60',
  'ZZ',
];
const isoText = (dice: Dice): string => {
  const text = dice.oneOf(
    () =>
      `${dateText(dice)}${dice.pick(['T', ' ', 't', '', '  ', '_'])}${dice.pick(clocks)}${dice.isOne(3) ? dice.pick(fractions) : ''}${dice.isOne(2) ? dice.pick(zones) : ''}`,
    () =>
      `${dice.pick(years)}-${dice.pick(dates)}T${two(dice.from(0, 23))}:${two(dice.from(0, 59))}:${two(dice.from(0, 59))}${dice.isOne(2) ? `.${dice.digits(dice.from(1, 10))}` : ''}${dice.isOne(2) ? dice.pick(zones) : ''}`,
    () =>
      `${dice.from(2000, 2030)}-${two(dice.pick([3, 4, 10, 11]))}-${two(dice.from(1, 31))} ${two(dice.from(0, 4))}:${two(dice.from(0, 59))}`,
  );
  return dice.isOne(20) ? withNoise(dice, text) : text;
};
const epochText = (dice: Dice): string => {
  const sign = dice.isOne(4) ? '-' : '';
  const text = dice.oneOf(
    () => `${sign}${dice.digits(dice.from(1, 21))}`,
    () => `${sign}${dice.from(1, 9)}${dice.digits(dice.from(8, 18))}`,
    () => `${sign}${dice.digits(dice.from(1, 11))}.${dice.digits(dice.from(1, 8))}`,
    () => `1${dice.digits(9)}`,
    () => `1${dice.digits(18)}`,
    () =>
      dice.pick([
        '253402300799',
        '253402300800',
        '-62135596800',
        '-62135596801',
        '253402300799.999999',
        '253402300799999',
        '9223372036854775807',
        '-9223372036854775808',
        '-1',
        '-0',
        '0',
        '-0.5',
        '-1.000001',
        '999999999999999999',
      ]),
  );
  return dice.isOne(25) ? withNoise(dice, text) : text;
};
const excelText = (dice: Dice): string => {
  const text = dice.oneOf(
    () => String(dice.from(0, 62)),
    () => `${dice.from(1, 60000)}`,
    () => `${dice.from(1, 60000)}.${dice.digits(dice.from(1, 18))}`,
    () =>
      dice.pick([
        '2958465',
        '2958466',
        '2958465.99999999999',
        '60.5',
        '59.999999999',
        '45000.5',
        '00045000',
        '0.5',
      ]),
  );
  return dice.isOne(15) ? withNoise(dice, text) : text;
};

/** Digits with separators, mostly in the right places, with signs and currencies around them. */
function peoplesNumber(
  dice: Dice,
  {
    decimal = '.',
    group = '',
    percent,
    currency = [],
    accounting,
  }: {
    decimal?: string;
    group?: string;
    percent?: string;
    currency?: string | string[];
    accounting: boolean;
  },
): string {
  const mark = group === ' ' ? dice.pick([' ', '\u00a0', '\u202f']) : group;
  const digits = String(dice.from(0, 9) * 10 ** dice.from(0, 8) + dice.from(0, 999));
  const grouped = dice.oneOf(
    () => digits.replace(/(?<=\d)(?=(\d{3})+$)/g, mark),
    () => digits.replace(/(?<=\d)(?=(\d{2})*\d{3}$)/g, mark),
    () => digits,
  );
  const fraction = dice.isOne(2) ? `${decimal}${dice.digits(dice.from(0, 3))}` : '';
  const space = () => dice.pick(['', '', '', ' ', '\u00a0', '  ']);
  const sign = () => dice.pick(['', '', '', '-', '+', '\u2212']);
  const money = () => dice.pick(['', ...[currency].flat(), dice.pick(['$', '€', 'EUR'])]);
  const number = dice.isOne(10) ? fraction : `${grouped}${fraction}`;
  const text = dice.oneOf(
    () => `${sign()}${number}`,
    () => `${sign()}${money()}${space()}${number}`,
    () => `${money()}${space()}${sign()}${number}`,
    () => `${sign()}${number}${space()}${dice.isOne(2) ? money() : '%'}`,
    () => `(${money()}${space()}${number}${percent === undefined ? '' : '%'})`,
    () => `${money()}${space()}(${number})`,
    () => `${number}${space()}${money()}${accounting ? '-' : ''}`,
  );
  return dice.isOne(12) ? withNoise(dice, text) : text;
}
const monthNames = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** A day with its weekday, which is sometimes wrong. */
function dated(dice: Dice): { name: string; day: number; month: string; year: string } {
  const [year, month, day] = [
    dice.oneOf(
      () => Number(dice.pick(years)),
      () => dice.from(1900, 2100),
    ),
    dice.from(1, 12),
    dice.from(1, 31),
  ];
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  return {
    name: dice.isOne(8) ? dice.pick(weekdays) : (weekdays[at.getUTCDay()] ?? ''),
    day,
    month: monthNames[month - 1] ?? '',
    year: String(year).padStart(4, '0'),
  };
}
const clockOf = (dice: Dice): string =>
  `${two(dice.from(0, 24))}:${two(dice.from(0, 60))}:${two(dice.from(0, 60))}`;
const twitterText = (dice: Dice): string => {
  const { name, day, month, year } = dated(dice);
  const text = `${name} ${month} ${two(day)} ${clockOf(dice)} ${dice.pick(['+0000', '-0000', '+0200', '-1400', '+1459', '+1500', '+0060', 'Z'])} ${year}`;
  return dice.isOne(10) ? withNoise(dice, text) : text;
};
const rfc2822Text = (dice: Dice): string => {
  const { name, day, month, year } = dated(dice);
  const space = () => (dice.isOne(8) ? '  ' : ' ');
  const number = dice.isOne(3) ? String(day) : two(day);
  const weekday = dice.pick([
    '',
    `${name}, `,
    `${name},`,
    `${name},  `,
    `${name.toUpperCase()}, `,
    `${name} `,
  ]);
  const clock = dice.isOne(4) ? clockOf(dice).slice(0, 5) : clockOf(dice);
  const zone = dice.pick([
    '+0000',
    '-0000',
    '+0200',
    '-1400',
    'GMT',
    'UT',
    'UTC',
    'EST',
    'Z',
    'gmt',
    '+02:00',
  ]);
  const name3 = dice.isOne(6) ? month.toLowerCase() : month;
  const text = `${weekday}${number}${space()}${name3}${space()}${year}${space()}${clock}${space()}${zone}`;
  return dice.isOne(10) ? withNoise(dice, text) : text;
};

const patterns = [
  ...['%d/%m/%Y %H:%M', '%m-%d-%y %I:%M %p', '%Y%m%d%H%M%S', '%y%m%d', '%d %b %Y', '%B %d, %Y %H:%M:%S.%f'],
  ...['%Y-%m-%dT%H:%M:%S%z', '%Y', '%-d.%-m.%Y %-H:%M', '[%Y] %b', '%Y-%m-%d %-I%p', '%H:%M %Y-%m-%d %z'],
];
const longMonths = ['January', 'february', 'MARCH', 'April', 'May', 'Juni', 'September', 'December'];

/** Mostly texts that match the pattern in each part. */
const patternText = (dice: Dice, pattern: string): string => {
  const part: Readonly<Record<string, () => string>> = {
    Y: () =>
      dice.oneOf(
        () => dice.pick(years),
        () => String(dice.from(1, 2100)),
      ),
    y: () => dice.pick(['00', '25', '68', '69', '99', '5']),
    m: () => two(dice.from(0, 13)),
    d: () => two(dice.from(0, 32)),
    H: () => two(dice.from(0, 24)),
    I: () => two(dice.from(0, 13)),
    '-m': () => String(dice.from(0, 13)),
    '-d': () =>
      dice.oneOf(
        () => String(dice.from(0, 32)),
        () => two(dice.from(1, 9)),
      ),
    '-H': () => String(dice.from(0, 24)),
    '-I': () => String(dice.from(0, 13)),
    p: () => dice.pick(['AM', 'PM', 'am', 'Pm', 'xm']),
    M: () => two(dice.from(0, 60)),
    S: () => two(dice.from(0, 60)),
    f: () => dice.digits(dice.from(1, 10)),
    b: () => dice.pick([...monthNames, 'JAN', 'feb', 'Foo']),
    B: () => dice.pick(longMonths),
    z: () => dice.pick([...zones, '+0130']),
  };
  const text = pattern.replaceAll(/%(-?.)/g, (_, name: string) => part[name]?.() ?? '');
  return dice.isOne(10) ? withNoise(dice, text) : text;
};

const string = (text: string): string => JSON.stringify(text);

/** As a text, or as the JSON number of these digits if it is one. */
const numberOr = (dice: Dice, text: string): string =>
  dice.isOne(2) && /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? text : string(text);

const other = (dice: Dice): string =>
  dice.pick([
    'null',
    '',
    'true',
    'false',
    '{}',
    '[]',
    '{"a":1}',
    '[1,2]',
    '""',
    '" "',
    '0',
    '1',
    '"true"',
    '"N/A"',
    '" n/a"',
    '"yes"',
    '-0',
    '-0.0',
    '1.0',
  ]);

const usually =
  (make: (dice: Dice) => string) =>
  (dice: Dice): string =>
    dice.isOne(12) ? other(dice) : make(dice);
const listOf = (make: (dice: Dice) => string) =>
  usually(
    (dice) =>
      `[${Array.from({ length: dice.from(0, 4) }, () => make(dice))
        .filter((v) => v !== '')
        .join(',')}]`,
  );

const whole = usually((dice) => numberOr(dice, wholeText(dice)));
const decimal = usually((dice) => numberOr(dice, decimalText(dice)));
const double = usually((dice) => numberOr(dice, doubleText(dice)));
const text = usually((dice) => string(anyText(dice)));
const iso = usually((dice) => string(isoText(dice)));
const anyTime = usually((dice) =>
  dice.oneOf(
    () => string(isoText(dice)),
    () => numberOr(dice, epochText(dice)),
    () => string(twitterText(dice)),
    () => string(rfc2822Text(dice)),
    () => string(dateText(dice)),
  ),
);
const formatted = [
  'iso8601',
  'iso8601_date',
  'epoch_s',
  'epoch_ms',
  'epoch_us',
  'epoch_ns',
  'twitter',
  'rfc2822',
  'excel',
];
const localZones = [
  'Europe/London',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'America/Sao_Paulo',
  'Africa/Casablanca',
  'Europe/Dublin',
  'America/St_Johns',
];

const nestedJson = (dice: Dice, depth = 0): string =>
  depth > 3 || dice.isOne(2)
    ? dice.oneOf(
        () => string(anyText(dice)),
        () => double(dice) || 'null',
        () => other(dice) || 'null',
      )
    : dice.isOne(2)
      ? `[${Array.from({ length: dice.from(0, 3) }, () => nestedJson(dice, depth + 1)).join(', ')}]`
      : `{ ${Array.from({ length: dice.from(0, 3) }, () => `${string(anyText(dice))} : ${nestedJson(dice, depth + 1)}`).join(' ,')} }`;

const patternCase = (dice: Dice): ColumnCase => {
  const pattern = dice.pick(patterns);
  const zone = dice.isOne(2) ? {} : { zone: dice.pick(localZones) };
  const json = usually((d: Dice) => string(patternText(d, pattern)));
  return { column: { type: 'timestamp', formats: [{ pattern }], ...zone }, json };
};

/** One case of each kind, with its own choices. */
export const columnCases: readonly ((dice: Dice) => ColumnCase)[] = [
  patternCase,
  () => ({ column: { type: 'int' }, json: whole }),
  () => ({ column: { type: 'bigint' }, json: whole }),
  (dice) => ({
    column: { type: dice.pick(['int', 'bigint']), trim: true, nullValues: ['', 'N/A', '-1'] },
    json: whole,
  }),
  (dice) => ({
    column: {
      type: dice.pick(['int', 'bigint', 'double', 'decimal(20,4)']),
      range: dice.pick([
        { min: 0 },
        { max: 100 },
        { min: -1, max: 1 },
        { min: 0.5 },
        { max: -0.001 },
        { min: '9007199254740993' },
        { max: '-0.30000000000000001', min: '-9223372036854775808' },
      ]),
    },
    json: (d) => (d.isOne(2) ? whole(d) : decimal(d)),
  }),
  (dice) => ({
    column: { type: 'double', nullValues: dice.pick([[], ['1.50', '-0', '1e5']]) },
    json: double,
  }),
  (dice) => {
    const precision = dice.pick([1, 2, 4, 5, 9, 10, 18, 19, 20, 37, 38]);
    return {
      column: { type: `decimal(${precision},${dice.from(0, precision)})`, trim: dice.isOne(3) },
      json: decimal,
    };
  },
  () => ({
    column: { type: 'boolean' },
    json: usually((d) => string(d.pick(['true', 'false', 'True', ' true', 'yes', '1', 't', 'truefalse']))),
  }),
  (dice) => ({
    column: { type: 'date', trim: dice.isOne(3), nullValues: dice.pick([[], ['', 'N/A', '0000-00-00']]) },
    json: usually((d) => string(d.isOne(10) ? isoText(d) : dateText(d))),
  }),
  (dice) => {
    const pattern = dice.pick(patterns);
    const formats = dice.some(['iso8601_date', 'iso8601', 'excel', 'rfc2822', 'epoch_ms', { pattern }], 0.5);
    return {
      column: {
        type: 'date',
        formats: [...formats, 'twitter'],
        nullValues: dice.pick([[], ['0', '0000-00-00']]),
      },
      json: usually((d) =>
        d.oneOf(
          () => string(dateText(d)),
          () => string(isoText(d)),
          () => string(patternText(d, pattern)),
          () => numberOr(d, excelText(d)),
          () => string(rfc2822Text(d)),
          () => numberOr(d, epochText(d)),
          () => string(twitterText(d)),
        ),
      ),
    };
  },
  (dice) => ({
    column: {
      type: 'timestamp',
      formats: dice.pick([['excel'], ['epoch_ms', 'excel']]),
      zone: dice.pick(['UTC', ...localZones]),
    },
    json: usually((d) => numberOr(d, d.isOne(4) ? epochText(d) : excelText(d))),
  }),
  (dice) => {
    const number = {
      ...dice.pick([
        {},
        { decimal: ',' },
        { group: ',' },
        { decimal: ',', group: '.' },
        { group: ' ' },
        { group: "'" },
        { group: '_' },
      ]),
      ...dice.pick([{}, {}, { percent: 'points' }, { percent: 'ratio' }]),
      ...dice.pick([{}, {}, { currency: '$' }, { currency: ['$', 'US$', 'EUR', 'Rs.', '€'] }]),
      accounting: dice.isOne(2),
    };
    return {
      column: {
        type: dice.pick(['int', 'bigint', 'double', 'decimal(12,2)', 'decimal(30,6)']),
        trim: dice.isOne(2),
        number,
      },
      json: usually((d) => (d.isOne(6) ? numberOr(d, decimalText(d)) : string(peoplesNumber(d, number)))),
    };
  },
  (dice) => ({
    column: {
      type: 'boolean',
      trim: dice.isOne(2),
      map: dice.pick([
        { true: ['yes', 'y', '1', 'T'], false: ['no', 'n', '0', 'F'] },
        { true: ['ja', 'on', '1.0'] },
        { false: ['Ø', '-0'] },
      ]),
      mapDefault: dice.pick(['keep', 'null', 'reject']),
    },
    json: usually((d) =>
      d.oneOf(
        () =>
          string(d.pick(['true', 'TRUE', 'False', ' true', 'yes', 'Y', 'n', 'ja', 'ø', 'T', 'f', 'x', ''])),
        () => d.pick(['0', '1', '1.0', '-0', 'true', 'false', '1e0']),
      ),
    ),
  }),
  () => ({ column: { type: 'timestamp', formats: ['iso8601'] }, json: iso }),
  (dice) => ({
    column: { type: 'timestamp', formats: ['iso8601', 'iso8601_date'], zone: dice.pick(localZones) },
    json: iso,
  }),
  (dice) => ({
    column: { type: 'timestamp', formats: dice.some(formatted, 0.5).concat('iso8601') },
    json: anyTime,
  }),
  () => ({
    column: { type: 'timestamp', formats: ['epoch_s', 'epoch_ms', 'epoch_us', 'epoch_ns'] },
    json: usually((d) => numberOr(d, epochText(d))),
  }),
  () => ({
    column: { type: 'timestamp', formats: ['twitter', 'rfc2822'] },
    json: usually((d) => string(d.isOne(2) ? twitterText(d) : rfc2822Text(d))),
  }),
  () => ({
    column: { type: 'string' },
    json: (d) => (d.isOne(6) ? nestedJson(d) : d.isOne(4) ? whole(d) : text(d)),
  }),
  (dice) => ({
    column: {
      type: 'string',
      trim: dice.isOne(2),
      normalize: dice.isOne(2),
      nullValues: dice.pick([[], ['', 'N/A'], [' a ', 'e\u0301']]),
      ...(dice.isOne(2) ? {} : { case: dice.pick(['lower', 'upper']) }),
    },
    json: text,
  }),
  (dice) => ({
    column: {
      type: 'string',
      trim: dice.isOne(2),
      map: { London: ['ldn', 'LONDON town'], a: ['b', 'É'], '': ['none'], ΑΘΗΝΑΣ: ['athens'] },
      mapDefault: dice.pick(['keep', 'null', 'reject']),
    },
    json: usually((d) =>
      string(
        d.isOne(2)
          ? anyText(d)
          : d.pick(['ldn', ' LDN', 'london', 'Athens', 'αθηνας', 'B', 'é', 'É', 'none', 'NONE', '']),
      ),
    ),
  }),
  (dice) => ({
    column: {
      type: dice.pick(['string', 'int', 'double']),
      extract: dice.pick([
        '(\\d+)',
        '^(.*)e',
        '^id-(\\d+)$',
        '^([^-]*)-',
        '(a|b)?x',
        '(?:#)(.*)$',
        '(?i)ID-([a-z]+)',
      ]),
    },
    json: usually((d) =>
      d.isOne(3)
        ? decimal(d)
        : string(
            d.pick(['id-', '', '-', '#', 'ax', 'x']) +
              d.oneOf(
                () => wholeText(d),
                () => anyText(d),
              ),
          ),
    ),
  }),
  () => ({ column: { type: 'json' }, json: (d) => nestedJson(d) }),
  (dice) => {
    const type = dice.pick(['string', 'int', 'bigint', 'double', 'boolean', 'date']);
    const make = {
      string: text,
      int: whole,
      bigint: whole,
      double,
      boolean: other,
      date: (d: Dice) => string(dateText(d)),
    }[type];
    return {
      column: {
        type: `array<${type}>`,
        trim: dice.isOne(2),
        nullValues: dice.pick([[], ['', 'N/A', '0', '1.0', 'true']]),
      },
      json: listOf(make ?? text),
    };
  },
];
