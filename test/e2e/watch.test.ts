/// <reference lib="dom" />
/** The watch page in a real browser, on the local stage. */
import { request } from 'node:http';
import { StartExecutionCommand } from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, HTTPRequest, Page } from 'puppeteer-core';
import type { Live } from '../../src/watch/model.ts';
import { startWatchServer, type WatchServer } from '../../src/watch/server.ts';
import { launchBrowser } from '../support/browser.ts';
import { untilSettled } from '../support/faults.ts';
import { drop, post, put, stage } from '../support/stage.ts';

declare global {
  interface Window {
    /** Messages of the live feed. */
    messages: string[];
  }
}

const dataset = 'social_media';
const id = 1_500_000_000 + (Date.now() % 100_000_000);
let server: WatchServer;
let browser: Browser;
let page: Page;
/** The execution of the first test. */
let execution = '';
const complaints: string[] = [];
const hosts = new Set<string>();

beforeAll(async () => {
  server = await startWatchServer(stage, 0);
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (asked) => hosts.add(new URL(asked.url()).hostname));
  await page.setViewport({ width: 1300, height: 900 });
}, 60_000);
afterAll(async () => {
  await browser.close();
  await server.close();
});

const text = (selector: string) => page.$eval(selector, (e) => e.textContent ?? '');
const untilText = (selector: string, part: string) =>
  page.waitForFunction(
    (s, p) => document.querySelector(s)?.textContent?.includes(p),
    { timeout: 15_000 },
    selector,
    part,
  );
/** Opens a part of the page as a link does. */
const go = (hash: string) => page.goto(`${server.address}${hash}`);

test('a new execution is shown with the first message that tells of it, without a reload', async () => {
  await page.evaluateOnNewDocument(() => {
    window.EventSource = class extends EventSource {
      constructor(url: string | URL) {
        super(url);
        this.addEventListener('message', ({ data }) => window.messages.push(data));
      }
    };
    window.messages = [];
  });
  await drop(dataset, { [`social-media-feed/watch-${id}.json`]: post(id) });
  await go('#/executions');
  await page.waitForSelector('.node.done');
  const before = await text('h2');
  const seen = page.evaluate(
    (old) =>
      new Promise<{ name: string; messages: string[] }>((done) => {
        const look = () => {
          const name = document.querySelector('h2')?.textContent ?? old;
          if (name === old) return;
          done({ name: name.trim(), messages: window.messages });
        };
        new MutationObserver(look).observe(document.body, {
          childList: true,
          subtree: true,
          attributes: true,
        });
      }),
    before,
  );
  const key = `social-media-feed/watch-${id}-next.json`;
  await put(key, `${post(id + 1)}\n${post(id + 1)}\n${post(id + 2, { retweets: 'many' })}\n{"id":`);
  const { name, messages } = await seen;
  execution = name;
  const told = messages
    .map((message) => (JSON.parse(message) as Live).execution)
    .filter((shown) => shown?.name === name);
  expect(told.length).toBe(1);
  await page.waitForSelector('.node.running, .node.done');
  await untilSettled(dataset, [key]);
  await untilText('.badge', 'published');
  expect(await text('.accounting figcaption')).toMatch(
    /4 rows read → *1 published, *2 quarantined, *1 duplicates/,
  );
  expect(await text('.batch details summary')).toMatch(/^\d+ expectations passed$/);
}, 60_000);

test('by keyboard: a state shows its output, input and logs', async () => {
  await page.$eval('.node[aria-label^="Publish"]', (node) => (node as SVGGElement).focus());
  await page.keyboard.press('Enter');
  await untilText('.state pre', '"objects": 1');
  const choose = async (tab: string) => {
    const tabs = await page.$$('.state [role="tab"]');
    for (const handle of tabs)
      if ((await handle.evaluate((e) => e.textContent)) === tab) {
        await handle.focus();
        await page.keyboard.press('Enter');
      }
  };
  await choose('Input');
  await untilText('.state pre', '"status": "passed"');
  await choose('Logs');
  await untilText('.state pre', 'step done');
  await choose('Error');
  await untilText('.state .hint', 'No error.');
  // The up and down keys move through the executions.
  await page.focus('.list a[aria-current]');
  const shown = await text('h2');
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction((old) => document.querySelector('h2')?.textContent !== old, {}, shown);
}, 60_000);

test('log lines that come seconds later are shown while the tab is open', async () => {
  let asked = 0;
  await page.setRequestInterception(true);
  const late = (request: HTTPRequest) => {
    if (request.isInterceptResolutionHandled()) return;
    const isLogs = new URL(request.url()).pathname === '/api/logs';
    // CloudWatch has no logs yet.
    if (isLogs && asked++ === 0) void request.respond({ contentType: 'application/json', body: '[]' });
    else void request.continue();
  };
  page.on('request', late);
  try {
    await go(`#/executions/${execution}`);
    await untilText('h2', execution);
    await page.waitForSelector('.node[aria-label^="Publish"]');
    await page.$eval('.node[aria-label^="Publish"]', (node) => (node as SVGGElement).focus());
    await page.keyboard.press('Enter');
    for (const handle of await page.$$('.state [role="tab"]'))
      if ((await handle.evaluate((e) => e.textContent)) === 'Logs') await handle.click();
    await untilText('.state .hint', 'No logs.');
    await untilText('.state pre', 'step done');
  } finally {
    page.off('request', late);
    await page.setRequestInterception(false);
  }
}, 60_000);

test('quarantined rows are shown by reason, with samples', async () => {
  await go(`#/executions/${execution}`);
  await untilText('h2', execution);
  await untilText('.batch details:last-of-type', 'Quarantine');
  await page.click('.batch details:last-of-type summary');
  await untilText('.batch details:last-of-type', 'bad_type');
  await untilText('.batch details:last-of-type tbody', 'invalid_json');
  expect(await text('.batch details:last-of-type tbody')).toContain('many');
  expect(await page.$eval('.chart', (e) => e.getAttribute('aria-label'))).toContain('bad_type 1');
}, 60_000);

test("a batch's report is a click away, and is a page that runs nothing", async () => {
  const href = await page.$eval('.batch .facts a', (a) => a.getAttribute('href') ?? '');
  const report = await browser.newPage();
  try {
    await report.setViewport({ width: 390, height: 844 });
    const answer = await report.goto(new URL(href, server.address).href);
    expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'");
    expect(await report.$eval('h1', (e) => e.textContent)).toMatch(/^social_media/);
    expect(await report.$eval('main', (e) => e.textContent)).toMatch(
      /4 rows read: 1 published, 2 quarantined/,
    );
    expect(await report.$$eval('article h3', (all) => all.length)).toBeGreaterThan(10);
    const overflow = await report.evaluate(
      () => (document.scrollingElement?.scrollWidth ?? 0) - document.documentElement.clientWidth,
    );
    expect(overflow).toBeLessThanOrEqual(0);
  } finally {
    await report.close();
  }
}, 60_000);

test('a table shows its partitions, as many rows as Athena counts', async () => {
  await go(`#/tables/${dataset}`);
  await page.waitForSelector('.chart svg');
  await untilText('tbody', 'data_source=social_media/year=2025/month=11/day=01');
  expect(await text('.facts')).toMatch(/\d+ partitions? · [\d,]+ rows/);
  const bars = () => page.$$eval('.chart rect', (all) => all.length);
  expect(await bars()).toBeGreaterThan(0);
  await go('#/executions');
}, 60_000);

test('an execution that fails says why', async () => {
  // It is started with a lease that nobody has.
  await stage.sfn.send(
    new StartExecutionCommand({
      stateMachineArn: stage.config.stateMachineArn,
      name: `${dataset}-${id}`,
      input: JSON.stringify({ dataset, fence: 1_000_000 }),
    }),
  );
  await go(`#/executions/${dataset}-${id}`);
  await page.waitForSelector('.node.failed');
  await untilText('.failure', 'LeaseLost');
  expect(await page.$('.edge.catch.taken')).not.toBeNull();
}, 60_000);

test('at phone width nothing is cut off, in light and in dark', async () => {
  await page.setViewport({ width: 390, height: 844 });
  const background = async (scheme: string) => {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    return page.$eval('body', (e) => getComputedStyle(e).backgroundColor);
  };
  for (const hash of ['#/executions', `#/tables/${dataset}`]) {
    await go(hash);
    await page.waitForSelector(hash.includes('tables') ? 'tbody' : '.node.done');
    const overflow = await page.evaluate(
      () => (document.scrollingElement?.scrollWidth ?? 0) - document.documentElement.clientWidth,
    );
    expect(overflow).toBeLessThanOrEqual(0);
  }
  expect(await background('dark')).not.toBe(await background('light'));
}, 60_000);

test('the page is for this machine: no asset from outside, no foreign name, and nothing is changed', async () => {
  expect([...hosts]).toEqual(['127.0.0.1']);
  expect(complaints).toEqual([]);
  const { port } = new URL(server.address);
  const status = (options: object) =>
    new Promise<number | undefined>((done, fail) => {
      request({ host: '127.0.0.1', port, path: '/', ...options }, (response) => {
        response.resume();
        done(response.statusCode);
      })
        .on('error', fail)
        .end();
    });
  expect(await status({ headers: { host: 'evil.example' } })).toBe(403);
  expect(await status({ method: 'POST' })).toBe(405);
  expect(await status({ path: '/api/visit?arn=x&index=0' })).toBe(400);
  expect(await status({ path: '/etc/passwd' })).toBe(404);
  expect(await status({})).toBe(200);
});
