/**
 * DuckDB's SQL for change feeds: it puts the row of a change in the place of the record around it. The row is the one after the change or,
 * of a delete, what the feed says of the row before it. The fields of the change come first, see changeFields.
 */
import { changeFields } from '../contract/changes.ts';
import type { ChangeFeed } from '../contract/schema.ts';
import { literal } from './duckdbNames.ts';
import { hasOddNumber, marked, unmarked } from './duckdbNumbers.ts';
import { layer, type Step } from './steps.ts';

/** JSON below a document, as text with unchanged numbers; NULL for none. */
const below = (document: string, path: string): string =>
  `CASE WHEN ${hasOddNumber(document)} THEN ${unmarked(`TRY(json_extract(${marked(document)}, ${literal(path)}))::VARCHAR`)}
      ELSE TRY(json_extract(${document}, ${literal(path)}))::VARCHAR END`;

/** A text or a number of the envelope, as text. */
const text = (path: string): string => `json_extract_string(__envelope, ${literal(path)})`;

/** A whole number as a text of a fixed width: these are in the order of the numbers. */
const padded = (value: string, width = 20): string => `lpad(${value}, ${width}, '0')`;

interface Feed {
  /** The envelope, from the record. */
  readonly envelope: string;
  /** c, u, r (a row of a snapshot), d, or something else that the contract rejects; NULL if no row has changed. */
  readonly op: string;
  /** A text by which changes are in order; a row of a snapshot without a place in it comes first. */
  readonly sequence: string;
  readonly time: string;
  /** The row, by the operation `__op`. */
  readonly row: string;
}

const eitherRow = (gone: string, there: string): string =>
  `CASE WHEN __op = 'd' THEN ${below('__envelope', gone)} ELSE ${below('__envelope', there)} END`;

const feeds: Readonly<Record<ChangeFeed, Feed>> = {
  // https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-change-events-value
  debezium: {
    envelope: `CASE WHEN json_type(__doc, '$.payload') = 'OBJECT' THEN ${below('__doc', '$.payload')} ELSE __doc END`,
    // m is a message of the database's log without a row.
    op: `nullif(${text('$.op')}, 'm')`,
    sequence: `coalesce(
      ${padded(text('$.source.lsn'))},
      ${padded(text('$.source.scn'))} || '/' || coalesce(${padded(text('$.source.ssn'), 10)}, ''),
      ${text('$.source.commit_lsn')} || '/' || coalesce(${text('$.source.change_lsn')}, '') || '/' || coalesce(${padded(text('$.source.event_serial_no'), 10)}, ''),
      ${padded(`regexp_extract(${text('$.source.file')}, '[0-9]+$')`, 10)} || '/' || ${padded(text('$.source.pos'))} || '/' || ${padded(`coalesce(${text('$.source.row')}, '0')`, 10)},
      ${padded(text('$.source.ts_ms'))} || '/' || ${padded(text('$.source.ord'), 10)},
      CASE WHEN ${text('$.op')} <> 'r' THEN ${padded(`coalesce(${text('$.source.ts_ms')}, ${text('$.ts_ms')})`)} ELSE '' END)`,
    time: `coalesce(${text('$.source.ts_ms')}, ${text('$.ts_ms')})`,
    // MongoDB's connector writes the row as a text.
    row: `CASE WHEN __op <> 'd' AND json_type(__envelope, '$.after') = 'VARCHAR' THEN ${text('$.after')} ELSE ${eitherRow('$.before', '$.after')} END`,
  },
  // https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
  dms: {
    envelope: '__doc',
    op: `CASE coalesce(${text('$.Op')}, '') WHEN '' THEN 'r' WHEN 'I' THEN 'c' WHEN 'U' THEN 'u' WHEN 'D' THEN 'd' ELSE ${text('$.Op')} END`,
    sequence: `coalesce(${text('$.AR_H_CHANGE_SEQ')}, ${text('$.ar_h_change_seq')}, CASE WHEN coalesce(${text('$.Op')}, '') = '' THEN '' END)`,
    time: 'NULL',
    row: '__envelope',
  },
  // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html, and exports to S3
  dynamodb: {
    envelope: `CASE WHEN json_type(__doc, '$.dynamodb') = 'OBJECT' THEN ${below('__doc', '$.dynamodb')} ELSE __doc END`,
    op: `CASE json_extract_string(__doc, '$.eventName') WHEN 'INSERT' THEN 'c' WHEN 'MODIFY' THEN 'u' WHEN 'REMOVE' THEN 'd'
      ELSE CASE WHEN json_type(__envelope, '$.Item') = 'OBJECT' THEN 'r' WHEN json_type(__envelope, '$.NewImage') = 'OBJECT' THEN 'u' WHEN json_type(__envelope, '$.Keys') = 'OBJECT' THEN 'd' END END`,
    sequence: `coalesce(
      ${padded(text('$.SequenceNumber'), 40)},
      ${padded(text('$.Metadata.WriteTimestampMicros.N'), 40)},
      ${padded(text('$.ApproximateCreationDateTime'), 40)},
      CASE WHEN json_type(__envelope, '$.Item') = 'OBJECT' THEN '' END)`,
    time: `coalesce(${text('$.ApproximateCreationDateTime')}, ${text('$.Metadata.WriteTimestampMicros.N')})`,
    row: `CASE WHEN __op = 'r' THEN ${below('__envelope', '$.Item')} ELSE ${eitherRow('$.Keys', '$.NewImage')} END`,
  },
  // https://www.mongodb.com/docs/manual/reference/change-events/
  mongodb: {
    envelope: '__doc',
    op: `CASE ${text('$.operationType')} WHEN 'insert' THEN 'c' WHEN 'update' THEN 'u' WHEN 'replace' THEN 'u' WHEN 'delete' THEN 'd'
      WHEN 'drop' THEN 't' WHEN 'dropDatabase' THEN 't' END`,
    // Resume tokens are in the order of the changes.
    sequence: text('$._id._data'),
    time: text('$.wallTime."$date"'),
    row: eitherRow('$.documentKey', '$.fullDocument'),
  },
};

/** From the step `from`, which has the record as `__doc`, to the step `objects`, which has the row of the change there. */
export function changeSteps(change: ChangeFeed, from: string, isJson: boolean): Step[] {
  const { envelope, op, sequence, time, row } = feeds[change];
  const field = (name: string, value: string) =>
    `CASE WHEN ${value} IS NOT NULL THEN ${literal(`${JSON.stringify(name)}:`)} || to_json(${value})::VARCHAR END`;
  // A null is what Kafka keeps of a deleted key: no change of a row.
  const isNone = isJson
    ? `__doc IS NULL AND NOT coalesce(__is_valid AND trim(__text, ${literal(' \t\r\n')}) = 'null', false)`
    : '__doc IS NULL';
  return [
    layer('enveloped', [`${envelope} AS __envelope`], from),
    layer('ordered', [`${op} AS __op`, `${sequence} AS __sequence`, `${time} AS __time`], 'enveloped'),
    layer('changed', [`${row} AS __changed`], 'ordered'),
    [
      'objects',
      `SELECT * REPLACE (CASE WHEN NOT (${isNone}) THEN '{' || concat_ws(',',
      ${field(changeFields.op, '__op')},
      ${field(changeFields.sequence, '__sequence')},
      ${field(changeFields.time, '__time')},
      CASE WHEN json_type(TRY(__changed::JSON)) = 'OBJECT' THEN nullif(trim(substring(trim(__changed, ${literal(' \t\r\n')}), 2, length(trim(__changed, ${literal(' \t\r\n')})) - 2), ${literal(' \t\r\n')}), '') END) || '}' END AS __doc)
  FROM changed`,
    ],
  ];
}
