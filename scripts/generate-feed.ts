/**
 * Generates social media feeds from a seed, with any number of rows and realistic faults. The expected accounting goes to standard
 * error, so a run can be compared with it.
 *
 *   npm run -s generate-feed -- --rows 5000 --seed 7 > feed.json
 */
import { once } from 'node:events';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, UsageError } from '../src/cli/usage.ts';
import { complain, print } from '../src/stage/terminal.ts';

/** The expected accounting of a feed. */
export interface FeedCounts {
  rows: number;
  published: number;
  quarantined: number;
  duplicates: number;
  reasons: Record<string, number>;
}

export interface FeedOptions {
  readonly rows: number;
  readonly seed: number;
  /** The first event time; events spread over `hours` after it. */
  readonly start: Date;
  readonly hours: number;
  /** Share of rows that are malformed, wrong or doubled, 0 to 1. */
  readonly dirt: number;
}

export const feedDefaults: FeedOptions = {
  rows: 5000,
  seed: 1,
  start: new Date('2025-10-06T00:00:00Z'),
  hours: 40,
  dirt: 0.04,
};

/** Yields the lines of a feed, and returns the expected counts after the last line. */
export function* generateFeed(options: Partial<FeedOptions> = {}): Generator<string, FeedCounts> {
  const { rows, seed, start, hours, dirt } = { ...feedDefaults, ...options };
  const random = mulberry32(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const counts: FeedCounts = { rows, published: 0, quarantined: 0, duplicates: 0, reasons: {} };
  const recent: Post[] = [];
  for (let i = 0; i < rows; i++) {
    const roll = random();
    const again = recent.length > 0 ? pick(recent) : undefined;
    if (roll < dirt * 0.4 && again) {
      counts.duplicates++;
      yield JSON.stringify(
        { ...again, retweets: again.retweets + (random() < 0.5 ? 0 : -Math.min(again.retweets, 1)) },
        bigints,
      );
      continue;
    }
    const post = makePost(seed, i, start, hours, random, pick);
    if (roll >= dirt * 0.4 && roll < dirt) {
      const [reason, line] = pick(spoilers)(post);
      counts.quarantined++;
      counts.reasons[reason] = (counts.reasons[reason] ?? 0) + 1;
      yield line;
      continue;
    }
    counts.published++;
    recent[i % 512] = post;
    yield JSON.stringify(post, bigints);
  }
  return counts;
}

interface Post {
  id: bigint;
  timestamp: string | number;
  text: string;
  user: { id: number; screen_name: string; location: string | null; followers: number | string };
  coordinates: { lat: number; lon: number } | null;
  entities: { hashtags: string[] };
  lang: string;
  retweets: number;
}

/** Ids are beyond 2^53 and do not fit into a JavaScript number, so they are written as text. */
const bigints = (_: string, value: unknown) =>
  typeof value === 'bigint' ? JSON.rawJSON(String(value)) : value;

function makePost(
  seed: number,
  index: number,
  start: Date,
  hours: number,
  random: () => number,
  pick: <T>(items: readonly T[]) => T,
): Post {
  const time = new Date(start.getTime() + Math.floor(random() * hours * 3_600_000));
  const user = 1 + Math.floor(random() ** 2 * 2000);
  const isPlaced = random() < 0.4;
  return {
    id: 1_975_000_000_000_000_000n + BigInt(seed % 10_000) * 1_000_000_000n + BigInt(index),
    timestamp: pick(timestampForms)(time),
    text: `${pick(openings)} ${pick(subjects)} ${pick(endings)}`,
    user: {
      id: 4_000_000 + user,
      screen_name: `${pick(names)}_${user}`,
      location: pick(locations),
      followers: random() < 0.01 ? 'many' : Math.floor(random() ** 4 * 50_000),
    },
    coordinates: isPlaced ? { lat: round(51.4 + random() * 0.2), lon: round(-0.35 + random() * 0.5) } : null,
    entities: { hashtags: tags.filter(() => random() < 0.12) },
    lang: pick(['en', 'en', 'en', 'EN', 'ja', 'fr', 'und']),
    retweets: Math.floor(random() ** 6 * 400),
  };
}

const round = (degrees: number) => Math.round(degrees * 1e6) / 1e6;

const timestampForms: readonly ((time: Date) => string | number)[] = [
  (time) => time.toISOString(),
  (time) => time.toISOString(),
  (time) => `${new Date(time.getTime() + 3_600_000).toISOString().slice(0, 23)}123+01:00`,
  (time) => time.toISOString().slice(0, 19),
  (time) => Math.floor(time.getTime() / 1000),
  (time) => time.getTime(),
  (time) => {
    // "Mon, 06 Oct 2025 05:40:00 GMT" -> "Mon Oct 06 05:40:00 +0000 2025"
    const [day, date, month, year, clock] = time.toUTCString().split(/,? /);
    return `${day} ${month} ${date} ${clock} +0000 ${year}`;
  },
];

const openings = [
  'Just saw',
  'Cannot believe',
  'Thinking about',
  '今日は',
  'So happy with',
  'Why is there',
  'J’adore',
] as const;
const subjects = [
  'the sunrise over the Thames',
  'this "coffee"',
  '桜の花 🌸',
  'the 73 bus',
  'a fox in the garden 🦊',
  'these queues',
  'la pluie',
] as const;
const endings = [
  'again.',
  '😂😂',
  '#london',
  'and it is only Monday',
  '👍🏽',
  '…',
  'とても綺麗',
  '\\o/',
] as const;
const names = ['ana', 'ben', 'chloe', 'dev', 'ema', 'finn', 'yuki', 'zoe'] as const;
const tags = ['london', 'coffee', 'rain', 'tube', 'sunset', '桜'] as const;
const locations = [
  'London',
  'london, UK',
  'LDN',
  ' London, England ',
  'Manchester, UK',
  'NYC',
  '東京',
  'Paris',
  '',
  'N/A',
  null,
] as const;

const spoilers: readonly ((post: Post) => [reason: string, line: string])[] = [
  (post) => ['invalid_json', JSON.stringify(post, bigints).slice(0, -9)],
  (post) => ['invalid_json', JSON.stringify(post, bigints).replace('"retweets":', '"retweets":NaN,"x":')],
  (post) => ['missing_required', JSON.stringify({ ...post, id: null }, bigints)],
  (post) => ['missing_required', JSON.stringify({ ...post, text: undefined }, bigints)],
  (post) => ['bad_type', JSON.stringify({ ...post, timestamp: '2025-02-30T10:00:00Z' }, bigints)],
  (post) => ['bad_type', JSON.stringify({ ...post, timestamp: 'yesterday' }, bigints)],
  (post) => ['out_of_range', JSON.stringify({ ...post, coordinates: { lat: 999, lon: 0.1 } }, bigints)],
  (post) => ['not_an_object', JSON.stringify([post], bigints)],
];

/** A small seeded generator of uniform numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function main(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    rows: { type: 'string', default: String(feedDefaults.rows) },
    seed: { type: 'string', default: String(feedDefaults.seed) },
    start: { type: 'string', default: feedDefaults.start.toISOString() },
    hours: { type: 'string', default: String(feedDefaults.hours) },
    dirt: { type: 'string', default: String(feedDefaults.dirt) },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    print(`Usage: npm run -s generate-feed -- [options] > FILE

  --rows N      how many rows (${feedDefaults.rows})
  --seed N      equal seeds give equal feeds (${feedDefaults.seed})
  --start TIME  first event time (${feedDefaults.start.toISOString()})
  --hours N     events spread over so many hours (${feedDefaults.hours})
  --dirt SHARE  share of faulty and doubled rows (${feedDefaults.dirt})

Standard output gets the rows as NDJSON. Standard error gets the expected counts as JSON.`);
    return 0;
  }
  const start = new Date(values.start);
  if (Number.isNaN(start.getTime())) throw new UsageError(`--start ${values.start}: is not a time`);
  const feed = generateFeed({
    rows: numberOf('rows', values.rows),
    seed: numberOf('seed', values.seed),
    start,
    hours: numberOf('hours', values.hours),
    dirt: numberOf('dirt', values.dirt),
  });
  for (;;) {
    const next = feed.next();
    if (next.done) {
      complain(JSON.stringify(next.value));
      return 0;
    }
    if (!process.stdout.write(`${next.value}\n`)) await once(process.stdout, 'drain');
  }
}

function numberOf(name: string, text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new UsageError(`--${name} ${text}: must be a number`);
  return Number(text);
}

if (import.meta.main) await runProgram(main);
