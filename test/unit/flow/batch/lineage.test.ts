import { expect, test } from '@jest/globals';
import { compile } from '../../../../src/lib/compiler/compile.ts';
import { lineageOf } from '../../../../src/lib/flow/batch/lineage.ts';
import { contractWith } from '../../../support/embedded.ts';

const contract = contractWith(
  '  - { name: code, path: "codes[0]", type: string }',
  'enrich: [{ kind: lookup, file: a.csv, on: { code: k }, columns: { label: text } }]',
);
const config = { rawBucket: 'raw', processedBucket: 'processed', database: 'db', stage: 'dev' };
const facet = (name: string, version: string, content: object) => ({
  _producer: 'urn:sluice',
  _schemaURL: `https://openlineage.io/spec/facets/${version}/${name}.json`,
  ...content,
});

test('a record of OpenLineage names each object, the table, and the fields behind each column', () => {
  const plan = compile(contract, null, []);
  const tableRows = { counted: 'table', before: 5, inserted: 9, deleted: 0, replaced: 2, after: 12 } as const;
  const found = lineageOf(
    {
      manifest: {
        dataset: 'test',
        batch: 'ab'.repeat(10),
        files: [{ object: 'test/a', version: 'v1', size: 5, sequencer: '1', etag: 'e', sk: 's' }],
        published: [],
        decision: null,
      },
      plan,
      published: {
        run: 'r',
        objects: [
          { key: 'a', bytes: 3 },
          { key: 'b', bytes: 4 },
        ],
        quarantine: [],
        partitions: [],
        rewritten: [],
        format: 'hive',
      },
      counts: { rowsRead: 10, published: 9, quarantined: 1, duplicates: 0 },
      tableRows,
      at: new Date('2026-01-01T00:00:00Z'),
    },
    config,
  );
  const field = (name: string, field: string) => ({ namespace: 's3://raw', name, field });
  const none = { inputFields: [] };
  expect(found).toEqual({
    eventType: 'COMPLETE',
    eventTime: '2026-01-01T00:00:00.000Z',
    producer: 'urn:sluice',
    schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
    run: { runId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/) },
    job: { namespace: 'sluice-dev', name: 'test' },
    inputs: [
      {
        namespace: 's3://raw',
        name: 'test/a',
        facets: { version: facet('DatasetVersionDatasetFacet', '1-0-1', { datasetVersion: 'v1' }) },
        inputFacets: {
          dataQualityMetrics: facet('DataQualityMetricsInputDatasetFacet', '1-0-2', {
            bytes: 5,
            columnMetrics: {},
          }),
        },
      },
    ],
    outputs: [
      {
        namespace: 's3://processed',
        name: 'test',
        facets: {
          schema: facet('SchemaDatasetFacet', '1-1-1', { fields: [...plan.columns, ...plan.partitionKeys] }),
          columnLineage: facet('ColumnLineageDatasetFacet', '1-2-0', {
            fields: {
              id: { inputFields: [field('test', 'id')] },
              at: { inputFields: [field('test', 'at')] },
              code: { inputFields: [field('test', 'codes[0]')] },
              label: { inputFields: [field('test', 'codes[0]'), field('a.csv', 'text')] },
              _batch: none,
              _object: none,
              _version: none,
              _line: none,
              source: none,
              day: { inputFields: [field('test', 'at')] },
            },
          }),
          symlinks: facet('SymlinksDatasetFacet', '1-0-1', {
            identifiers: [{ namespace: 'glue', name: 'db.test', type: 'TABLE' }],
          }),
          version: facet('DatasetVersionDatasetFacet', '1-0-1', { datasetVersion: 'ab'.repeat(10) }),
        },
        outputFacets: {
          outputStatistics: facet('OutputStatisticsOutputDatasetFacet', '1-0-2', {
            rowCount: 9,
            size: 7,
            fileCount: 2,
          }),
          sluice_accounts: {
            _producer: 'urn:sluice',
            _schemaURL: 'urn:sluice:accounts:1',
            rows: { rowsRead: 10, published: 9, quarantined: 1, duplicates: 0 },
            tableRows,
          },
        },
      },
    ],
  });
});

test('a table that is looked up is an input in the state that the batch has read', () => {
  const looking = contractWith(
    '  - { name: code, path: code, type: string }',
    'enrich: [{ kind: lookup, table: codes, on: { code: k }, columns: { label: text } }]',
  );
  const table = { table: 'codes', version: '42', objects: 2, rows: 7 };
  const plan = compile(looking, null, [
    { name: 'reference_0', columns: { k: 'VARCHAR', text: 'VARCHAR' }, ndjson: '', table },
  ]);
  const manifest = { dataset: 'test', batch: 'ab'.repeat(10), files: [], published: [], decision: null };
  const published = {
    run: 'r',
    objects: [],
    quarantine: [],
    partitions: [],
    rewritten: [],
    format: 'hive' as const,
  };
  const at = new Date('2026-01-01T00:00:00Z');
  const counts = { rowsRead: 0, published: 0, quarantined: 0, duplicates: 0 };
  expect(lineageOf({ manifest, plan, published, counts, at }, config)).toMatchObject({
    inputs: [
      {
        namespace: 's3://processed',
        name: 'codes',
        facets: { version: { datasetVersion: '42' } },
        inputFacets: { dataQualityMetrics: { rowCount: 7 } },
      },
    ],
    outputs: [
      {
        facets: {
          columnLineage: {
            fields: {
              label: {
                inputFields: [
                  { namespace: 's3://raw', name: 'test', field: 'code' },
                  { namespace: 's3://processed', name: 'codes', field: 'text' },
                ],
              },
            },
          },
        },
      },
    ],
  });
});
