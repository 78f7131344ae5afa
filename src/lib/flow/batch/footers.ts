/**
 * The footers of staged Parquet objects, in one document beside them. The manifest of an Iceberg table has statistics of each object: with
 * this document, Publish reads them in one request instead of one for each of thousands of objects.
 */
import { open } from 'node:fs/promises';
import * as z from 'zod';
import type { ObjectRef } from '../../aws/store.ts';
import { parallel } from '../../parallel.ts';
import type { Deps } from './deps.ts';
import { unlessGone } from './manifest.ts';

/** For fewer objects, their own footers are read. */
export const worthwhile = 16;
/** So many bytes of footers are kept; Publish reads the others from their objects. */
const mostBytes = 64 * 1024 * 1024;

/** The name and size of an object, and the size of its end, in the order of the ends. */
const indexSchema = z.array(z.tuple([z.string(), z.int(), z.int()]));

/** Writes the document for local copies of staged objects. */
export async function stageFooters(
  { store }: Pick<Deps, 'store'>,
  at: ObjectRef,
  files: readonly { readonly name: string; readonly path: string }[],
): Promise<void> {
  if (files.length < worthwhile) return;
  const index: z.input<typeof indexSchema> = [];
  const ends: Uint8Array[] = [];
  let bytes = 0;
  await parallel(files, 16, async ({ name, path }) => {
    const { size, end } = await endOf(path);
    if (bytes + end.length > mostBytes) return;
    bytes += end.length;
    index.push([name, size, end.length]);
    ends.push(end);
  });
  const head = Buffer.from(JSON.stringify(index));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  await store.writeOnce(at, Buffer.concat([length, head, ...ends]));
}

/** The footer of a Parquet file with the eight bytes behind it. */
async function endOf(path: string): Promise<{ size: number; end: Uint8Array }> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const last = Buffer.alloc(8);
    await file.read(last, 0, 8, size - 8);
    const end = Buffer.alloc(Math.min(size, last.readUInt32LE() + 8));
    await file.read(end, 0, end.length, size - end.length);
    return { size, end };
  } finally {
    await file.close();
  }
}

/** The ends of objects by their names and sizes; none if there is no document. */
export async function readFooters(
  { store }: Pick<Deps, 'store'>,
  at: ObjectRef,
): Promise<(name: string, size: number) => Uint8Array | undefined> {
  const bytes = Buffer.from((await unlessGone(store.readBytes(at))) ?? [0, 0, 0, 0]);
  const start = 4 + bytes.readUInt32LE();
  const index = indexSchema.parse(start === 4 ? [] : JSON.parse(bytes.toString('utf8', 4, start)));
  const found = new Map<string, { size: number; end: Uint8Array }>();
  let offset = start;
  for (const [name, size, length] of index) {
    found.set(name, { size, end: bytes.subarray(offset, offset + length) });
    offset += length;
  }
  return (name, size) => {
    const known = found.get(name);
    return known?.size === size ? known.end : undefined;
  };
}
