/** The profile of a batch: how each of its raw files is read, and which fields its records have. */

import type { ObjectRef, Store } from '../../aws/store.ts';
import {
  mergeShapes,
  type Shape,
  shapeFrom,
  shapeOf,
  shapeOfAll,
  toStructType,
  unknownShape,
  writtenShape,
} from '../../catalog/infer.ts';
import { parseRecordsPath, recordsAt, valuesAt } from '../../contract/recordsPath.ts';
import type { Contract } from '../../contract/schema.ts';
import type { Deadline } from '../../deadline.ts';
import { numberHeaders } from '../../engine/headers.ts';
import { headBytes, type Look } from '../../engine/layout.ts';
import { contentStart, type FileLook, looksAt } from '../../engine/looks.ts';
import type { RangedFile } from '../../engine/zip.ts';
import { ObjectMissing } from '../../errors.ts';
import { concatenatedObjects, isJsonObject, objectsOnLines, tryParseJson } from '../../json.ts';
import { parallel } from '../../parallel.ts';
import type { Manifest } from './manifest.ts';
import type { Profile, ProfilePart } from './profileRecord.ts';

/** Bytes of a JSON document that are parsed to learn its fields. A Lambda holds them several times in memory. */
const mostOfDocument = 32 * 1024 * 1024;

/** Bytes of all documents of a batch that are parsed for this: as many as a step has time for. */
const documentsBytes = 12 * 1024 ** 3;

type ManifestFile = Pick<Manifest['files'][number], 'size'>;

/** The bytes of each document that are parsed. Those of a very large batch have an equal share, and at least what is read of every file. */
export function sampleOf(files: readonly ManifestFile[], most: number = documentsBytes): number {
  const whole = files.reduce((sum, { size }) => sum + Math.min(size, mostOfDocument), 0);
  return whole <= most ? mostOfDocument : Math.max(headBytes, Math.floor(most / files.length));
}

/** The profile of a batch whose files are in these parts, in their order. */
export function profileOfParts(parts: readonly ProfilePart[]): Profile {
  const shape = mergeShapes(parts.map((part) => shapeFrom(part.shape)));
  return {
    files: parts.flatMap(({ files }) => files),
    record: shape.kind === 'struct' ? toStructType(shape, 'nested') : null,
  };
}

/**
 * Looks at the first 256 KiB of each of these files, and at `documentBytes` of a JSON document. A missing version is one rejected row: it is
 * counted, and does not affect other files. Throws OutOfTime.
 */
export async function partOf(
  store: Pick<Store, 'head' | 'readRange'>,
  rawBucket: string,
  contract: Contract,
  files: Manifest['files'],
  { documentBytes, deadline }: { documentBytes: number; deadline?: Deadline | undefined },
): Promise<ProfilePart> {
  const { source } = contract;
  const { headers, numberOf } = numberHeaders();
  // Thousands of files have the same.
  const sharedHeader = (header: readonly string[]) => headers[numberOf(header)] ?? header;
  const refOf = (file: Manifest['files'][number]) => ({
    bucket: rawBucket,
    key: file.object,
    version: file.version,
  });
  const seenOf = ({
    start,
    isWhole,
    example,
    member,
    header,
    head,
    groups,
    conversion,
    ...look
  }: FileLook) => {
    const { layout, fault, compression, body, unpacked } = look;
    const isDocument = layout === 'document' && header === null;
    const shape =
      example === undefined
        ? shapeOfContent(source, { layout, header }, Buffer.from(start), !isWhole)
        : shapeOf(example);
    return {
      // The content of documents is read below.
      shape: isDocument && !isWhole ? null : shape,
      file: {
        unpacked,
        layout,
        fault,
        compression,
        ...(member === null ? {} : { member }),
        header: header && sharedHeader(header),
        body,
        ...(head === undefined ? {} : { head }),
        ...(conversion === undefined ? {} : { conversion }),
        ...(groups === undefined ? {} : { groups: [...groups] }),
      },
    };
  };
  const look = async (file: Manifest['files'][number]) => {
    const ranged = await rangesOf(store, refOf(file));
    const found = ranged && (await orMissing(looksAt(contract, ranged, seenOf)));
    if (!found) return [{ shape: unknownShape, file: { ...file, ...missing } }];
    return found.map((each) => ({ ...each, file: { ...file, size: ranged.size, ...each.file } }));
  };
  const looks = (await parallel(files, 32, look, deadline)).flat();
  const shapeIn = async ({ shape, file }: (typeof looks)[number]) => {
    if (shape !== null) return shape;
    const ranged = await rangesOf(store, refOf(file));
    const look = { compression: file.compression, member: 'member' in file ? (file.member ?? null) : null };
    const content = ranged && (await orMissing(contentStart(ranged, look, documentBytes)));
    if (!content) return unknownShape;
    const isCut = content.length >= documentBytes;
    return shapeOfContent(source, file, Buffer.from(content), isCut);
  };
  // Few at once, because of the memory that they need.
  const shapes = await parallel(looks, 4, shapeIn, deadline);
  return { files: looks.map(({ file }) => file), shape: writtenShape(mergeShapes(shapes)) };
}

/** The profile of a version that is gone. */
const missing = {
  size: 0,
  unpacked: 0,
  layout: 'refused',
  fault: 'object_missing',
  compression: null,
  header: null,
  head: '',
} as const;

/** A version of an object with random access; null if it no longer exists. */
async function rangesOf(
  store: Pick<Store, 'head' | 'readRange'>,
  ref: ObjectRef,
): Promise<RangedFile | null> {
  const found = await orMissing(store.head(ref, headBytes));
  if (found === null) return null;
  const { head, size } = found;
  return {
    size,
    read: async (start, end) => {
      if (end <= head.length) return head.subarray(start, end);
      return start === 0
        ? (await store.head(ref, end)).head
        : new Uint8Array(await store.readRange(ref, start, end));
    },
  };
}

/** Null if the version no longer exists. */
async function orMissing<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof ObjectMissing) return null;
    throw error;
  }
}

/** The merged shape of a file's records, or of those at its start; texts that do not parse have none. A CSV has texts only. */
export function shapeOfContent(
  source: Contract['source'],
  { layout, header }: Pick<Look, 'layout' | 'header'>,
  content: Buffer,
  isCut: boolean,
): Shape {
  if (layout === 'refused') return unknownShape;
  if (header !== null) return shapeOf(Object.fromEntries(header.map((name) => [name, ''])));
  const text = content.toString('utf8').replace(/^\uFEFF/, '');
  if (source.formats.includes('json_concatenated')) return mergeRecords(concatenatedObjects(text));
  if (layout === 'document' && isCut) return mergeRecords(recordsOfStart(text, source.records));
  if (layout === 'document') {
    const document = tryParseJson(text);
    const records = source.records === undefined ? document : recordsAt(document, source.records);
    return Array.isArray(records) ? mergeRecords(records) : unknownShape;
  }
  return shapeOfAll(objectsOnLines(isCut ? text.slice(0, text.lastIndexOf('\n') + 1) : text));
}

const mergeRecords = (records: readonly unknown[]): Shape => shapeOfAll(records.filter(isJsonObject));

/** The records at the start of a document: after the keys of their path, one after the other. */
function recordsOfStart(text: string, path: string | undefined): unknown[] {
  if (path === undefined) return concatenatedObjects(text);
  const { steps, below, isMap } = parseRecordsPath(path);
  let from = 0;
  for (const step of steps) {
    if (step.kind !== 'key') continue;
    const found = new RegExp(`${RegExp.escape(JSON.stringify(step.key))}\\s*:`, 'g');
    found.lastIndex = from;
    if (!found.test(text)) return [];
    from = found.lastIndex;
  }
  const start = isMap ? text.indexOf('{', from) + 1 : from;
  return concatenatedObjects(text.slice(start)).flatMap((object) => valuesAt(object, below));
}
