/** Serverless plugin: stops packaging when a parameter is unknown or out of its range. */
import * as z from 'zod';
import { suggestion } from '../../src/cli/usage.ts';
import { tableFormats } from '../../src/lib/model/plan.ts';

const whole = z.coerce.number().int();
/** `--param name=value` gives texts. */
const flag = z.union([z.boolean(), z.enum(['true', 'false'])]);

/** The allowed values of each parameter in serverless.yml. The bounds are those of the AWS services. */
const each = z.strictObject({
  /** Part of every name. */
  stage: z
    .string()
    .regex(
      /^[a-z][a-z0-9-]{0,19}$/,
      'is of a-z, 0-9 and -, begins with a letter, and has 20 characters at most',
    ),
  region: z.string().regex(/^[a-z]{2,4}(-[a-z]+)+-\d+$/, 'is a region of AWS, such as eu-west-1'),
  engine: z.enum(['auto', 'embedded', 'glue']),
  tableFormat: z.enum(tableFormats),
  /** What fits the disk and the time of the Lambda. */
  embeddedLimitMb: whole.min(1).max(1024),
  /** What the Lambda can rewrite in its time: docs/decisions/large-rewrites.md. */
  rewriteLimitMb: whole.min(1).max(8192),
  /** What the documents of a batch may name, and the ledger can settle in the time of a few calls: docs/scale.md. */
  batchFiles: whole.min(1).max(100_000),
  batchLimitMb: whole.min(1).max(512_000),
  dispatchWindow: whole.min(0).max(300),
  /** SQS would give up to 10,000, but dispatch has memory and time for fewer. */
  dispatchBatch: whole.min(1).max(1000),
  /** What an event source mapping takes: https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html */
  dispatchConcurrency: whole.min(2).max(1000),
  crawlerWait: whole.min(1),
  jobWait: whole.min(1),
  queryWait: whole.min(1),
  architecture: z.enum(['arm64', 'x86_64']),
  tracing: flag,
  logLevel: z.enum(['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR']),
  /** Glue: two at least. */
  glueWorkers: whole.min(2).max(299),
  localPort: whole.min(0).max(65_535),
  /** Athena: 10 MB at least. */
  scanLimitBytes: whole.min(10_000_000),
  kmsKeyArn: z.union([
    z.literal(''),
    z.string().regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/, 'is the ARN of a key'),
  ]),
  protect: flag,
  /** S3: 30 at least. */
  rawInfrequentDays: whole.min(30),
  oldVersionDays: whole.min(1),
  /** The framework checks that CloudWatch Logs knows the value. */
  logDays: whole.min(1),
  alarmEmail: z.union([z.literal(''), z.email()]),
  lagAlarmSeconds: whole.min(60),
  quarantineAlarmPercent: z.coerce.number().min(0).max(100),
  serving: z.enum(['off', 'on']),
});

/** S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const bucketNameLimit = 63;

/** Rules about several parameters. Stage and region are parts of a bucket's name and must leave room for the rest. */
export const parameters = each.superRefine(({ stage, region, dispatchBatch, dispatchWindow }, context) => {
  // https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
  if (dispatchBatch > 10 && dispatchWindow < 1)
    context.addIssue({
      code: 'custom',
      path: ['dispatchBatch'],
      message: `${dispatchBatch} events at once need a dispatchWindow of a second; without one, 10 are the most`,
    });
  const spare = bucketNameLimit - `sluice-${stage}-processed-${'0'.repeat(12)}-${region}`.length;
  if (spare < 0)
    context.addIssue({
      code: 'custom',
      path: ['stage'],
      message: `"${stage}" makes the name of a bucket in ${region} longer than ${bucketNameLimit} characters; use ${stage.length + spare} at most`,
    });
});

/** A fault for each `name=value` of `--param` whose name no parameter has. */
export const unknownParameters = (given: readonly string[]): string[] =>
  given
    .map((text) => text.replace(/=.*$/s, ''))
    .filter((name) => !names.includes(name))
    .map((name) => `--param ${name}: there is no such parameter${suggestion(name, names)}`);

/** Stage and region have options of their own. */
const names = Object.keys(each.shape).filter((name) => name !== 'stage' && name !== 'region');

interface Serverless {
  readonly service: { readonly custom: { readonly parameters: unknown } };
  readonly classes: { readonly Error: new (message: string) => Error };
}

export default class Parameters {
  readonly hooks: Readonly<Record<string, () => void>>;

  constructor(serverless: Serverless, { param = [] }: { readonly param?: string | readonly string[] } = {}) {
    const check = () => {
      // The framework itself ignores a name that serverless.yml does not use.
      const unknown = unknownParameters([param].flat());
      if (unknown.length > 0) throw new serverless.classes.Error(unknown.join('\n'));
      const parsed = parameters.safeParse(serverless.service.custom.parameters);
      if (parsed.success) return;
      const faults = parsed.error.issues.map((i) => `  ${i.path.join('.')}: ${i.message}`);
      throw new serverless.classes.Error(
        `parameters (serverless.yml, or --param) that cannot be meant:\n${faults.join('\n')}`,
      );
    };
    this.hooks = {
      'before:package:initialize': check,
      'before:offline:start': check,
      'before:offline:start:init': check,
    };
  }
}
