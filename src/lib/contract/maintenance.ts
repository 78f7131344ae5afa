/** The limits of a table's maintenance. */
import * as z from 'zod';

export const maintenanceShape = z.strictObject({
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
    .default(100)
    .describe('So many earlier metadata files stay (write.metadata.previous-versions-max).'),
});

/** With the defaults of what a contract does not say. */
export type Maintenance = z.output<typeof maintenanceShape>;
