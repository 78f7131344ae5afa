/** Tables that change with their contracts, as plain data: what is asked of a reader after each change, and what it must answer. */
import type { WantedTable } from '../../src/lib/table/iceberg/evolve.ts';

export interface EvolvedTable {
  readonly name: string;
  readonly states: readonly TableState[];
}

export interface TableState {
  readonly table: Omit<WantedTable, 'name' | 'location'>;
  readonly objects: readonly EvolvedObject[];
  readonly questions: readonly Question[];
}

export interface EvolvedObject {
  readonly name: string;
  /** DuckDB's SQL for its rows. */
  readonly rows: string;
  /** Columns that have field ids in the object; none: the object is read by names. */
  readonly ids: readonly string[];
  /** Texts of its partition, as in plans. */
  readonly values: readonly (string | null)[];
}

export interface Question {
  /** Of the table `t`. */
  readonly sql: string;
  readonly where?: string;
  readonly answer: readonly (readonly unknown[])[];
  /** The objects that a reader with this condition has to read. */
  readonly files?: readonly string[];
}

const numbers = (from: number, to: number, columns: string) =>
  `SELECT ${columns} FROM range(${from}, ${to}) r(i)`;

export const evolvedTables: readonly EvolvedTable[] = [
  {
    name: 'renamed_widened_dropped',
    states: [
      {
        table: {
          columns: [
            { name: 'id', type: 'int', doc: 'the number' },
            { name: 'price', type: 'decimal(6,2)' },
            { name: 'note', type: 'string' },
            { name: 'source', type: 'string' },
          ],
          partitionBy: [{ column: 'source', transform: 'identity' }],
          sortBy: ['id'],
        },
        objects: [
          {
            name: 'nameless',
            rows: numbers(0, 10, "i::INTEGER AS id, 1::DECIMAL(6,2) AS price, 'old' AS note"),
            ids: [],
            values: ['feed'],
          },
          {
            name: 'before',
            rows: numbers(10, 20, "i::INTEGER AS id, 2::DECIMAL(6,2) AS price, 'old' AS note"),
            ids: ['id', 'price', 'note'],
            values: [null],
          },
        ],
        questions: [{ sql: 'SELECT count(*), sum(price), count(note) FROM t', answer: [[20, '30.00', 20]] }],
      },
      {
        table: {
          columns: [
            { name: 'id', type: 'bigint', doc: 'the number of the post' },
            { name: 'amount', type: 'decimal(12,2)', was: ['price'] },
            { name: 'price', type: 'double' },
            { name: 'source', type: 'string' },
          ],
          partitionBy: [{ column: 'source', transform: 'identity' }],
          sortBy: ['id'],
          dropped: ['note'],
        },
        objects: [
          {
            name: 'now',
            rows: numbers(
              0,
              10,
              '1099511627776 + i AS id, 1000000::DECIMAL(12,2) AS amount, 0.5::DOUBLE AS price',
            ),
            ids: ['id', 'amount', 'price'],
            values: ['feed'],
          },
        ],
        questions: [
          {
            sql: 'SELECT count(*), count(DISTINCT id), sum(id)::BIGINT, sum(amount), count(price), sum(price) FROM t',
            answer: [[30, 30, 10995116277760 + 45 + 190, '10000030.00', 10, 5]],
          },
          {
            sql: 'SELECT count(*), sum(amount) FROM t',
            where: 'id < 10',
            answer: [[10, '10.00']],
            files: ['nameless'],
          },
          { sql: 'SELECT count(*) FROM t', where: 'amount = 2.00', answer: [[10]], files: ['before'] },
        ],
      },
    ],
  },
  {
    // Objects of Spark have no ids where a column is an array.
    name: 'arrays_renamed',
    states: [
      {
        table: {
          columns: [
            { name: 'id', type: 'bigint' },
            { name: 'tags', type: 'array<string>' },
          ],
          partitionBy: [],
        },
        objects: [
          { name: 'before', rows: numbers(0, 10, "i AS id, ['a', 'b'] AS tags"), ids: [], values: [] },
        ],
        questions: [{ sql: 'SELECT count(*), sum(len(tags))::BIGINT FROM t', answer: [[10, 20]] }],
      },
      {
        table: {
          columns: [
            { name: 'no', type: 'bigint', was: ['id'] },
            { name: 'labels', type: 'array<string>', was: ['tags'] },
          ],
          partitionBy: [],
        },
        objects: [{ name: 'after', rows: numbers(10, 20, "i AS no, ['c'] AS labels"), ids: [], values: [] }],
        questions: [
          {
            sql: 'SELECT count(*), count(DISTINCT no), sum(len(labels))::BIGINT, min(labels[1]), max(labels[1]) FROM t',
            answer: [[20, 20, 30, 'a', 'c']],
          },
          { sql: 'SELECT count(*) FROM t', where: 'no >= 10', answer: [[10]], files: ['after'] },
        ],
      },
    ],
  },
  {
    name: 'partitioned_anew',
    states: [
      {
        table: {
          columns: [
            { name: 'id', type: 'int' },
            { name: 'made', type: 'timestamp' },
            { name: 'name', type: 'string' },
            { name: 'month', type: 'string' },
          ],
          partitionBy: [{ column: 'month', transform: 'identity' }],
        },
        objects: [
          {
            name: 'by_month',
            rows: numbers(
              0,
              48,
              "i::INTEGER AS id, TIMESTAMPTZ '2025-10-06 00:00:00Z' + i * INTERVAL 1 HOUR AS made, 'abc' AS name",
            ),
            ids: ['id', 'made', 'name'],
            values: ['10'],
          },
        ],
        questions: [{ sql: 'SELECT count(*), sum(id)::BIGINT FROM t', answer: [[48, 1128]] }],
      },
      {
        table: {
          columns: [
            { name: 'id', type: 'bigint' },
            { name: 'made', type: 'timestamp' },
            { name: 'name', type: 'string' },
          ],
          partitionBy: [
            { column: 'made', transform: 'day' },
            { column: 'id', transform: 'bucket[4]' },
            { column: 'name', transform: 'truncate[2]' },
          ],
        },
        objects: [
          {
            name: 'by_day',
            rows: "SELECT 34::BIGINT AS id, TIMESTAMPTZ '2025-10-07 23:59:59Z' AS made, 'abd' AS name",
            ids: ['id', 'made', 'name'],
            values: ['2025-10-07', '3', 'ab'],
          },
          {
            name: 'by_no_day',
            rows: "SELECT 36::BIGINT AS id, NULL::TIMESTAMPTZ AS made, '' AS name",
            ids: ['id', 'made', 'name'],
            values: [null, '2', '~'],
          },
        ],
        questions: [
          { sql: 'SELECT count(*), sum(id)::BIGINT, count(made) FROM t', answer: [[50, 1198, 49]] },
          {
            sql: 'SELECT count(*), sum(id)::BIGINT FROM t',
            where: "made >= '2025-10-07T23:00:00+00:00'",
            answer: [[2, 81]],
            files: ['by_day', 'by_month'],
          },
          { sql: 'SELECT count(*) FROM t', where: 'id = 34', answer: [[2]], files: ['by_day', 'by_month'] },
          { sql: 'SELECT count(*) FROM t', where: "name = ''", answer: [[1]], files: ['by_no_day'] },
          { sql: 'SELECT count(*) FROM t', where: 'made IS NULL', answer: [[1]], files: ['by_no_day'] },
          {
            sql: 'SELECT month, count(*) FROM t GROUP BY 1 ORDER BY 2',
            answer: [
              [null, 2],
              ['10', 48],
            ],
          },
        ],
      },
      {
        table: {
          columns: [
            { name: 'no', type: 'bigint', was: ['id'] },
            { name: 'made', type: 'timestamp' },
            { name: 'name', type: 'string' },
          ],
          partitionBy: [
            { column: 'made', transform: 'hour' },
            { column: 'no', transform: 'bucket[4]' },
          ],
        },
        objects: [
          {
            name: 'by_hour',
            rows: "SELECT 37::BIGINT AS no, TIMESTAMPTZ '2025-10-08 05:30:00Z' AS made, 'x' AS name",
            ids: ['no', 'made', 'name'],
            values: ['2025-10-08-05', '2'],
          },
        ],
        questions: [
          { sql: 'SELECT count(*), sum(no)::BIGINT, count(DISTINCT no) FROM t', answer: [[51, 1235, 48]] },
          {
            sql: 'SELECT count(*) FROM t',
            where: "made >= '2025-10-08T05:00:00+00:00'",
            answer: [[1]],
            files: ['by_hour'],
          },
          { sql: 'SELECT count(*) FROM t', where: 'no = 37', answer: [[2]], files: ['by_hour', 'by_month'] },
        ],
      },
    ],
  },
];
