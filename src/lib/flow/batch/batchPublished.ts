/** The event for other systems, such as serving and ML: a batch is published. Free of AWS. */
import * as z from 'zod';
import { accountingSchema, tableAccountSchema } from '../../model/plan.ts';

/** More partitions than this are only in the manifest: an event of EventBridge has 256 KB at most. */
export const listedPartitions = 100;

export const batchPublishedSchema = z
  .object({
    version: z
      .literal(1)
      .describe('Of this schema. Fields may be added to a version; a change of meaning is another.'),
    stage: z.string(),
    dataset: z.string(),
    table: z.string().describe('<database>.<table> in the Data Catalog.'),
    batch: z.string().describe('Stands in every row of the batch as _batch.'),
    fence: z
      .int()
      .describe(
        'Of two batches of a dataset, the later one has the higher fence. Events may arrive in any order.',
      ),
    contract: z.string().describe('Fingerprint of the contract that the rows follow.'),
    files: z.int().describe('Raw files.'),
    ...accountingSchema.shape,
    tableRows: tableAccountSchema
      .optional()
      .describe('before + inserted - deleted - replaced = after. Absent for a batch of an earlier release.'),
    partitions: z
      .object({
        count: z.int(),
        values: z
          .array(z.array(z.string()))
          .nullable()
          .describe(
            `The values of each, in the order of the table's keys; null for more than ${listedPartitions}.`,
          ),
      })
      .describe('Those that the batch added rows to.'),
    objects: z.object({ count: z.int(), bytes: z.int() }).describe('Parquet objects that it added.'),
    snapshot: z
      .string()
      .nullable()
      .describe(
        'Of an Iceberg table: the id of the snapshot that the batch made, a decimal number beyond 2^53. null on Hive.',
      ),
    replaced: z
      .int()
      .describe('Objects of earlier batches that were rewritten, for a correction, a replay or newer rows.'),
    manifest: z
      .object({ bucket: z.string(), key: z.string() })
      .describe('JSON: {objects: [{key, bytes}], partitions: [{path, values}]}, whole, however many.'),
    lineage: z.object({ bucket: z.string(), key: z.string() }).describe('An OpenLineage run event.'),
    report: z
      .object({ bucket: z.string(), key: z.string() })
      .describe('The data-quality report, an HTML page; beside it stands the same as JSON.'),
  })
  .describe('Detail of the EventBridge event with the source "sluice" and the detail type "BatchPublished".');
export type BatchPublished = z.output<typeof batchPublishedSchema>;

/** As a JSON Schema (draft 2020-12), for consumers in any language. */
export const batchPublishedJsonSchema = (): string =>
  `${JSON.stringify({ title: 'BatchPublished', ...z.toJSONSchema(batchPublishedSchema) }, null, 2)}\n`;
