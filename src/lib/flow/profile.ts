/** A first look at a batch's raw files: how each is read, and which fields its records have. */

import type { ObjectRef, Store } from '../aws/store.ts';
import { formatHiveType } from '../catalog/hiveType.ts';
import { mergeShapes, type Shape, shapeOf, toStructType, unknownShape } from '../catalog/infer.ts';
import type { Contract } from '../contract/schema.ts';
import { documentLimit, headBytes, lookAt, refusedSampleBytes } from '../engine/layout.ts';
import { type Compression, unpackStart } from '../engine/unpack.ts';
import { isJsonObject, tryParseJson } from '../json.ts';
import { parallel } from '../parallel.ts';
import type { Manifest, Profile } from './batch.ts';

/**
 * Reads the first 256 KiB of each file (documents whole) and makes the batch's profile.
 * Throws ObjectMissing when a version is gone.
 */
export async function profileBatch(
  store: Pick<Store, 'head' | 'readBytes'>,
  rawBucket: string,
  contract: Contract,
  manifest: Manifest,
): Promise<Profile> {
  const looks = await parallel(manifest.files, 32, async (file) => {
    const ref = { bucket: rawBucket, key: file.object, version: file.version };
    const { head, size } = await store.head(ref, headBytes);
    const { layout, fault, compression, start } = await lookAt(contract.source, head, size);
    const isWhole = size <= head.length && start.length < headBytes;
    const content = layout === 'document' && !isWhole ? await wholeContent(store, ref, compression) : start;
    const shape =
      layout === 'refused'
        ? unknownShape
        : shapeOfRecords(contract.source, layout, Buffer.from(content), content === start && !isWhole);
    return {
      shape,
      file: {
        ...file,
        size,
        layout,
        fault,
        compression,
        ...(layout === 'refused'
          ? { head: Buffer.from(head.subarray(0, refusedSampleBytes)).toString('base64') }
          : {}),
      },
    };
  });
  const shape = looks.map((l) => l.shape).reduce(mergeShapes, unknownShape);
  return {
    files: looks.map((l) => l.file),
    record: shape.kind === 'struct' ? formatHiveType(toStructType(shape)) : null,
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

/** The merged shape of the records in a text; lines and documents that do not parse have none. */
export function shapeOfRecords(
  source: Contract['source'],
  layout: 'lines' | 'document',
  content: Buffer,
  isCut: boolean,
): Shape {
  const text = content.toString('utf8').replace(/^\uFEFF/, '');
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

function valueAt(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
      value,
    );
}
