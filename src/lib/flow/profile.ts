/** A first look at a batch's raw files: how each is read, and which fields its records have. */

import type { ObjectRef, Store } from '../aws/store.ts';
import { mergeShapes, type Shape, shapeOf, toStructType, unknownShape } from '../catalog/infer.ts';
import { parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import { documentLimit, headBytes, type Look, lookAt, refusedSampleBytes } from '../engine/layout.ts';
import { type Compression, unpackStart } from '../engine/unpack.ts';
import { ObjectMissing } from '../errors.ts';
import { concatenatedObjects, isJsonObject, tryParseJson } from '../json.ts';
import { parallel } from '../parallel.ts';
import type { Manifest, Profile } from './batch.ts';

/**
 * Reads the first 256 KiB of each file (documents whole) and makes the batch's profile. A version that is gone is one
 * refused row: it is counted, and costs no other file.
 */
export async function profileBatch(
  store: Pick<Store, 'head' | 'readBytes'>,
  rawBucket: string,
  contract: Contract,
  manifest: Manifest,
): Promise<Profile> {
  const looks = await parallel(manifest.files, 32, async (file) => {
    const ref = { bucket: rawBucket, key: file.object, version: file.version };
    const found = await headOf(store, ref);
    if (found === null)
      return {
        shape: unknownShape,
        file: {
          ...file,
          size: 0,
          layout: 'refused' as const,
          fault: 'object_missing' as const,
          compression: null,
          header: null,
          head: '',
        },
      };
    const { head, size } = found;
    const { layout, fault, compression, header, start, isWhole } = await lookAt(contract.source, head, size);
    const isDocument = layout === 'document' && header === null;
    const content = isDocument && !isWhole ? await wholeContent(store, ref, compression) : start;
    const shape = shapeOfContent(
      contract.source,
      { layout, header },
      Buffer.from(content),
      content === start && !isWhole,
    );
    return {
      shape,
      file: {
        ...file,
        size,
        layout,
        fault,
        compression,
        header: header && [...header],
        ...(layout === 'refused'
          ? { head: Buffer.from(head.subarray(0, refusedSampleBytes)).toString('base64') }
          : {}),
      },
    };
  });
  const shape = looks.map((l) => l.shape).reduce(mergeShapes, unknownShape);
  return {
    files: looks.map((l) => l.file),
    record: shape.kind === 'struct' ? toStructType(shape) : null,
  };
}

/** A document is parsed at once; of a packed one that is too large only the start is seen, and it does not parse. */
async function wholeContent(
  store: Pick<Store, 'readBytes'>,
  ref: ObjectRef,
  compression: Compression | null,
): Promise<Uint8Array> {
  const bytes = await store.readBytes(ref);
  if (compression === null) return bytes;
  return (await unpackStart(bytes, compression, documentLimit)) ?? new Uint8Array();
}

/** Null for a version that is gone. */
async function headOf(store: Pick<Store, 'head'>, ref: ObjectRef) {
  try {
    return await store.head(ref, headBytes);
  } catch (error) {
    if (error instanceof ObjectMissing) return null;
    throw error;
  }
}

/** The merged shape of a file's records; what does not parse has none. A CSV has texts only. */
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
  if (layout === 'document') {
    const document = tryParseJson(text);
    const records = source.records === undefined ? document : valueAt(document, source.records);
    return Array.isArray(records) ? mergeRecords(records) : unknownShape;
  }
  const lines = text.split('\n');
  if (isCut) lines.pop();
  return mergeRecords(lines.map((line) => tryParseJson(line)));
}

const mergeRecords = (records: readonly unknown[]): Shape =>
  records.filter(isJsonObject).map(shapeOf).reduce(mergeShapes, unknownShape);

/** The value at a path without `[*]`. */
function valueAt(value: unknown, path: string): unknown {
  return parsePath(path).reduce<unknown>((at, step) => {
    const key = step.kind === 'key' ? step.key : step.kind === 'index' ? step.index : undefined;
    return key !== undefined && typeof at === 'object' && at !== null
      ? (at as Record<string | number, unknown>)[key]
      : undefined;
  }, value);
}
