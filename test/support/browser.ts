/** A headless browser from npm, unpacked once into the cache. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import chromium from '@sparticuz/chromium';
import puppeteer, { type Browser } from 'puppeteer-core';
import { cacheFolder } from '../../offline/setup/environments.ts';

export async function launchBrowser(): Promise<Browser> {
  const folder = join(cacheFolder(), 'browser');
  mkdirSync(folder, { recursive: true });
  // The folder that the package unpacks to.
  process.env.TMPDIR = folder;
  const executablePath = await chromium.executablePath();
  return puppeteer.launch({
    executablePath,
    headless: 'shell',
    args: [
      ...chromium.args,
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
