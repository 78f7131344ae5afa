/** Writes docs/cost.md: the cost of a batch, from counted requests and AWS's list prices. */
import { table } from '../scripts/markdownTable.ts';
import { priceOf, type Usage } from './flow.ts';
import { prices } from './prices.ts';

const dollars = (value: number): string => `$${value < 0.1 ? value.toPrecision(2) : value.toFixed(2)}`;

/**
 * The price of one more file in a batch that is gathered: a call of dispatch for 0.1 s, its reads and writes in the ledger, its
 * messages, and reading the file. Upper bounds of what the scenarios count for each file.
 */
const gatheredFile =
  prices.lambdaRequest +
  0.05 * prices.lambdaGigabyteSecond +
  8 * prices.dynamoWrite +
  14 * prices.dynamoRead +
  3 * prices.queueRequest +
  prices.s3Read;

/** The document, from the usage of the bench's scenarios. */
export function costReport(usage: readonly Usage[]): string {
  const parts: readonly (readonly [string, (u: Usage) => number])[] = [
    ['Step Functions, transitions', (u) => u.transitions * prices.stateTransition],
    [
      'Lambda, requests and GB-seconds',
      (u) => u.invocations * prices.lambdaRequest + u.gigabyteSeconds * prices.lambdaGigabyteSecond,
    ],
    ['S3, writes and lists', (u) => u.s3Writes * prices.s3Write],
    ['S3, reads', (u) => u.s3Reads * prices.s3Read],
    ['DynamoDB', (u) => u.dynamoWrites * prices.dynamoWrite + u.dynamoReads * prices.dynamoRead],
    ['Data Catalog', (u) => u.catalogRequests * prices.catalogRequest],
    [
      'Athena, at least 10 MB per query',
      (u) => (u.queries * prices.athenaMinimumBytes * prices.athenaTerabyte) / 1024 ** 4,
    ],
    ['in all', priceOf],
  ];
  const [one] = usage;
  const perMonth = (batches: number, gathered = 0) =>
    one ? dollars((batches * priceOf(one)) / one.batches + gathered * gatheredFile) : '';
  return `# Cost

To lower the cost, let files arrive together, and keep the number of partitions per batch small. \`npm run bench\` writes this page from counted requests ([performance.md](performance.md)) and
AWS's public prices in us-east-1 ([bench/prices.ts](../bench/prices.ts)), without free tiers. Lambda's time was measured on the machine of the bench. Storage and your own queries are not
included.

## A batch

${table(
  ['cents per scenario', ...usage.map((u) => u.name)],
  parts.map(([name, of]) => [name, ...usage.map((u) => (100 * of(u)).toFixed(4))]),
).join('\n')}

A thousand files that arrive together are one batch, and cost little more than one file. Files that arrive one by one cost one batch each, unless the contract gathers them (\`gather\`). Each partition of a batch costs two of S3's more
expensive requests: an upload to staging and a copy.

${table(
  ['a month of', 'batches', "costs, at the first column's price"],
  [
    ['a file per hour', '730', perMonth(730)],
    ['a file every 5 minutes', '8,760', perMonth(8760)],
    ['a file per minute', '43,800', perMonth(43_800)],
    ['a file per minute, with `gather: { minutes: 5 }`', '8,760', perMonth(8760, 4 * 8760)],
  ],
).join('\n')}

An idle stage costs its schedules: the sweep every 5 minutes (8,640 invocations per month, with some thirty DynamoDB reads each), the daily reconcile, the maintenance every 6 hours, fifteen alarms ($0.10 each per
month), the dashboard ($3), and storage.

## A crawl

Each JSON dataset has a crawler. It runs when a batch has a field that the Data Catalog does not have, if the contract can use the field: for a column, below \`flatten\`, or any field with
\`drift: passthrough\`. The first crawl of a dataset lists its folder. Later crawls read only the objects of their batch. If a crawl does not add a field, the field starts no other crawl for
a week. There are no scheduled crawls, and CSV files are never crawled.

A crawl costs ${dollars(prices.dpuHour)} per DPU-hour, for at least ten minutes: with AWS's usual 2 DPUs, ${dollars((2 * prices.dpuHour) / 6)}. It takes some minutes, and the batch
waits for it. A feed with constant fields needs one crawl. The first crawl of a full folder takes longer and costs more: drop a small file into a new dataset first, then the history.

## On Glue

A batch over \`embeddedLimitMb\` (64) runs on Spark: ${dollars(prices.dpuHour)} per DPU-hour, billed by the second, for at least a minute. Two workers of G.1X for one minute cost
${dollars((2 * prices.dpuHour) / 60)}, as much as hundreds of embedded batches. Therefore small batches do not run on Glue. The job scales down
from \`glueWorkers\` (\`--enable-auto-scaling\`) and stops after two hours. Glue does not retry it; the batch is tried again.

A batch that rewrites more than \`rewriteLimitMb\` (4096) of published objects has a second run of the job, after that of the transform or the embedded transform.

## Choices that lower the cost

${table(
  ['choice', 'why'],
  [
    [
      'Standard workflow, not Express',
      `a Glue run takes longer than the 5 minutes of an Express workflow. A Standard workflow keeps its history for the operator, and starts only once per name, which the lease relies on. With about 15 transitions, a batch costs ${dollars(15 * prices.stateTransition)}, and waiting is free`,
    ],
    ['one execution takes all pending files', 'the files of a batch share its price'],
    ['arm64', 'a GB-second costs a fifth less than on x86'],
    [
      "Athena's `scanLimitBytes` (100 GiB)",
      'a query that reads more is stopped; validation reads only the staged rows of one run',
    ],
    ['staging and query results expire after 14 days', 'they only help to investigate a batch'],
    ['raw files move to infrequent access after `rawInfrequentDays` (90)', 'only replays read them again'],
    [
      'logs are kept for `logDays` (30), old object versions for `oldVersionDays` (30)',
      'long enough to investigate a fault',
    ],
  ],
  () => false,
).join('\n')}
`;
}
