/** Recognizes change feeds by their records, and takes the rows out of these. */
import type { ChangeFeed } from '../contract/schema.ts';
import { isJsonObject } from '../json.ts';
import { Fraction, valueOfField } from './column.ts';
import type { Question, Sample } from './source.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The row of a change, and the names of its key as far as the feed tells them; null for another record. */
interface Change {
  readonly row: Fields;
  readonly key?: Fields | undefined;
}

const fieldsOf = (value: unknown): Fields | null =>
  isJsonObject(value) && !(value instanceof Fraction) ? { ...value } : null;

const feeds: readonly (readonly [ChangeFeed, (record: Fields) => Change | null])[] = [
  [
    'debezium',
    (record) => {
      const { op, source, before, after } = fieldsOf(record.payload) ?? record;
      const row = fieldsOf(after) ?? fieldsOf(before);
      return /^[curd]$/.test(String(op)) && fieldsOf(source) && row ? { row } : null;
    },
  ],
  [
    'dynamodb',
    (record) => {
      const { Keys, NewImage, Item, SequenceNumber, Metadata } = fieldsOf(record.dynamodb) ?? record;
      const key = fieldsOf(Keys) ?? undefined;
      const image = fieldsOf(NewImage) ?? fieldsOf(Item) ?? key;
      const isChange = key !== undefined && (SequenceNumber !== undefined || fieldsOf(Metadata) !== null);
      return isChange && image ? { row: numbered(image), key } : null;
    },
  ],
  [
    'mongodb',
    ({ _id, operationType, documentKey, fullDocument }) => {
      const key = fieldsOf(documentKey);
      const isChange = typeof operationType === 'string' && fieldsOf(_id)?._data !== undefined;
      return isChange && key ? { row: fieldsOf(fullDocument) ?? key, key } : null;
    },
  ],
  [
    'dms',
    ({ Op, AR_H_CHANGE_SEQ: place, ...row }) =>
      (Op === null || /^[IUD]?$/.test(String(Op))) && place !== undefined ? { row } : null,
  ],
];

/** DynamoDB's numbers are texts. */
const numbered = (image: Fields): Fields =>
  Object.fromEntries(
    Object.entries(image).map(([name, value]) => {
      const number = fieldsOf(value)?.N;
      return [name, typeof number === 'string' ? { N: valueOfField(number) } : value];
    }),
  );

/** If the records of a sample are changes of rows: whether these rows are meant, or the records. Null for other records. */
export function questionOfChanges(sample: Sample): Question | null {
  const records = sample.records.map(fieldsOf).filter((record) => record !== null);
  if (records.length === 0 || sample.source.formats?.some((format) => !readable.includes(format)))
    return null;
  for (const [feed, changeOf] of feeds) {
    const changes = records.flatMap((record) => changeOf(record) ?? []);
    if (changes.length < records.length) continue;
    const rows: readonly Fields[] = changes.map(({ row }) => row);
    const [first] = changes;
    const key = Object.keys(first?.key ?? { id: null });
    // A dataset of changes has a key. If it is not known, a person has to name it.
    if (!key.every((name) => rows.every((row) => row[name] !== undefined && row[name] !== null))) return null;
    const changed: Sample = {
      ...sample,
      source: { ...sample.source, change: feed },
      records: rows,
      key,
      notes: [
        ...sample.notes,
        `The records are changes of rows, as ${feed} writes them: the table has the rows as they are now, by the key ${key.join(', ')}.`,
      ],
    };
    const options = [
      { name: 'rows', sample: changed },
      { name: 'changes', sample },
    ];
    const text = `does the table have the rows that the changes of ${feed} make, or each change as a row (rows, changes)`;
    return { text, options };
  }
  return null;
}

const readable: readonly string[] = ['ndjson', 'json_array', 'json_concatenated', 'csv', 'parquet', 'avro'];
