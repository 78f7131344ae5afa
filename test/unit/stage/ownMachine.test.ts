import { expect, test } from '@jest/globals';
import { rejectsBrowser, rejectsOtherSites } from '../../../src/stage/ownMachine.ts';

test('the watch page may ask its server, a person may open it, and no other site may', () => {
  const host = '127.0.0.1:5000';
  for (const headers of [
    { host },
    { host, 'sec-fetch-site': 'same-origin', 'user-agent': 'Mozilla/5.0' },
    { host, 'sec-fetch-site': 'none' },
    { host, origin: 'http://127.0.0.1:5000', 'sec-fetch-site': 'same-origin' },
  ])
    expect(rejectsOtherSites(headers)).toBeUndefined();
  for (const headers of [
    {},
    { host: 'evil.example' },
    { host, 'sec-fetch-site': 'cross-site' },
    { host, 'sec-fetch-site': 'same-site' },
    { host, origin: 'http://127.0.0.1:3000' },
    { host, origin: 'null' },
  ])
    expect(rejectsOtherSites(headers)).toEqual(expect.any(String));
  expect(rejectsBrowser({ host, 'sec-fetch-site': 'same-origin' })).toEqual(expect.any(String));
});
