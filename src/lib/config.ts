/** The one place that reads the environment of a Lambda. Set by serverless.yml. */
import * as z from 'zod';

/** The engine of a batch; auto: its size decides. */
export const engineChoiceSchema = z.enum(['auto', 'embedded', 'glue']);
export type EngineChoice = z.output<typeof engineChoiceSchema>;

const configSchema = z.object({
  STAGE: z.string().min(1),
  RAW_BUCKET: z.string().min(1),
  PROCESSED_BUCKET: z.string().min(1),
  WORK_BUCKET: z.string().min(1),
  LEDGER_TABLE: z.string().min(1),
  DATABASE: z.string().min(1),
  /** The beginning of the crawlers' names. */
  CRAWLER: z.string().min(1),
  GLUE_JOB: z.string().min(1),
  WORKGROUP: z.string().min(1),
  STATE_MACHINE_ARN: z.string().min(1),
  /** URL of the queue of raw events; only for dispatch. */
  RAW_EVENTS_QUEUE: z.string().optional(),
  ENGINE: engineChoiceSchema,
  /** The largest batch the embedded engine takes, in MiB. */
  EMBEDDED_LIMIT_MB: z.coerce.number().positive(),
  /** The most MiB of published objects that ReplaceRows rewrites itself. */
  REWRITE_LIMIT_MB: z.coerce.number().positive(),
  /** The most files in one batch. */
  BATCH_FILES: z.coerce.number().int().positive(),
  /** The most MiB in one batch; a larger file is a batch of its own. */
  BATCH_LIMIT_MB: z.coerce.number().positive(),
  /** Where contracts and references are: the function's own package. */
  LAMBDA_TASK_ROOT: z.string().optional(),
  /** The function's memory in MiB; set by Lambda. */
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: z.coerce.number().positive().optional(),
});

export interface Config {
  readonly stage: string;
  readonly rawBucket: string;
  readonly processedBucket: string;
  readonly workBucket: string;
  readonly ledgerTable: string;
  readonly database: string;
  readonly crawler: string;
  readonly glueJob: string;
  readonly workgroup: string;
  readonly stateMachineArn: string;
  readonly rawEventsQueue?: string | undefined;
  readonly engine: EngineChoice;
  readonly embeddedLimitBytes: number;
  readonly rewriteLimitBytes: number;
  readonly batchFiles: number;
  readonly batchLimitBytes: number;
  readonly datasetsFolder: string;
  /** The memory of this function; undefined outside Lambda. */
  readonly memoryBytes?: number | undefined;
}

/** Parses the environment. Throws ZodError, naming the variable, at the start of the function. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const env = configSchema.parse(environment);
  return {
    stage: env.STAGE,
    rawBucket: env.RAW_BUCKET,
    processedBucket: env.PROCESSED_BUCKET,
    workBucket: env.WORK_BUCKET,
    ledgerTable: env.LEDGER_TABLE,
    database: env.DATABASE,
    crawler: env.CRAWLER,
    glueJob: env.GLUE_JOB,
    workgroup: env.WORKGROUP,
    stateMachineArn: env.STATE_MACHINE_ARN,
    rawEventsQueue: env.RAW_EVENTS_QUEUE,
    engine: env.ENGINE,
    embeddedLimitBytes: env.EMBEDDED_LIMIT_MB * 1024 * 1024,
    rewriteLimitBytes: env.REWRITE_LIMIT_MB * 1024 * 1024,
    batchFiles: env.BATCH_FILES,
    batchLimitBytes: env.BATCH_LIMIT_MB * 1024 * 1024,
    datasetsFolder: `${env.LAMBDA_TASK_ROOT ?? process.cwd()}/datasets`,
    memoryBytes: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE && env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE * 1024 * 1024,
  };
}
