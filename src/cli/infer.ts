/** `sluice infer`: a contract drafted from sample files. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { stringify } from 'yaml';
import { draftContract, findRecords } from '../lib/contract/infer.ts';
import { parseContract } from '../lib/contract/load.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { compressionOf, unpackStart } from '../lib/engine/unpack.ts';
import { isJsonObject, tryParseJson } from '../lib/json.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- infer [--dataset NAME] INPUT…

Drafts a contract from sample files and prints it as YAML: types, time formats, a candidate for the key, and a partition by
the first time that every record has. It runs as drafted; read it before you trust it.

  --dataset NAME   by default the first file's name
  --records N      how many records to look at (10000)

  npm run -s sluice -- infer feed.json > datasets/feed.yml`;

/** No more of a file than this is looked at, in bytes. */
const sampleBytes = 64 * 1024 * 1024;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    dataset: { type: 'string' },
    records: { type: 'string', default: '10000' },
  });
  const [first] = positionals;
  const limit = Number(values.records);
  if (first === undefined) throw new UsageError('at least one INPUT is needed');
  if (!Number.isInteger(limit) || limit < 1)
    throw new UsageError(`--records ${values.records}: it is a number`);
  const dataset = values.dataset ?? datasetName(first);
  const sources = await Promise.all(positionals.map(readSample));
  const formats = new Set(sources.map(({ source }) => JSON.stringify(source)));
  const [source] = sources;
  if (!source || formats.size > 1)
    throw new UsageError('the inputs have different formats; name files of one feed');
  const records = sources.flatMap((s) => s.records).slice(0, limit);
  const { contract, left } = draftContract(dataset, source.source, records);
  const text = stringify(contract, { flowCollectionPadding: true, lineWidth: 0 });
  parseContract(`${dataset}.yml`, text);
  console.log(
    `# Drafted from ${records.length} records of ${positionals.map((p) => basename(p)).join(', ')}.`,
  );
  for (const path of left)
    console.log(`# No column for ${JSON.stringify(path)}: a path cannot have such characters.`);
  console.log(text.trimEnd());
  return 0;
}

async function readSample(
  path: string,
): Promise<{ source: Partial<Contract['source']>; records: unknown[] }> {
  const bytes = await readFile(path);
  const compression = compressionOf(bytes);
  const content = compression
    ? await unpackStart(bytes, compression, sampleBytes)
    : bytes.subarray(0, sampleBytes);
  const text = (content ?? Buffer.alloc(0)).toString('utf8').replace(/^\uFEFF/, '');
  const whole = parse(text);
  const found = whole === undefined ? null : findRecords(whole);
  if (found) return found;
  const records = text.split('\n').map(parse).filter(isJsonObject);
  if (records.length === 0) throw new UsageError(`${path}: no JSON record was found`);
  return { source: { formats: ['ndjson'] }, records };
}

/** JSON, with whole numbers beyond 2^53 exact. */
const parse = (text: string): unknown => tryParseJson(text, exact as Parameters<typeof JSON.parse>[1]);

const exact = (_key: string, value: unknown, { source }: { source: string }): unknown =>
  typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source)
    ? BigInt(source)
    : value;

function datasetName(path: string): string {
  const name = basename(path)
    .replace(/\..*$/, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^[^a-z]+|_?\d*_*$/g, '');
  return name === '' ? 'dataset' : name;
}
