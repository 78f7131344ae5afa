import { expect, test } from '@jest/globals';
import Credentials from '../../../../infra/plugins/credentials.ts';

class FrameworkError extends Error {}
const noCredentials = Object.assign(new Error('Could not load credentials'), { tryNextLink: false });

/** What the hook before packaging does for a command. */
const beforePackaging = (command: string, getAccountInfo: () => Promise<unknown>) =>
  new Credentials({
    processedInput: { commands: [command] },
    classes: { Error: FrameworkError },
    getProvider: () => ({ getAccountInfo }),
  }).hooks['before:package:initialize']?.();

test('a deployment without credentials says so before it packages', async () => {
  const refused = beforePackaging('deploy', () => Promise.reject(noCredentials));
  await expect(refused).rejects.toBeInstanceOf(FrameworkError);
  await expect(refused).rejects.toThrow(/^AWS cannot be asked: Could not load credentials\n.*AWS_PROFILE/);
});

test('what the framework itself says of credentials has no stack', async () => {
  await expect(
    beforePackaging('deploy', () => Promise.reject(new FrameworkError('credentials not found'))),
  ).rejects.toThrow(/^credentials not found\n/);
});

test('packaging alone asks nobody', async () => {
  let asked = 0;
  await beforePackaging('package', async () => asked++);
  expect(asked).toBe(0);
  await beforePackaging('deploy', async () => asked++);
  expect(asked).toBe(1);
});
