/** What `npm run judges` runs of dbt-athena's own functional tests, and the ones that fail on the local Athena, each with its reason. */

export const files: readonly string[] = ['test_basic_hive', 'test_basic_iceberg', 'test_hive_iceberg'];

export const knownFailures: Readonly<Record<string, string>> = {};
