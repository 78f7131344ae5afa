/**
 * Successful answers that say that a part was not done. It is always the second half of the request, or all of it if the request
 * has one part only.
 */
import type { Call } from './calls.ts';
import type { Answered, Asked, Pass } from './exchange.ts';

/** A call that is answered partially. */
type Partial = (asked: Asked, pass: Pass) => Promise<Answered>;

type Json = Readonly<Record<string, unknown>>;

/** How a call can be answered partially; undefined if the call succeeds or fails as a whole. */
export const partialOf = ({ service, operation }: Call): Partial | undefined =>
  partials[service]?.[operation];

const why = 'a fault was set';

const error200: Partial = async () =>
  xml(`<Error><Code>InternalError</Code><Message>${why}</Message></Error>`);

const partials: Readonly<Record<string, Readonly<Record<string, Partial>>>> = {
  // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: "the 200 OK response can contain an error"
  s3: {
    CopyObject: error200,
    UploadPartCopy: error200,
    CompleteMultipartUpload: error200,
    DeleteObjects: deleteSomeObjects,
    // A page may have fewer than were asked for.
    ListObjectsV2: withQuery('max-keys', '1'),
    ListObjectVersions: withQuery('max-keys', '1'),
    GetObject: async (asked, pass) => {
      const answered = await pass(asked);
      return { ...answered, isCut: answered.status < 300 && answered.body.length > 0 };
    },
  },
  dynamodb: {
    BatchGetItem: someItems('UnprocessedKeys'),
    BatchWriteItem: someItems('UnprocessedItems'),
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
    TransactWriteItems: cancelled,
    TransactGetItems: cancelled,
    PutItem: conflict,
    UpdateItem: conflict,
    DeleteItem: conflict,
    Query: withField('Limit', 1),
    Scan: withField('Limit', 1),
  },
  events: {
    PutEvents: async (asked, pass) => {
      const [done, failed] = halves(list(asked, 'Entries'));
      const answered = await passOn(asked, { Entries: done }, pass, { FailedEntryCount: 0, Entries: [] });
      const refused = failed.map(() => ({ ErrorCode: 'InternalFailure', ErrorMessage: why }));
      return changed(answered, ({ Entries, FailedEntryCount }) => ({
        FailedEntryCount: Number(FailedEntryCount) + failed.length,
        Entries: [...(Array.isArray(Entries) ? Entries : []), ...refused],
      }));
    },
  },
  glue: {
    BatchCreatePartition: somePartitions('PartitionInputList'),
    BatchDeletePartition: somePartitions('PartitionsToDelete'),
    BatchUpdatePartition: somePartitions('Entries'),
    BatchGetPartition: async (asked, pass) => {
      const [done, left] = halves(list(asked, 'PartitionsToGet'));
      const answered = await passOn(asked, { PartitionsToGet: done }, pass, { Partitions: [] });
      return changed(answered, (body) => ({ ...body, UnprocessedKeys: left }));
    },
    GetPartitions: withField('MaxResults', 1),
    GetTables: withField('MaxResults', 1),
  },
  sqs: {
    // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html: a 200 with `Failed`
    SendMessageBatch: async (asked, pass) => {
      const [done, failed] = halves(list(asked, 'Entries'));
      const answered = await passOn(asked, { Entries: done }, pass, { Successful: [] });
      const refused = failed.map((entry) => ({
        Id: object(entry).Id,
        SenderFault: false,
        Code: 'InternalError',
        Message: why,
      }));
      return changed(answered, (body) => ({ ...body, Failed: [...array(body.Failed), ...refused] }));
    },
  },
  athena: {
    // The first row of the first page is the header.
    GetQueryResults: withField('MaxResults', 1),
  },
};

async function deleteSomeObjects(asked: Asked, pass: Pass): Promise<Answered> {
  const text = asked.body.toString('utf8');
  const [done, failed] = halves([...text.matchAll(/<Object>(.*?)<\/Object>/gs)]);
  const errors = failed.map(
    ([, which]) => `<Error>${which}<Code>InternalError</Code><Message>${why}</Message></Error>`,
  );
  const whole = (inner: string) =>
    xml(`<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</DeleteResult>`);
  if (done.length === 0) return whole(errors.join(''));
  const rest = failed.reduce((left, [object]) => left.replace(object, () => ''), text);
  const answered = await pass(withBody(asked, rest));
  if (answered.status !== 200) return answered;
  const inner = /<DeleteResult[^>]*>(.*)<\/DeleteResult>/s.exec(answered.body.toString('utf8'))?.[1] ?? '';
  return whole(inner + errors.join(''));
}

/** Returns some of each table's keys or writes as unprocessed. A batch of which nothing can be done is throttled as a whole. */
function someItems(left: 'UnprocessedKeys' | 'UnprocessedItems'): Partial {
  return async (asked, pass) => {
    const tables = Object.entries(object(json(asked.body).RequestItems));
    const split = tables.map(([table, wanted]) => {
      const isGet = left === 'UnprocessedKeys';
      const [done, rest] = halves(isGet ? array(object(wanted).Keys) : array(wanted));
      const as = (items: readonly unknown[]) => (isGet ? { ...object(wanted), Keys: items } : items);
      return { table, done: done.length === 0 ? [] : [as(done)], rest: as(rest) };
    });
    const RequestItems = Object.fromEntries(split.flatMap(({ table, done }) => done.map((d) => [table, d])));
    if (Object.keys(RequestItems).length === 0)
      return refusal('ProvisionedThroughputExceededException', { message: why });
    const answered = await pass(withBody(asked, JSON.stringify({ ...json(asked.body), RequestItems })));
    const unprocessed = Object.fromEntries(split.map(({ table, rest }) => [table, rest]));
    return changed(answered, (body) => ({ ...body, [left]: unprocessed }));
  };
}

function somePartitions(field: string): Partial {
  return async (asked, pass) => {
    const [done, failed] = halves(list(asked, field));
    const answered = await passOn(asked, { [field]: done }, pass, { Errors: [] });
    const errors = failed.map((partition) => ({
      ...(field === 'Entries'
        ? { PartitionValueList: object(partition).PartitionValueList }
        : { PartitionValues: object(partition).Values }),
      ErrorDetail: { ErrorCode: 'InternalServiceException', ErrorMessage: why },
    }));
    return changed(answered, (body) => ({ ...body, Errors: [...array(body.Errors), ...errors] }));
  };
}

async function cancelled(asked: Asked): Promise<Answered> {
  const codes = list(asked, 'TransactItems').map((_, i) => (i === 0 ? 'TransactionConflict' : 'None'));
  return refusal('TransactionCanceledException', {
    Message: `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes.join(', ')}]`,
    CancellationReasons: codes.map((Code) =>
      Code === 'None' ? { Code } : { Code, Message: 'Transaction is ongoing for the item' },
    ),
  });
}

async function conflict(): Promise<Answered> {
  return refusal('TransactionConflictException', { message: 'Transaction is ongoing for the item' });
}

/** Makes a list's page as short as possible. */
function withField(field: string, value: unknown): Partial {
  return (asked, pass) => pass(withBody(asked, JSON.stringify({ ...json(asked.body), [field]: value })));
}

function withQuery(name: string, value: string): Partial {
  return (asked, pass) => {
    const url = new URL(asked.path, 'http://s3');
    url.searchParams.set(name, value);
    return pass({ ...asked, path: `${url.pathname}${url.search}` });
  };
}

/** Passes a request on with shorter lists. If they are empty, nothing is done and `none` is the answer. */
async function passOn(
  asked: Asked,
  lists: Readonly<Record<string, readonly unknown[]>>,
  pass: Pass,
  none: Json,
): Promise<Answered> {
  if (Object.values(lists).every((items) => items.length === 0)) return answer(200, none);
  return pass(withBody(asked, JSON.stringify({ ...json(asked.body), ...lists })));
}

/** An error of the service stays unchanged. */
function changed(answered: Answered, change: (body: Json) => Json): Answered {
  if (answered.status !== 200) return answered;
  // Checksums of the old answer no longer match.
  const { 'x-amz-crc32': _, ...headers } = answered.headers;
  return { ...answered, headers, body: Buffer.from(JSON.stringify(change(json(answered.body)))) };
}

/** Removes the checksums of the old body. */
function withBody(asked: Asked, body: string): Asked {
  const headers = Object.fromEntries(
    Object.entries(asked.headers).filter(([name]) => !/^content-md5$|checksum|content-sha256/.test(name)),
  );
  return { ...asked, headers, body: Buffer.from(body) };
}

function halves<T>(items: readonly T[]): [T[], T[]] {
  const middle = Math.floor(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}

const answer = (status: number, body: Json): Answered => ({
  status,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: Buffer.from(JSON.stringify(body)),
});

const refusal = (name: string, fields: Json): Answered => answer(400, { __type: name, ...fields });

const xml = (text: string): Answered => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`),
});

const json = (body: Buffer): Json => object(JSON.parse(body.toString('utf8') || '{}'));
const list = (asked: Asked, field: string): readonly unknown[] => array(json(asked.body)[field]);
const object = (value: unknown): Json =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
const array = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
