/** One crawl: makes tables from objects, like Glue's built-in JSON classifier and its grouping by table level. */

import {
  BatchCreatePartitionCommand,
  CreateTableCommand,
  DeleteTableCommand,
  paginateGetTables,
  type Table,
  type TableInput,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { GetObjectCommand, NoSuchKey, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { DeleteMessageCommand, GetQueueUrlCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import * as z from 'zod';
import {
  fromHiveType,
  mergeShapes,
  type Shape,
  shapeOf,
  shapeOfAll,
  toHiveType,
} from '../../src/lib/catalog/infer.ts';
import { compressionOf, unpackStart } from '../../src/lib/engine/unpack.ts';
import { concatenatedObjects, isJsonObject, objectsOnLines, tryParseJson } from '../../src/lib/json.ts';
import { formatHiveType, parseHiveType } from '../../src/lib/model/hiveType.ts';
import { parallel } from '../../src/lib/parallel.ts';
import { findTable } from '../../src/stage/tables.ts';
import { parseAddress, type Upstream } from '../aws.ts';

interface Found {
  readonly key: string;
  readonly size: number;
  readonly shape: Extract<Shape, { kind: 'struct' }>;
}

export interface CrawlerTarget {
  readonly Path: string;
  readonly EventQueueArn?: string | undefined;
}

/** The parts of a crawler's definition that a crawl uses. */
export interface CrawlerDefinition {
  readonly Name: string;
  readonly DatabaseName?: string | undefined;
  readonly TablePrefix?: string | undefined;
  readonly Configuration?: string | undefined;
  readonly Targets: { readonly S3Targets: readonly CrawlerTarget[] };
  readonly RecrawlPolicy?: { readonly RecrawlBehavior?: string | undefined } | undefined;
  readonly SchemaChangePolicy?:
    | { readonly UpdateBehavior?: string | undefined; readonly DeleteBehavior?: string | undefined }
    | undefined;
}

/** An object of a target. */
interface Listed {
  readonly key: string;
  readonly size: number;
}

/**
 * Crawls every S3 target of a crawler. In event mode the first crawl lists the target, and each later one reads the objects
 * that the target's queue names. Throws what S3, SQS and the Catalog throw.
 * https://docs.aws.amazon.com/glue/latest/dg/crawler-s3-event-notifications.html
 */
export async function crawl(
  { glue, s3, sqs }: Upstream,
  crawler: CrawlerDefinition,
  { isFirst }: { isFirst: boolean },
): Promise<void> {
  const database = crawler.DatabaseName ?? '';
  const level = tableLevel(crawler);
  const byEvents = crawler.RecrawlPolicy?.RecrawlBehavior === 'CRAWL_EVENT_MODE';
  const seen = new Set<string>();
  for (const target of crawler.Targets.S3Targets) {
    const { bucket, key: prefix } = parseAddress(target.Path);
    // The first listing includes everything that waits in the queue.
    const told = byEvents ? await objectsTold(sqs, target.EventQueueArn ?? '', bucket, prefix) : [];
    const listed = byEvents && !isFirst ? told : await objectsListed(s3, bucket, prefix);
    const folders = new Map<string, Listed[]>();
    for (const object of listed) {
      const folder = tableFolder(object.key, prefix, level);
      if (folder === null || object.size === 0) continue;
      const objects = folders.get(folder) ?? [];
      objects.push(object);
      folders.set(folder, objects);
    }
    for (const [folder, objects] of folders) {
      const looks = await parallel(objects, 16, async ({ key, size }): Promise<Found[]> => {
        const bytes = await contentOf(s3, bucket, key);
        const content = bytes && (await unzipped(bytes));
        const shape = content && shapeOfFile(new TextDecoder().decode(content));
        return shape?.kind === 'struct' ? [{ key, size, shape }] : [];
      });
      const found = looks.flat();
      if (found.length === 0) continue;
      const name = `${crawler.TablePrefix ?? ''}${folder.split('/').at(-1) ?? bucket}`
        .toLowerCase()
        .replaceAll(/[^a-z0-9_]/g, '_');
      const location = `s3://${bucket}/${folder === '' ? '' : `${folder}/`}`;
      seen.add(name);
      const existing = await findTable({ glue }, database, name);
      const table = tableInput(name, location, crawler.Name, found, existing);
      if (!existing) await glue.send(new CreateTableCommand({ DatabaseName: database, TableInput: table }));
      else if (crawler.SchemaChangePolicy?.UpdateBehavior !== 'LOG')
        await glue.send(new UpdateTableCommand({ DatabaseName: database, TableInput: table }));
      await registerPartitions(glue, database, table, found);
    }
  }
  // Events name new objects only. They say nothing about other objects.
  if (!byEvents || isFirst) await treatGone(glue, crawler, seen);
}

async function objectsListed(s3: Upstream['s3'], bucket: string, prefix: string): Promise<Listed[]> {
  const found: Listed[] = [];
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: prefix }))
    for (const { Key = '', Size = 0 } of page.Contents ?? []) found.push({ key: Key, size: Size });
  return found;
}

const notificationSchema = z.object({
  Records: z
    .array(
      z.object({
        eventName: z.string(),
        s3: z.object({
          bucket: z.object({ name: z.string() }),
          object: z.object({ key: z.string(), size: z.number().default(0) }),
        }),
      }),
    )
    .default([]),
});

/** Takes all messages from a queue and gives the objects that they report as created. Other messages are dropped. */
async function objectsTold(
  sqs: Upstream['sqs'],
  queueArn: string,
  bucket: string,
  prefix: string,
): Promise<Listed[]> {
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queueArn.split(':').at(-1) }));
  const told = new Map<string, Listed>();
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
    );
    if (Messages.length === 0) return [...told.values()];
    for (const { Body = '', ReceiptHandle } of Messages) {
      const message = notificationSchema.safeParse(tryParseJson(Body));
      for (const { eventName, s3 } of message.data?.Records ?? []) {
        const key = decodeURIComponent(s3.object.key.replaceAll('+', ' '));
        if (s3.bucket.name === bucket && key.startsWith(prefix) && eventName.startsWith('ObjectCreated:'))
          told.set(key, { key, size: s3.object.size });
      }
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
}

/** Gives undefined if the object was deleted after it was listed or reported. */
async function contentOf(s3: Upstream['s3'], bucket: string, key: string): Promise<Uint8Array | undefined> {
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return await Body?.transformToByteArray();
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
}

/** Tables of this crawler whose objects are gone. https://docs.aws.amazon.com/glue/latest/dg/crawler-schema-changes-prevent.html */
async function treatGone(
  glue: Upstream['glue'],
  crawler: CrawlerDefinition,
  seen: ReadonlySet<string>,
): Promise<void> {
  const behaviour = crawler.SchemaChangePolicy?.DeleteBehavior ?? 'DEPRECATE_IN_DATABASE';
  if (behaviour === 'LOG') return;
  const DatabaseName = crawler.DatabaseName ?? '';
  for await (const page of paginateGetTables({ client: glue }, { DatabaseName }))
    for (const { Name = '', TableType, Parameters, PartitionKeys, StorageDescriptor } of page.TableList ??
      []) {
      if (seen.has(Name) || Parameters?.UPDATED_BY_CRAWLER !== crawler.Name) continue;
      if (behaviour === 'DELETE_FROM_DATABASE')
        await glue.send(new DeleteTableCommand({ DatabaseName, Name }));
      else {
        const deprecated = { ...Parameters, DEPRECATED_BY_CRAWLER: String(Date.now()) };
        const TableInput = { Name, TableType, PartitionKeys, StorageDescriptor, Parameters: deprecated };
        await glue.send(new UpdateTableCommand({ DatabaseName, TableInput }));
      }
    }
}

/** The level at which tables are made, counted from the bucket (1). https://docs.aws.amazon.com/glue/latest/dg/crawler-grouping-policy.html */
function tableLevel(crawler: CrawlerDefinition): number | null {
  const configuration = JSON.parse(crawler.Configuration || '{}') as {
    Grouping?: { TableLevelConfiguration?: number };
  };
  return configuration.Grouping?.TableLevelConfiguration ?? null;
}

/** The folder whose table an object belongs to; null for an object above the table level, or a folder marker. */
function tableFolder(key: string, prefix: string, level: number | null): string | null {
  if (key.endsWith('/')) return null;
  const folders = key.split('/').slice(0, -1);
  if (level !== null) return folders.length >= level - 1 ? folders.slice(0, level - 1).join('/') : null;
  const depth = prefix.split('/').filter(Boolean).length;
  return folders.slice(0, Math.max(depth, Math.min(1, folders.length))).join('/');
}

/**
 * The schema of one file: a JSON document's own fields, an array's elements as a column `array`, or the fields of its
 * lines or objects; undefined for a file that the JSON classifier does not know.
 */
function shapeOfFile(content: string): Shape | undefined {
  const text = content.replace(/^\uFEFF/, '');
  const whole = tryParseJson(text);
  if (Array.isArray(whole)) return { kind: 'struct', fields: new Map([['array', shapeOf(whole)]]) };
  if (isJsonObject(whole)) return lowerNames(shapeOf(whole));
  const shape = shapeOfAll(objectsOnLines(text));
  const found = shape.kind === 'unknown' ? shapeOfAll(concatenatedObjects(text)) : shape;
  return found.kind === 'unknown' ? undefined : lowerNames(found);
}

/** The bytes of a file that a crawl reads: a small archive may unpack to more than the memory of this process. */
const readBytes = 128 * 1024 * 1024;

/** Glue's crawlers read gzip, bzip2 and Hadoop's snappy, and no zstd: https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html */
async function unzipped(bytes: Uint8Array): Promise<Uint8Array | null> {
  const compression = compressionOf(bytes);
  if (compression === null) return bytes.subarray(0, readBytes);
  return compression === 'zstd' ? null : unpackStart(bytes, compression, readBytes);
}

/** The Catalog's column names are lower case, and have at most 255 plain characters; names inside structs stay. */
function lowerNames(shape: Shape): Shape {
  if (shape.kind !== 'struct') return shape;
  const fields = Map.groupBy(
    [...shape.fields].filter(([name]) => /^[^\p{Cc}]{1,255}$/u.test(name)),
    ([name]) => name.toLowerCase(),
  );
  return {
    kind: 'struct',
    fields: new Map([...fields].map(([name, found]) => [name, mergeShapes(found.map(([, s]) => s))])),
  };
}

function tableInput(
  name: string,
  location: string,
  crawler: string,
  found: readonly Found[],
  existing: Table | undefined,
): TableInput {
  const before: Shape = {
    kind: 'struct',
    fields: new Map(
      (existing?.StorageDescriptor?.Columns ?? []).map((c) => [
        c.Name ?? '',
        fromHiveType(parseHiveType(c.Type ?? 'string')),
      ]),
    ),
  };
  const shape = mergeShapes([before, ...found.map((f) => f.shape)]);
  const fields = shape.kind === 'struct' ? [...shape.fields] : [];
  return {
    Name: name,
    Owner: 'owner',
    TableType: 'EXTERNAL_TABLE',
    Parameters: {
      classification: 'json',
      typeOfData: 'file',
      compressionType: 'none',
      objectCount: String(found.length),
      sizeKey: String(found.reduce((sum, f) => sum + f.size, 0)),
      CrawlerSchemaDeserializerVersion: '1.0',
      CrawlerSchemaSerializerVersion: '1.0',
      UPDATED_BY_CRAWLER: crawler,
    },
    // A table keeps its partition keys.
    PartitionKeys:
      existing?.PartitionKeys ?? partitionKeys(location, found).map((key) => ({ Name: key, Type: 'string' })),
    StorageDescriptor: {
      Location: location,
      Columns: fields.map(([field, type]) => ({ Name: field, Type: formatHiveType(toHiveType(type)) })),
      InputFormat: 'org.apache.hadoop.mapred.TextInputFormat',
      OutputFormat: 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat',
      SerdeInfo: {
        SerializationLibrary: 'org.openx.data.jsonserde.JsonSerDe',
        Parameters: { paths: fields.map(([field]) => field).join(',') },
      },
    },
  };
}

/** Folders below the table's become keys: by their `name=`, else `partition_0` and on, when all files are equally deep. */
function partitionKeys(location: string, found: readonly Found[]): string[] {
  const paths = found.map((f) => foldersBelow(location, f.key));
  const first = paths[0] ?? [];
  if (paths.some((p) => p.length !== first.length)) return [];
  return first.map((folder, i) => (folder.includes('=') ? (folder.split('=')[0] ?? '') : `partition_${i}`));
}

const foldersBelow = (location: string, key: string): string[] =>
  key.slice(parseAddress(location).key.length).split('/').slice(0, -1);

async function registerPartitions(
  glue: Upstream['glue'],
  database: string,
  table: TableInput,
  found: readonly Found[],
): Promise<void> {
  const depth = (table.PartitionKeys ?? []).length;
  if (depth === 0) return;
  const location = table.StorageDescriptor?.Location ?? '';
  const fitting = found.map((f) => foldersBelow(location, f.key)).filter((path) => path.length === depth);
  const folders = new Set(fitting.map((path) => path.join('/')));
  const partitions = [...folders].map((folder) => ({
    Values: folder.split('/').map((part) => part.slice(part.indexOf('=') + 1)),
    StorageDescriptor: { ...table.StorageDescriptor, Location: `${location}${folder}/` },
  }));
  for (let i = 0; i < partitions.length; i += 100)
    await glue.send(
      new BatchCreatePartitionCommand({
        DatabaseName: database,
        TableName: table.Name,
        PartitionInputList: partitions.slice(i, i + 100),
      }),
    );
}
