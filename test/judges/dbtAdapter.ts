/** What `npm run judges` runs of dbt-athena's own functional tests, and the ones that fail on the local Athena, each with its reason. */

/**
 * Files of tests/functional/adapter in two lanes that take about the same time. Not run: test_python_submissions (Athena for Spark; its tests
 * are commented out), test_sample_mode (dbt-athena skips it) and test_s3_tables (S3 Tables).
 */
export const lanes: readonly (readonly string[])[] = [
  [
    'test_incremental_iceberg',
    'test_partitions',
    'test_retries_iceberg',
    'test_incremental_microbatch',
    'test_persist_docs',
    'test_incremental_iceberg_merge_no_updates',
    'test_ha_iceberg',
    'test_basic_hive',
    'test_seed_by_insert',
    'test_constraints',
    'test_detailed_table_type',
    'test_empty',
    'catalog_integrations/test_catalogs_v2',
  ],
  [
    'test_connections',
    'test_on_schema_change',
    'test_snapshot',
    'test_force_batch',
    'test_docs',
    'test_basic_iceberg',
    'test_hive_iceberg',
    'test_incremental_tmp_schema',
    'test_unique_tmp_table_suffix',
    'test_basic_iceberg_native_drop',
    'test_basic_hive_native_drop',
    'test_change_relation_types',
    'test_unit_testing',
    'test_quote_seed_column',
    'utils/test_utils',
  ],
];

const noSuchOption =
  'dbt-core 1.11.16 has no --empty for seeds, which dbt-tests-adapter 1.20.0 tests already';

/** By name, such as `test_snapshot::TestSnapshotCheckColsHive::test_snapshot_check_cols`. */
export const knownFailures: Readonly<Record<string, string>> = {
  'test_empty::TestAthenaEmptySeedFlag::test_seed_empty_creates_table_with_zero_rows': noSuchOption,
  'test_empty::TestAthenaEmptySeedFlag::test_build_empty_with_seed': noSuchOption,
  'test_empty::TestAthenaEmptySeedFlag::test_seed_empty_preserves_column_types': noSuchOption,
};
