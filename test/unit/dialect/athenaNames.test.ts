import { expect, test } from '@jest/globals';
import * as athena from '../../../src/lib/dialect/athenaNames.ts';
import * as duckdb from '../../../src/lib/dialect/duckdbNames.ts';
import * as spark from '../../../src/lib/dialect/sparkSet.ts';

test('names and texts cannot leave their quotes', () => {
  for (const dialect of [athena, duckdb]) {
    expect(dialect.identifier('a"; DROP TABLE x; --')).toBe('"a""; DROP TABLE x; --"');
    expect(dialect.literal("a'; DROP TABLE x; --")).toBe("'a''; DROP TABLE x; --'");
  }
  expect(spark.identifier('a`; DROP TABLE x; --')).toBe('`a``; DROP TABLE x; --`');
  expect(spark.literal("a\\'; DROP TABLE x; --")).toBe("'a\\\\\\'; DROP TABLE x; --'");
});
