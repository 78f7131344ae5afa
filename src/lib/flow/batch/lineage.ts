/** The lineage record of a batch, as OpenLineage has it: which objects became which table, column by column. */
import { createHash } from 'node:crypto';
import { type Accounting, accountingSchema, type Plan, type TableAccount } from '../../model/plan.ts';
import type { Manifest } from './manifest.ts';
import type { Published } from './published.ts';

/** A name, since the project has no public address. */
const producer = 'urn:sluice';
/** https://openlineage.io/spec/2-0-2/OpenLineage.json, and its facets. */
const facet = (name: string, version: string, content: object) => ({
  _producer: producer,
  _schemaURL: `https://openlineage.io/spec/facets/${version}/${name}.json`,
  ...content,
});

/** A run event of the type COMPLETE. `at` is when the batch was over. */
export function lineageOf(
  batch: {
    manifest: Manifest;
    plan: Plan;
    published: Published;
    counts: Accounting;
    tableRows?: TableAccount | undefined;
    at: Date;
  },
  config: { rawBucket: string; processedBucket: string; database: string; stage: string },
): object {
  const { manifest, plan, published, counts, tableRows, at } = batch;
  const namespace = `s3://${config.rawBucket}`;
  const processed = `s3://${config.processedBucket}`;
  const inputs = manifest.files.map(({ object, version, size }) =>
    inputOf(namespace, object, version, { bytes: size }),
  );
  const lookedUp = (plan.lookups ?? []).map(({ table, version, rows: rowCount }) =>
    inputOf(processed, table, version, { rowCount }),
  );
  const tables = new Set(lookedUp.map(({ name }) => name));
  const placeOf = (field: string) => {
    const at = field.lastIndexOf('#');
    if (at < 0) return { namespace, name: plan.dataset };
    const name = field.slice(0, at);
    return { namespace: tables.has(name) ? processed : namespace, name };
  };
  const columns = [...plan.columns, ...plan.partitionKeys];
  const fields = Object.fromEntries(
    columns.map(({ name }) => [
      name,
      {
        inputFields: (plan.fields[name] ?? []).map((field) => ({
          ...placeOf(field),
          field: field.split('#').at(-1),
        })),
      },
    ]),
  );
  return {
    eventType: 'COMPLETE',
    eventTime: at.toISOString(),
    producer,
    schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
    run: { runId: uuidOf(`${config.stage}/${manifest.dataset}/${manifest.batch}`) },
    job: { namespace: `sluice-${config.stage}`, name: manifest.dataset },
    inputs: [...inputs, ...lookedUp],
    outputs: [
      {
        namespace: processed,
        name: plan.table,
        facets: {
          schema: facet('SchemaDatasetFacet', '1-1-1', { fields: columns }),
          columnLineage: facet('ColumnLineageDatasetFacet', '1-2-0', { fields }),
          symlinks: facet('SymlinksDatasetFacet', '1-0-1', {
            identifiers: [{ namespace: 'glue', name: `${config.database}.${plan.table}`, type: 'TABLE' }],
          }),
          version: facet('DatasetVersionDatasetFacet', '1-0-1', { datasetVersion: manifest.batch }),
        },
        outputFacets: {
          outputStatistics: facet('OutputStatisticsOutputDatasetFacet', '1-0-2', {
            rowCount: counts.published,
            size: published.objects.reduce((sum, { bytes }) => sum + bytes, 0),
            fileCount: published.objects.length,
          }),
          // A facet of Sluice's own: both accounts of the rows.
          sluice_accounts: {
            _producer: producer,
            _schemaURL: 'urn:sluice:accounts:1',
            rows: accountingSchema.parse(counts),
            ...(tableRows === undefined ? {} : { tableRows }),
          },
        },
      },
    ],
  };
}

/** A version of something that was read, and how much it has. */
const inputOf = (
  namespace: string,
  name: string,
  version: string,
  quality: { bytes: number } | { rowCount: number },
) => ({
  namespace,
  name,
  facets: { version: facet('DatasetVersionDatasetFacet', '1-0-1', { datasetVersion: version }) },
  inputFacets: {
    dataQualityMetrics: facet('DataQualityMetricsInputDatasetFacet', '1-0-2', {
      ...quality,
      columnMetrics: {},
    }),
  },
});

/** The same name gives the same UUID: a record that is written twice is one (RFC 9562, version 8). */
function uuidOf(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
