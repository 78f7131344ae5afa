/** docs/cost.md: what a batch costs, from what was counted, by AWS's list. */
import { table } from '../scripts/markdownTable.ts';
import { priceOf, type Usage } from './flow.ts';
import { prices } from './prices.ts';

const dollars = (value: number): string => `$${value < 0.1 ? value.toPrecision(2) : value.toFixed(2)}`;

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
      'Athena, 10 MB a query at least',
      (u) => (u.queries * prices.athenaMinimumBytes * prices.athenaTerabyte) / 1024 ** 4,
    ],
    ['in all', priceOf],
  ];
  const [one] = usage;
  const perMonth = (batches: number) => (one ? dollars((batches * priceOf(one)) / one.batches) : '');
  return `# Cost

Written by \`npm run bench\` from the requests that it counted ([performance.md](performance.md) has the counts) and AWS's public prices in us-east-1
([bench/prices.ts](../bench/prices.ts)), without free tiers. Lambda's time is that of the machine that measured. Storage, and what your queries read, comes on top.

## A batch

${table(
  ['cents a scenario', ...usage.map((u) => u.name)],
  parts.map(([name, of]) => [name, ...usage.map((u) => (100 * of(u)).toFixed(4))]),
).join('\n')}

A batch is what one execution takes at once: a thousand files that land together cost little more than one, and each partition that is touched
costs two of S3's dearer requests: an upload to staging and a copy. Many small files that trickle in cost a batch each.

| a month of             | batches | costs, at the first column's price |
| ---------------------- | ------: | ---------------------------------: |
| a file an hour         |     730 | ${perMonth(730).padStart(34)} |
| a file every 5 minutes |   8,760 | ${perMonth(8760).padStart(34)} |
| a file a minute        |  43,800 | ${perMonth(43_800).padStart(34)} |

With nothing to do a stage costs its schedules: the sweep every 5 minutes (8,640 invocations a month and some thirty DynamoDB reads each), the reconciliation
once a day, fourteen alarms ($0.10 each a month), the dashboard ($3), and what is stored.

## A crawl

JSON feeds have a crawler a dataset, which runs when a batch has a field that the contract can use (on the way to a column, below \`flatten\`, any with
\`drift: passthrough\`) and that the Data Catalog lacks. The first crawl of a dataset lists its folder; each later one reads the objects of the batch that
asked for it. A field that a crawl did not bring starts no other for a week. Nothing crawls on a schedule, and a CSV is never crawled.

A crawl costs ${dollars(prices.dpuHour)} a DPU-hour, for ten minutes at least: with the 2 DPUs that AWS reckons with, ${dollars((2 * prices.dpuHour) / 6)}. On AWS it takes some minutes, in which the batch
waits. A feed whose fields do not change costs one. A first crawl over a folder that is full already is billed for the time that it takes: drop a small file
into a new dataset first, then the history.

## On Glue

A batch over \`embeddedLimitMb\` (64) runs on Spark: ${dollars(prices.dpuHour)} a DPU-hour, a minute at least, billed by the second. Two workers of G.1X for one minute are
${dollars((2 * prices.dpuHour) / 60)}, which is what hundreds of embedded batches cost: that is why small batches never go there. The job scales itself down
(\`--enable-auto-scaling\`) from \`glueWorkers\`, stops after two hours, and is not retried by Glue, but as a batch.

## What keeps it low

${table(
  ['choice', 'why'],
  [
    [
      'Standard workflow, not Express',
      `a Glue run takes longer than the 5 minutes that an Express workflow may; a Standard one keeps its history for the operator and starts once for a name, which the lease relies on. At some 15 transitions a batch it is ${dollars(15 * prices.stateTransition)}, and a wait costs nothing while it waits`,
    ],
    ['one execution takes all files that wait', 'the price of a batch is shared by its files'],
    ['arm64', 'a fifth cheaper a GB-second than x86'],
    [
      "Athena's `scanLimitBytes` (100 GiB)",
      "a query that reads more is stopped; validation reads one run's staged rows alone",
    ],
    ['staging and query results expire after 14 days', 'they are only good for looking into a batch'],
    [
      'raw files move to infrequent access after `rawInfrequentDays` (90)',
      'they are read again by replays only',
    ],
    [
      'logs are kept for `logDays` (30), old object versions for `oldVersionDays` (30)',
      'as long as somebody looks into a fault',
    ],
  ],
  () => false,
).join('\n')}
`;
}
