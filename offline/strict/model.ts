/** The service models in botocore's data. Each is read once, with the first request of its service. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as z from 'zod';
import { SetupError } from '../../src/lib/errors.ts';

const memberSchema = z.object({
  shape: z.string(),
  /** The member's place in REST protocols. Absent: in the body. */
  location: z.enum(['uri', 'querystring', 'header', 'headers', 'statusCode']).optional(),
  locationName: z.string().optional(),
  xmlAttribute: z.boolean().optional(),
});

const shapeSchema = z.object({
  type: z.enum([
    'structure',
    'list',
    'map',
    'string',
    'character',
    'blob',
    'boolean',
    'integer',
    'long',
    'float',
    'double',
    'timestamp',
  ]),
  members: z.record(z.string(), memberSchema).optional(),
  required: z.array(z.string()).optional(),
  member: memberSchema.optional(),
  key: memberSchema.optional(),
  value: memberSchema.optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  pattern: z.string().optional(),
  enum: z.array(z.string()).optional(),
  /** The member that is the whole body. */
  payload: z.string().optional(),
  flattened: z.boolean().optional(),
  /** JSON of any form. */
  document: z.boolean().optional(),
  timestampFormat: z.string().optional(),
  /** An error. A fault is the service's own, not its caller's. */
  exception: z.boolean().optional(),
  fault: z.boolean().optional(),
  error: z.object({ code: z.string().optional(), httpStatusCode: z.number().optional() }).optional(),
});
export type Shape = z.output<typeof shapeSchema>;
export type Member = z.output<typeof memberSchema>;

const operationSchema = z.object({
  http: z.object({ method: z.string(), requestUri: z.string() }),
  input: z.object({ shape: z.string() }).optional(),
  output: z.object({ shape: z.string(), resultWrapper: z.string().optional() }).optional(),
  errors: z.array(z.object({ shape: z.string() })).optional(),
  deprecated: z.boolean().optional(),
});

export const modelSchema = z.object({
  metadata: z.object({
    protocol: z.enum(['json', 'rest-json', 'rest-xml', 'query']),
    jsonVersion: z.string().optional(),
    targetPrefix: z.string().optional(),
  }),
  operations: z.record(z.string(), operationSchema),
  shapes: z.record(z.string(), shapeSchema),
});
export type Model = z.output<typeof modelSchema>;

/** A service's folder in botocore's data, by its name in the credential scope. */
const folders: ReadonlyMap<string, string> = new Map([
  ['s3', 's3'],
  ['dynamodb', 'dynamodb'],
  ['glue', 'glue'],
  ['athena', 'athena'],
  ['states', 'stepfunctions'],
  ['events', 'events'],
  ['sqs', 'sqs'],
  ['lambda', 'lambda'],
  ['cloudformation', 'cloudformation'],
  ['logs', 'logs'],
  ['iam', 'iam'],
  ['sts', 'sts'],
  ['kms', 'kms'],
  ['ssm', 'ssm'],
  ['sns', 'sns'],
  ['xray', 'xray'],
]);

export type Models = (service: string) => Model | undefined;

/** `data` is botocore's folder of that name. A service that is not checked has no model. Throws SetupError. */
export function readModels(data: string): Models {
  const read = new Map<string, Model>();
  return (service) => {
    const folder = folders.get(service);
    if (folder === undefined) return undefined;
    const known = read.get(service);
    if (known) return known;
    const model = readModel(join(data, folder));
    read.set(service, model);
    return model;
  };
}

function readModel(folder: string): Model {
  const paths = (existsSync(folder) ? readdirSync(folder).sort() : [])
    .flatMap((version) => ['service-2.json.gz', 'service-2.json'].map((name) => join(folder, version, name)))
    .filter((path) => existsSync(path));
  const newest = paths.at(-1);
  if (newest === undefined) throw new SetupError(`botocore has no service model below ${folder}`);
  const bytes = readFileSync(newest);
  const text = (newest.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return modelSchema.parse(JSON.parse(text));
}

/** Botocore's data in a Python environment, from the path of its `bin/python`. Throws SetupError. */
export function modelsFolder(python: string): string {
  const lib = join(python, '..', '..', 'lib');
  const folder = readdirSync(lib)
    .filter((name) => name.startsWith('python3'))
    .map((name) => join(lib, name, 'site-packages', 'botocore', 'data'))
    .find((path) => existsSync(path));
  if (folder === undefined) throw new SetupError(`botocore's service models are missing below ${lib}`);
  return folder;
}
