/** Reads S3 Inventory reports: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import * as z from 'zod';
import { address, type ObjectRef, type Store } from '../../aws/store.ts';
import { isFolderMarker, type ObjectVersion } from '../../aws/versions.ts';
import { InvalidInput } from '../../errors.ts';

const manifestSchema = z.object({
  sourceBucket: z.string(),
  destinationBucket: z.string(),
  fileFormat: z.string(),
  fileSchema: z.string(),
  files: z.array(z.object({ key: z.string(), size: z.number() })),
});

/** The current version of an object, as a report lists it. */
export type InventoryObject = Omit<ObjectVersion, 'isLatest'>;

/** Some rows of a report. `at`: the place behind them, as `file:row`. */
export interface InventoryPage {
  readonly objects: readonly InventoryObject[];
  readonly at: string;
}

const rowsPerPage = 1000;

/** A row by the names of a CSV report; Parquet has the same names with underscores. */
const rowSchema = z.object({
  Key: z.string(),
  VersionId: z.string().nullish(),
  IsLatest: z.union([z.boolean(), z.stringbool()]).nullish(),
  IsDeleteMarker: z.union([z.boolean(), z.stringbool()]).nullish(),
  Size: z.coerce.number().catch(0),
  ETag: z.string().nullish(),
});

const parquetNames: Readonly<Record<string, string>> = {
  key: 'Key',
  version_id: 'VersionId',
  is_latest: 'IsLatest',
  is_delete_marker: 'IsDeleteMarker',
  size: 'Size',
  e_tag: 'ETag',
};

/**
 * The current versions in a report whose keys begin with `prefix`, in pages, after the place `after`. Throws InvalidInput for a
 * report of another bucket, of another format than CSV and Parquet, or without versions.
 */
export async function* inventoryPages(
  store: Pick<Store, 'readJson' | 'readBytes' | 'readRange'>,
  manifest: ObjectRef,
  { bucket, prefix, after = '0:0' }: { bucket: string; prefix: string; after?: string | undefined },
): AsyncGenerator<InventoryPage> {
  const report = await store.readJson(manifest, manifestSchema);
  const where = `s3://${manifest.bucket}/${manifest.key}`;
  if (report.sourceBucket !== bucket)
    throw new InvalidInput(`${where}: it lists the bucket ${report.sourceBucket}, not ${bucket}`);
  if (!/\b(VersionId|version_id)\b/.test(report.fileSchema))
    throw new InvalidInput(
      `${where}: the report has no versions; configure the inventory to include all versions, or list the bucket`,
    );
  const from = report.destinationBucket.replace(/^arn:aws[a-z-]*:s3:::/, '');
  const [firstFile = 0, firstRow = 0] = after.split(':').map(Number);
  for (const [i, { key, size }] of report.files.entries()) {
    if (i < firstFile) continue;
    const ref = { bucket: from, key };
    const skipped = i === firstFile ? firstRow : 0;
    const rows =
      report.fileFormat === 'CSV'
        ? csvRows(store, ref, report.fileSchema)
        : report.fileFormat === 'Parquet'
          ? parquetRows(store, ref, size)
          : undefined;
    if (rows === undefined)
      throw new InvalidInput(`${where}: its format is ${report.fileFormat}; CSV and Parquet are read`);
    let row = 0;
    let objects: InventoryObject[] = [];
    for await (const found of rows) {
      row++;
      if (row <= skipped) continue;
      const object = currentOf(found, prefix);
      if (object !== undefined) objects.push(object);
      if (row % rowsPerPage > 0) continue;
      yield { objects, at: `${i}:${row}` };
      objects = [];
    }
    yield { objects, at: `${i + 1}:0` };
  }
}

/** Undefined for earlier versions, delete markers, folder markers and other prefixes. */
function currentOf(row: unknown, prefix: string): InventoryObject | undefined {
  const { Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag } = rowSchema.parse(row);
  const isWanted = (IsLatest ?? true) && !(IsDeleteMarker ?? false) && Key.startsWith(prefix);
  if (!isWanted || isFolderMarker({ key: Key, size: Size })) return undefined;
  // Of an object that is older than the bucket's versioning it is empty:
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/inventory-configure-bops.html
  return { key: Key, version: VersionId || 'null', size: Size, etag: (ETag ?? '').replaceAll('"', '') };
}

/** A CSV report is compressed with gzip, has no header, and its keys are encoded as in an address. */
async function* csvRows(
  store: Pick<Store, 'readBytes'>,
  ref: ObjectRef,
  schema: string,
): AsyncGenerator<unknown> {
  const bytes = await store.readBytes(ref);
  const columns = schema.split(',').map((name) => name.trim());
  const lines = pipeline(Readable.from([Buffer.from(bytes)]), createGunzip(), parse({ columns }), () => {
    // Whoever reads the lines gets the error.
  });
  try {
    for await (const row of lines) {
      const { Key } = row as { Key: string };
      yield { ...row, Key: decodeURIComponent(Key.replaceAll('+', ' ')) };
    }
  } catch (error) {
    throw new InvalidInput(
      `${address(ref)} cannot be read: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  }
}

async function* parquetRows(
  store: Pick<Store, 'readRange'>,
  ref: ObjectRef,
  byteLength: number,
): AsyncGenerator<unknown> {
  const file = {
    byteLength,
    slice: (start: number, end = byteLength) => store.readRange(ref, start, end),
  };
  const metadata = await parquetMetadataAsync(file);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd });
    for (const row of rows)
      yield Object.fromEntries(
        Object.entries(row).map(([name, value]) => [parquetNames[name] ?? name, value]),
      );
    rowStart = rowEnd;
  }
}
