/** Infers the record of an XML sample: the element that is repeated nearest to the root. */
import { SaxesParser } from 'saxes';
import { textOf } from '../engine/textOf.ts';
import { startOfConverted } from '../engine/unpack.ts';
import { xmlEncoding, xmlLines } from '../engine/xml.ts';
import { isJsonObject } from '../json.ts';
import type { XmlConversion } from '../model/layout.ts';
import { valueOfField } from './column.ts';
import type { Sample } from './source.ts';

/** Whether a file begins like XML, and not like a web page. */
export function isXml(content: Uint8Array): boolean {
  const encoding = xmlEncoding(content);
  const start = Buffer.from(content.subarray(0, 1024));
  const text = new TextDecoder(encoding?.name.startsWith('utf-16') ? encoding.name : 'latin1').decode(start);
  return /^(?:\uFEFF|ï»¿)?\s*<[?!\p{L}_]/u.test(text) && !/<!doctype html|<html/i.test(text);
}

/** The records of an XML file; null if it has none. */
export async function sampleOfXml(content: Buffer): Promise<Sample | null> {
  const encoding = xmlEncoding(content);
  if (encoding === undefined) return null;
  const whole = async function* () {
    yield content;
  };
  const options: { name: string; sample: Sample }[] = [];
  for (const found of recordsIn(await pathsIn(textOf(whole(), encoding)))) {
    const sample = await sampleBy(found.slice(-2), whole, encoding);
    if (sample !== null) options.push({ name: found.at(-1) ?? '', sample });
  }
  const [likely, other] = options;
  if (likely === undefined) return null;
  if (other === undefined) return likely.sample;
  const names = options.map(({ name }) => name).join(', ');
  return { ...likely.sample, question: { text: `which element is a record (${names})`, options } };
}

async function sampleBy(
  record: readonly string[],
  whole: () => AsyncIterable<Buffer>,
  encoding: XmlConversion['encoding'],
): Promise<Sample | null> {
  const read = async (lists: readonly string[]) => {
    const conversion: XmlConversion = { kind: 'xml', record, lists, encoding };
    const { start } = await startOfConverted(xmlLines(whole(), conversion), mostOfSample);
    const lines = start.toString('utf8').split('\n');
    // The last line may be cut.
    if (lines.at(-1) !== '') lines.pop();
    return lines.flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]));
  };
  const lists = new Set<string>();
  for (const each of await read([])) listsIn(each, '', lists);
  const records = (await read([...lists])).map(typed);
  if (records.length === 0) return null;
  return {
    source: { formats: ['xml'], xml: { record: record.join('/') } },
    records,
    notes: [`Each element ${record.at(-1)} is taken for a record; the rest of the document is left out.`],
  };
}

/** The most bytes of records as JSON. */
const mostOfSample = 256 * 1024 * 1024;

interface Path {
  readonly names: readonly string[];
  count: number;
  hasContent: boolean;
}

/** The elements of a file by their paths, in the order in which they begin. A sample may be cut. */
async function pathsIn(source: AsyncIterable<string>): Promise<readonly Path[]> {
  const paths = new Map<string, Path>();
  const above: Path[] = [];
  const parser = new SaxesParser({ xmlns: false, position: false });
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    const names = [...(above.at(-1)?.names ?? []), name];
    const key = names.join('/');
    const path = paths.get(key) ?? { names, count: 0, hasContent: false };
    paths.set(key, path);
    path.count++;
    if (Object.keys(attributes).length > 0) path.hasContent = true;
    const parent = above.at(-1);
    if (parent !== undefined) parent.hasContent = true;
    above.push(path);
  });
  parser.on('closetag', () => above.pop());
  try {
    for await (const text of source) if (text !== '') parser.write(text);
  } catch {
    // What came before the fault, or before the end of the sample, is read.
  }
  return [...paths.values()];
}

/**
 * The paths of elements that may be records, the likely one first: the repeated element nearest to the root, and the element around it if there is
 * one of it, which is likely if the root is its plural, as in `<orders><order>`.
 */
function recordsIn(paths: readonly Path[]): (readonly string[])[] {
  const inside = paths.filter(({ names, hasContent }) => names.length > 1 && hasContent);
  const nearest = (some: readonly Path[]) =>
    some.toSorted((a, b) => a.names.length - b.names.length || b.count - a.count)[0]?.names;
  const repeated = nearest(inside.filter(({ count }) => count > 1));
  const first = nearest(inside) ?? paths[0]?.names;
  if (repeated === undefined || first === undefined || repeated.length <= first.length)
    return [repeated ?? first ?? []].filter((names) => names.length > 0);
  const [root = '', child = ''] = first;
  const isPlural = new RegExp(`^${RegExp.escape(child.replace(/y$/, ''))}(?:s|es|ies|list)$`, 'i').test(root);
  return isPlural ? [first, repeated] : [repeated, first];
}

/** Adds the paths of the elements that a record has several times. */
function listsIn(value: unknown, path: string, lists: Set<string>): void {
  if (Array.isArray(value)) {
    lists.add(path);
    for (const item of value) listsIn(item, path, lists);
  } else if (isJsonObject(value))
    for (const [key, below] of Object.entries(value))
      listsIn(below, path === '' ? key : `${path}/${key}`, lists);
}

/** The texts of a record as the values that they look like. */
function typed(value: unknown): unknown {
  if (typeof value === 'string') return valueOfField(value.trim());
  if (Array.isArray(value)) return value.map(typed);
  return isJsonObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, below]) => [key, typed(below)]))
    : value;
}
