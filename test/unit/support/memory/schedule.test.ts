import { PutObjectCommand } from '@aws-sdk/client-s3';
import { GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createStore } from '../../../../src/lib/aws/store.ts';
import {
  createMemoryAws,
  everyFault,
  faultAt,
  faultsByCall,
  interleave,
  type MemoryActor,
  someChoices,
  someFaults,
} from '../../../support/memory/index.ts';

const item = { TableName: 'ledger', Key: { pk: 'd', sk: 'n' } };

/** Reads and adds one; if `isSafe`, on the condition that nobody wrote in between. */
const addOne = (isSafe: boolean) => async (actor: MemoryActor) => {
  const { Item } = await actor.documents.send(new GetCommand({ ...item, ConsistentRead: true }));
  const n: unknown = Item?.n;
  await actor.documents.send(
    new UpdateCommand({
      ...item,
      UpdateExpression: 'SET n = :n',
      ...(isSafe ? { ConditionExpression: n === undefined ? 'attribute_not_exists(n)' : 'n = :old' } : {}),
      ExpressionAttributeValues: {
        ':n': Number(n ?? 0) + 1,
        ...(isSafe && n !== undefined ? { ':old': n } : {}),
      },
    }),
  );
};

describe('an interleaving', () => {
  test('is what the choices say: 0 goes on with the actor of the last call', async () => {
    const traceOf = async (choices: number[]) => {
      const aws = createMemoryAws();
      return (await interleave(aws, choices, { a: addOne(false), b: addOne(false) })).trace.map((t) => t[0]);
    };
    expect((await traceOf([])).join('')).toBe('aabb');
    expect((await traceOf([1])).join('')).toBe('bbaa');
    expect((await traceOf([0, 1])).join('')).toBe('abba');
    expect((await traceOf([0, 1, 1, 0])).join('')).toBe('abab');
    expect((await traceOf([4, 5, 7, 9])).join('')).toBe('abab');
  });

  test('finds a lost update, and shrinks to it; the safe way loses none', async () => {
    const run = async (choices: number[], isSafe: boolean) => {
      const aws = createMemoryAws();
      const { outcomes } = await interleave(aws, choices, { a: addOne(isSafe), b: addOne(isSafe) });
      const done = Object.values(outcomes).filter((o) => o.status === 'done').length;
      return aws.dynamo.items('ledger')[0]?.n === done;
    };
    const choices = fc.array(fc.nat(3), { maxLength: 8 });
    const safe = await fc.check(
      fc.asyncProperty(choices, (c) => run(c, true)),
      { numRuns: 500, seed: 1 },
    );
    expect(safe.failed).toBe(false);
    const unsafe = await fc.check(
      fc.asyncProperty(choices, (c) => run(c, false)),
      { numRuns: 500, seed: 1 },
    );
    expect(unsafe.counterexample).toEqual([[0, 1]]);
  });

  test('goes call by call through what an actor does at once', async () => {
    const aws = createMemoryAws();
    const put = (actor: MemoryActor, key: string) =>
      actor.s3.send(new PutObjectCommand({ Bucket: 'work', Key: key, Body: '' }));
    const { trace } = await interleave(aws, [0, 2], {
      a: (actor) => Promise.all(['1', '2'].map((key) => put(actor, key))),
      b: (actor) => put(actor, '3'),
    });
    expect(trace).toEqual(['a s3.PutObject', 'a s3.PutObject', 'b s3.PutObject']);
  });

  test('takes stalled effects and sleepers for choices, too', async () => {
    const aws = createMemoryAws();
    aws.plan = faultAt({ mode: 'stall', caller: 'waits' }, { actor: 'a' });
    const started = aws.clock.now();
    const { trace, outcomes } = await interleave(aws, [0, 0, 0, 0, 0], {
      a: addOne(false),
      b: async (actor) => {
        await aws.clock.sleep(5000);
        await addOne(false)(actor);
        return aws.clock.now() - started;
      },
    });
    expect(trace).toEqual([
      'a dynamodb.GetItem',
      'late a dynamodb.GetItem',
      'a dynamodb.UpdateItem',
      'time passes',
      'b dynamodb.GetItem',
      'b dynamodb.UpdateItem',
    ]);
    expect(outcomes.b).toEqual({ status: 'done', value: 5002 });
  });

  test('ends when the living have ended: the dead hang', async () => {
    const aws = createMemoryAws();
    aws.plan = faultAt({ mode: 'hang' }, { actor: 'a' });
    const { outcomes } = await interleave(aws, [], {
      a: addOne(false),
      b: async () => {
        throw new Error('b');
      },
      c: async () => 'c',
    });
    expect(outcomes.a).toEqual({ status: 'hung' });
    expect(outcomes.b).toMatchObject({ status: 'failed', error: new Error('b') });
    expect(outcomes.c).toEqual({ status: 'done', value: 'c' });
    // Everything continues without a scheduler.
    await addOne(false)(aws.actor('d'));
  });

  test('tells what an actor still had under way when its program had ended', async () => {
    const aws = createMemoryAws();
    const put = (actor: MemoryActor, key: string) =>
      actor.s3.send(new PutObjectCommand({ Bucket: 'work', Key: key, Body: '' }));
    const { leftovers, outcomes } = await interleave(aws, [2], {
      a: async (actor) => {
        put(actor, 'nobody waits');
        await put(actor, 'waits');
        put(actor, 'nobody waits either');
      },
      b: async (actor) => put(actor, 'b'),
    });
    expect(outcomes.a.status).toBe('done');
    expect(leftovers.map((l) => l.what)).toEqual(['a s3.PutObject']);
    for (const { go } of leftovers) go();
    await new Promise((done) => setImmediate(done));
    expect(aws.s3.keys('work')).toEqual(['b', 'nobody waits', 'nobody waits either', 'waits']);
    expect((await interleave(aws, [], { a: addOne(false) })).leftovers).toEqual([]);
  });

  test('waits for streams', async () => {
    const aws = createMemoryAws();
    aws.s3.seed('work', 'k', 'abcdef');
    const { outcomes } = await interleave(aws, [1, 1, 1], {
      a: async (actor) => {
        const { head } = await createStore(actor.s3).head({ bucket: 'work', key: 'k' }, 3);
        await addOne(false)(actor);
        return Buffer.from(head).toString();
      },
      b: addOne(false),
    });
    expect(outcomes.a).toEqual({ status: 'done', value: 'abc' });
    expect(outcomes.b.status).toBe('done');
  });
});

describe('a property', () => {
  /** A retry of the flow: repeats until it succeeds or somebody else has done it. */
  const insist = (step: (actor: MemoryActor) => Promise<void>) => async (actor: MemoryActor) => {
    for (let i = 0; i < 5; i++)
      try {
        await step(actor);
        return;
      } catch {
        // Tried again.
      }
    throw new Error('five tries');
  };
  /** Creates an item once, whoever does it and however often. */
  const claim = insist(async (actor) => {
    const { Item } = await actor.documents.send(new GetCommand({ ...item, ConsistentRead: true }));
    if (Item !== undefined) return;
    await actor.documents.send(
      new UpdateCommand({
        ...item,
        UpdateExpression: 'SET holder = :me ADD n :one',
        ConditionExpression: 'attribute_not_exists(pk)',
        ExpressionAttributeValues: { ':me': actor.name, ':one': 1 },
      }),
    );
  });

  test('holds under each fault at each call', async () => {
    const calm = createMemoryAws();
    await claim(calm.actor('a'));
    const calls = calm.actor('a').calls();
    expect(calls).toBe(2);
    for (let n = 1; n <= calls; n++)
      for (const fault of everyFault) {
        const aws = createMemoryAws();
        aws.plan = faultsByCall([{ actor: 'a', n, fault }]);
        await interleave(aws, [], { a: claim });
        await claim(aws.actor('b'));
        aws.runStalled();
        expect(aws.hits).toHaveLength(1);
        expect(aws.dynamo.items('ledger')).toMatchObject([{ n: 1 }]);
      }
  });

  test('holds under faults and interleavings that fast-check makes up, the same each time', async () => {
    const run = async (seed: number) => {
      const seen: string[] = [];
      await fc.assert(
        fc.asyncProperty(someFaults(['a', 'b'], 4), someChoices(12), async (faults, choices) => {
          const aws = createMemoryAws({ maxAttempts: 2 });
          aws.plan = faultsByCall(faults);
          const { trace } = await interleave(aws, choices, { a: claim, b: claim });
          seen.push(trace.join(', '));
          await claim(aws.actor('c'));
          aws.runStalled();
          expect(aws.dynamo.items('ledger')).toMatchObject([{ n: 1 }]);
        }),
        { numRuns: 2000, seed },
      );
      return seen;
    };
    const first = await run(7);
    expect(await run(7)).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(50);
  });
});
