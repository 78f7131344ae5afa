/** The limits of a table's maintenance. */
import * as z from 'zod';

export const maintenanceShape = z.strictObject({
  compact: z
    .boolean()
    .default(true)
    .describe('Whether small objects of a partition are gathered in larger, sorted ones.'),
  targetMb: z
    .int()
    .min(1)
    .max(512)
    .default(128)
    .describe('The size of such an object in MiB. An object of three quarters of it stays.'),
  minObjects: z
    .int()
    .min(2)
    .max(1000)
    .default(16)
    .describe('With fewer small objects, a partition stays as it is.'),
  keepDays: z
    .number()
    .min(1)
    .max(3650)
    .default(7)
    .describe(
      'For so many days an earlier state of an Iceberg table can be read after another took its place.',
    ),
  keepSnapshots: z
    .int()
    .min(1)
    .max(1000)
    .default(10)
    .describe('So many of the latest snapshots always stay.'),
  metadataMb: z
    .number()
    .min(0.1)
    .max(16)
    .default(8)
    .describe(
      'The largest metadata file in MiB; Glue takes 20 MB. Beyond it, snapshots expire before keepDays, the oldest first.',
    ),
  metadataVersions: z
    .int()
    .min(1)
    .max(1000)
    .default(20)
    .describe('So many earlier metadata files stay (write.metadata.previous-versions-max).'),
});

/** With the defaults of what a contract does not say. */
export type Maintenance = z.output<typeof maintenanceShape>;
