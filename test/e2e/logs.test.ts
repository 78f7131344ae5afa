/** Runs after the others, because more people may read logs than data: logs must not contain values. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import {
  type FilteredLogEvent,
  FilterLogEventsCommand,
  paginateDescribeLogGroups,
} from '@aws-sdk/client-cloudwatch-logs';
import { expect, test } from '@jest/globals';
import { ensureMinistack } from '../../offline/setup/environments.ts';
import { drop, post, stage } from '../support/stage.ts';

const marks = {
  text: 'mark-of-a-text-7f3a',
  name: 'mark-of-a-name-7f3a',
  refused: 'mark-of-a-refused-value-7f3a',
  broken: 'mark-of-a-broken-line-7f3a',
};

test('no log line of any function has a value of a row in it, be the row good, refused or broken', async () => {
  const id = 1_860_000_001;
  const [file] = await drop('social_media', {
    'social-media-feed/logs/marks.json': [
      post(id, {
        text: marks.text,
        user: { id: 4000001, screen_name: marks.name, location: null, followers: 1 },
      }),
      post(id, { text: marks.text }),
      post(id + 1, { timestamp: marks.refused }),
      post(id + 2, { retweets: marks.refused }),
      `{"text": "${marks.broken}"`,
      '',
    ].join('\n'),
  });
  expect(file?.record.counts).toEqual({ rowsRead: 5, published: 1, duplicates: 1, quarantined: 3 });
  // A held batch logs its reason.
  await drop('social_media', {
    'social-media-feed/logs/held.json': `${post(id + 3, { timestamp: '1900-01-01T00:00:00Z', text: marks.text })}\n`,
  });
  const lines = await logLines();
  // The logs exist, and belong to these batches.
  expect(lines.some((line) => line.includes(String(file?.record.batch)))).toBe(true);
  expect(lines.some((line) => line.includes('step failed') || line.includes('ExpectationFailed'))).toBe(true);
  // CloudWatch makes metrics of these, for the stage and for the dataset.
  const measured = lines.flatMap((line) => (line.includes('"_aws"') ? [JSON.parse(line) as object] : []));
  expect(measured).toContainEqual(
    expect.objectContaining({
      _aws: expect.objectContaining({
        CloudWatchMetrics: [
          expect.objectContaining({
            Namespace: 'Sluice',
            Dimensions: [
              ['service', 'stage'],
              ['service', 'stage', 'dataset'],
            ],
          }),
        ],
      }),
      stage: 'local',
      dataset: 'social_media',
      RowsRead: 5,
      RowsPublished: 1,
      RowsQuarantined: 3,
      RowsDuplicate: 1,
      QuarantineShare: 60,
      Lag: expect.any(Number),
      BatchDuration: expect.any(Number),
    }),
  );
  expect(measured).toContainEqual(expect.objectContaining({ BatchesHeld: 1 }));
  for (const mark of Object.values(marks)) expect(lines.filter((line) => line.includes(mark))).toEqual([]);
});

test('every log line stands with the invocation that wrote it, the last one too', async () => {
  const invocations = Map.groupBy(await logEvents(), (event) => String(event.logStreamName));
  const of = [...invocations.values()].flatMap((events) => {
    const lines = events.map((event) => event.message ?? '');
    const id = lines.map((line) => /^START RequestId: (\S+)/.exec(line)?.[1]).find(Boolean);
    return lines.flatMap((line) => {
      const own = /"function_request_id":"([^"]+)"/.exec(line)?.[1];
      return own === undefined ? [] : [{ line, id, own }];
    });
  });
  expect(of.length).toBeGreaterThan(10);
  expect(of.filter(({ id, own }) => id !== own)).toEqual([]);
  expect(of.filter(({ line }) => line.includes('step done')).length).toBeGreaterThan(5);
});

/** A worker whose log lines come 30 ms apart, as on a busy machine; the last one has no line end. */
const slowWorker = `
import queue, threading, time
import emulator
from ministack.core import lambda_runtime

emulator.end_logs_with_their_invocation()
worker = lambda_runtime.Worker.__new__(lambda_runtime.Worker)
worker.config = {"Runtime": "nodejs24.x"}
worker._stderr_queue = queue.Queue()

def write():
    for line in ["first", "second", "third" + emulator.END_OF_LOGS, "of the next one"]:
        time.sleep(0.03)
        worker._stderr_queue.put(line)

worker._stderr_thread = threading.Thread(target=write)
worker._stderr_thread.start()
print(worker._drain_stderr_bounded().split("\\n"))
worker._stderr_thread.join()
# Killed before it could end.
print(worker._drain_stderr_bounded().split("\\n"))
`;

test('log lines that come late still belong to their invocation, and end with a worker that is killed', async () => {
  const python = await ensureMinistack(() => {});
  const cwd = resolve(import.meta.dirname, '../../offline');
  const said = execFileSync(python, ['-c', slowWorker], {
    cwd,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  expect(said.toString().trim().split('\n')).toEqual(["['first', 'second', 'third']", "['of the next one']"]);
});

const logLines = async (): Promise<string[]> => (await logEvents()).map((event) => event.message ?? '');

async function logEvents(): Promise<FilteredLogEvent[]> {
  const lines: FilteredLogEvent[] = [];
  for await (const page of paginateDescribeLogGroups({ client: stage.logs }, {}))
    for (const { logGroupName } of page.logGroups ?? []) {
      let nextToken: string | undefined;
      do {
        const found = await stage.logs.send(new FilterLogEventsCommand({ logGroupName, nextToken }));
        lines.push(...(found.events ?? []));
        nextToken = found.nextToken;
      } while (nextToken !== undefined);
    }
  return lines;
}
